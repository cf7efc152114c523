package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxPatternSegments bounds a rule's destination: the 32 segments of the
// longest name, and four for its prefix, as of /user/bob/queue/.
const maxPatternSegments = 36

// userPrefix begins the destinations that belong to a user. What stands behind
// it up to the next slash is a user's name as a whole, dots and all.
const userPrefix = "/user/"

// segmentKind is what a segment of a pattern matches.
type segmentKind uint8

const (
	literalSegment  segmentKind = iota // exactly its text
	templateSegment                    // exactly its text once that is filled
	oneSegment                         // any one segment
	softSegment                        // any one segment; it stands next to a **
	manySegment                        // any segments, none too
)

// A segment is a part of a rule's destination.
type segment struct {
	kind  segmentKind
	text  string // of a literal; of a template as it was written
	parts []part // of a template
	// before is the separator in front of it, as it was written.
	before byte
}

// A part of a template is plain text, or a variable.
type part struct {
	text     string
	variable int // index in the variables; -1 for plain text
}

// A pattern is a destination of a rule.
type pattern struct {
	text     string    // as it was written
	segments []segment // in normal form
	// written are the segments as they were written, if there are templates.
	written []segment
}

// variables are the different templates of an ACL, without their braces.
type variables []string

// The templates that there are: {user}, and {claim:NAME}.
const (
	userVariable = "user"
	claimPrefix  = "claim:"
)

// index returns where a variable is, adding it if it is new, or -1 if there
// is no such thing.
func (vs *variables) index(name string) int {
	claim, isClaim := strings.CutPrefix(name, claimPrefix)
	if name != userVariable && (!isClaim || claim == "") {
		return -1
	}
	for i, v := range *vs {
		if v == name {
			return i
		}
	}
	*vs = append(*vs, name)
	return len(*vs) - 1
}

// parsePattern reads a destination of a rule. The error says what is expected,
// without naming the destination.
func parsePattern(text string, vs *variables) (*pattern, error) {
	if !strings.HasPrefix(text, "/") {
		return nil, errors.New("expected a destination that begins with '/', such as /topic/news.**")
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, errors.New("expected no control characters; no destination has them")
	}
	var segments []segment
	rest, more, before := text[1:], true, byte('/')
	if name, ok := strings.CutPrefix(text, userPrefix); ok {
		var s segment
		var err error
		if s, rest, more, err = userSegment(name, vs); err != nil {
			return nil, err
		}
		s.before = '/'
		segments = append(segments, segment{text: "user", before: '/'}, s)
	}
	for more {
		var raw string
		all := rest
		raw, rest, more = cutSegment(rest, "./")
		s, err := parseSegment(raw, vs)
		if err != nil {
			return nil, err
		}
		s.before = before
		segments = append(segments, s)
		if more {
			before = all[len(raw)]
		}
	}
	if err := checkPattern(text, segments); err != nil {
		return nil, err
	}
	p := &pattern{text: text, segments: normal(segments)}
	if slices.ContainsFunc(segments, func(s segment) bool { return s.kind == templateSegment }) {
		p.written = segments
	}
	return p, nil
}

// checkPattern refuses what matches no destination, since a rule that silently
// does nothing is a trap when it denies.
func checkPattern(text string, segments []segment) error {
	switch {
	case strings.HasSuffix(text, "/"):
		return errors.New("expected a name behind the last '/'; ** stands for all names")
	case len(segments) == 1 && segments[0].kind != manySegment:
		return errors.New("expected a name behind the prefix, such as /topic/news or /topic/**")
	case len(segments) > maxPatternSegments:
		return fmt.Errorf("expected at most %d segments, found %d", maxPatternSegments, len(segments))
	}
	return nil
}

// userSegment reads the user's name behind /user/, which only a slash ends.
func userSegment(text string, vs *variables) (s segment, rest string, more bool, err error) {
	raw, rest, more := cutSegment(text, "/")
	if s, err = parseSegment(raw, vs); err != nil {
		return s, "", false, fmt.Errorf("%w (behind /user/, a user's name goes up to the next '/')", err)
	}
	if !more && s.kind != manySegment {
		return s, "", false, errors.New("expected /user/**, or /user/queue/NAME for SUBSCRIBE, or /user/NAME/queue/NAME for SEND; topic may stand for queue")
	}
	s.decodeUser()
	return s, rest, more, nil
}

// decodeUser reads a user's name as the broker does in a SEND.
func (s *segment) decodeUser() {
	if s.kind == literalSegment {
		s.text = decodeUser(s.text)
	}
	for i := range s.parts {
		s.parts[i].text = decodeUser(s.parts[i].text)
	}
}

func decodeUser(name string) string { return strings.ReplaceAll(name, "%2F", "/") }

// cutSegment takes off what stands before the next separator, and tells whether
// there was one. Within braces nothing is a separator: names of claims hold
// dots and slashes.
func cutSegment(text, separators string) (raw, rest string, more bool) {
	braces := false
	for i := range len(text) {
		switch c := text[i]; {
		case c == '{':
			braces = true
		case c == '}':
			braces = false
		case !braces && strings.IndexByte(separators, c) >= 0:
			return text[:i], text[i+1:], true
		}
	}
	return text, "", false
}

// parseSegment reads a whole segment.
func parseSegment(raw string, vs *variables) (segment, error) {
	var parts []part
	templates := false
	for rest := raw; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			parts = append(parts, part{text: rest, variable: -1})
			break
		}
		if rest[i] == '}' {
			return segment{}, errors.New("expected a '{' before the '}'")
		}
		name, behind, closed := strings.Cut(rest[i+1:], "}")
		if !closed {
			return segment{}, errors.New("expected a '}' behind the '{'")
		}
		v := vs.index(name)
		if v < 0 {
			return segment{}, fmt.Errorf("unknown template {%s}, expected {user} or {claim:NAME}", name)
		}
		if i > 0 {
			parts = append(parts, part{text: rest[:i], variable: -1})
		}
		parts = append(parts, part{variable: v})
		templates, rest = true, behind
	}
	return makeSegment(raw, parts, templates)
}

func makeSegment(text string, parts []part, templates bool) (segment, error) {
	if !templates {
		kind, ok := wildcard(text)
		if !ok {
			return segment{}, fmt.Errorf("a wildcard is part of the segment %q, expected it to be a whole one: * for one segment, ** for any number", text)
		}
		return segment{kind: kind, text: text}, nil
	}
	for _, p := range parts {
		if strings.Contains(p.text, "*") {
			return segment{}, fmt.Errorf("a wildcard is part of the segment %q, expected a template and plain text only", text)
		}
	}
	return segment{kind: templateSegment, text: text, parts: parts}, nil
}

// wildcard tells what a segment without templates stands for, as the broker
// reads it; not ok if a * is a part of it only.
func wildcard(text string) (_ segmentKind, ok bool) {
	switch text {
	case "*":
		return oneSegment, true
	case "**", "#", ">":
		return manySegment, true
	}
	return literalSegment, !strings.Contains(text, "*")
}

// normal gives each run of wildcards with a ** among them one spelling: what
// says "at least n segments" becomes n soft segments and a **.
func normal(segments []segment) []segment {
	var out []segment
	for i := 0; i < len(segments); {
		ones, many, j := 0, false, i
		for ; j < len(segments) && segments[j].kind >= oneSegment; j++ {
			if segments[j].kind == manySegment {
				many = true
			} else {
				ones++
			}
		}
		if i == j {
			out = append(out, segments[i])
			i++
			continue
		}
		kind := oneSegment
		if many {
			kind = softSegment
		}
		for range ones {
			out = append(out, segment{kind: kind, text: "*"})
		}
		if many {
			out = append(out, segment{kind: manySegment, text: "**"})
		}
		i = j
	}
	return out
}
