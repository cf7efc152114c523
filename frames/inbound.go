package frames

import (
	"strings"

	"github.com/go-stomp/stomp/v3/frame"
)

// Inbound is a decoded frame. Its strings stay valid when the Decoder reads further
// frames; the frame itself, its header and its body do so only if they are a
// server's, see [NewDecoder].
type Inbound struct {
	*frame.Frame
	block string // the encoded header lines, without the blank line
	crlf  bool
	// Size is the number of bytes of the frame on the wire, including its NUL.
	Size int
}

// Wire returns the first value of a header in its encoded form. Half of the
// clients neither escape nor unescape, so values that are echoed to them (the
// id of a subscription, a receipt) must be the bytes that they sent. Each call
// searches the header block, which is meant for the few headers that are
// echoed.
func (f Inbound) Wire(name string) string {
	if v := wireValue(f.block, name, f.crlf); v != "" {
		return v
	}
	return f.Header.Get(name)
}

// Plain reports whether every version encodes all names and values of the
// header in the same way, so that encoders need not inspect them.
func (f Inbound) Plain() bool {
	if f.block == "" {
		return !NeedsEscape(f.Header)
	}
	// Each line has one colon, the one after its name.
	return strings.Count(f.block, ":") == f.Header.Len() && strings.IndexByte(f.block, '\\') < 0 && strings.IndexByte(f.block, '\r') < 0
}

// MayHoldCR reports whether a value may contain a CR, escaped or not. False is
// certain.
func (f Inbound) MayHoldCR() bool {
	return f.block == "" || strings.IndexByte(f.block, '\\') >= 0 || strings.IndexByte(f.block, '\r') >= 0
}

func wireValue(block, name string, crlf bool) string {
	for rest := block; rest != ""; {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		k, v, _ := strings.Cut(line, ":")
		if k == name {
			if crlf {
				v = strings.TrimSuffix(v, "\r")
			}
			return v
		}
	}
	return ""
}
