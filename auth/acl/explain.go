package acl

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hoofbeat/destination"
)

// A Grant is one thing that a rule allows or denies to an identity.
type Grant struct {
	Action Action
	// Pattern is the destination with its templates filled. A segment is
	// quoted if its value looks like something else (a wildcard, two
	// segments).
	Pattern string
	Allowed bool // or else denied
	Rule    string
	// Note gives the reason why a template could not be filled, and its
	// effect.
	Note string
}

// maxFilled bounds the patterns that List makes of one destination with
// templates that stand for lists.
const maxFilled = 1000

// List returns the grants and denials of the identity by action, and within
// an action in the order of the rules. It leaves out rights that need no rule
// (a connection's own temporary queues). For a list that allows everything it
// returns one Grant for each action.
func (p *Permissions) List() []Grant {
	var out []Grant
	for action := Send; action.known(); action++ {
		if p.acl.all {
			out = append(out, Grant{Action: action, Pattern: "/**", Allowed: true})
		}
		for i := range p.acl.rules {
			if p.concerns.has(int32(i)) {
				out = append(out, p.grants(&p.acl.rules[i], action)...)
			}
		}
	}
	return out
}

// grants lists one rule for one action.
func (p *Permissions) grants(r *compiledRule, action Action) []Grant {
	allowed := slices.Contains(r.Allow, action)
	if !allowed && !slices.Contains(r.Deny, action) {
		return nil
	}
	var out []Grant
	for _, pt := range r.patterns {
		patterns, notes := p.filledPatterns(pt, allowed)
		for _, text := range patterns {
			out = append(out, Grant{action, text, allowed, r.label, strings.Join(notes, "; ")})
		}
	}
	return out
}

// filledPatterns returns a pattern in all the ways in which it may be filled.
func (p *Permissions) filledPatterns(pt *pattern, allowed bool) (patterns, notes []string) {
	if pt.written == nil {
		return []string{pt.text}, nil
	}
	f := filler{p: p, allowed: allowed, bound: make([]string, len(p.acl.variables))}
	f.fill(pt.written, "")
	if len(f.patterns) == 0 {
		f.patterns = []string{pt.text}
	}
	return f.patterns, f.notes
}

// A filler writes a pattern in all ways in which its templates may be filled.
type filler struct {
	p        *Permissions
	allowed  bool
	bound    []string // values by variable, "" for none
	patterns []string
	notes    []string
}

func (f *filler) fill(segments []segment, text string) {
	switch {
	case len(f.patterns) == maxFilled:
		f.note("there are more values than are listed")
	case len(segments) == 0:
		f.patterns = append(f.patterns, text)
	case segments[0].Kind != destination.TemplateSegment:
		f.fill(segments[1:], text+string(segments[0].Before)+segments[0].Text)
	default:
		f.template(segments, text)
	}
}

// template fills the template that is the first of the segments.
func (f *filler) template(segments []segment, text string) {
	for _, v := range segments[0].variables {
		if v < 0 || f.p.fill(v).whole {
			continue
		}
		name := "{" + f.p.acl.variables[v] + "}"
		if !f.allowed {
			f.note(name + " has no usable value, so any is denied")
			f.fill(segments[1:], text+string(segments[0].Before)+"*")
			return
		}
		if len(f.p.fill(v).values) == 0 {
			f.note(name + " has no usable value, so nothing is allowed")
			return
		}
	}
	f.parts(segments, 0, "", text)
}

// parts fills the template from part i on; value is the text before it.
func (f *filler) parts(segments []segment, i int, value, text string) {
	parts := segments[0].Parts
	if i == len(parts) {
		f.fill(segments[1:], text+string(segments[0].Before)+quoted(value))
		return
	}
	v := segments[0].variables[i]
	switch {
	case v < 0:
		f.parts(segments, i+1, value+parts[i].Text, text)
	case f.bound[v] != "":
		f.parts(segments, i+1, value+f.bound[v], text)
	default:
		for _, f.bound[v] = range f.p.fill(v).values {
			f.parts(segments, i+1, value+f.bound[v], text)
		}
		f.bound[v] = ""
	}
}

func (f *filler) note(text string) {
	if !slices.Contains(f.notes, text) {
		f.notes = append(f.notes, text)
	}
}

// quoted writes a segment so that it is not mistaken for another one.
func quoted(text string) string {
	kind, ok := destination.WildcardOf(text)
	plain := ok && kind == destination.Literal && !strings.ContainsAny(text, "./{}") && strconv.Quote(text) == `"`+text+`"`
	if plain {
		return text
	}
	return strconv.Quote(text)
}

// Explain says on several lines, for an operator, how Decide comes to its
// decision: the decision first, then every rule that has to do with it.
func (p *Permissions) Explain(action Action, destination string) string {
	var b strings.Builder
	d := p.Decide(action, destination)
	verb := "denied"
	if d.Allowed {
		verb = "allowed"
	}
	fmt.Fprintf(&b, "%s: %v %q by user %q", verb, action, destination, p.id.User)
	if len(p.id.Roles) > 0 {
		fmt.Fprintf(&b, " with roles %q", p.id.Roles)
	}
	fmt.Fprintf(&b, "\n  because %s", d.Reason)
	if d.Rule != "" {
		fmt.Fprintf(&b, ": %q", d.Rule)
	}
	b.WriteByte('\n')
	var r reading
	if p.acl.all || !action.known() || r.read(action, destination, p.id.User) != undecided {
		return b.String()
	}
	rules := &p.acl.trees[action]
	p.explain(&b, "denies it", walk{denying: true}, &rules.deny, r.names(), nil)
	covering := p.explain(&b, "allows it", walk{cover: true}, &rules.allow, r.granting(action), nil)
	if r.wild() {
		p.explain(&b, "allows a part of it only", walk{}, &rules.allow, r.granting(action), covering)
	}
	return b.String()
}

// explain writes a line for each end that a walk finds, up to a limit, and
// returns the rules that it found.
func (p *Permissions) explain(b *strings.Builder, what string, k walk, t *ruleTree, words []destination.Word, but []ending) []ending {
	var found []ending
	k.p, k.found = p, &found
	for i := range words {
		k.w = &words[i]
		k.run(t)
	}
	slices.SortStableFunc(found, func(x, y ending) int { return cmp.Compare(x.rule, y.rule) })
	found = slices.Compact(found)
	for _, e := range found {
		if !slices.Contains(but, e) {
			fmt.Fprintf(b, "  %q %s: %q\n", p.acl.rules[e.rule].label, what, e.pattern.text)
		}
	}
	return found
}
