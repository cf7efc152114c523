package load

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Command is the kind of a broker's frame.
type Command uint8

// The commands of STOMP 1.2, "Server Frames", and of NATS.
const (
	CommandUnknown Command = iota
	CommandConnected
	CommandMessage
	CommandReceipt
	CommandError
	// NATS's.
	CommandInfo
	CommandPing
	CommandPong
)

// String returns the command as written on the wire.
func (c Command) String() string {
	switch c {
	case CommandConnected:
		return "CONNECTED"
	case CommandMessage:
		return "MESSAGE"
	case CommandReceipt:
		return "RECEIPT"
	case CommandError:
		return "ERROR"
	case CommandInfo:
		return "INFO"
	case CommandPing:
		return "PING"
	case CommandPong:
		return "PONG"
	default:
		return "unknown"
	}
}

// Frame is a STOMP frame in place in the read buffer. Its slices are valid
// until the handler's method returns. Header values are not unescaped: an ack
// id is sent back unchanged.
type Frame struct {
	Command Command
	Ack     []byte // value of the ack header; nil if there is none
	Headers []byte // all header lines, without the final empty one
	Body    []byte
	length  int // value of content-length; -1 if there is none
}

// errFrame is wrapped by errors about invalid STOMP frames of the broker.
var errFrame = errors.New("bad STOMP frame from the broker")

// Header returns the unescaped value of the first header with this name, or "".
// It allocates, so it is not meant for MESSAGE frames.
func (f *Frame) Header(name string) string {
	rest := f.Headers
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		key, value, _ := strings.Cut(strings.TrimSuffix(string(line), "\r"), ":")
		if key == name {
			return unescape(value)
		}
	}
	return ""
}

// unescape undoes the escapes of STOMP 1.2, "Value Encoding".
func unescape(value string) string {
	if !strings.Contains(value, `\`) {
		return value
	}
	return strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\c`, ":", `\\`, `\`).Replace(value)
}

// escape applies the escapes of STOMP 1.2, "Value Encoding".
func escape(value string) string {
	return strings.NewReplacer("\r", `\r`, "\n", `\n`, ":", `\c`, `\`, `\\`).Replace(value)
}

// parse parses the frame at the start of b and returns its length, or 0 if b is
// incomplete.
func (f *Frame) parse(b []byte) (int, error) {
	start, err := f.start(b)
	if start == 0 || err != nil {
		return 0, err
	}
	f.Ack, f.length = nil, -1
	at := start
	for {
		n := bytes.IndexByte(b[at:], '\n')
		if n < 0 {
			return 0, nil
		}
		line := b[at : at+n]
		at += n + 1
		if n == 0 || (n == 1 && line[0] == '\r') {
			f.Headers = b[start : at-n-1]
			break
		}
		if err := f.note(line); err != nil {
			return 0, err
		}
	}
	return f.body(b, at)
}

// start parses the command line and returns its length, or 0 if it is
// incomplete. It first tries the most frequent command.
func (f *Frame) start(b []byte) (int, error) {
	const usual = "MESSAGE\n"
	if len(b) >= len(usual) && string(b[:len(usual)]) == usual {
		f.Command = CommandMessage
		return len(usual), nil
	}
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return 0, nil
	}
	f.Command = command(trimCR(b[:end]))
	if f.Command == CommandUnknown {
		return 0, fmt.Errorf("%w: command %.40q", errFrame, b[:end])
	}
	return end + 1, nil
}

// body finds the end of the body that begins at b[at] and returns the length of
// the whole frame, or 0 if b is incomplete.
func (f *Frame) body(b []byte, at int) (int, error) {
	length := f.length
	if length < 0 {
		length = bytes.IndexByte(b[at:], 0)
		if length < 0 {
			return 0, nil
		}
	}
	if length >= len(b)-at {
		return 0, nil
	}
	if b[at+length] != 0 {
		return 0, fmt.Errorf("%w: no NUL after a body of %d bytes", errFrame, length)
	}
	f.Body = b[at : at+length]
	return at + length + 1, nil
}

// note keeps a header that the receive path needs. The first of repeated
// headers counts (STOMP 1.2, "Repeated Header Entries").
func (f *Frame) note(line []byte) error {
	const length, ack = "content-length:", "ack:"
	switch line[0] {
	case 'c':
		if f.length < 0 && len(line) > len(length) && string(line[:len(length)]) == length {
			return f.setLength(trimCR(line[len(length):]))
		}
	case 'a':
		if f.Ack == nil && len(line) > len(ack) && string(line[:len(ack)]) == ack {
			f.Ack = trimCR(line[len(ack):])
		}
	}
	return nil
}

// setLength parses the value of a content-length header.
func (f *Frame) setLength(digits []byte) error {
	n := 0
	for _, c := range digits {
		if c < '0' || c > '9' || n > 1<<32 {
			return fmt.Errorf("%w: content-length %.40q", errFrame, digits)
		}
		n = n*10 + int(c-'0')
	}
	f.length = n
	return nil
}

// command returns the command of a line.
func command(line []byte) Command {
	switch string(line) {
	case "MESSAGE":
		return CommandMessage
	case "RECEIPT":
		return CommandReceipt
	case "ERROR":
		return CommandError
	case "CONNECTED":
		return CommandConnected
	default:
		return CommandUnknown
	}
}

// trimCR removes a final carriage return (STOMP 1.2, "Augmented BNF").
func trimCR(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

// skipEOL returns the number of leading line ends in b: heart-beats, and the
// padding that some brokers send after the NUL.
func skipEOL(b []byte) int {
	for i, c := range b {
		if c != '\n' && c != '\r' {
			return i
		}
	}
	return len(b)
}
