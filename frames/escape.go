package frames

import (
	"strings"
)

// unescape undoes the escapes of STOMP 1.1 and 1.2, Value Encoding. Text
// without a backslash is returned unchanged, without an allocation. \r exists
// only in 1.2; every other escape is undefined, and "MUST be treated as a fatal
// protocol error".
func unescape(s string, v Version) (string, bool) {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s, true
	}
	out := make([]byte, i, len(s))
	copy(out, s)
	for ; i < len(s); i++ {
		c := s[i]
		if c == '\\' {
			i++
			if i == len(s) {
				return "", false
			}
			if c = escaped(s[i], v); c == 0 {
				return "", false
			}
		}
		out = append(out, c)
	}
	return string(out), true
}

// Unescape undoes the escapes of STOMP 1.2 in a header of CONNECT, whose sender
// may or may not have escaped it. It returns false if the value contains an
// undefined escape.
func Unescape(s string) (string, bool) { return unescape(s, V12) }

// escaped returns the byte that backslash c stands for, or 0 if undefined.
func escaped(c byte, v Version) byte {
	switch {
	case c == 'n':
		return '\n'
	case c == 'c':
		return ':'
	case c == '\\':
		return '\\'
	case c == 'r' && v >= V12:
		return '\r'
	}
	return 0
}

// special are the bytes that some version escapes in a name or a value.
const special = "\\:\n\r"

// appendEscaped appends a header's name or value as version v encodes it.
//
// STOMP 1.0 has no escapes. Bytes that would break its framing (a line end
// anywhere, or a colon in a name) are escaped all the same: they can only come
// from a sender with a later version, and an odd-looking header is better than
// a forged one.
func appendEscaped(dst []byte, s string, v Version, name bool) []byte {
	if !strings.ContainsAny(s, special) {
		return append(dst, s...)
	}
	for i := 0; i < len(s); i++ {
		dst = appendByte(dst, s[i], v, name)
	}
	return dst
}

func appendByte(dst []byte, c byte, v Version, name bool) []byte {
	switch {
	case c == '\n':
		return append(dst, '\\', 'n')
	case c == '\r' && v != V11:
		return append(dst, '\\', 'r')
	case c == ':' && (name || v != V10):
		return append(dst, '\\', 'c')
	case c == '\\' && v != V10:
		return append(dst, '\\', '\\')
	}
	return append(dst, c)
}
