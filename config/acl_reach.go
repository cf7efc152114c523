package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const aclKey = "acl"

// checkRules looks at what rules have to do with the prefixes. It looks at
// each rule by itself, whatever is wrong with the others.
func (l *loader) checkRules(c *Config) {
	rules, readable := l.values[aclKey].value.([]Rule)
	if !readable {
		return
	}
	for i, r := range rules {
		l.checkAdminRule(i, r)
		if l.sound("prefixes.topic", "prefixes.queue") {
			l.checkReach(i, r, spaces(c.Prefixes), c.Prefixes)
		}
	}
}

// checkAdminRule refuses an admin action for some destinations: to allow it
// would allow nothing, and to deny it would deny it altogether.
func (l *loader) checkAdminRule(i int, r Rule) {
	if len(r.Destinations) > 0 && slices.ContainsFunc(slices.Concat(r.Allow, r.Deny), isAdmin) && !slices.ContainsFunc(r.Destinations, isWhole) {
		l.fault(fmt.Sprintf("%s[%d].destinations", aclKey, i), show(anyList(r.Destinations)), l.values[aclKey].source,
			"expected no destinations beside admin:read and admin:write, as the admin API is about the whole broker; expected a rule of its own for those")
	}
}

// isWhole tells whether a pattern stands for the whole broker.
func isWhole(pattern string) bool { return strings.HasPrefix(pattern, "/") && isMany(pattern[1:]) }

// checkReach refuses patterns that match nothing that a client can SEND or
// SUBSCRIBE to.
func (l *loader) checkReach(i int, r Rule, all []space, prefixes Prefixes) {
	wanted := slices.Concat(r.Allow, r.Deny)
	usable := func(s space) bool {
		// A rule without actions, or with another word for one, has a fault of its own.
		return len(wanted) == 0 || slices.ContainsFunc(wanted, func(action string) bool {
			return slices.Contains(s.actions, action) || action != "send" && action != "subscribe"
		})
	}
	for at, d := range r.Destinations {
		if checkDestination(d) != "" {
			continue // told of already
		}
		p := ruleSegments(d)
		reached := slices.DeleteFunc(slices.Clone(all), func(s space) bool { return !s.meets(p) })
		if slices.ContainsFunc(reached, usable) {
			continue
		}
		l.faultIn(fmt.Sprintf("%s[%d].destinations", aclKey, i), fmt.Sprintf("[%d]", at), show(d), l.values[aclKey].source, unreached(r, p, reached, prefixes))
	}
}

// unreached says why a pattern would never match.
func unreached(r Rule, pattern []string, reached []space, prefixes Prefixes) string {
	switch {
	case len(reached) > 0:
		return fmt.Sprintf("expected an action that clients can do there, which is %s; the rule has %s",
			strings.Join(reached[0].actions, ", "), strings.Join(slices.Concat(r.Allow, r.Deny), ", "))
	case pattern[0] == "user":
		return "expected /user/**, or /user/queue/NAME for SUBSCRIBE, or /user/NAME/queue/NAME for SEND; topic may stand for queue"
	case slices.ContainsFunc(spaces(prefixes), func(s space) bool { return len(pattern) > len(s.prefix)+maxNameSegments && s.begins(pattern) }):
		return fmt.Sprintf("expected at most %d segments behind the prefix", maxNameSegments)
	}
	known := slices.Concat(prefixes.Topic, prefixes.Queue, []string{"/user/", "/temp-queue/", "/reply-queue/"})
	return "expected something that a destination can match, and so one of " + strings.Join(known, ", ") + " at its beginning; this rule would never count"
}

// A space is what destinations look like that begin alike: a prefix, and at
// least one segment behind it.
type space struct {
	prefix  []string // segments; * is any one
	actions []string // what clients do there
	least   int      // segments behind the prefix
}

// spaces lists where clients can SEND and SUBSCRIBE. Rules take both names of
// a user's own destinations for either action.
func spaces(prefixes Prefixes) []space {
	both := []string{"send", "subscribe"}
	var all []space
	for _, prefix := range slices.Concat(prefixes.Topic, prefixes.Queue) {
		all = append(all, space{prefixSegments(prefix), both, 1})
	}
	for _, kind := range []string{"queue", "topic"} {
		all = append(all, space{[]string{"user", kind}, both, 1}, space{[]string{"user", "*", kind}, both, 1})
	}
	return append(all, space{[]string{"temp-queue"}, both, 1}, space{[]string{"reply-queue"}, both[:1], 2})
}

// prefixSegments cuts up a prefix, which ends with a slash.
func prefixSegments(prefix string) []string {
	return strings.Split(strings.ReplaceAll(strings.Trim(prefix, "/"), ".", "/"), "/")
}

// filled stands for the value of a template. No pattern has it: a control
// character is refused.
const filled = "\x00"

// ruleSegments cuts up a pattern of a rule. A segment with templates keeps
// their places.
func ruleSegments(pattern string) []string {
	return segments(fillTemplates(pattern, filled))
}

// meets tells whether a destination of the space can match a pattern of a
// rule.
func (s space) meets(pattern []string) bool {
	count := len(slices.DeleteFunc(slices.Clone(pattern), isMany))
	if count > len(s.prefix)+maxNameSegments {
		return false
	}
	whole := slices.Clone(s.prefix)
	for range s.least {
		whole = append(whole, "*")
	}
	return meet(pattern, append(whole, "**"))
}

// begins tells whether the pattern begins with the space's prefix.
func (s space) begins(pattern []string) bool {
	return len(pattern) >= len(s.prefix) && meet(pattern[:len(s.prefix)], s.prefix)
}

// meet tells whether there is a list of segments that matches both patterns.
func meet(a, b []string) bool {
	// met[j] tells whether what is left of a meets b[j:].
	met := make([]bool, len(b)+1)
	met[len(b)] = true
	for j := len(b) - 1; j >= 0 && isMany(b[j]); j-- {
		met[j] = true
	}
	for i := len(a) - 1; i >= 0; i-- {
		next := make([]bool, len(b)+1)
		for j := len(b); j >= 0; j-- {
			switch {
			case isMany(a[i]):
				next[j] = met[j] || j < len(b) && next[j+1]
			case j == len(b):
			case isMany(b[j]):
				next[j] = next[j+1] || met[j]
			default:
				next[j] = met[j+1] && meetSegment(a[i], b[j])
			}
		}
		met = next
	}
	return met[0]
}

// meetSegment is meet for one segment of a rule and one of a space.
func meetSegment(of, literal string) bool {
	switch {
	case of == "*" || literal == "*":
		return true
	case !strings.Contains(of, filled):
		return of == literal
	}
	parts := strings.ReplaceAll(regexp.QuoteMeta(of), filled, "(?s:.+)")
	return regexp.MustCompile("^" + parts + "$").MatchString(literal)
}
