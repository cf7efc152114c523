package frames

import (
	"strings"

	"github.com/go-stomp/stomp/v3/frame"
)

// Inbound is a frame that a Decoder read. Its strings and its body are its
// own: they stay valid after further frames were read.
type Inbound struct {
	*frame.Frame
	block string // the header lines as they were on the wire, without the blank one
	crlf  bool
	// Size is how many bytes the frame had on the wire, with its NUL.
	Size int
}

// Wire gives the first value of a header as it stood on the wire, before
// escapes were undone. Half of the clients neither escape nor unescape, so
// what is echoed to them (the id of a subscription, a receipt) must be the
// bytes that they wrote. It is meant for the rare header that is echoed: each
// call searches the header block.
func (f Inbound) Wire(name string) string {
	if v := wireValue(f.block, name, f.crlf); v != "" {
		return v
	}
	return f.Header.Get(name)
}

// Plain tells that no name and no value of the header is written differently
// by any version, so that none needs to be looked at when they are written.
func (f Inbound) Plain() bool {
	if f.block == "" {
		return !NeedsEscape(f.Header)
	}
	// One colon for each line is the one behind its name.
	return strings.Count(f.block, ":") == f.Header.Len() && strings.IndexByte(f.block, '\\') < 0 && strings.IndexByte(f.block, '\r') < 0
}

// MayHoldCR tells whether a value may hold a CR, as it is or escaped. False is
// sure.
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
