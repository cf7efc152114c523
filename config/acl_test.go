package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// caseRules returns rules whose values differ only in case.
func caseRules() []Rule {
	return []Rule{
		{Name: "Staff", Roles: []string{"Staff", "staff"}, Allow: []string{"subscribe"}, Destinations: []string{"/topic/News.**"}},
		{
			Users: []string{"Ada"}, Claims: []ClaimMatch{{Name: "tenantId", Values: []string{"A", "a"}}},
			Allow: []string{"send"}, Deny: []string{"subscribe"},
			Destinations: []string{"/queue/{user}.x", "/topic/teams.{claim:https://example.com/Team}.*"},
		},
	}
}

const caseRulesJSON = `[
	{"name": "Staff", "roles": ["Staff", "staff"], "allow": ["subscribe"], "destinations": ["/topic/News.**"]},
	{"users": ["Ada"], "claims": [{"name": "tenantId", "values": ["A", "a"]}], "allow": ["send"], "deny": ["subscribe"],
		"destinations": ["/queue/{user}.x", "/topic/teams.{claim:https://example.com/Team}.*"]}
]`

// TestACLForms loads the same rules in every supported form. Keys are
// case-insensitive, values are not.
func TestACLForms(t *testing.T) {
	for name, tr := range map[string]trial{
		"yaml": {text: open + `
ACL:
  - Name: Staff
    ROLES: [Staff, staff]
    allow: [subscribe]
    destinations: ["/topic/News.**"]
  - users: [Ada]
    claims: [{ Name: tenantId, values: [A, a] }]
    allow: [send]
    deny: [subscribe]
    destinations:
      - "/queue/{user}.x"
      - /topic/teams.{claim:https://example.com/Team}.*
`},
		"toml": {name: "a.toml", text: `
auth.anonymous = true
[[acl]]
name = "Staff"
Roles = ["Staff", "staff"]
allow = ["subscribe"]
destinations = ["/topic/News.**"]
[[acl]]
users = ["Ada"]
allow = ["send"]
deny = ["subscribe"]
destinations = ["/queue/{user}.x", "/topic/teams.{claim:https://example.com/Team}.*"]
[[acl.claims]]
name = "tenantId"
values = ["A", "a"]
`},
		"json":        {name: "a.json", text: `{"auth": {"anonymous": true}, "acl": ` + caseRulesJSON + `}`},
		"environment": {text: open + "acl: [{ deny: [send], destinations: [/queue/b] }]", environ: []string{"HOOFBEAT_ACL=" + caseRulesJSON}},
		"flag":        {text: open, flags: []string{"--acl=" + caseRulesJSON}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tr.mustLoad(t).ACL; !reflect.DeepEqual(got, caseRules()) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestACLPrinted(t *testing.T) {
	c := trial{text: open, environ: []string{"HOOFBEAT_ACL=" + `[{"name":"a<b","allow":["send"],"destinations":["/queue/b"]}]`}}.mustLoad(t)
	want := Setting{
		Key: "acl", Value: `[{"name":"a<b","allow":["send"],"destinations":["/queue/b"]}]`, Source: "environment HOOFBEAT_ACL",
	}
	if got := settings(c)["acl"]; got != want {
		t.Errorf("got %+v", got)
	}
	c = trial{text: open, environ: []string{"HOOFBEAT_ACL= "}}.mustLoad(t)
	if got := settings(c)["acl"]; got.Value != "[]" || c.ACL == nil {
		t.Errorf("empty: %+v", got)
	}
}

func TestACLFaults(t *testing.T) {
	const (
		list    = `expected a list such as [{"allow": ["subscribe"], "destinations": ["/topic/**"]}]`
		rule    = `expected a map such as {"allow": ["subscribe"], "destinations": ["/topic/**"]}`
		action  = "expected one of send, subscribe, admin:read, admin:write"
		name    = "expected a name of at most 256 bytes, without white space around it or control characters"
		strings = "expected a list of strings"
		rest    = "allow: [send], destinations: [/queue/b]"
	)
	for _, tt := range []struct {
		yaml string
		want []string
	}{
		{"acl:", []string{"acl: null (hoofbeat.yaml): " + list}},
		{"acl: {}", []string{"acl: {...} (hoofbeat.yaml): " + list}},
		{`acl: "[]"`, []string{`acl: "[]" (hoofbeat.yaml): ` + list}},
		{"acl: { name: x }", []string{"acl: {...} (hoofbeat.yaml): " + list}},
		{"acl: [a, {" + rest + "}, [b], null]", []string{
			`acl[0]: "a" (hoofbeat.yaml): ` + rule,
			`acl[2]: ["b"] (hoofbeat.yaml): ` + rule,
			`acl[3]: null (hoofbeat.yaml): ` + rule,
		}},
		{"acl: [{}]", []string{
			"acl[0]: {...} (hoofbeat.yaml): expected allow or deny with at least one of send, subscribe, admin:read, admin:write",
			"acl[0]: {...} (hoofbeat.yaml): expected destinations with at least one pattern, such as /topic/**",
		}},
		{"acl: [{ allow: [], deny: [], destinations: [] }]", []string{
			"acl[0]: {...} (hoofbeat.yaml): expected allow or deny with at least one of send, subscribe, admin:read, admin:write",
			"acl[0]: {...} (hoofbeat.yaml): expected destinations with at least one pattern, such as /topic/**",
		}},
		{"acl: [{" + rest + "}, {" + rest + "}, { allow: [send], destination: [/b] }]", []string{
			`acl[2].destination: ["/b"] (hoofbeat.yaml): unknown key; did you mean destinations?`,
		}},
		{"acl: [{ " + rest + ", Allow: [send], 5: x, 'a b': y, token: hunter2 }]", []string{
			`"acl[0].a b": "y" (hoofbeat.yaml): unknown key; did you mean name?`,
			`acl[0].5: "x" (hoofbeat.yaml): unknown key; did you mean name?`,
			`acl[0].allow: ["send"] (hoofbeat.yaml): expected once; it is given twice, in other letters or with dots`,
			`acl[0].token: ******** (hoofbeat.yaml): unknown key; did you mean roles?`,
		}},
		{"acl: [{ allow: send, deny: [publish, Send], destinations: /a, name: 5, roles: {}, users: [7], claims: x }]", []string{
			`acl[0].allow: "send" (hoofbeat.yaml): ` + strings,
			`acl[0].claims: "x" (hoofbeat.yaml): expected a list such as [{"name": "tenant", "values": ["a"]}]`,
			`acl[0].deny: "Send" (hoofbeat.yaml): ` + action,
			`acl[0].deny: "publish" (hoofbeat.yaml): ` + action,
			`acl[0].destinations: "/a" (hoofbeat.yaml): ` + strings,
			`acl[0].name: 5 (hoofbeat.yaml): expected a string`,
			`acl[0].roles: {...} (hoofbeat.yaml): ` + strings,
			`acl[0].users: [7] (hoofbeat.yaml): ` + strings,
		}},
		{"acl: [{ roles: [], users: [], claims: [], " + rest + " }]", []string{
			"acl[0].claims: [] (hoofbeat.yaml): " + noneMeansAll,
			"acl[0].roles: [] (hoofbeat.yaml): " + noneMeansAll,
			"acl[0].users: [] (hoofbeat.yaml): " + noneMeansAll,
		}},
		{`acl: [{ name: "", roles: ["", " a"], users: ["a\nb"], ` + rest + " }]", []string{
			`acl[0].name: "" (hoofbeat.yaml): ` + name,
			`acl[0].roles: " a" (hoofbeat.yaml): ` + name,
			`acl[0].roles: "" (hoofbeat.yaml): ` + name,
			`acl[0].users: "a\nb" (hoofbeat.yaml): ` + name,
		}},
		{"acl: [{ claims: [{}, { name: a, values: [] }, { nam: a, values: [b] }, { name: [a], values: c }, d], " + rest + " }]", []string{
			"acl[0].claims[0]: {...} (hoofbeat.yaml): expected the name of a claim",
			"acl[0].claims[0]: {...} (hoofbeat.yaml): expected values with at least one that the claim may have",
			"acl[0].claims[1]: {...} (hoofbeat.yaml): expected values with at least one that the claim may have",
			`acl[0].claims[2].nam: "a" (hoofbeat.yaml): unknown key; did you mean name?`,
			`acl[0].claims[3].name: ["a"] (hoofbeat.yaml): expected a string`,
			`acl[0].claims[3].values: "c" (hoofbeat.yaml): ` + strings,
			`acl[0].claims[4]: "d" (hoofbeat.yaml): expected a map such as {"name": "tenant", "values": ["a"]}`,
		}},
		{"acl: [{ allow: [send], deny: [subscribe, send], destinations: [/queue/b] }]", []string{
			"acl[0]: {...} (hoofbeat.yaml): expected nothing in both allow and deny; the denial would always win",
		}},
		{"acl.destinations: [/queue/b]", []string{
			`acl.destinations: ["/queue/b"] (hoofbeat.yaml): unknown key; did you mean acl?`,
		}},
	} {
		t.Run(tt.yaml, func(t *testing.T) {
			trial{text: open + tt.yaml}.wantFaults(t, tt.want...)
		})
	}
}

func TestACLFaultsInOrder(t *testing.T) {
	_, faults := trial{text: open + "acl: [" + strings.Repeat("a,", 12) + "]"}.load(t)
	if len(faults) != 12 || !strings.HasPrefix(faults[2], "acl[2]:") || !strings.HasPrefix(faults[11], "acl[11]:") {
		t.Errorf("faults:\n%s", strings.Join(faults, "\n"))
	}
}

func TestACLAsText(t *testing.T) {
	const expected = `expected a list such as [{"allow": ["subscribe"], "destinations": ["/topic/**"]}], in JSON: `
	for text, want := range map[string]string{
		"[":                  `"[" (environment HOOFBEAT_ACL): ` + expected + "unexpected end of JSON input",
		"{}":                 `"{}" (environment HOOFBEAT_ACL): ` + expected + "it is no list",
		"null":               `"null" (environment HOOFBEAT_ACL): ` + expected + "it is no list",
		"[] []":              `"[] []" (environment HOOFBEAT_ACL): ` + expected + "invalid character '[' after top-level value",
		"- name: a":          `"- name: a" (environment HOOFBEAT_ACL): ` + expected + "invalid character ' ' in numeric literal",
		`[{"a":1,"a":2}]`:    `"[{\"a\":1,\"a\":2}]" (environment HOOFBEAT_ACL): ` + expected + `key "a" is given twice`,
		`[1, {"name": 1e9}]`: "",
	} {
		tr := trial{text: open, environ: []string{"HOOFBEAT_ACL=" + text}}
		if want != "" {
			tr.wantFaults(t, "acl: "+want)
			continue
		}
		tr.wantFaults(t,
			`acl[0]: 1 (environment HOOFBEAT_ACL): expected a map such as {"allow": ["subscribe"], "destinations": ["/topic/**"]}`,
			"acl[1]: {...} (environment HOOFBEAT_ACL): expected allow or deny with at least one of send, subscribe, admin:read, admin:write",
			"acl[1]: {...} (environment HOOFBEAT_ACL): expected destinations with at least one pattern, such as /topic/**",
			"acl[1].name: 1e9 (environment HOOFBEAT_ACL): expected a string")
	}
}

func TestACLDestinations(t *testing.T) {
	const (
		slash  = "expected a destination that begins with '/', such as /topic/news.**"
		opens  = "expected a '{' before the '}'"
		closes = "expected a '}' behind the '{'"
		inUser = " (behind /user/, a user's name goes up to the next '/')"
		name   = "expected a name behind the prefix, such as /topic/news or /topic/**"
		end    = "expected a name behind the last '/'; ** stands for all names"
		user   = "expected /user/**, or /user/queue/NAME for SUBSCRIBE, or /user/NAME/queue/NAME for SEND; topic may stand for queue"
		clean  = "expected at most 1024 bytes without control characters"
	)
	wildcard := func(segment string) string {
		return fmt.Sprintf("expected each wildcard to be a whole segment, * for one or ** for any number, and not a part of %q", segment)
	}
	template := func(segment string) string {
		return fmt.Sprintf("expected a template and plain text only, and no wildcard in %q", segment)
	}
	unknown := func(name string) string {
		return "unknown template {" + name + "}, expected {user} or {claim:NAME}"
	}
	for pattern, want := range map[string]string{
		"/topic/a": "", "/**": "", "/*/a": "", "/topic/**.a.*": "", "/topic/a/*/b": "", "/queue/c#": "", "/topic/ä b": "",
		"/queue/inbox.{user}": "", "/topic/{claim:realm_access.roles}.x": "", "/topic/{claim:https://a/*}": "", "/topic/x-{user}-y": "",
		"/topic//a": "", "/topic/a.": "", "/topic/#": "", "/topic/>.a": "", "/#": "", "/user/**": "", "/user/{user}/queue/*": "", "/user/a.b/queue/x": "",
		"/a" + strings.Repeat(".a", 35): "",
		"":                              slash, "topic/a": slash, "**": slash, " /topic": slash,
		"/topic/a*": wildcard("a*"), "/topic/***": wildcard("***"), "/topic/a.*b": wildcard("*b"),
		"/topic/{user}*": template("{user}*"), "/topic/*{user}": template("*{user}"),
		"/user/a.*/queue/x": wildcard("a.*") + inUser, "/user/a*": wildcard("a*") + inUser,
		"/topic": name, "/*": name, "/": end, "/topic/": end, "/user/a/": end, "/user/": end,
		"/user/bob": user, "/user/{user}": user, "/user/a.**": wildcard("a.**") + inUser, "/user.x": "",
		"/a" + strings.Repeat(".a", 36): "expected at most 36 segments, found 37",
		"/{":                            closes, "/}": opens, "/{User}": unknown("User"), "/{user": closes, "/{claim:}": unknown("claim:"), "/{claim}": unknown("claim"),
		"/{claim:a{b}}": opens, "/{{user}}": unknown("{user"), "/{role}": unknown("role"), "/{}": unknown(""),
		"/a\x00": clean, "/\xff": clean, "/" + strings.Repeat("a", 1024): clean,
	} {
		if got := checkDestination(pattern); got != want {
			t.Errorf("%q: %q, want %q", pattern, got, want)
		}
	}
}

// TestExamplesInDefaultFile loads the default file with its examples
// uncommented.
func TestExamplesInDefaultFile(t *testing.T) {
	var out bytes.Buffer
	if err := WriteDefault(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, e := range schema() {
		if e.example == "" {
			continue
		}
		last := e.key[strings.LastIndexByte(e.key, '.')+1:]
		indent := strings.Repeat("  ", strings.Count(e.key, "."))
		commented, bare := "", ""
		for line := range strings.Lines(e.example) {
			commented += indent + "# " + line
			bare += indent + line
		}
		commented += indent + last + ": []\n"
		if strings.Count(text, commented) != 1 {
			t.Errorf("%s: its example is not in the file", e.key)
		}
		text = strings.Replace(text, commented, bare, 1)
	}
	trial{text: text}.wantFaults(t, "auth.users[0].hash: ******** (hoofbeat.yaml): "+checkHash("$2b$12$..."))
	c := trial{text: strings.Replace(text, "$2b$12$...", bcryptHash, 1)}.mustLoad(t)
	if len(c.Auth.Users) != 1 || len(c.ACL) != 4 || c.ACL[3].Destinations != nil || c.ACL[1].Destinations[1] != "/topic/teams.{claim:team}.**" {
		t.Errorf("got %+v, %+v", c.Auth.Users, c.ACL)
	}
}

// FuzzACL loads rules again that it has printed.
func FuzzACL(f *testing.F) {
	f.Add(caseRulesJSON)
	f.Add(`[{"ALLOW":["send"],"destinations":["/\u2028/<"]}]`)
	f.Add(`[{"allow":["send"],"allow":1}]`)
	f.Add(`[{"allow":[],"deny":["send"],"destinations":["/queue/b"],"claims":[{"name":"a","values":["b"]}]}]`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, text string) {
		kind := ruleKind()
		rules, found := kind.decode(text)
		if len(found) > 0 {
			return
		}
		again, found := kind.decode(kind.format(rules))
		if len(found) > 0 || kind.format(again) != kind.format(rules) {
			t.Errorf("%q: %+v, then %+v, %v", text, rules, again, found)
		}
	})
}
