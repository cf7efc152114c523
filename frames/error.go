package frames

import (
	"fmt"
	"strings"
)

// The words that this package puts into an ERROR's message header.
const (
	InvalidFrame  = "invalid-frame"
	InvalidText   = "invalid-text"
	FrameTooLarge = "frame-too-large"
)

// Error says what is wrong with what a peer sent. All of it may be shown to
// the peer; it never holds a header's value, which might be a secret.
type Error struct {
	// Word is the ERROR frame's message header: one dashed word.
	Word string
	// Text is prose for the ERROR's body: what is wrong, and how to mend it.
	Text string
	// Receipt is the receipt header of the frame at fault as it stood on the
	// wire, empty when it had none or was not read as far.
	Receipt string
}

// Error implements error: the word and the prose.
func (e *Error) Error() string { return e.Word + ": " + e.Text }

func invalid(format string, a ...any) *Error {
	return &Error{Word: InvalidFrame, Text: fmt.Sprintf(format, a...)}
}

func tooLarge(format string, a ...any) *Error {
	return &Error{Word: FrameTooLarge, Text: fmt.Sprintf(format, a...)}
}

// printable makes bytes of a peer fit to be quoted in an Error: short, and
// without control characters that would break an ERROR frame or a log line.
func printable(b []byte) string {
	const most = 40
	s := string(b[:min(len(b), most)])
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return '?'
		}
		return r
	}, s)
	if len(b) > most {
		s += "..."
	}
	return s
}
