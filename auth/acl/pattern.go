package acl

import (
	"strings"

	"hoofbeat/destination"
)

// A segment is a part of a rule's destination.
type segment struct {
	destination.Segment
	// variables are the indices of the variables of Parts; -1 for plain text.
	variables []int
}

// A pattern is a destination of a rule.
type pattern struct {
	text     string    // as the operator wrote it
	segments []segment // in normal form
	// written are the segments as the operator wrote them, if there are
	// templates.
	written []segment
}

// variables are the different templates of an ACL, without their braces.
type variables []string

// index returns the place of a variable, which is added if it is new.
func (vs *variables) index(name string) int {
	for i, v := range *vs {
		if v == name {
			return i
		}
	}
	*vs = append(*vs, name)
	return len(*vs) - 1
}

// parsePattern reads a destination of a rule. The error is that of
// [destination.ParseRule].
func parsePattern(text string, vs *variables) (*pattern, error) {
	read, err := destination.ParseRule(text)
	if err != nil {
		return nil, err
	}
	p := &pattern{text: text, segments: vs.resolve(read.Normal())}
	if read.Templates() {
		p.written = vs.resolve(read.Segments())
	}
	return p, nil
}

// resolve finds the variables of templates.
func (vs *variables) resolve(segments []destination.Segment) []segment {
	all := make([]segment, len(segments))
	for i, s := range segments {
		all[i].Segment = s
		for _, part := range s.Parts {
			v := -1
			if part.Variable != "" {
				v = vs.index(part.Variable)
			}
			all[i].variables = append(all[i].variables, v)
		}
	}
	return all
}

// claimOf returns the claim that a variable stands for; ok is false for {user}.
func claimOf(variable string) (claim string, ok bool) {
	return strings.CutPrefix(variable, destination.ClaimPrefix)
}
