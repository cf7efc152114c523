package config

import (
	"slices"
	"strings"
	"testing"
)

// TestRulesThatNeverMatch covers patterns that are well-formed but match no
// destination. A deny rule with such a pattern would fail open.
func TestRulesThatNeverMatch(t *testing.T) {
	const (
		prefix = "expected something that a destination can match, and so one of /topic/, /app.jobs/, /user/, /temp-queue/, /reply-queue/ at its beginning; " +
			"this rule would never count"
		user   = "expected /user/**, or /user/queue/NAME for SUBSCRIBE, or /user/NAME/queue/NAME for SEND; topic may stand for queue"
		many   = "expected at most 32 segments behind the prefix"
		action = "expected an action that clients can do there, which is send; the rule has subscribe"
	)
	long := strings.Repeat(".a", 32)
	for _, tt := range []struct{ action, pattern, want string }{
		{"send", "/topic/a", ""}, {"send", "/topic.a", ""}, {"send", "/**", ""}, {"send", "/#", ""}, {"send", "/*/a", ""}, {"send", "/**.audit.**", ""},
		{"send", "/app/jobs/a", ""}, {"send", "/app.jobs.**", ""}, {"send", "/app.*.x", ""}, {"send", "/app/**", ""}, {"send", "/*/*", ""},
		{"send", "/topic//a", ""}, {"send", "/{claim:kind}/a", ""}, {"send", "/t{user}c/a", ""}, {"send", "/topic/{user}", ""}, {"send", "/topic/*.{claim:a/*}.**", ""},
		{"send", "/topic/a" + strings.Repeat(".a", 31), ""}, {"subscribe", "/topic/**.a" + strings.Repeat(".a", 31), ""},
		{"subscribe", "/user/queue/a", ""}, {"send", "/user/bob/topic/a", ""}, {"send", "/user/a.b/queue/**", ""}, {"send", "/user/**", ""}, {"send", "/user/{user}/*/a", ""},
		{"subscribe", "/temp-queue/**", ""}, {"send", "/reply-queue/**", ""}, {"send", "/reply-queue/*.a", ""}, {"subscribe", "/reply-queue/**", action},
		{"send", "/topics/audit.**", prefix}, {"send", "/Topic/a", prefix}, {"send", "/app.job.**", prefix}, {"send", "/queue/a", prefix},
		{"send", "/hoofbeat/token", prefix}, {"send", "/topic./a", ""}, {"send", "/*", "-"}, {"send", "/x{user}/a", prefix}, {"send", "/app.jobs", prefix},
		{"send", "/user/bob/queues/a", user}, {"send", "/user/bob/queue", user}, {"subscribe", "/user/queue.a", "-"}, {"send", "/reply-queue/a", prefix},
		{"send", "/topic/a" + long, many}, {"send", "/topic/a" + long[2:] + ".**.b", many},
	} {
		if tt.want == "-" {
			if checkDestination(tt.pattern) == "" {
				t.Errorf("%s is right by itself", tt.pattern)
			}
			continue
		}
		rule := `acl: [{ deny: [` + tt.action + `], destinations: ["` + tt.pattern + `"] }]`
		var want []string
		if tt.want != "" {
			want = []string{"acl[0].destinations: " + show(tt.pattern) + " (hoofbeat.yaml): " + tt.want}
		}
		trial{text: open + "prefixes: { queue: [/app.jobs/] }\n" + rule}.wantFaults(t, want...)
	}
}

// TestRuleFaultsTogether: all faults of all rules are reported.
func TestRuleFaultsTogether(t *testing.T) {
	const never = `expected something that a destination can match, and so one of /topic/, /queue/, /user/, /temp-queue/, /reply-queue/ at its beginning; ` +
		`this rule would never count`
	trial{text: open + `
acl:
  - { allow: [sned], destinations: [/topics/a, topic, /topic/b] }
  - { deny: [send], destination: [/topic/a], destinations: [/queues/a] }
  - { allow: [send], destinations: [/topic/**, /topc/**] }
  - { deny: ["admin:write"], destinations: [/topic/a] }
  - { allow: [send, "admin:read"], destinations: [/topic/a] }
  - { allow: [send, "admin:read"], destinations: [/**] }
`}.wantFaults(t,
		`acl[0].allow: "sned" (hoofbeat.yaml): expected one of send, subscribe, admin:read, admin:write`,
		`acl[0].destinations: "topic" (hoofbeat.yaml): expected a destination that begins with '/', such as /topic/news.**`,
		`acl[0].destinations: "/topics/a" (hoofbeat.yaml): `+never,
		`acl[1].destination: ["/topic/a"] (hoofbeat.yaml): unknown key; did you mean destinations?`,
		`acl[1].destinations: "/queues/a" (hoofbeat.yaml): `+never,
		`acl[2].destinations: "/topc/**" (hoofbeat.yaml): `+never,
		`acl[3].destinations: ["/topic/a"] (hoofbeat.yaml): expected no destinations beside admin:read and admin:write, as the admin API is about the whole broker; expected a rule of its own for those`,
		`acl[4].destinations: ["/topic/a"] (hoofbeat.yaml): expected no destinations beside admin:read and admin:write, as the admin API is about the whole broker; expected a rule of its own for those`)
}

// TestRuleWarnings covers rules without effect, because of other rules or of
// the users that they name.
func TestRuleWarnings(t *testing.T) {
	const (
		users = "auth: { users: [{ name: ada, hash: '" + bcryptHash + "', roles: [staff] }] }\n"
		token = "auth: { anonymous: true, jwt: { jwks_url: 'https://a/b', required_claims: [exp] } }\n"
		named = "no user of auth.users has one of its names, and no key for tokens is set at auth.jwt"
		roled = "no user of auth.users has one of its roles, nor do auth.anonymous_roles, and no key for tokens is set at auth.jwt"
	)
	denied := func(i, j string) string {
		return "acl[" + i + "] allows nothing: acl[" + j + "] denies all of it, to everybody whom it concerns, and a denial wins"
	}
	again := func(i, j string) string {
		return "acl[" + i + "] changes nothing: acl[" + j + "] says all of it, of everybody whom it concerns"
	}
	for _, tt := range []struct {
		yaml string
		want []string
	}{
		{users + "acl: [{ users: [bob], deny: [send], destinations: [/topic/a] }]", []string{"acl[0] concerns nobody: " + named}},
		{users + "acl: [{ users: [bob, ada], deny: [send], destinations: [/topic/a] }, { roles: [staff], deny: [send], destinations: [/topic/b] }]", nil},
		{users + "acl: [{ roles: [Staff], deny: [send], destinations: [/topic/a] }]", []string{"acl[0] concerns nobody: " + roled}},
		{users + "acl: [{ users: [anonymous], deny: [send], destinations: [/topic/a] }]", []string{"acl[0] concerns nobody: " + named}},
		{open + "acl: [{ users: [anonymous], deny: [send], destinations: [/topic/a] }]", nil},
		{open + "acl: [{ claims: [{ name: a, values: [b] }], deny: [send], destinations: [/topic/a] }]",
			[]string{"acl[0] concerns nobody: claims come with tokens, and no key for tokens is set at auth.jwt"}},
		{token + "acl: [{ users: [bob], roles: [x], claims: [{ name: a, values: [b] }], deny: [send], destinations: [/topic/a] }]", nil},
		{token + "acl: [{ deny: [send], destinations: [/topic/**] }, { roles: [x], allow: [send], destinations: [/topic/a.*, '/topic/{user}'] }]", []string{denied("1", "0")}},
		{token + "acl: [{ roles: [x], allow: [send], destinations: [/topic/a] }, { roles: [x, y], deny: [send], destinations: [/topic/a] }]", []string{denied("0", "1")}},
		{token + "acl: [{ roles: [x, y], allow: [send], destinations: [/topic/a] }, { roles: [x], deny: [send], destinations: [/topic/a] }]", nil},
		{token + "acl: [{ allow: [send], destinations: [/topic/a] }, { deny: [send], destinations: ['/topic/{user}'] }]", nil},
		{token + "acl: [{ allow: [send], destinations: [/topic/**] }, { users: [x], allow: [send], destinations: [/topic/a] }]", []string{again("1", "0")}},
		{token + "acl: [{ users: [x], allow: [send], destinations: [/topic/a] }, { allow: [send], destinations: [/topic/**] }]", nil},
		{token + "acl: [{ claims: [{ name: a, values: [b, c] }], allow: [send], destinations: [/topic/**] }, " +
			"{ claims: [{ name: a, values: [b] }, { name: d, values: [e] }], allow: [send], destinations: [/topic/a] }]", []string{again("1", "0")}},
		{token + "acl: [{ allow: ['admin:read'] }, { users: [x], allow: ['admin:read'] }]", []string{again("1", "0")}},
		{token + "acl: [{ allow: [send], destinations: [/queue/a] }, { allow: [send, subscribe], destinations: [/queue/a] }]", nil},
	} {
		if got := (trial{text: tt.yaml}).mustLoad(t).Warnings(); !slices.Equal(got, tt.want) {
			t.Errorf("%s:\n%q, want\n%q", tt.yaml, got, tt.want)
		}
	}
}

// Even the longest prefix leaves room for the segments of rules.
func TestRulesWithTheLongestPrefix(t *testing.T) {
	prefix := "/" + strings.Repeat("a.", 15) + "b/"
	trial{text: "auth: { anonymous: true }\nprefixes: { queue: [" + prefix + "] }\nacl: [ { allow: [send], destinations: [" + prefix + "**] } ]\n"}.mustLoad(t)
}
