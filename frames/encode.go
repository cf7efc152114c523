package frames

import (
	"strconv"
	"strings"

	"github.com/go-stomp/stomp/v3/frame"
)

// Append appends a whole frame to dst as version v encodes it, up to and
// including its NUL. It writes content-length for the commands that have a
// body, always with the body's actual length, and ignores such a header in f.
// Headers of CONNECTED are never escaped, so the caller must not pass line ends
// in them.
func Append(dst []byte, f *frame.Frame, v Version) []byte {
	dst = append(dst, f.Command...)
	dst = append(dst, '\n')
	esc := escapes(f.Command)
	for i := range f.Header.Len() {
		k, val := f.Header.GetAt(i)
		if k == frame.ContentLength {
			continue
		}
		if esc {
			dst = AppendHeader(dst, k, val, v)
		} else {
			dst = AppendRawHeader(dst, k, val)
		}
	}
	if hasBody(f.Command) {
		return AppendBody(dst, f.Body)
	}
	return append(dst, '\n', 0)
}

// AppendHeader appends one header line, escaped for version v.
func AppendHeader(dst []byte, name, value string, v Version) []byte {
	dst = appendEscaped(dst, name, v, true)
	dst = append(dst, ':')
	dst = appendEscaped(dst, value, v, false)
	return append(dst, '\n')
}

// AppendRawHeader appends one header line with a value that is already encoded,
// for example by [Inbound.Wire].
func AppendRawHeader(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ':')
	dst = append(dst, value...)
	return append(dst, '\n')
}

// AppendBody appends content-length, the blank line, the body and the NUL.
func AppendBody(dst, body []byte) []byte {
	dst = append(dst, "content-length:"...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, '\n', '\n')
	dst = append(dst, body...)
	return append(dst, 0)
}

// NeedsEscape reports whether any name or value of h is encoded differently by
// different versions. If not, one encoding serves every subscriber.
func NeedsEscape(h *frame.Header) bool {
	for i := range h.Len() {
		k, v := h.GetAt(i)
		if strings.ContainsAny(k, special) || strings.ContainsAny(v, special) {
			return true
		}
	}
	return false
}
