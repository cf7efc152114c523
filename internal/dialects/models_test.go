package dialects

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// A message is a WebSocket message.
type message struct {
	kind websocket.MessageType
	data string
}

func text(s string) message   { return message{websocket.MessageText, s} }
func binary(s string) message { return message{websocket.MessageBinary, s} }

// A frame is a message as the client has parsed it. A heart-beat has no
// command.
type frame struct {
	command string
	headers map[string]string
	body    string
}

// A model is a client's parser as far as it is known: it parses one message. It
// returns an error where the client would crash, lose part of the message or
// not notice it.
type model func(m message) (frame, error)

var (
	errBinary = errors.New("binary messages are not seen")
	errRest   = errors.New("bytes after the frame are lost")
)

// androidHeader is a header line that StompProtocolAndroid understands.
var androidHeader = regexp.MustCompile(`^([^:\s]+)\s*:\s*([^:\s]+)$`)

// android is StompMessage.from of StompProtocolAndroid: the first line that is
// not a header to it must be the empty one.
func android(m message) (frame, error) {
	if strings.TrimSpace(m.data) == "" {
		return beat(m, "\n")
	}
	f := frame{headers: map[string]string{}}
	command, rest, _ := strings.Cut(m.data, "\n")
	f.command = command
	for {
		line, after, ok := strings.Cut(rest, "\n")
		if !ok {
			return f, errors.New("no empty line: NoSuchElementException")
		}
		parts := androidHeader.FindStringSubmatch(line)
		if parts == nil {
			if line != "" {
				return f, fmt.Errorf("header %q: NoSuchElementException", line)
			}
			rest = after
			break
		}
		if _, there := f.headers[parts[1]]; !there {
			f.headers[parts[1]] = parts[2]
		}
		rest = after
	}
	return untilNUL(f, rest)
}

// beat is a client's reading of a message without content.
func beat(m message, want string) (frame, error) {
	if m.data != want {
		return frame{}, fmt.Errorf("%q is no heart-beat", m.data)
	}
	return frame{}, nil
}

func untilNUL(f frame, rest string) (frame, error) {
	body, more, ok := strings.Cut(rest, "\x00")
	f.body = body
	switch {
	case !ok:
		return f, errors.New("no NUL")
	case more != "":
		return f, errRest
	}
	return f, nil
}

// swiftLib is processString of StompClientLib: the last of repeated headers
// counts, and line ends are removed from bodies.
func swiftLib(m message) (frame, error) {
	if !utf8.ValidString(m.data) {
		return frame{}, errors.New("not UTF-8, which it drops")
	}
	lines := strings.Split(m.data, "\n")
	if lines[0] == "" {
		lines = lines[1:]
	}
	f := frame{command: lines[0], headers: map[string]string{}}
	if f.command == "" {
		return beat(m, "\n")
	}
	i := 1
	for ; i < len(lines) && lines[i] != ""; i++ {
		name, value, _ := strings.Cut(lines[i], ":")
		if _, there := f.headers[name]; there {
			return f, fmt.Errorf("%s is repeated, and it sees the last", name)
		}
		f.headers[name] = value
	}
	body := strings.Join(lines[min(i+1, len(lines)):], "")
	if !strings.HasSuffix(body, "\x00") {
		return f, errRest
	}
	return untilNUL(f, body)
}

// swiftStomp is StompFrame.deserialize of SwiftStomp: headers end at the first
// line that does not have exactly one colon.
func swiftStomp(m message) (frame, error) {
	if m.kind != websocket.MessageText {
		return frame{}, errBinary
	}
	if m.data == "\n" {
		return frame{}, nil // InvalidStompCommandError, which is only logged
	}
	lines := strings.Split(m.data, "\n")
	f := frame{command: lines[0], headers: map[string]string{}}
	if !slices.Contains([]string{"CONNECTED", "MESSAGE", "RECEIPT", "ERROR"}, f.command) {
		return f, errors.New("InvalidStompCommandError")
	}
	i := 1
	for ; i < len(lines) && lines[i] != ""; i++ {
		parts := strings.Split(lines[i], ":")
		if len(parts) != 2 {
			return f, fmt.Errorf("header %q ends the headers", lines[i])
		}
		f.headers[strings.TrimSpace(parts[0])] = strings.TrimSpace(parts[1])
	}
	return untilNUL(f, strings.Join(lines[min(i+1, len(lines)):], "\n"))
}

// krossbow is its StompDecoder. Every fault closes the session.
func krossbow(m message) (frame, error) {
	if m.data == "\n" {
		return frame{}, nil
	}
	f, rest, err := lines(m.data, func(command string) func(string) (string, error) {
		if command == "CONNECTED" {
			return same
		}
		return unescape
	})
	if err != nil {
		return f, err
	}
	if n, ok := f.headers["content-length"]; ok {
		length, err := strconv.Atoi(n)
		if err != nil || length >= len(rest) || rest[length] != 0 {
			return f, fmt.Errorf("content-length %q: expected NULL byte at end of frame", n)
		}
		f.body, rest = rest[:length], rest[length+1:]
	} else {
		body, after, ok := strings.Cut(rest, "\x00")
		if !ok {
			return f, errors.New("no NUL")
		}
		f.body, rest = body, after
	}
	if strings.Trim(rest, "\r\n") != "" {
		return f, errRest
	}
	return f, needs(f)
}

// needs checks the headers that krossbow requires; it throws when a missing one
// is accessed.
func needs(f frame) error {
	for _, name := range map[string][]string{
		"CONNECTED": {"version"}, "MESSAGE": {"destination", "message-id", "subscription"}, "RECEIPT": {"receipt-id"},
	}[f.command] {
		if _, ok := f.headers[name]; !ok {
			return fmt.Errorf("no %s", name)
		}
	}
	return nil
}

// lines splits off the command and the headers, keeping the first of repeated
// ones.
func lines(data string, decoder func(command string) func(string) (string, error)) (f frame, rest string, err error) {
	head, rest, ok := strings.Cut(data, "\n\n")
	if !ok {
		return f, rest, errors.New("no empty line")
	}
	all := strings.Split(head, "\n")
	f = frame{command: all[0], headers: map[string]string{}}
	decode := decoder(f.command)
	for _, line := range all[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return f, rest, fmt.Errorf("header %q has no colon", line)
		}
		name, err1 := decode(name)
		value, err2 := decode(value)
		if err := errors.Join(err1, err2); err != nil {
			return f, rest, err
		}
		if _, there := f.headers[name]; !there {
			f.headers[name] = value
		}
	}
	return f, rest, nil
}

func same(s string) (string, error) { return s, nil }

// unescape is that of STOMP 1.2, and rejects unknown escapes.
func unescape(s string) (string, error) {
	if rest := strings.NewReplacer(`\\`, "", `\n`, "", `\r`, "", `\c`, "").Replace(s); strings.Contains(rest, `\`) {
		return s, fmt.Errorf("bad escape in %q", s)
	}
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r", `\c`, ":").Replace(s), nil
}

// dart is StompParser of stomp_dart_client: headers and text must be UTF-8, and
// the last of repeated headers counts.
func dart(m message) (frame, error) {
	if m.data == "\n" {
		return frame{}, nil
	}
	head, _, _ := strings.Cut(m.data, "\n\n")
	if !utf8.ValidString(head) {
		return frame{}, errors.New("FormatException")
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(head, "\n")[1:] {
		name, _, _ := strings.Cut(line, ":")
		if seen[name] {
			return frame{}, fmt.Errorf("%s is repeated, and it sees the last", name)
		}
		seen[name] = true
	}
	f, err := krossbow(m)
	if f.headers["content-type"] != "" && f.headers["content-type"] != "application/octet-stream" && !utf8.ValidString(f.body) {
		return f, errors.New("FormatException")
	}
	return f, err
}

// netina is StompMessageSerializer.Deserialize of Netina.Stomp.Client: it drops
// a header whose value contains a colon, and trims NULs and line ends from the
// end of a body.
func netina(m message) (frame, error) {
	if m.kind != websocket.MessageText {
		return frame{}, errors.New("ArgumentNullException: the text of a binary message is null")
	}
	if strings.TrimSpace(m.data) == "" {
		return beat(m, "\n")
	}
	all := strings.Split(strings.TrimRight(m.data, "\r\n\x00"), "\n")
	f := frame{command: all[0], headers: map[string]string{}}
	i := 1
	for ; i < len(all) && all[i] != ""; i++ {
		parts := strings.Split(all[i], ":")
		if len(parts) != 2 {
			return f, fmt.Errorf("header %q is ignored", all[i])
		}
		f.headers[strings.TrimSpace(parts[0])] = strings.TrimSpace(parts[1])
	}
	f.body = strings.Join(all[min(i+1, len(all)):], "\n")
	if strings.Contains(f.body, "\x00") {
		return f, errRest
	}
	if _, there := f.headers["destination"]; there && f.command != "MESSAGE" {
		return f, errors.New("KeyNotFoundException: a destination without a subscription")
	}
	return f, nil
}

// webstomp is webstomp-client 1.2.6: nothing may precede a frame, a heart-beat
// is one line end, and nothing is unescaped.
func webstomp(m message) (frame, error) {
	switch {
	case strings.Trim(m.data, "\r\n") == "":
		return beat(m, "\n")
	case m.kind == websocket.MessageBinary && len(m.data) > 64<<10:
		return frame{}, errors.New("RangeError: too many arguments for fromCharCode")
	case m.data[0] == '\n':
		return frame{}, errors.New("a frame behind a line end is lost")
	}
	f, rest, err := lines(m.data, func(string) func(string) (string, error) { return same })
	if err != nil {
		return f, err
	}
	for name, value := range f.headers {
		if strings.HasSuffix(name, "\r") || strings.HasSuffix(value, "\r") {
			return f, errors.New("CR in a header")
		}
	}
	return untilNUL(f, rest)
}

// stompjs2 is stompjs 2.3.3. In addition to the faults of webstomp, it decodes
// bytes as characters and requires heart-beat in CONNECTED.
func stompjs2(m message) (frame, error) {
	if m.kind == websocket.MessageBinary && strings.ContainsFunc(m.data, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return frame{}, errors.New("mojibake: it takes bytes for characters")
	}
	f, err := webstomp(m)
	if f.command == "CONNECTED" && f.headers["version"] != "1.0" && len(strings.Split(f.headers["heart-beat"], ",")) != 2 {
		return f, errors.New("TypeError: no heart-beat in CONNECTED")
	}
	return f, err
}

// reactNative is stomp.js with appendMissingNULLonIncoming on a platform that
// truncates text at NUL.
func reactNative(m message) (frame, error) {
	if strings.TrimSpace(m.data) == "" {
		return beat(m, "\n")
	}
	if m.kind == websocket.MessageText {
		first, rest, _ := strings.Cut(m.data, "\x00")
		if rest != "" {
			return frame{}, errRest
		}
		m.data = first + "\x00"
	}
	return krossbow(m) // it is as strict as stomp.js would have to be
}

// Each model rejects the input that its client is known to fail on, and accepts
// the rest.
func TestModels(t *testing.T) {
	const strict = "android swiftLib swiftStomp krossbow dart netina webstomp stompjs2 reactNative"
	const plain = "MESSAGE\nsubscription:1\nmessage-id:a-1\ndestination:/topic/a\ncontent-length:4\n\nbody\x00"
	header := func(line string) message { return text(strings.Replace(plain, "\n\n", "\n"+line+"\n\n", 1)) }
	all := map[string]model{
		"android": android, "swiftLib": swiftLib, "swiftStomp": swiftStomp, "krossbow": krossbow, "dart": dart,
		"netina": netina, "webstomp": webstomp, "stompjs2": stompjs2, "reactNative": reactNative,
	}
	for what, tc := range map[string]struct {
		in    message
		fails string // the models that reject it
	}{
		"a frame":              {text(plain), ""},
		"a heart-beat":         {text("\n"), ""},
		"two line ends":        {text("\n\n"), strict},
		"CR LF":                {text("\r\n"), strict},
		"two frames":           {text(plain + plain), strict},
		"a line end behind it": {text(plain + "\n"), "android swiftStomp webstomp stompjs2 reactNative"},
		"half a frame":         {text(plain[:30]), strict},
		"a space in a value":   {header("a:b c"), "android"},
		"a colon in a value":   {header("a:b:c"), "android swiftStomp netina"},
		"an empty value":       {header("a:"), "android"},
		"a repeated header":    {header("subscription:2"), "swiftLib dart"},
		"a bad escape":         {header(`a:b\tc`), "krossbow dart reactNative"},
		"binary":               {binary(plain), "swiftStomp netina"},
		"not UTF-8":            {binary(strings.Replace(plain, "body", "b\xffdy", 1)), "swiftLib swiftStomp netina stompjs2"},
		"no heart-beat":        {text("CONNECTED\nversion:1.1\n\n\x00"), "stompjs2"},
	} {
		for name, read := range all {
			_, err := read(tc.in)
			if want := slices.Contains(strings.Fields(tc.fails), name); want != (err != nil) {
				t.Errorf("%s: %s says %v", what, name, err)
			}
		}
	}
}
