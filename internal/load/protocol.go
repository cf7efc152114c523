package load

import (
	"fmt"
	"strings"
)

// A protocol is the language of a broker. Its implementations are values without
// state.
type protocol interface {
	// topics is what names of topics begin with.
	topics() string
	// subprotocols are offered in the WebSocket handshake; "": none.
	subprotocols() string
	// opcode is that of WebSocket messages.
	opcode() byte
	// connect returns the first bytes for the broker. connected reports whether a
	// frame ends the exchange; server is the broker's name, if the frame has it.
	connect(o *Options) []byte
	connected(f *Frame) (server string, done bool, err error)
	// subscribe returns what subscribes, and asks for the frame that subscribed
	// recognizes, so that no later message is missed.
	subscribe(o *Options, destination string) []byte
	subscribed(f *Frame) bool
	// send returns a message with a body of Options.Size bytes, and where the body
	// and the eight digits of the receipt's id begin; 0: there is no receipt.
	send(o *Options, destination string) (message string, body, receipt int)
	// leave returns the last bytes for the broker.
	leave() []byte
	// alive is the answer to a frame of CommandPing.
	alive() []byte
	// parse parses the frame at the start of b and returns its length, or 0 if b is
	// incomplete.
	parse(f *Frame, b []byte) (int, error)
	// check reports options that the protocol does not have.
	check(o *Options) error
}

// stomp is STOMP 1.2.
type stomp struct{}

func (stomp) topics() string         { return topicPrefix }
func (stomp) subprotocols() string   { return "v12.stomp, v11.stomp, v10.stomp" }
func (stomp) opcode() byte           { return opText }
func (stomp) alive() []byte          { return nil }
func (stomp) check(o *Options) error { return nil }
func (stomp) leave() []byte          { return stompFrame("DISCONNECT") }

func (stomp) parse(f *Frame, b []byte) (int, error) { return f.parse(b) }

// stompFrame encodes a frame without a body.
func stompFrame(command string, headers ...string) []byte {
	return []byte(strings.Join(append([]string{command}, headers...), "\n") + "\n\n\x00")
}

func (stomp) connect(o *Options) []byte {
	headers := []string{"accept-version:1.2", "host:" + o.Host, "heart-beat:0,0"}
	if o.Login != "" {
		headers = append(headers, "login:"+o.Login, "passcode:"+o.Passcode)
	}
	if o.Token != "" {
		headers = append(headers, "Authorization:Bearer "+o.Token)
	}
	return stompFrame("CONNECT", headers...)
}

func (stomp) connected(f *Frame) (server string, done bool, err error) {
	if f.Command != CommandConnected {
		return "", false, nil
	}
	if v := f.Header("version"); v != "1.2" {
		err = fmt.Errorf("the broker speaks STOMP %q, not 1.2", v)
	}
	return f.Header("server"), true, err
}

func (stomp) subscribe(o *Options, destination string) []byte {
	headers := []string{"id:0", "destination:" + escape(destination), "ack:" + o.Ack, "receipt:ready"}
	if o.Prefetch > 0 {
		headers = append(headers, fmt.Sprintf("prefetch-count:%d", o.Prefetch))
	}
	return stompFrame("SUBSCRIBE", append(headers, o.SubscribeHeaders...)...)
}

func (stomp) subscribed(f *Frame) bool {
	return f.Command == CommandReceipt && f.Header("receipt-id") == "ready"
}

func (stomp) send(o *Options, destination string) (message string, body, receipt int) {
	var b strings.Builder
	fmt.Fprintf(&b, "SEND\ndestination:%s\ncontent-length:%d\n", escape(destination), o.Size)
	for _, h := range o.SendHeaders {
		b.WriteString(h + "\n")
	}
	if o.Persistent {
		b.WriteString("persistent:true\n")
	}
	if o.Receipt {
		receipt = b.Len() + len("receipt:")
		b.WriteString("receipt:00000000\n")
	}
	b.WriteString("\n")
	body = b.Len()
	b.WriteString(strings.Repeat("x", o.Size) + "\x00")
	return b.String(), body, receipt
}
