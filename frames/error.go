package frames

import (
	"fmt"
	"strings"
)

// The words of this package for an ERROR's message header.
const (
	InvalidFrame  = "invalid-frame"
	InvalidText   = "invalid-text"
	FrameTooLarge = "frame-too-large"
)

// Error describes a fault in a peer's bytes. Every field may be sent to the
// peer: none contains a header's value, which may be a secret.
type Error struct {
	// Word is the ERROR's message header: one word, possibly with dashes.
	Word string
	// Text is the prose for the ERROR's body: the fault and how to correct it.
	Text string
	// Receipt is the receipt header of the faulty frame in its encoded form. It
	// is empty if there was none, or if the header was not read that far.
	Receipt string
}

// Error implements error: the word and the text.
func (e *Error) Error() string { return e.Word + ": " + e.Text }

func invalid(format string, a ...any) *Error {
	return &Error{Word: InvalidFrame, Text: fmt.Sprintf(format, a...)}
}

func tooLarge(format string, a ...any) *Error {
	return &Error{Word: FrameTooLarge, Text: fmt.Sprintf(format, a...)}
}

// printable makes a peer's bytes fit to be quoted in an Error: short, and
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
