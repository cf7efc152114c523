package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// aclExample is what the default file shows, commented out.
const aclExample = `acl:
  - name: staff read the news
    roles: [staff]                # or users, or claims: [{ name: tenant, values: [a, b] }]; none of them: everybody
    allow: [subscribe]            # allow or deny: send, subscribe, admin:read, admin:write
    destinations: ["/topic/news.**"]
  - name: everybody owns an inbox
    allow: [subscribe, send]
    destinations: ["/queue/inbox.{user}", "/topic/teams.{claim:team}.**"]
  - name: nobody forges audit records
    deny: [send]
    destinations: ["/topic/audit.**"]
  - name: operators see and change everything
    roles: [operator]
    allow: [admin:write]          # admin:read to look only; about the whole broker, so without destinations
`

func ruleKind() recordsKind[Rule] {
	return recordsKind[Rule]{
		example: `{"allow": ["subscribe"], "destinations": ["/topic/**"]}`,
		parts: []part[Rule]{
			{name: "name", kind: textKind{}, doc: "what logs and explanations call the rule", check: single(checkName), field: func(r *Rule) any { return &r.Name }},
			{name: "roles", kind: listKind{}, doc: "who has one of these roles", check: some(checkName), field: func(r *Rule) any { return &r.Roles }},
			{name: "users", kind: listKind{}, doc: "who has one of these names", check: some(checkName), field: func(r *Rule) any { return &r.Users }},
			{name: "claims", kind: claimKind(), doc: "whose token has all of these claims", check: someClaims, field: func(r *Rule) any { return &r.Claims }},
			{name: "allow", kind: listKind{}, doc: "what they may do: send, subscribe, admin:read, admin:write", check: each(checkAction), field: func(r *Rule) any { return &r.Allow }},
			{name: "deny", kind: listKind{}, doc: "what they may not do, whatever other rules allow", check: each(checkAction), field: func(r *Rule) any { return &r.Deny }},
			{name: "destinations", kind: listKind{}, doc: "where: patterns, with {user} and {claim:NAME}; none for admin actions alone", check: each(checkDestination), field: func(r *Rule) any { return &r.Destinations }},
		},
		needs: []need[Rule]{
			{parts: []string{"allow", "deny"}, met: func(r *Rule) bool { return len(r.Allow)+len(r.Deny) > 0 },
				expected: "expected allow or deny with at least one of " + strings.Join(actions(), ", ")},
			{parts: []string{"allow", "deny"}, met: func(r *Rule) bool { return !overlap(r.Allow, r.Deny) },
				expected: "expected nothing in both allow and deny; the denial would always win"},
			{parts: []string{"destinations"}, met: func(r *Rule) bool { return len(r.Destinations) > 0 || r.administers() },
				expected: "expected destinations with at least one pattern, such as /topic/**"},
		},
	}
}

func claimKind() recordsKind[ClaimMatch] {
	return recordsKind[ClaimMatch]{
		example: `{"name": "tenant", "values": ["a"]}`,
		parts: []part[ClaimMatch]{
			{name: "name", kind: textKind{}, doc: "the claim's name, or a dotted path to it", check: single(checkName), field: func(c *ClaimMatch) any { return &c.Name }},
			{name: "values", kind: listKind{}, doc: "one of which it has to have", field: func(c *ClaimMatch) any { return &c.Values }},
		},
		needs: []need[ClaimMatch]{
			{parts: []string{"name"}, met: func(c *ClaimMatch) bool { return c.Name != "" },
				expected: "expected the name of a claim"},
			{parts: []string{"values"}, met: func(c *ClaimMatch) bool { return len(c.Values) > 0 },
				expected: "expected values with at least one that the claim may have"},
		},
	}
}

// noneMeansAll is for an empty list that would make a rule about everybody,
// such as one that a template left empty.
const noneMeansAll = "expected at least one, or the key to be left out when the rule is about everybody"

// some is each for a list that may not be empty.
func some(f func(string) string) check {
	return func(value any) []complaint {
		if len(value.([]string)) == 0 {
			return []complaint{{expected: noneMeansAll}}
		}
		return each(f)(value)
	}
}

func someClaims(value any) []complaint {
	if len(value.([]ClaimMatch)) == 0 {
		return []complaint{{expected: noneMeansAll}}
	}
	return nil
}

// administers tells whether a rule is about the admin API only, which is about
// the whole broker.
func (r *Rule) administers() bool {
	all := slices.Concat(r.Allow, r.Deny)
	return len(all) > 0 && !slices.ContainsFunc(all, func(action string) bool { return !isAdmin(action) })
}

func isAdmin(action string) bool { return strings.HasPrefix(action, "admin:") }

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

func actions() []string { return []string{"send", "subscribe", "admin:read", "admin:write"} }

func checkAction(action string) string { return oneOf(actions(), action) }

func oneOf(words []string, word string) string {
	if slices.Contains(words, word) {
		return ""
	}
	return "expected one of " + strings.Join(words, ", ")
}

// maxDestination bounds a pattern, in bytes, as it does a client's destination.
const maxDestination = 1024

// maxSegments is 32 of the longest name, and four for its prefix.
const maxSegments = 36

// checkDestination wants a pattern of segments, with dots or slashes between
// them, that some destination can match: a denial that silently does nothing
// is a trap.
func checkDestination(pattern string) string { return checkPattern(pattern, false) }

// checkPattern is checkDestination where a wildcard may be part of a segment.
func checkPattern(pattern string, parts bool) string {
	if !strings.HasPrefix(pattern, "/") {
		return "expected a destination that begins with '/', such as /topic/news.**"
	}
	if len(pattern) > maxDestination || !isClean(pattern) {
		return fmt.Sprintf("expected at most %d bytes without control characters", maxDestination)
	}
	plain := fillTemplates(pattern, "x")
	if strings.ContainsAny(plain, "{}") {
		return "expected no braces but those of {user} and {claim:NAME}"
	}
	if strings.HasSuffix(plain, "/") {
		return "expected a name behind the last '/'; ** stands for all names"
	}
	if name, ok := strings.CutPrefix(plain, "/user/"); ok && !strings.Contains(name, "/") && !isMany(name) {
		return "expected /user/**, or /user/queue/NAME for SUBSCRIBE, or /user/NAME/queue/NAME for SEND; topic may stand for queue"
	}
	return checkSegments(segments(plain), parts)
}

// fillTemplates puts text in the place of each template. A claim's name may
// have dots, slashes and stars.
func fillTemplates(pattern, text string) string {
	return regexp.MustCompile(`\{user\}|\{claim:[^{}]+\}`).ReplaceAllLiteralString(pattern, text)
}

// segments cuts up a pattern. What stands behind /user/ is a user's name, which
// only a slash ends.
func segments(pattern string) []string {
	var head []string
	rest := pattern[1:]
	if name, ok := strings.CutPrefix(pattern, "/user/"); ok {
		name, behind, more := strings.Cut(name, "/")
		head, rest = []string{"user", name}, behind
		if !more {
			return head
		}
	}
	return append(head, strings.Split(strings.ReplaceAll(rest, ".", "/"), "/")...)
}

func checkSegments(all []string, parts bool) string {
	partly := slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, "*") && s != "*" && s != "**" })
	switch {
	case partly && !parts:
		return "expected each wildcard to be a whole segment: * for one, ** for any number"
	case len(all) == 1 && !isMany(all[0]):
		return "expected a name behind the prefix, such as /topic/news or /topic/**"
	case len(all) > maxSegments:
		return fmt.Sprintf("expected at most %d segments", maxSegments)
	}
	return ""
}

func isMany(segment string) bool { return segment == "**" || segment == "#" || segment == ">" }
