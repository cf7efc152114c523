package destination

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// SegmentKind says how a segment of a Pattern matches.
type SegmentKind uint8

// The kinds of segment.
const (
	LiteralSegment  SegmentKind = iota // the text itself
	TemplateSegment                    // the text after its variables are replaced
	GlobSegment                        // the text, in which * matches any characters
	OneSegment                         // any one segment
	SoftSegment                        // any one segment, next to a **: see Pattern.Normal
	ManySegment                        // any number of segments
)

// A Segment is one segment of a Pattern.
type Segment struct {
	Kind SegmentKind
	// Text is the operator's spelling, except that %2F is decoded in a literal
	// user name.
	Text  string
	Parts []Part // of a template
	// Before is the separator before the segment, '.' or '/'.
	Before byte
}

// A Part of a template is literal text or a variable.
type Part struct {
	Text     string
	Variable string // user or claim:NAME; "" for plain text
}

// A Pattern is a destination in an access rule or a policy, including its
// prefix. The zero value is no pattern.
type Pattern struct {
	text     string
	segments []Segment
}

// String returns the operator's spelling.
func (p Pattern) String() string { return p.text }

// Segments returns the segments in the operator's spelling. Callers must not
// modify them.
func (p Pattern) Segments() []Segment { return p.segments }

// Whole reports whether the pattern is /**, which matches everything.
func (p Pattern) Whole() bool { return len(p.segments) == 1 && p.segments[0].Kind == ManySegment }

// Wild reports whether the pattern has wildcards.
func (p Pattern) Wild() bool {
	return slices.ContainsFunc(p.segments, func(s Segment) bool { return s.Kind >= GlobSegment })
}

// Templates reports whether the pattern has templates.
func (p Pattern) Templates() bool {
	return slices.ContainsFunc(p.segments, func(s Segment) bool { return s.Kind == TemplateSegment })
}

// The variables of templates: {user}, and {claim:NAME}.
const (
	UserVariable = "user"
	ClaimPrefix  = "claim:"
)

// A patternReader parses a Pattern.
type patternReader struct {
	templates bool // {user} and {claim:NAME} are variables
	globs     bool // a * may be part of a segment
}

// ParseRule parses the destination of an access rule. Its errors describe the
// expected form without repeating the text.
func ParseRule(text string) (Pattern, error) { return patternReader{templates: true}.read(text) }

// ParsePolicy parses the destination pattern of a policy. Its errors describe
// the expected form without repeating the text.
func ParsePolicy(text string) (Pattern, error) { return patternReader{globs: true}.read(text) }

func (r patternReader) read(text string) (Pattern, error) {
	switch {
	case !strings.HasPrefix(text, "/"):
		return Pattern{}, errors.New("expected a destination that begins with '/', such as /topic/news.**")
	case strings.HasSuffix(text, "/"):
		return Pattern{}, errors.New("expected a name behind the last '/'; ** stands for all names")
	case len(text) > MaxBytes || strings.ContainsFunc(text, isControl):
		return Pattern{}, fmt.Errorf("expected at most %d bytes without control characters", MaxBytes)
	}
	segments, err := r.segments(text)
	if err == nil {
		err = checkSegments(segments)
	}
	if err != nil {
		return Pattern{}, err
	}
	return Pattern{text: text, segments: segments}, nil
}

func (r patternReader) segments(text string) ([]Segment, error) {
	var segments []Segment
	rest, more, before := text[1:], true, byte('/')
	if name, ok := strings.CutPrefix(text, UserPrefix); ok {
		var user Segment
		var err error
		if user, rest, more, err = r.user(name); err != nil {
			return nil, err
		}
		segments = append(segments, Segment{Text: "user", Before: '/'}, user)
	}
	for more {
		var raw string
		all := rest
		raw, rest, more = r.cut(rest, "./")
		s, err := r.segment(raw)
		if err != nil {
			return nil, err
		}
		s.Before = before
		segments = append(segments, s)
		if more {
			before = all[len(raw)]
		}
	}
	return segments, nil
}

// checkSegments rejects patterns that can match no destination. A rule without
// effect is dangerous if it is meant to deny.
func checkSegments(segments []Segment) error {
	switch {
	case len(segments) == 1 && segments[0].Kind != ManySegment:
		return errors.New("expected a name behind the prefix, such as /topic/news or /topic/**")
	case len(segments) > MaxRuleSegments:
		return fmt.Errorf("expected at most %d segments, found %d", MaxRuleSegments, len(segments))
	}
	return nil
}

// user parses the user's name after /user/, which extends to the next slash.
func (r patternReader) user(text string) (s Segment, rest string, more bool, err error) {
	raw, rest, more := r.cut(text, "/")
	if s, err = r.segment(raw); err != nil {
		return s, "", false, fmt.Errorf("%w (behind /user/, a user's name goes up to the next '/')", err)
	}
	if !more && s.Kind != ManySegment {
		return s, "", false, errors.New("expected /user/**, or /user/queue/NAME for SUBSCRIBE, or /user/NAME/queue/NAME for SEND; topic may stand for queue")
	}
	s.Before = '/'
	if s.Kind == LiteralSegment {
		s.Text = DecodeUser(s.Text)
	}
	for i := range s.Parts {
		s.Parts[i].Text = DecodeUser(s.Parts[i].Text)
	}
	return s, rest, more, nil
}

// cut returns the text before the next separator, and whether there was one.
// Separators within braces do not count, because names of claims may contain
// dots and slashes.
func (r patternReader) cut(text, separators string) (raw, rest string, more bool) {
	braces := false
	for i := range len(text) {
		switch c := text[i]; {
		case c == '{' && r.templates:
			braces = true
		case c == '}':
			braces = false
		case !braces && strings.IndexByte(separators, c) >= 0:
			return text[:i], text[i+1:], true
		}
	}
	return text, "", false
}

// segment parses one segment.
func (r patternReader) segment(raw string) (Segment, error) {
	if strings.ContainsAny(raw, "{}") {
		if !r.templates {
			return Segment{}, errors.New("expected no braces; templates such as {user} are for acl")
		}
		return template(raw)
	}
	kind, ok := WildcardOf(raw)
	switch {
	case !ok && r.globs:
		return Segment{Kind: GlobSegment, Text: raw}, nil
	case !ok:
		return Segment{}, fmt.Errorf("expected each wildcard to be a whole segment, * for one or ** for any number, and not a part of %q", raw)
	}
	return Segment{Kind: [...]SegmentKind{Literal: LiteralSegment, One: OneSegment, Many: ManySegment}[kind], Text: raw}, nil
}

// template parses a segment with variables.
func template(raw string) (Segment, error) {
	var parts []Part
	for rest := raw; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			parts = append(parts, Part{Text: rest})
			break
		}
		if rest[i] == '}' {
			return Segment{}, errors.New("expected a '{' before the '}'")
		}
		name, behind, closed := strings.Cut(rest[i+1:], "}")
		if !closed {
			return Segment{}, errors.New("expected a '}' behind the '{'")
		}
		claim, isClaim := strings.CutPrefix(name, ClaimPrefix)
		if name != UserVariable && (!isClaim || claim == "") {
			return Segment{}, fmt.Errorf("unknown template {%s}, expected {user} or {claim:NAME}", name)
		}
		if i > 0 {
			parts = append(parts, Part{Text: rest[:i]})
		}
		parts = append(parts, Part{Variable: name})
		rest = behind
	}
	if slices.ContainsFunc(parts, func(p Part) bool { return strings.Contains(p.Text, "*") }) {
		return Segment{}, fmt.Errorf("expected a template and plain text only, and no wildcard in %q", raw)
	}
	return Segment{Kind: TemplateSegment, Text: raw, Parts: parts}, nil
}

// Normal returns the segments with one spelling for each run of wildcards that
// contains a **: a run that matches n or more segments becomes n soft segments
// and a **.
func (p Pattern) Normal() []Segment {
	var out []Segment
	for i := 0; i < len(p.segments); {
		ones, many, j := 0, false, i
		for ; j < len(p.segments) && p.segments[j].Kind >= OneSegment; j++ {
			if p.segments[j].Kind == ManySegment {
				many = true
			} else {
				ones++
			}
		}
		if i == j {
			out = append(out, p.segments[i])
			i++
			continue
		}
		kind := OneSegment
		if many {
			kind = SoftSegment
		}
		for range ones {
			out = append(out, Segment{Kind: kind, Text: "*"})
		}
		if many {
			out = append(out, Segment{Kind: ManySegment, Text: "**"})
		}
		i = j
	}
	return out
}

// Word converts the pattern into a Word. A template becomes a *, because it may
// have any value; a segment that contains a wildcard becomes a literal. The
// error is ErrTooLong.
func (p Pattern) Word() (*Word, error) {
	w := &Word{}
	for _, s := range p.segments {
		add, text := w.Add, s.Text
		switch s.Kind {
		case LiteralSegment, GlobSegment:
			add = w.AddLiteral
		case TemplateSegment:
			text = "*"
		}
		if err := add(text); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// Overlaps reports whether some destination matches both the pattern and the
// word. The variables of a template may have any value except the empty one.
func (p Pattern) Overlaps(w *Word) bool { return p.reaches(w, false) }

// Covers reports whether the pattern matches every destination that the word
// matches. A pattern with a template covers no word, because its variables have
// no fixed value.
func (p Pattern) Covers(w *Word) bool { return p.reaches(w, true) }

func (p Pattern) reaches(w *Word, cover bool) bool {
	at := w.Start(cover)
	for _, s := range p.Normal() {
		switch s.Kind {
		case OneSegment, SoftSegment:
			at = w.OverOne(at, s.Kind == SoftSegment, cover)
		case ManySegment:
			at = w.OverMany(at)
		case TemplateSegment:
			if cover {
				return false
			}
			fallthrough
		default:
			at = w.over(at, w.matching(s.fits), cover)
		}
	}
	return at&w.End() != 0
}

// fits reports whether a segment without wildcards can match text.
func (s *Segment) fits(text string) bool {
	switch s.Kind {
	case GlobSegment:
		return glob(s.Text, text)
	case TemplateSegment:
		return fits(s.Parts, text)
	}
	return s.Text == text
}

// fits reports whether some values of the variables turn the parts into text.
func fits(parts []Part, text string) bool {
	// fit[i] reports whether the parts so far can produce the first i bytes.
	fit := make([]bool, len(text)+1)
	fit[0] = true
	for _, p := range parts {
		next := make([]bool, len(fit))
		for i := range fit {
			switch {
			case p.Variable != "":
				next[i] = i > 0 && (next[i-1] || fit[i-1])
			case fit[i] && strings.HasPrefix(text[i:], p.Text):
				next[i+len(p.Text)] = true
			}
		}
		fit = next
	}
	return fit[len(text)]
}
