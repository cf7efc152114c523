package client

import (
	"bytes"
	"strconv"
)

// scanner splits a stream of bytes into STOMP frames and heart-beats, without
// validating them; the frame reader does that. The zero value is ready to use.
type scanner struct {
	buf     []byte
	size    int // length of the frame at the front of buf, 0 while unknown
	scanned int // bytes of a body without content-length that have been searched for its NUL
}

// feed appends p, which is copied.
func (s *scanner) feed(p []byte) { s.buf = append(s.buf, p...) }

// next removes and returns the first complete frame, with its NUL, or a
// heart-beat (one line end). Nil means that more bytes are needed. The result
// is valid until the next feed.
func (s *scanner) next() []byte {
	if s.size == 0 {
		s.size = s.measure()
	}
	if s.size == 0 || len(s.buf) < s.size {
		return nil
	}
	f := s.buf[:s.size:s.size]
	s.buf = s.buf[s.size:]
	s.size, s.scanned = 0, 0
	return f
}

// measure returns the length of the frame at the front of buf, or 0 if it is
// not known yet.
func (s *scanner) measure() int {
	switch {
	case bytes.HasPrefix(s.buf, []byte("\n")):
		return 1
	case bytes.HasPrefix(s.buf, []byte("\r\n")):
		return 2
	}
	head := headLength(s.buf)
	if head == 0 {
		return 0
	}
	if n, ok := contentLength(s.buf[:head]); ok {
		return head + n + 1
	}
	from := max(head, s.scanned)
	i := bytes.IndexByte(s.buf[from:], 0)
	if i < 0 {
		s.scanned = len(s.buf)
		return 0
	}
	return from + i + 1
}

// headLength returns the length of the command, the headers and the empty line,
// or 0 if they are incomplete.
func headLength(b []byte) int {
	lf := bytes.Index(b, []byte("\n\n"))
	crlf := bytes.Index(b, []byte("\n\r\n"))
	switch {
	case lf >= 0 && (crlf < 0 || lf < crlf):
		return lf + len("\n\n")
	case crlf >= 0:
		return crlf + len("\n\r\n")
	}
	return 0
}

// maxContentLength keeps sums of lengths from overflowing; no frame of this
// size fits in memory anyway.
const maxContentLength = 1 << 40

// contentLength returns the first content-length in head. A malformed one is
// ignored.
func contentLength(head []byte) (int, bool) {
	_, after, ok := bytes.Cut(head, []byte("\ncontent-length:"))
	if !ok {
		return 0, false
	}
	line, _, _ := bytes.Cut(after, []byte("\n"))
	n, err := strconv.Atoi(string(bytes.TrimSpace(line)))
	return n, err == nil && n >= 0 && n <= maxContentLength
}
