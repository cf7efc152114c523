package wire

import (
	"unicode/utf8"

	"hoofbeat/frames"
	"hoofbeat/session"
)

// A textCheck validates the UTF-8 of a text message that comes in pieces (RFC
// 6455, 8.1). Pieces may end within a character, messages may not.
type textCheck struct {
	rest [utf8.UTFMax]byte // the first bytes of an incomplete character
	n    int               // length of rest
}

// add checks the next piece; false: it is not UTF-8.
func (c *textCheck) add(p []byte) bool {
	if c.n > 0 {
		var ok bool
		if p, ok = c.finish(p); !ok {
			return false
		}
	}
	if utf8.Valid(p) {
		return true
	}
	end := len(p)
	for back := 1; back < utf8.UTFMax && back <= len(p); back++ {
		if utf8.RuneStart(p[len(p)-back]) {
			end = len(p) - back
			break
		}
	}
	if end == len(p) || utf8.FullRune(p[end:]) || !utf8.Valid(p[:end]) {
		return false
	}
	c.n = copy(c.rest[:], p[end:])
	return true
}

// finish completes the pending character, and returns the bytes after it.
func (c *textCheck) finish(p []byte) (_ []byte, ok bool) {
	for len(p) > 0 {
		c.rest[c.n] = p[0]
		c.n++
		p = p[1:]
		if utf8.FullRune(c.rest[:c.n]) {
			ok = utf8.Valid(c.rest[:c.n])
			c.n = 0
			return p, ok
		}
	}
	return nil, true
}

// end is called at the end of a message; false: it ends within a character.
func (c *textCheck) end() bool {
	ok := c.n == 0
	c.n = 0
	return ok
}

func notText() error {
	return &frames.Error{Word: frames.InvalidText, Text: "A WebSocket message that says it is text is not UTF-8. Send it as a binary message, or encode it, " +
		"and do not split a frame inside a character."}
}

// closeInvalid replaces a close frame whose reason is not UTF-8, because the
// library echoes the client's reason (RFC 6455, 8.1).
func closeInvalid(frame []byte) []byte {
	const header, code = 2, 2
	if len(frame) < header+code || frame[0] != 0x88 || int(frame[1]) != len(frame)-header || utf8.Valid(frame[header+code:]) {
		return frame
	}
	return []byte{0x88, code, byte(session.CloseInvalid >> 8), byte(session.CloseInvalid & 0xff)}
}
