package config

import (
	"slices"
	"strings"

	"hoofbeat/destination"
)

// aclExample is the example in the default file, commented out.
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

// noneMeansAll is for an empty list that would make a rule apply to everybody,
// for example one that a template left empty.
const noneMeansAll = "expected at least one, or the key to be left out when the rule is about everybody"

// some is each for a list that must not be empty.
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

// administers reports whether a rule has admin actions only. These concern the
// whole broker.
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

// checkDestination requires a pattern that some destination can match. A deny
// rule without effect would be dangerous.
func checkDestination(pattern string) string {
	_, err := destination.ParseRule(pattern)
	return errorText(err)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
