package config

import (
	"fmt"
	"slices"
	"strings"

	"hoofbeat/destination"
)

const aclKey = "acl"

// checkRules compares rules with the prefixes. It checks each rule by itself,
// even if others have faults.
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

// checkAdminRule rejects an admin action for specific destinations: allowing it
// would have no effect, and denying it would deny it for the whole broker.
func (l *loader) checkAdminRule(i int, r Rule) {
	if len(r.Destinations) > 0 && slices.ContainsFunc(slices.Concat(r.Allow, r.Deny), isAdmin) && !slices.ContainsFunc(r.Destinations, isWhole) {
		l.fault(fmt.Sprintf("%s[%d].destinations", aclKey, i), show(anyList(r.Destinations)), l.values[aclKey].source,
			"expected no destinations beside admin:read and admin:write, as the admin API is about the whole broker; expected a rule of its own for those")
	}
}

// isWhole reports whether a pattern stands for the whole broker.
func isWhole(pattern string) bool {
	p, err := destination.ParseRule(pattern)
	return err == nil && p.Whole()
}

// checkReach rejects patterns that match no destination to which clients can
// SEND or SUBSCRIBE.
func (l *loader) checkReach(i int, r Rule, all []space, prefixes Prefixes) {
	wanted := slices.Concat(r.Allow, r.Deny)
	usable := func(s space) bool {
		// A rule without actions, or with an unknown one, has its own fault.
		return len(wanted) == 0 || slices.ContainsFunc(wanted, func(action string) bool {
			return slices.Contains(s.actions, action) || action != "send" && action != "subscribe"
		})
	}
	for at, d := range r.Destinations {
		p, err := destination.ParseRule(d)
		if err != nil {
			continue // already reported
		}
		reached := slices.DeleteFunc(slices.Clone(all), func(s space) bool { return !s.meets(p) })
		if slices.ContainsFunc(reached, usable) {
			continue
		}
		l.faultIn(fmt.Sprintf("%s[%d].destinations", aclKey, i), fmt.Sprintf("[%d]", at), show(d), l.values[aclKey].source, unreached(r, p, reached, prefixes))
	}
}

// unreached explains why a pattern never matches.
func unreached(r Rule, p destination.Pattern, reached []space, prefixes Prefixes) string {
	switch {
	case len(reached) > 0:
		return fmt.Sprintf("expected an action that clients can do there, which is %s; the rule has %s",
			strings.Join(reached[0].actions, ", "), strings.Join(slices.Concat(r.Allow, r.Deny), ", "))
	case strings.HasPrefix(p.String(), destination.UserPrefix):
		return "expected /user/**, or /user/queue/NAME for SUBSCRIBE, or /user/NAME/queue/NAME for SEND; topic may stand for queue"
	case slices.ContainsFunc(spaces(prefixes), func(s space) bool { return s.tooLong(p) && p.Overlaps(s.word()) }):
		return fmt.Sprintf("expected at most %d segments behind the prefix", destination.MaxSegments)
	}
	known := slices.Concat(prefixes.Topic, prefixes.Queue, []string{destination.UserPrefix, destination.TempPrefix, destination.ReplyPrefix})
	return "expected something that a destination can match, and so one of " + strings.Join(known, ", ") + " at its beginning; this rule would never count"
}

// A space is the set of destinations with one prefix and at least a number of
// segments after it.
type space struct {
	prefix  string // * is any one segment
	actions []string
	least   int // segments after the prefix
}

// spaces lists the spaces in which clients can SEND and SUBSCRIBE. Rules accept
// both spellings of a user's destinations for either action.
func spaces(prefixes Prefixes) []space {
	both := []string{"send", "subscribe"}
	var all []space
	for _, prefix := range slices.Concat(prefixes.Topic, prefixes.Queue) {
		all = append(all, space{prefix, both, 1})
	}
	for _, kind := range []string{"queue/", "topic/"} {
		all = append(all, space{destination.UserPrefix + kind, both, 1}, space{destination.UserPrefix + "*/" + kind, both, 1})
	}
	return append(all, space{destination.TempPrefix, both, 1}, space{destination.ReplyPrefix, both[:1], 2})
}

// meets reports whether a destination of the space can match a rule's pattern.
func (s space) meets(p destination.Pattern) bool { return !s.tooLong(p) && p.Overlaps(s.word()) }

// word returns a Word that matches the destinations of the space.
func (s space) word() *destination.Word {
	w := &destination.Word{}
	text := strings.Trim(s.prefix, "/") + strings.Repeat("/*", s.least) + "/**"
	if err := w.AddAll(text); err != nil {
		panic(err) // prefixes are validated: short, and without wildcards
	}
	return w
}

// tooLong reports whether a pattern has more segments than the space's names
// may have.
func (s space) tooLong(p destination.Pattern) bool {
	count := 0
	for _, segment := range p.Segments() {
		if segment.Kind != destination.ManySegment {
			count++
		}
	}
	behind := strings.FieldsFunc(s.prefix, func(r rune) bool { return r == '.' || r == '/' })
	return count > len(behind)+destination.MaxSegments
}
