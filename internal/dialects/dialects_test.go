package dialects

import (
	"fmt"
	"strings"

	"github.com/coder/websocket"
)

// A dialect is the bytes that a client sends, and a model of its parser.
type dialect struct {
	name        string
	tcp         bool     // over TCP instead of WebSocket
	below       string   // path after the endpoint's
	sockJS      bool     // messages are wrapped in SockJS frames
	offers      []string // its subprotocols, in order
	subprotocol string   // the one that the broker must choose
	opening     string   // CONNECT or STOMP
	connect     func() []string
	version     string // the negotiated version
	// write encodes a frame as WebSocket messages, or as bytes on a stream.
	write func(command string, headers []string, body string) []message
	// beat is its heart-beat; nil: a WebSocket ping.
	beat *message
	id   func(destination string) string
	// subscription returns the headers of SUBSCRIBE. ack is the client's
	// acknowledgement mode, empty if it supports only auto.
	subscription func(id, destination string) []string
	ack          string
	answer       func(m frame) []string // headers of ACK and NACK
	disconnect   []string
	receipt      string // receipt of DISCONNECT
	escapes      bool   // it escapes and unescapes header values
	read         model
}

// dialects are the defaults of the clients, according to their sources.
var dialects = []dialect{
	{
		// Its topic() writes ack:auto before the application's headers, so
		// other modes have no effect.
		name: "StompProtocolAndroid", opening: "CONNECT", version: "1.2", read: android,
		connect: headers("accept-version:1.1,1.2", "heart-beat:0,0"),
		write:   onePiece(""), beat: beatOf("\r\n"), id: uuid,
		subscription: func(id, d string) []string { return []string{"id:" + id, "destination:" + d, "ack:auto"} },
	},
	{
		// Applications made for Spring's withSockJS use this URL.
		name: "StompProtocolAndroid, below the path", below: "/websocket", opening: "CONNECT", version: "1.2", read: android,
		connect: headers("accept-version:1.1,1.2", "heart-beat:0,0"),
		write:   onePiece(""), beat: beatOf("\r\n"), id: uuid,
		subscription: func(id, d string) []string { return []string{"id:" + id, "destination:" + d, "ack:auto"} },
	},
	{
		name: "StompClientLib", opening: "CONNECT", version: "1.2", read: swiftLib,
		connect: headers("accept-version:1.1,1.2"),
		write:   onePiece("content-length"), beat: beatOf("\n"), id: itself,
		subscription: func(id, d string) []string { return []string{"destination:" + d, "id:" + id} }, ack: "ack:client-individual",
		answer: byMessageID("id"), disconnect: []string{"DISCONNECT:1763640000"},
	},
	{
		name: "SwiftStomp", opening: "CONNECT", version: "1.2", read: swiftStomp,
		connect: headers("accept-version:1.1,1.2"),
		write:   onePiece(""), id: itself,
		subscription: func(id, d string) []string { return []string{"id:" + id, "destination:" + d} }, ack: "ack:client-individual",
		answer: byMessageID("id"), disconnect: []string{"receipt:disconnect/safe"}, receipt: "disconnect/safe",
	},
	{
		name: "krossbow", offers: []string{"v12.stomp", "v11.stomp", "v10.stomp"}, subprotocol: "v12.stomp",
		opening: "CONNECT", version: "1.2", read: krossbow, escapes: true,
		connect: headers("accept-version:1.2,1.1,1.0", "host:127.0.0.1", "heart-beat:0,0"),
		write:   onePiece("content-length"), beat: beatOf("\n"), id: uuid,
		subscription: func(id, d string) []string { return []string{"id:" + id, "destination:" + d} }, ack: "ack:client-individual",
		answer: byAck("id"), disconnect: []string{"receipt:7d4b"}, receipt: "7d4b",
	},
	{
		name: "krossbow with STOMP, and 1.1", offers: []string{"v11.stomp"}, subprotocol: "v11.stomp",
		opening: "STOMP", version: "1.1", read: krossbow, escapes: true,
		connect: headers("accept-version:1.1", "host:127.0.0.1", "heart-beat:0,0"),
		write:   onePiece("content-length"), beat: beatOf("\n"), id: uuid,
		subscription: func(id, d string) []string { return []string{"id:" + id, "destination:" + d} }, ack: "ack:client",
		answer: func(m frame) []string {
			return []string{"message-id:" + m.headers["message-id"], "subscription:" + m.headers["subscription"]}
		},
		disconnect: []string{"receipt:7d4b"}, receipt: "7d4b",
	},
	{
		name: "stomp_dart_client", opening: "CONNECT", version: "1.2", read: dart, escapes: true,
		connect: headers("accept-version:1.0,1.1,1.2", "heart-beat:5000,5000"),
		write:   onePiece("content-length"), beat: beatOf("\n"), id: numbered,
		subscription: func(id, d string) []string { return []string{"destination:" + d, "id:" + id} }, ack: "ack:client-individual",
		answer: byAck("id"), disconnect: []string{"receipt:disconnect-0"}, receipt: "disconnect-0",
	},
	{
		// It invents a session and does not request /info.
		name: "stomp_dart_client with SockJS", below: "/042/abcdefghijklmnop/websocket", sockJS: true,
		opening: "CONNECT", version: "1.2", read: dart, escapes: true,
		connect: headers("accept-version:1.0,1.1,1.2", "heart-beat:5000,5000"),
		write:   onePiece("content-length"), beat: beatOf("\n"), id: numbered,
		subscription: func(id, d string) []string { return []string{"destination:" + d, "id:" + id} }, ack: "ack:client-individual",
		answer: byAck("id"), disconnect: []string{"receipt:disconnect-0"}, receipt: "disconnect-0",
	},
	{
		// It offers an unknown subprotocol, and accepts that none is chosen.
		name: "Netina.Stomp.Client", offers: []string{"stomp"}, opening: "CONNECT", version: "1.2", read: netina,
		connect: headers("accept-version:1.0,1.1,1.2", "heart-beat:0,1000"),
		write:   onePiece(""), id: numbered,
		subscription: func(id, d string) []string { return []string{"destination:" + d, "id:" + id} }, ack: "ack:client-individual",
		answer: byAck("id"),
	},
	{
		name: "stomp.py on TCP", tcp: true, opening: "STOMP", version: "1.2", read: krossbow, escapes: true,
		connect: headers("accept-version:1.2", "host:127.0.0.1", "heart-beat:0,0"),
		write:   onePiece("content-length"), beat: beatOf("\n"), id: numbered,
		subscription: func(id, d string) []string { return []string{"destination:" + d, "id:" + id} }, ack: "ack:client-individual",
		answer: byAck("id"), disconnect: []string{"receipt:6f0e"}, receipt: "6f0e",
	},
	{
		name: "stomp.py on WebSocket", opening: "STOMP", version: "1.2", read: krossbow, escapes: true,
		connect: headers("accept-version:1.2", "host:127.0.0.1", "heart-beat:0,0"),
		write:   onePiece("content-length"), beat: beatOf("\n"), id: numbered,
		subscription: func(id, d string) []string { return []string{"destination:" + d, "id:" + id} }, ack: "ack:client-individual",
		answer: byAck("id"), disconnect: []string{"receipt:6f0e"}, receipt: "6f0e",
	},
	{
		name: "webstomp-client", offers: []string{"v10.stomp", "v11.stomp", "v12.stomp"}, subprotocol: "v12.stomp",
		opening: "CONNECT", version: "1.2", read: webstomp,
		connect: headers("accept-version:1.2", "heart-beat:10000,10000"),
		write:   split(onePiece("content-length"), 16<<10), beat: beatOf("\n"), id: numbered,
		subscription: func(id, d string) []string { return []string{"id:" + id, "destination:" + d} }, ack: "ack:client-individual",
		answer: func(m frame) []string {
			return []string{"id:" + m.headers["ack"], "subscription:" + m.headers["subscription"]}
		},
	},
	{
		name: "stompjs 2.3.3", offers: []string{"v10.stomp", "v11.stomp"}, subprotocol: "v11.stomp",
		opening: "CONNECT", version: "1.1", read: stompjs2,
		connect: headers("accept-version:1.1,1.0", "heart-beat:10000,10000"),
		write:   split(onePiece("content-length"), 16<<10), beat: beatOf("\n"), id: numbered,
		subscription: func(id, d string) []string { return []string{"destination:" + d, "id:" + id} }, ack: "ack:client-individual",
		answer: func(m frame) []string {
			return []string{"message-id:" + m.headers["message-id"], "subscription:" + m.headers["subscription"]}
		},
	},
	{
		name: "stomp.js 7 in React Native", offers: []string{"v12.stomp", "v11.stomp", "v10.stomp"}, subprotocol: "v12.stomp",
		opening: "CONNECT", version: "1.2", read: reactNative, escapes: true,
		connect: headers("accept-version:1.2,1.1,1.0", "heart-beat:10000,10000"),
		write:   asBinary(onePiece("content-length")), beat: beatOf("\n"), id: numbered,
		subscription: func(id, d string) []string { return []string{"id:" + id, "destination:" + d} }, ack: "ack:client-individual",
		answer: func(m frame) []string {
			return []string{"id:" + m.headers["ack"], "subscription:" + m.headers["subscription"]}
		},
		disconnect: []string{"receipt:close-1"}, receipt: "close-1",
	},
	{
		name: "one that ends lines with CR LF, of 1.0, on TCP", tcp: true, opening: "CONNECT", version: "1.0", read: webstomp,
		connect: headers(),
		write:   crlf(onePiece("content-length")), id: itself,
		subscription: func(_, d string) []string { return []string{"destination:" + d, "id:" + d} }, ack: "ack:client-individual",
		answer: byMessageID("message-id"), disconnect: []string{"receipt:bye"}, receipt: "bye",
	},
}

func headers(lines ...string) func() []string {
	return func() []string { return append([]string(nil), lines...) }
}

func beatOf(s string) *message {
	m := text(s)
	return &m
}

func itself(destination string) string { return destination }
func numbered(string) string           { return "sub-0" }
func uuid(string) string               { return "3d1f8d3e-6f8e-4a37-9a40-1f40ab6a1d55" }

func byAck(header string) func(frame) []string {
	return func(m frame) []string { return []string{header + ":" + m.headers["ack"]} }
}

func byMessageID(header string) func(frame) []string {
	return func(m frame) []string { return []string{header + ":" + m.headers["message-id"]} }
}

// onePiece encodes a frame as one text message, with the body's length in a
// header if the client sends that.
func onePiece(length string) func(string, []string, string) []message {
	return func(command string, headers []string, body string) []message {
		var b strings.Builder
		b.WriteString(command + "\n")
		for _, h := range headers {
			b.WriteString(h + "\n")
		}
		if length != "" && body != "" {
			fmt.Fprintf(&b, "%s:%d\n", length, len(body))
		}
		b.WriteString("\n" + body + "\x00")
		return []message{text(b.String())}
	}
}

// split splits the result of write into messages of at most most bytes.
func split(write func(string, []string, string) []message, most int) func(string, []string, string) []message {
	return func(command string, headers []string, body string) (parts []message) {
		for _, m := range write(command, headers, body) {
			for ; len(m.data) > most; m.data = m.data[most:] {
				parts = append(parts, message{m.kind, m.data[:most]})
			}
			parts = append(parts, m)
		}
		return parts
	}
}

func asBinary(write func(string, []string, string) []message) func(string, []string, string) []message {
	return func(command string, headers []string, body string) []message {
		all := write(command, headers, body)
		for i := range all {
			all[i].kind = websocket.MessageBinary
		}
		return all
	}
}

func crlf(write func(string, []string, string) []message) func(string, []string, string) []message {
	return func(command string, headers []string, body string) []message {
		all := write(command, headers, "")
		head := strings.TrimSuffix(all[0].data, "\x00")
		return []message{text(strings.ReplaceAll(head, "\n", "\r\n") + body + "\x00\r\n")}
	}
}
