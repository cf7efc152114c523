package frames

import (
	"strings"
)

// unescape undoes the escapes of STOMP 1.1 and 1.2, Value Encoding. Text
// without a backslash comes back as it is, without an allocation. \r exists
// in 1.2 only; every other escape is undefined, and "MUST be treated as a
// fatal protocol error".
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

// Unescape undoes the escapes of STOMP 1.2 in a value that has to be read
// without knowing whether its sender has escaped it: that of a CONNECT. It
// returns false for what no sender could have escaped so.
func Unescape(s string) (string, bool) { return unescape(s, V12) }

// escaped gives the byte that backslash c stands for, 0 if it is undefined.
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

// appendEscaped appends a header's name or value as version v has it.
//
// STOMP 1.0 knows no escapes. What would break its framing, a line end
// anywhere and a colon in a name, is escaped all the same: it can only come
// from a sender that speaks a later version, and a header that reads oddly is
// better than one that forges another.
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
