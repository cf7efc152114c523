package destination

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The limits of names and patterns.
const (
	// MaxBytes limits the text of a destination. RabbitMQ's limit is 255;
	// JMS-style names that contain two user ids are longer.
	MaxBytes = 1024
	// MaxSegments limits the name after a prefix. The cost of matching a name
	// with several ** grows with the product of the two lengths.
	MaxSegments = 32
	// MaxRuleSegments limits the destination of an access rule, which includes
	// up to four segments of prefix, as in /user/bob/queue/.
	MaxRuleSegments = MaxSegments + 4
)

// A Wildcard is the meaning of one segment of a pattern.
type Wildcard uint8

// The meanings of a segment.
const (
	Literal Wildcard = iota // the text itself
	One                     // *: any one segment
	Many                    // **, # or >: any number of segments
)

// WildcardOf returns the meaning of a segment. ok is false if a * is only a
// part of the segment.
func WildcardOf(segment string) (_ Wildcard, ok bool) {
	switch segment {
	case "*":
		return One, true
	case "**", "#", ">":
		return Many, true
	}
	return Literal, !strings.Contains(segment, "*")
}

// CutSegment returns the first segment of a name and the rest. more is false if
// there was no separator.
func CutSegment(name string) (segment, rest string, more bool) {
	if i := strings.IndexAny(name, "./"); i >= 0 {
		return name[:i], name[i+1:], true
	}
	return name, "", false
}

// Nested reports whether the segments of one prefix begin the other, as with
// /topic/ and /topic.internal/. A name after the longer one is then also a name
// after the shorter one.
func Nested(a, b string) bool {
	a, b = strings.Trim(a, "./"), strings.Trim(b, "./")
	for {
		first, restA, moreA := CutSegment(a)
		other, restB, moreB := CutSegment(b)
		switch {
		case first != other:
			return false
		case !moreA || !moreB:
			return true
		}
		a, b = restA, restB
	}
}

// DecodeUser returns the user's name that a segment after /user/ stands for. As
// in Spring, %2F stands for a slash.
func DecodeUser(segment string) string { return strings.ReplaceAll(segment, "%2F", "/") }

// checkText rejects texts that no destination can have.
func checkText(text string, limit int) error {
	switch {
	case text == "":
		return unusable("The destination header is missing or empty.")
	case len(text) > limit:
		return unusable("The destination is longer than %d bytes.", limit)
	case strings.ContainsFunc(text, isControl):
		return unusable("The destination %q holds a control character.", text)
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }

// An Error explains why a text is no destination.
type Error struct {
	// Unknown is true if the text has no known prefix, and false if the name
	// after the prefix is unusable.
	Unknown bool
	Text    string
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

func unusable(format string, a ...any) *Error {
	return &Error{Text: fmt.Sprintf(format, a...)}
}
