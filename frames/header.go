package frames

import (
	"bytes"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-stomp/stomp/v3/frame"
)

// startFrame parses a header block, including its blank line, and starts the
// frame whose body is read next.
func (d *Decoder) startFrame(data []byte) error {
	i := bytes.IndexByte(data, '\n')
	first, lines := data[:i], data[i+1:]
	p := headerParser{version: d.version, crlf: i > 0 && first[i-1] == '\r'}
	var err error
	if p.command, err = d.command(first); err != nil {
		return err
	}
	if bytes.IndexByte(lines, 0) >= 0 {
		return d.blame(data, errNULInHeader())
	}
	if !utf8.Valid(lines) {
		return d.blame(data, invalid("The headers of the %s are not valid UTF-8.", p.command))
	}
	end := len(lines) - 1 // the blank line
	if end > 0 && lines[end-1] == '\r' {
		end--
	}
	block := string(lines[:end])
	var room [2 * fewHeaders]string
	entries, bad := p.parse(block, room[:0])
	if bad != nil {
		return d.blame(data, bad)
	}
	d.cur = Inbound{Frame: d.newFrame(p.command, entries), block: block, crlf: p.crlf || p.version == V12}
	return d.startBody()
}

// newFrame returns a frame with these names and values as its header. A client's
// frame takes the memory of the one before.
func (d *Decoder) newFrame(command string, entries []string) *frame.Frame {
	if d.server {
		return &frame.Frame{Command: command, Header: frame.NewHeader(entries...)}
	}
	if d.lent == nil {
		d.lent = parsedFrames.Get().(*parsed)
	}
	return d.lent.start(command, entries)
}

// parsed is the memory of a frame and its header.
type parsed struct {
	frame  frame.Frame
	header frame.Header
	empty  frame.Header // the header at first: it has no entries, but room for some
}

// fewHeaders is the number of headers for which a parsed has room.
const fewHeaders = 16

// parsedFrames is shared by all decoders, so that an idle decoder holds none.
var parsedFrames = sync.Pool{New: func() any {
	p := &parsed{empty: *frame.NewHeader(make([]string, 2*fewHeaders)...)}
	p.empty.Del("") // all entries; their room stays
	return p
}}

// start begins a frame, which ends the one before.
func (p *parsed) start(command string, entries []string) *frame.Frame {
	p.header = p.empty
	for i := 0; i < len(entries); i += 2 {
		p.header.Add(entries[i], entries[i+1])
	}
	p.frame = frame.Frame{Command: command, Header: &p.header}
	return &p.frame
}

// giveBack ends the frame. Whoever uses it still is likely to panic.
func (p *parsed) giveBack() {
	if p == nil {
		return
	}
	p.frame = frame.Frame{}
	p.header = p.empty
	parsedFrames.Put(p)
}

// startBody evaluates content-length. It is ignored on frames that may not have
// a body.
func (d *Decoder) startBody() error {
	d.need = -1
	s, ok := d.cur.Header.Contains(frame.ContentLength)
	if !ok || !hasBody(d.cur.Command) {
		return nil
	}
	n, bad := contentLength(s)
	if bad == nil {
		if limit, setting := d.bound(d.limits.BodyBytes, "limits.frame_body_bytes"); n > limit {
			bad = errBodyTooLarge(limit, setting)
		}
	}
	if bad != nil {
		return d.blameCurrent(bad)
	}
	d.need = n
	return nil
}

func (d *Decoder) command(line []byte) (string, error) {
	line = bytes.TrimSuffix(line, []byte{'\r'})
	if d.server {
		if c, ok := serverCommand(line); ok {
			return c, nil
		}
		return "", unknownCommand(line)
	}
	if c, ok := clientCommand(line); ok {
		return c, nil
	}
	if c, ok := serverCommand(line); ok {
		return "", invalid("%s is a command that only a server sends.", c)
	}
	return "", unknownCommand(line)
}

func unknownCommand(line []byte) *Error {
	if err := otherProtocol(line); err != nil {
		return err
	}
	line, _, _ = bytes.Cut(line, []byte{'\n'})
	return invalid("%q is not a STOMP command; commands are upper case, such as CONNECT, SUBSCRIBE and SEND.", printable(line))
}

// otherProtocol names the protocol of a client that connected to the wrong
// port.
func otherProtocol(line []byte) *Error {
	switch {
	case isTLS(line):
		return invalid("This is not a STOMP command but TLS, and this port has no TLS (listen.tcp.tls). Connect without TLS, or to a port with TLS.")
	case isHTTP(line):
		return invalid("%q is not a STOMP command but an HTTP request, and this port is for STOMP over TCP. WebSocket and SockJS have a port of their own (listen.websocket.address).",
			printable(bytes.TrimRight(line, "\r\n")))
	}
	return nil
}

// isTLS recognises a handshake record of any TLS version.
func isTLS(line []byte) bool { return len(line) > 1 && line[0] == 0x16 && line[1] == 3 }

// isHTTP recognises an HTTP request by its method and path; the line may be
// incomplete.
func isHTTP(line []byte) bool {
	for _, m := range [...]string{"GET /", "HEAD /", "POST /", "PUT /", "DELETE /", "OPTIONS ", "PATCH /", "PRI * HTTP/2"} {
		if bytes.HasPrefix(line, []byte(m)) {
			return true
		}
	}
	return false
}

// A headerParser parses the header lines of one frame.
type headerParser struct {
	version Version
	command string
	crlf    bool // the command's line ended in CR LF
	hasCR   bool // the block contains a CR
}

// parse appends the names and values of a block's lines to entries. They are
// substrings of block, but for escaped ones.
//
// STOMP 1.2 allows CR LF as a line end. Earlier versions do not, but telnet and
// several clients send it: with those, a CR is removed if the command's line
// ended in one as well, and otherwise belongs to the value.
func (p *headerParser) parse(block string, entries []string) ([]string, *Error) {
	p.version = p.effectiveVersion(block)
	// One search of the whole block is cheaper than one per line.
	unescapes := p.version >= V11 && escapes(p.command) && strings.IndexByte(block, '\\') >= 0
	p.hasCR = strings.IndexByte(block, '\r') >= 0
	for rest := block; rest != ""; {
		line := rest
		if i := strings.IndexByte(rest, '\n'); i >= 0 {
			line, rest = rest[:i], rest[i+1:]
		} else {
			rest = ""
		}
		if p.hasCR && (p.crlf || p.version == V12) {
			line = strings.TrimSuffix(line, "\r")
		}
		name, value, bad := p.split(line)
		if bad == nil && unescapes {
			name, value, bad = p.unescape(name, value)
		}
		if bad != nil {
			return nil, bad
		}
		entries = append(entries, name, value)
	}
	return entries, nil
}

// effectiveVersion returns the version whose rules apply. Before negotiation, a
// CONNECT without accept-version comes from a 1.0 client.
func (p *headerParser) effectiveVersion(block string) Version {
	if p.version != 0 {
		return p.version
	}
	if strings.HasPrefix(block, "accept-version:") || strings.Contains(block, "\naccept-version:") {
		return V12
	}
	return V10
}

func (p *headerParser) split(line string) (name, value string, bad *Error) {
	i := strings.IndexByte(line, ':')
	switch {
	case i < 0:
		return "", "", invalid("A header line of the %s has no colon.", p.command)
	case i == 0, p.version == V10 && strings.Trim(line[:i], " \t") == "":
		return "", "", invalid("A header of the %s has no name.", p.command)
	case p.hasCR && p.version == V12 && strings.IndexByte(line, '\r') >= 0:
		return "", "", invalid("The header %q of the %s holds a bare CR; STOMP 1.2 writes it as \\r.", printable([]byte(line[:i])), p.command)
	case p.version == V10:
		return strings.Trim(line[:i], " \t"), strings.Trim(line[i+1:], " \t"), nil
	}
	return line[:i], line[i+1:], nil
}

func (p *headerParser) unescape(name, value string) (string, string, *Error) {
	n, ok1 := unescape(name, p.version)
	v, ok2 := unescape(value, p.version)
	if ok1 && ok2 {
		return n, v, nil
	}
	defined := `\n, \c and \\`
	if p.version == V12 {
		defined = `\r, \n, \c and \\`
	}
	return "", "", invalid("The header %q of the %s holds an escape that STOMP %s does not define; defined are %s.",
		printable([]byte(name)), p.command, p.version, defined)
}
