package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// nats is the client protocol of NATS, for comparison with its topics.
type nats struct{}

func (nats) topics() string       { return "" }
func (nats) subprotocols() string { return "" }
func (nats) opcode() byte         { return opBinary }
func (nats) alive() []byte        { return []byte("PONG\r\n") }
func (nats) leave() []byte        { return nil }

// check implements protocol.
func (nats) check(o *Options) error {
	if o.Scenario == ScenarioQueue || o.Ack != "auto" || o.Receipt || o.Persistent || o.Prefetch > 0 || len(o.SendHeaders)+len(o.SubscribeHeaders) > 0 {
		return errors.New("--url: NATS has topics only: no queues, acks, receipts or headers")
	}
	return nil
}

func (nats) connect(o *Options) []byte {
	options, _ := json.Marshal(struct { // never fails
		Verbose  bool   `json:"verbose"`
		Pedantic bool   `json:"pedantic"`
		Lang     string `json:"lang"`
		User     string `json:"user,omitempty"`
		Pass     string `json:"pass,omitempty"`
		Token    string `json:"auth_token,omitempty"`
	}{Lang: "go", User: o.Login, Pass: o.Passcode, Token: o.Token})
	return fmt.Appendf(nil, "CONNECT %s\r\nPING\r\n", options)
}

func (nats) connected(f *Frame) (server string, done bool, err error) {
	if f.Command == CommandInfo {
		var info struct {
			Version string `json:"version"`
		}
		err = json.Unmarshal(f.Body, &info)
		return "nats-server/" + info.Version, false, err
	}
	return "", f.Command == CommandPong, nil
}

func (nats) subscribe(_ *Options, destination string) []byte {
	return fmt.Appendf(nil, "SUB %s 0\r\nPING\r\n", destination)
}

func (nats) subscribed(f *Frame) bool { return f.Command == CommandPong }

func (nats) send(o *Options, destination string) (message string, body, receipt int) {
	head := fmt.Sprintf("PUB %s %d\r\n", destination, o.Size)
	return head + strings.Repeat("x", o.Size) + "\r\n", len(head), 0
}

// errNATS is wrapped by errors about what the broker sends.
var errNATS = errors.New("bad line from the NATS server")

// parse implements protocol.
func (nats) parse(f *Frame, b []byte) (int, error) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return 0, nil
	}
	line := trimCR(b[:end])
	*f = Frame{length: -1}
	verb, rest, _ := bytes.Cut(line, []byte{' '})
	switch string(verb) {
	case "MSG":
		return natsMessage(f, b, end+1, rest)
	case "INFO":
		f.Command, f.Body = CommandInfo, rest
	case "PING":
		f.Command = CommandPing
	case "PONG", "+OK":
		f.Command = CommandPong
	case "-ERR":
		f.Command, f.Body = CommandError, rest
	default:
		return 0, fmt.Errorf("%w: %.40q", errNATS, line)
	}
	return end + 1, nil
}

// natsMessage finds the body behind the line of a MSG, whose last word is its size.
func natsMessage(f *Frame, b []byte, at int, rest []byte) (int, error) {
	size, err := strconv.Atoi(string(rest[bytes.LastIndexByte(rest, ' ')+1:]))
	switch {
	case err != nil || size < 0:
		return 0, fmt.Errorf("%w: MSG %.40q", errNATS, rest)
	case len(b) < at+size+len("\r\n"):
		return 0, nil
	case string(b[at+size:at+size+2]) != "\r\n":
		return 0, fmt.Errorf("%w: no line end after a body of %d bytes", errNATS, size)
	}
	f.Command, f.Body = CommandMessage, b[at:at+size]
	return at + size + 2, nil
}
