package frames

import (
	"strconv"
	"strings"

	"github.com/go-stomp/stomp/v3/frame"
)

// Append appends a whole frame to dst as version v has it, with its NUL and
// nothing behind it. A content-length header is written for the commands that
// have a body, and one that h holds is left out: there is no other truth than
// the body's length. Line ends in the headers of a CONNECTED, which is never
// escaped, are the caller's to avoid.
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

// AppendRawHeader appends one header line whose value is already as it shall
// stand on the wire, such as one that [Inbound.Wire] gave.
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

// NeedsEscape tells whether any name or value of h is written differently by
// different versions. Where none is, one encoding serves every subscriber.
func NeedsEscape(h *frame.Header) bool {
	for i := range h.Len() {
		k, v := h.GetAt(i)
		if strings.ContainsAny(k, special) || strings.ContainsAny(v, special) {
			return true
		}
	}
	return false
}
