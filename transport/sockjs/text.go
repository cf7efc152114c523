package sockjs

import (
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// errBrokenJSON reports that a body is neither a JSON string nor an array of
// strings.
var errBrokenJSON = errors.New("broken JSON encoding")

// maxQuoted is the largest number of bytes that one byte of text takes in JSON.
const maxQuoted = len(`\u0000`)

// An unquoter extracts the text from a SockJS client's body: a JSON array of
// strings, or one string. Input may come in pieces of any size. STOMP ignores
// message boundaries, so the texts are concatenated; a surrogate pair that the
// client has split over two messages is joined again.
type unquoter struct {
	state  unquoting
	array  bool
	code   rune // of the \u escape being read
	digits int
	high   rune // pending first half of a surrogate pair; else 0
}

type unquoting uint8

const (
	beforeText   unquoting = iota // only white space so far
	beforeFirst                   // in an array: a string or its end
	beforeNext                    // after a comma
	inText                        // after the opening quote
	behindSlash                   // within an escape
	inCode                        // within a \u escape
	behindString                  // within an array
	behindText
)

// reset prepares for the next body.
func (u *unquoter) reset() { u.state, u.array = beforeText, false }

// complete reports whether the body may end here. An empty body is complete.
func (u *unquoter) complete() bool { return u.state == behindText || u.state == beforeText }

// empty reports whether the body was only white space so far.
func (u *unquoter) empty() bool { return u.state == beforeText }

// decode appends the text in src to dst. It appends at most 3 bytes more than
// len(src), so dst may lie before src in the same array.
func (u *unquoter) decode(dst, src []byte) ([]byte, error) {
	for len(src) > 0 {
		if u.state == inText {
			if n := plain(src); n > 0 {
				dst = append(u.flushHigh(dst), src[:n]...)
				src = src[n:]
				continue
			}
		}
		var err error
		if dst, err = u.step(dst, src[0]); err != nil {
			return dst, err
		}
		src = src[1:]
	}
	return dst, nil
}

// plain returns the number of leading bytes that stand for themselves in a JSON
// string.
func plain(src []byte) int {
	for i, b := range src {
		if b == '"' || b == '\\' || b < ' ' {
			return i
		}
	}
	return len(src)
}

func (u *unquoter) step(dst []byte, b byte) ([]byte, error) {
	switch u.state {
	case inText:
		return dst, u.inText(b)
	case behindSlash:
		return u.escape(dst, b)
	case inCode:
		return u.hex(dst, b)
	}
	return dst, u.between(b)
}

// between reads a byte outside strings.
func (u *unquoter) between(b byte) error {
	switch {
	case b == ' ' || b == '\t' || b == '\n' || b == '\r':
	case b == '"' && u.state < inText:
		u.state = inText
	case b == '[' && u.state == beforeText:
		u.state, u.array = beforeFirst, true
	case b == ',' && u.state == behindString:
		u.state = beforeNext
	case b == ']' && (u.state == beforeFirst || u.state == behindString):
		u.state = behindText
	default:
		return errBrokenJSON
	}
	return nil
}

func (u *unquoter) inText(b byte) error {
	switch {
	case b == '\\':
		u.state = behindSlash
	case b != '"': // a control character
		return errBrokenJSON
	case u.array:
		u.state = behindString
	default:
		u.state = behindText
	}
	return nil
}

func (u *unquoter) escape(dst []byte, b byte) ([]byte, error) {
	u.state = inText
	switch b {
	case '"', '\\', '/':
	case 'b':
		b = '\b'
	case 'f':
		b = '\f'
	case 'n':
		b = '\n'
	case 'r':
		b = '\r'
	case 't':
		b = '\t'
	case 'u':
		u.state, u.code, u.digits = inCode, 0, 0
		return dst, nil
	default:
		return dst, errBrokenJSON
	}
	return append(u.flushHigh(dst), b), nil
}

func (u *unquoter) hex(dst []byte, b byte) ([]byte, error) {
	switch {
	case '0' <= b && b <= '9':
		b -= '0'
	case 'a' <= b && b <= 'f':
		b -= 'a' - 10
	case 'A' <= b && b <= 'F':
		b -= 'A' - 10
	default:
		return dst, errBrokenJSON
	}
	u.code = u.code<<4 | rune(b)
	if u.digits++; u.digits < 4 {
		return dst, nil
	}
	u.state = inText
	return u.appendCode(dst, u.code), nil
}

func (u *unquoter) appendCode(dst []byte, code rune) []byte {
	if u.high != 0 {
		if r := utf16.DecodeRune(u.high, code); r != utf8.RuneError {
			u.high = 0
			return utf8.AppendRune(dst, r)
		}
		dst = u.flushHigh(dst)
	}
	if 0xd800 <= code && code < 0xdc00 {
		u.high = code
		return dst
	}
	return utf8.AppendRune(dst, code) // a lone half becomes U+FFFD, as in a browser's WebSocket
}

// flushHigh appends U+FFFD for a pending first half that has no second half.
func (u *unquoter) flushHigh(dst []byte) []byte {
	if u.high == 0 {
		return dst
	}
	u.high = 0
	return utf8.AppendRune(dst, utf8.RuneError)
}

// quotePiece is the number of bytes quoted at a time.
const quotePiece = 8 << 10

// nextPiece returns how much of p to quote next. A piece never ends within a
// character.
func nextPiece(p []byte) int {
	if len(p) <= quotePiece {
		return len(p)
	}
	n := quotePiece
	for n > quotePiece-utf8.UTFMax && !utf8.RuneStart(p[n]) {
		n--
	}
	return n
}

// appendPiece appends a piece of a text, quoted, and returns the rest.
func appendPiece(dst, text []byte) (_, rest []byte) {
	n := nextPiece(text)
	return appendQuoted(dst, text[:n]), text[n:]
}

// appendQuoted appends valid UTF-8 in the form it has within a JSON string.
// Beyond JSON's own escapes, it escapes the characters that sockjs-protocol
// lists because browsers and proxies have been seen to change them.
func appendQuoted(dst, p []byte) []byte {
	start := 0
	for i := 0; i < len(p); {
		n, code := escaped(p[i:])
		if code < 0 {
			i += n
			continue
		}
		dst = appendEscape(append(dst, p[start:i]...), code)
		i += n
		start = i
	}
	return append(dst, p[start:]...)
}

// quotedLen returns the number of bytes that appendQuoted appends.
func quotedLen(p []byte) int {
	total := 0
	for i := 0; i < len(p); {
		n, code := escaped(p[i:])
		i += n
		switch {
		case code < 0:
			total += n
		case shortEscape(code) != 0:
			total += 2
		default:
			total += maxQuoted
		}
	}
	return total
}

// escaped returns the first character of p if it must be escaped, else -1, and
// its length in bytes.
func escaped(p []byte) (n int, code rune) {
	switch b := p[0]; {
	case b < ' ' || b == '"' || b == '\\':
		return 1, rune(b)
	case b != 0xe2 && b != 0xef || len(p) < 3: // the first bytes of the ranges below
		return 1, -1
	}
	r := rune(p[0]&0x0f)<<12 | rune(p[1]&0x3f)<<6 | rune(p[2]&0x3f)
	switch {
	case 0x200c <= r && r <= 0x200f, 0x2028 <= r && r <= 0x202f, 0x2060 <= r && r <= 0x206f, 0xfff0 <= r:
		return 3, r
	}
	return 3, -1
}

func shortEscape(code rune) byte {
	switch code {
	case '"', '\\':
		return byte(code)
	case '\n':
		return 'n'
	case '\r':
		return 'r'
	case '\t':
		return 't'
	}
	return 0
}

func appendEscape(dst []byte, code rune) []byte {
	if b := shortEscape(code); b != 0 {
		return append(dst, '\\', b)
	}
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[code>>12&15], digits[code>>8&15], digits[code>>4&15], digits[code&15])
}
