package acl

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"

	"hoofbeat/auth"
)

// A ruleSet is a set of rules, as bits.
type ruleSet []uint64

func newRuleSet(rules int) ruleSet { return make(ruleSet, (rules+63)/64) }

func (s ruleSet) add(rule int32)      { s[rule/64] |= 1 << (rule % 64) }
func (s ruleSet) has(rule int32) bool { return s[rule/64]>>(rule%64)&1 != 0 }

// and keeps only the members of t, which has the same length.
func (s ruleSet) and(t ruleSet) {
	for i := range s {
		s[i] &= t[i]
	}
}

// meets reports whether s, which may be shorter, and t have a rule in common.
func (s ruleSet) meets(t ruleSet) bool {
	for i := range s {
		if s[i]&t[i] != 0 {
			return true
		}
	}
	return false
}

// A selector finds the rules that concern somebody without looking at each.
type selector struct {
	rules []compiledRule
	roles facet
	users facet
	// claims are those of the first ClaimMatch of each rule, by name.
	claims   map[string]facet
	noClaims ruleSet // the rules without claims
}

// A facet is one thing that rules ask of an identity.
type facet struct {
	free ruleSet            // the rules that do not ask
	by   map[string][]int32 // the others, by the subjects that they select
}

func newSelector(rules []compiledRule) selector {
	s := selector{
		rules:    rules,
		roles:    newFacet(len(rules)),
		users:    newFacet(len(rules)),
		claims:   make(map[string]facet),
		noClaims: newRuleSet(len(rules)),
	}
	for i, r := range rules {
		s.roles.ask(int32(i), r.Roles)
		s.users.ask(int32(i), r.Users)
		if len(r.Claims) == 0 {
			s.noClaims.add(int32(i))
			continue
		}
		first := r.Claims[0]
		f, ok := s.claims[first.Name]
		if !ok {
			f = facet{by: make(map[string][]int32)}
			s.claims[first.Name] = f
		}
		f.ask(int32(i), first.Values)
	}
	return s
}

func newFacet(rules int) facet {
	return facet{free: newRuleSet(rules), by: make(map[string][]int32)}
}

func (f facet) ask(rule int32, values []string) {
	if len(values) == 0 {
		f.free.add(rule)
	}
	for _, v := range values {
		f.by[v] = append(f.by[v], rule)
	}
}

// pick returns the rules that are content with some values.
func (f facet) pick(values ...string) ruleSet {
	out := slices.Clone(f.free)
	for _, v := range values {
		for _, rule := range f.by[v] {
			out.add(rule)
		}
	}
	return out
}

// concerns returns the rules that concern an identity.
func (s *selector) concerns(id *auth.Identity) ruleSet {
	out := s.roles.pick(id.Roles...)
	if len(s.users.by) > 0 {
		out.and(s.users.pick(id.User))
	}
	if len(s.claims) > 0 {
		out.and(s.byClaims(id.Claims))
	}
	return out
}

func (s *selector) byClaims(claims map[string]any) ruleSet {
	out := slices.Clone(s.noClaims)
	for name, f := range s.claims {
		values, _ := claimTexts(claims, name)
		for _, v := range values {
			for _, rule := range f.by[v] {
				if fulfils(claims, s.rules[rule].Claims[1:]) {
					out.add(rule)
				}
			}
		}
	}
	return out
}

func fulfils(claims map[string]any, all []ClaimMatch) bool {
	for _, m := range all {
		values, _ := claimTexts(claims, m.Name)
		if !slices.ContainsFunc(values, func(v string) bool { return slices.Contains(m.Values, v) }) {
			return false
		}
	}
	return true
}

// claimTexts returns the texts of a claim, or of its elements if it is a list.
// It is not whole if the claim is missing, or if something in it has no text.
func claimTexts(claims map[string]any, name string) (texts []string, whole bool) {
	value, _ := auth.LookupClaim(claims, name)
	switch value := value.(type) {
	case []any:
		whole = true
		for _, v := range value {
			text, ok := scalarText(v)
			if !ok {
				whole = false
				continue
			}
			texts = append(texts, text)
		}
		return texts, whole
	case []string:
		return value, true
	default:
		text, ok := scalarText(value)
		if !ok {
			return nil, false
		}
		return []string{text}, true
	}
}

// scalarText is the text of a string, number or boolean. A number that was read
// into a float64 which cannot hold all integers of its size has none, since
// different ids would have the same one.
func scalarText(v any) (string, bool) {
	const exact = 1 << 53
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		text, err := json.Marshal(v)
		return string(text), err == nil && math.Abs(v) < exact
	}
	return "", false
}
