package destination

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The bounds of names and patterns.
const (
	// MaxBytes bounds the text of a destination. RabbitMQ stops at 255;
	// JMS-style names with two user ids in them are longer.
	MaxBytes = 1024
	// MaxSegments bounds the name behind a prefix. The cost of a message that
	// matches patterns with several ** grows with the product of the two
	// lengths.
	MaxSegments = 32
	// MaxRuleSegments bounds the destination of an access rule, which counts
	// the segments of its prefix: four more, as in /user/bob/queue/.
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

// WildcardOf returns the meaning of a segment. It is not ok if a * is only a
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

// CutSegment returns the first segment of a name and the rest. More is false
// if there was no separator.
func CutSegment(name string) (segment, rest string, more bool) {
	if i := strings.IndexAny(name, "./"); i >= 0 {
		return name[:i], name[i+1:], true
	}
	return name, "", false
}

// Nested reports whether the names behind one of two prefixes are also names
// behind the other, as those of /topic/ and /topic.internal/ are.
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

// DecodeUser returns the user's name that a segment behind /user/ means: as in
// Spring, %2F is a slash.
func DecodeUser(segment string) string { return strings.ReplaceAll(segment, "%2F", "/") }

// checkText refuses texts that no destination can have.
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

// An Error says why a text is no destination.
type Error struct {
	// Unknown is true if no prefix of the text is known, and false if the name
	// behind the prefix cannot be used.
	Unknown bool
	Text    string
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

func unusable(format string, a ...any) *Error {
	return &Error{Text: fmt.Sprintf(format, a...)}
}
