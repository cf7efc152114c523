package frames

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"sync"
)

// A Decoder turns bytes that arrive in any pieces into frames. The caller
// reads into [Decoder.Space], says with [Decoder.Commit] how much it read, and
// then calls [Decoder.Next] until it returns no frame:
//
//	for {
//		f, err := d.Next()
//		if err != nil || f.Frame != nil {
//			return f, err
//		}
//		n, err := conn.Read(d.Space())
//		if err != nil {
//			return f, err
//		}
//		d.Commit(n)
//	}
//
// The Decoder allocates memory for bytes that have arrived, never for a length
// that the peer announces, and holds no buffer between frames. It must not be
// used by several goroutines at a time.
type Decoder struct {
	limits  Limits
	version Version
	server  bool
	failed  error

	chunk *chunk // the array behind buf, if it came from the pool
	buf   []byte
	r, w  int // buf[r:w] has arrived and is not decoded yet

	// Position of the search for the end of the header, relative to r.
	line, scan, lines int

	cur  Inbound // the frame whose body is being read
	body []byte  // the part of cur's body that has arrived
	need int     // length of cur's body; -1: up to the first NUL
	lent *parsed // the memory of cur, or of the frame that Next returned last
}

// chunkBytes is the largest single read. 16 KiB hold a hundred small frames, so
// that a system call costs little per frame, and thousands of connections in
// the middle of a frame still need little memory.
const chunkBytes = 16 << 10

type chunk [chunkBytes]byte

// chunks is shared by all decoders, so that an idle decoder holds no buffer.
var chunks = sync.Pool{New: func() any { return new(chunk) }}

// NewDecoder returns a Decoder for a client's frames. Until
// [Decoder.SetVersion] is called, the limits before CONNECT apply. A frame is valid
// until the next call of Next, Space or Release; its strings stay valid.
func NewDecoder(l Limits) *Decoder { return &Decoder{limits: l} }

// NewServerDecoder returns a Decoder for a server's frames, which clients and
// tests use. It unescapes headers as version v does. Frames stay valid.
func NewServerDecoder(l Limits, v Version) *Decoder {
	return &Decoder{limits: l, version: v, server: true}
}

// SetVersion sets the negotiated version. It must be called between two frames;
// bytes that are already buffered are decoded by the new rules.
func (d *Decoder) SetVersion(v Version) { d.version = v }

// Space returns the buffer for the next bytes; it is never empty. Callers first
// call Next until it returns no frame.
func (d *Decoder) Space() []byte {
	switch {
	case d.buf == nil:
		d.chunk = chunks.Get().(*chunk)
		d.buf = d.chunk[:]
	case d.r > 0:
		d.w = copy(d.buf, d.buf[d.r:d.w])
		d.r = 0
	case d.w == len(d.buf):
		d.grow()
	}
	return d.buf[d.w:]
}

// Commit reports that the first n bytes of Space were filled.
func (d *Decoder) Commit(n int) { d.w += n }

// Buffered returns the number of buffered bytes of an incomplete frame; 0
// between frames.
func (d *Decoder) Buffered() int { return d.w - d.r + len(d.body) }

// Held returns the memory of an incomplete frame in bytes, apart from a pooled
// buffer; 0 for a small frame.
func (d *Decoder) Held() int {
	n := cap(d.body)
	if d.chunk == nil {
		n += len(d.buf)
	}
	return n
}

// Next returns the next frame, or a zero Inbound if it needs more bytes. Errors
// are of type [*Error] and final: after one, the position in the stream is
// unknown.
func (d *Decoder) Next() (Inbound, error) {
	if d.failed != nil {
		return Inbound{}, d.failed
	}
	f, err := d.next()
	if err != nil {
		d.failed = err
		d.w = d.r
		d.body = nil
	}
	if d.r == d.w && f.Frame == nil { // else the frame's body may be in the buffer
		d.Release()
	}
	return f, err
}

// Release returns the buffer to the pool and drops a partial frame. It must be
// called after the last read.
func (d *Decoder) Release() {
	d.giveBack()
	d.line, d.scan, d.lines = 0, 0, 0 // they are positions in the buffer
}

func (d *Decoder) giveBack() {
	if d.chunk != nil {
		chunks.Put(d.chunk)
	}
	d.chunk, d.buf, d.r, d.w = nil, nil, 0, 0
	if d.cur.Frame == nil {
		d.lent.giveBack()
		d.lent = nil
	}
}

func (d *Decoder) next() (Inbound, error) {
	if d.cur.Frame == nil {
		d.skipLineEnds()
		n, err := d.findHeader()
		if n == 0 || err != nil {
			return Inbound{}, err
		}
		if err := d.startFrame(d.buf[d.r : d.r+n]); err != nil {
			return Inbound{}, err
		}
		d.r += n
		d.cur.Size = n + 1
	}
	done, err := d.readBody()
	if !done || err != nil {
		return Inbound{}, err
	}
	f := d.cur
	f.Body = d.body
	f.Size += len(d.body)
	d.cur, d.body = Inbound{}, nil
	return f, nil
}

// skipLineEnds skips heart-beats, the line ends that may follow a frame (STOMP
// 1.2, Augmented BNF), and NULs, of which some clients send one too many.
func (d *Decoder) skipLineEnds() {
	if d.scan > 0 {
		return
	}
	for d.r < d.w {
		switch {
		case d.buf[d.r] == '\n', d.buf[d.r] == 0:
			d.r++
		case d.buf[d.r] == '\r' && d.r+1 < d.w && d.buf[d.r+1] == '\n':
			d.r += 2
		default:
			return
		}
	}
}

// findHeader searches for the blank line and returns the length of the header
// including it, or 0 if it has not arrived. It continues the previous search,
// so that a frame which arrives byte by byte is scanned only once.
func (d *Decoder) findHeader() (int, error) {
	data := d.buf[d.r:d.w]
	for {
		i := bytes.IndexByte(data[d.scan:], '\n')
		if i < 0 {
			d.scan = len(data)
			return 0, d.checkPartial(data)
		}
		end := d.scan + i
		line := data[d.line:end]
		d.scan, d.line = end+1, end+1
		if len(line) == 0 || len(line) == 1 && line[0] == '\r' {
			blank := d.lines == 0 // a CR LF between frames whose LF came with a later read
			d.scan, d.line, d.lines = 0, 0, 0
			if !blank {
				return end + 1, d.checkHeaderBytes(data[:end+1])
			}
			d.r += end + 1
			d.skipLineEnds()
			data = d.buf[d.r:d.w]
			continue
		}
		d.lines++
		if err := d.checkLine(data, line); err != nil {
			return 0, err
		}
	}
}

func (d *Decoder) checkLine(data, line []byte) error {
	if d.lines == 1 {
		_, err := d.command(line)
		return err
	}
	if d.lines-1 > d.limits.Headers {
		return d.blame(data, tooLarge("The frame has more than %d headers (limits.frame_headers).", d.limits.Headers))
	}
	return d.checkHeaderBytes(data[:d.line])
}

// checkPartial checks a header that is incomplete, so that a fault is reported
// before the rest arrives.
func (d *Decoder) checkPartial(data []byte) error {
	if d.lines == 0 && (len(data) > maxCommand || isTLS(data)) {
		return unknownCommand(data)
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return d.blame(data, errNULInHeader())
	}
	return d.checkHeaderBytes(data)
}

func (d *Decoder) checkHeaderBytes(data []byte) error {
	limit, setting := d.bound(d.limits.HeaderBytes, "limits.frame_header_bytes")
	if len(data) > limit {
		return d.blame(data, tooLarge("The command and headers of the frame are longer than %d bytes (%s).", limit, setting))
	}
	return nil
}

// bound returns the limit in force and the name of its setting.
func (d *Decoder) bound(limit int, setting string) (int, string) {
	if d.version == 0 && !d.server && d.limits.BytesBeforeConnect <= limit {
		return d.limits.BytesBeforeConnect, "limits.frame_bytes_before_connect, in force until CONNECT was accepted"
	}
	return limit, setting
}

// blame adds to err the receipt that the frame asked for, if data contains that
// header line.
func (d *Decoder) blame(data []byte, err *Error) *Error {
	_, lines, _ := bytes.Cut(data, []byte{'\n'})
	crlf := bytes.HasSuffix(data[:len(data)-len(lines)], []byte("\r\n"))
	if i := bytes.LastIndexByte(lines, '\n'); i >= 0 {
		err.Receipt = wireValue(string(lines[:i]), "receipt", crlf)
	}
	return err
}

func (d *Decoder) readBody() (done bool, err error) {
	avail := d.buf[d.r:d.w]
	if !hasBody(d.cur.Command) {
		return d.readNoBody(avail)
	}
	if d.need < 0 {
		return d.readToNUL(avail)
	}
	take := min(len(avail), d.need-len(d.body))
	if take < len(avail) && d.lends() {
		d.body = avail[:take:take]
	} else {
		d.collect(avail[:take])
	}
	d.r += take
	if take == len(avail) {
		return false, nil
	}
	if avail[take] != 0 {
		return false, d.blameCurrent(invalid("The byte after a body of content-length %d is not NUL: the body is longer or shorter than its content-length."+
			" content-length counts bytes, not characters; was the frame split inside a character?", d.need))
	}
	d.r++
	return true, nil
}

// lends reports whether a body that is in the buffer as a whole may stay there.
func (d *Decoder) lends() bool { return !d.server && d.body == nil }

// collect appends a part of a body of known length. The body takes at most twice
// the memory of the bytes that have arrived, and in the end exactly need.
func (d *Decoder) collect(part []byte) {
	if d.body == nil || len(d.body)+len(part) > cap(d.body) {
		d.body = slices.Grow(d.body, min(d.need-len(d.body), max(len(part), len(d.body))))
	}
	d.body = append(d.body, part...)
}

// readNoBody reads the NUL of a frame without a body. It skips line ends before
// the NUL: RabbitMQ's and ActiveMQ's own clients send them.
func (d *Decoder) readNoBody(avail []byte) (bool, error) {
	for i, c := range avail {
		switch {
		case c == 0:
			d.r += i + 1
			return true, nil
		case c == '\n', c == '\r' && i+1 < len(avail) && avail[i+1] == '\n':
		case c == '\r' && i+1 == len(avail):
			d.r += i // its LF has not arrived
			return false, nil
		default:
			return false, d.blameCurrent(invalid("%s has a body, or its NUL is missing; only SEND may have a body.", d.cur.Command))
		}
	}
	d.r += len(avail)
	return false, nil
}

func (d *Decoder) readToNUL(avail []byte) (bool, error) {
	i := bytes.IndexByte(avail, 0)
	n := i
	if i < 0 {
		n = len(avail)
	}
	if limit, setting := d.bound(d.limits.BodyBytes, "limits.frame_body_bytes"); len(d.body)+n > limit {
		return false, d.blameCurrent(errBodyTooLarge(limit, setting))
	}
	if i >= 0 && d.lends() {
		d.body = avail[:n:n]
	} else {
		d.body = append(d.body, avail[:n]...)
	}
	d.r += n
	if i < 0 {
		return false, nil
	}
	d.r++
	return true, nil
}

func (d *Decoder) blameCurrent(err *Error) *Error {
	err.Receipt = d.cur.Wire("receipt")
	return err
}

// grow doubles a buffer that one header fills. checkHeaderBytes has verified
// that the header is still within the limit.
func (d *Decoder) grow() {
	bigger := make([]byte, 2*len(d.buf))
	copy(bigger, d.buf[:d.w])
	r, w := d.r, d.w
	d.giveBack()
	d.buf, d.r, d.w = bigger, r, w
}

func errNULInHeader() *Error {
	return invalid("There is a NUL among the headers: the blank line that ends them is missing.")
}

func errBodyTooLarge(limit int, setting string) *Error {
	return tooLarge("The body is longer than %d bytes (%s).", limit, setting)
}

// contentLength parses a content-length header. Only digits are valid, no sign
// or fraction. A number that overflows int is returned as one above every
// limit.
func contentLength(s string) (int, *Error) {
	s = strings.TrimSpace(s)
	n := 0
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return 0, errContentLength(s)
		}
		if n > (math.MaxInt-9)/10 {
			return math.MaxInt, nil
		}
		n = 10*n + int(c)
	}
	if s == "" {
		return 0, errContentLength(s)
	}
	return n, nil
}

func errContentLength(s string) *Error {
	return invalid("content-length is %q; expected the number of bytes in the body.", printable([]byte(s)))
}
