package acl

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"hoofbeat/auth"
	"hoofbeat/destination"
)

func compiled(t testing.TB, rules ...Rule) *List {
	t.Helper()
	acl, err := Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	return acl
}

// allow and deny are rules for everybody.
func allow(action Action, destinations ...string) Rule {
	return Rule{Allow: []Action{action}, Destinations: destinations}
}

func deny(action Action, destinations ...string) Rule {
	return Rule{Deny: []Action{action}, Destinations: destinations}
}

// aclClaims decodes claims as a token's are.
func aclClaims(t testing.TB, text string) map[string]any {
	t.Helper()
	var claims map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// designRules are the example of the design.
func designRules() []Rule {
	both := []Action{Subscribe, Send}
	return []Rule{
		{Name: "staff read the news", Roles: []string{"staff"}, Allow: []Action{Subscribe}, Destinations: []string{"/topic/news.**"}},
		{Name: "own inbox", Allow: both, Destinations: []string{"/queue/inbox.{user}", "/topic/teams.{claim:team}.**"}},
		{Name: "no forgery", Deny: []Action{Send}, Destinations: []string{"/topic/audit.**"}},
		{Name: "auditors", Roles: []string{"auditor"}, Allow: both, Destinations: []string{"/topic/**"}},
	}
}

func TestDesignExample(t *testing.T) {
	acl := compiled(t, designRules()...)
	staff := &auth.Identity{User: "ann", Roles: []string{"staff"}, Claims: aclClaims(t, `{"team":"red"}`)}
	auditor := &auth.Identity{User: "bob", Roles: []string{"auditor"}, Claims: aclClaims(t, `{"team":["red","blue"]}`)}
	for _, c := range []struct {
		id          *auth.Identity
		action      Action
		destination string
		rule        string
		reason      reason
	}{
		{staff, Subscribe, "/topic/news", "staff read the news", byRule},
		{staff, Subscribe, "/topic/news.eu.sport", "staff read the news", byRule},
		{staff, Subscribe, "/topic/news/eu", "staff read the news", byRule},
		{staff, Subscribe, "/topic/news.#", "staff read the news", byRule},
		{staff, Subscribe, "/topic/news/*/>", "staff read the news", byRule},
		{staff, Subscribe, "/topic/**", "", byDefaultWild},
		{staff, Subscribe, "/topic/*", "", byDefaultWild},
		{staff, Subscribe, "/topic/newsroom", "", byDefault},
		{staff, Subscribe, "/queue/news.eu", "", byDefault},
		{staff, Send, "/topic/news.eu", "", byDefault},
		{staff, Send, "/queue/inbox.ann", "own inbox", byRule},
		{staff, Send, "/queue/inbox.bob", "", byDefault},
		{staff, Send, "/queue/inbox.Ann", "", byDefault},
		{staff, Send, "/topic/teams/red/goals", "own inbox", byRule},
		{staff, Send, "/topic/teams/blue/goals", "", byDefault},
		{auditor, Send, "/topic/teams/blue/goals", "own inbox", byRule},
		{auditor, Send, "/topic/audit.x", "no forgery", byDenyRule},
		{auditor, Send, "/topic/audit", "no forgery", byDenyRule},
		{auditor, Send, "/topic/audits", "auditors", byRule},
		{auditor, Subscribe, "/topic/audit.x", "auditors", byRule},
		{auditor, Subscribe, "/topic/**", "auditors", byRule},
		{nil, Subscribe, "/topic/news", "", byDefault},
		{nil, Send, "/queue/inbox.", "", byDefault},
		{auditor, Send, "/topic/*", "", wildSend},
		{auditor, Subscribe, "/topic/a*", "", badWildcard},
		{auditor, Subscribe, "topic/a", "", noSlash},
		{auditor, Subscribe, "", "", noSlash},
		{auditor, Subscribe, "/topic" + strings.Repeat("/a", 62), "", tooLong},
		{auditor, AdminRead, "/topic/a", "", byDefault},
		{auditor, 0, "/topic/a", "", unknownAction},
		{auditor, 9, "/topic/a", "", unknownAction},
	} {
		want := Decision{Allowed: c.reason.allows(), Rule: c.rule, Reason: c.reason.String()}
		p := acl.For(c.id)
		for range 2 { // the second time from memory
			if got := p.Decide(c.action, c.destination); got != want {
				t.Errorf("%v %v %q: %+v, want %+v", c.id, c.action, c.destination, got, want)
			}
		}
	}
}

func TestDenyWins(t *testing.T) {
	acl := compiled(t, allow(Subscribe, "/topic/a.**"), deny(Subscribe, "/topic/a.secret"))
	for destination, want := range map[string]bool{
		"/topic/a.b":        true,
		"/topic/a.b.*":      true,
		"/topic/a.*.*":      true,
		"/topic/a.*":        false,
		"/topic/a/*":        false,
		"/topic/a.**":       false,
		"/topic/**.secret":  false,
		"/topic/a.secret":   false,
		"/topic/a/secret":   false,
		"/topic/a.secret.x": true,
		"/topic/a.b.**":     true,
		"/topic/a.**.c":     true,
		"/topic/*.b":        false, // not covered
	} {
		if got := acl.For(nil).Decide(Subscribe, destination); got.Allowed != want {
			t.Errorf("%s: %+v, want %v", destination, got, want)
		}
	}
}

func TestCoverageIsByASingleRule(t *testing.T) {
	acl := compiled(t, allow(Subscribe, "/topic/a", "/topic/*.**.b", "/topic/*.*.**"))
	for destination, want := range map[string]bool{
		"/topic/a":         true,
		"/topic/*":         false,
		"/topic/**":        false, // a, and two or more: two patterns
		"/topic/**.*.*":    true,
		"/topic/*.**.*":    true,
		"/topic/**.c.**.d": true,
		"/topic/c.**":      false,
	} {
		if got := acl.For(nil).Decide(Subscribe, destination); got.Allowed != want {
			t.Errorf("%s: %+v, want %v", destination, got, want)
		}
	}
}

func TestSubjects(t *testing.T) {
	ids := map[string]*auth.Identity{
		"ann":    {User: "ann", Roles: []string{"staff", "admin"}, Claims: aclClaims(t, `{"tenant":"a","n":1.50,"ok":true,"realm":{"roles":["x","y"]}}`)},
		"bob":    {User: "bob", Roles: []string{"staff"}, Claims: aclClaims(t, `{"tenant":["b","a"],"n":15,"ok":"true","realm.roles":["z"],"realm":{"roles":["x"]}}`)},
		"Ann":    {User: "Ann", Roles: []string{"Staff"}, Claims: aclClaims(t, `{"Tenant":"a","n":1.5,"ok":null,"realm":"x"}`)},
		"nobody": nil,
	}
	for _, c := range []struct {
		rule Rule
		who  string
	}{
		{Rule{}, "Ann ann bob nobody"},
		{Rule{Roles: []string{"staff"}}, "ann bob"},
		{Rule{Roles: []string{"admin", "Staff"}}, "Ann ann"},
		{Rule{Users: []string{"ann"}}, "ann"},
		{Rule{Users: []string{"bob", "Ann"}}, "Ann bob"},
		{Rule{Roles: []string{"staff"}, Users: []string{"bob", "Ann"}}, "bob"},
		{Rule{Claims: []ClaimMatch{{"tenant", []string{"a"}}}}, "ann bob"},
		{Rule{Claims: []ClaimMatch{{"Tenant", []string{"b", "a"}}}}, "Ann"},
		{Rule{Claims: []ClaimMatch{{"n", []string{"1.50"}}}}, "ann"},
		{Rule{Claims: []ClaimMatch{{"n", []string{"15", "1.5"}}}}, "Ann bob"},
		{Rule{Claims: []ClaimMatch{{"ok", []string{"true"}}}}, "ann bob"},
		{Rule{Claims: []ClaimMatch{{"ok", []string{"null", ""}}}}, ""},
		{Rule{Claims: []ClaimMatch{{"realm.roles", []string{"x"}}}}, "ann"},
		{Rule{Claims: []ClaimMatch{{"realm.roles", []string{"z", "y"}}}}, "ann bob"},
		{Rule{Claims: []ClaimMatch{{"tenant", []string{"a"}}, {"realm.roles", []string{"z"}}}}, "bob"},
		{Rule{Roles: []string{"admin"}, Claims: []ClaimMatch{{"tenant", []string{"b"}}}}, ""},
	} {
		c.rule.Allow, c.rule.Destinations = []Action{Send}, []string{"/queue/a"}
		acl := compiled(t, deny(Send, "/queue/b"), c.rule)
		var who []string
		for name, id := range ids {
			if acl.For(id).Decide(Send, "/queue/a").Allowed {
				who = append(who, name)
			}
		}
		slices.Sort(who)
		if got := strings.Join(who, " "); got != c.who {
			t.Errorf("%+v concerns %q, want %q", c.rule, got, c.who)
		}
	}
}

func TestUserDestinations(t *testing.T) {
	const dotted, slashed = "bob@example.com", "a/b"
	allows := func(destination string, actions ...Action) Rule {
		return Rule{Allow: actions, Destinations: []string{destination}}
	}
	denies := func(destination string) []Rule {
		return []Rule{allow(Send, "/**"), allow(Subscribe, "/**"), deny(Send, destination), deny(Subscribe, destination)}
	}
	for _, c := range []struct {
		rules       []Rule
		user        string
		action      Action
		destination string
		want        bool
	}{
		{[]Rule{allows("/user/queue/**", Subscribe)}, "bob", Subscribe, "/user/queue/x", true},
		{[]Rule{allows("/user/queue/**", Subscribe)}, "bob", Subscribe, "/user/topic/x", false},
		{[]Rule{allows("/user/queue/**", Subscribe, Send)}, "bob", Send, "/user/bob/queue/x", false},
		{[]Rule{allows("/user/{user}/queue/**", Subscribe, Send)}, dotted, Subscribe, "/user/queue/x", true},
		{[]Rule{allows("/user/{user}/queue/**", Subscribe, Send)}, dotted, Send, "/user/bob@example.com/queue/x", true},
		{[]Rule{allows("/user/{user}/queue/**", Subscribe, Send)}, slashed, Send, "/user/a%2Fb/queue/x", true},
		{[]Rule{allows("/user/{user}/queue/**", Subscribe, Send)}, slashed, Send, "/user/a/b/queue/x", false},
		{[]Rule{allows("/user/{user}/queue/**", Subscribe, Send)}, "a", Send, "/user/a.queue.b/queue/x", false},
		{[]Rule{allows("/user/a/queue/**", Send)}, "z", Send, "/user/a.queue.b/queue/x", false},
		{[]Rule{allows("/user/a%2Fb/queue/**", Send)}, "z", Send, "/user/a%2Fb/queue/x", true},
		{[]Rule{allows("/user/bob@example.com/queue/**", Send)}, "z", Send, "/user/bob@example.com/queue/x", true},
		{[]Rule{allows("/user/*/queue/**", Send)}, "z", Send, "/user/bob@example.com/queue/x", true},
		{[]Rule{allows("/user/{user}/queue/**", Send)}, "*", Send, "/user/bob/queue/x", false},
		{[]Rule{allows("/user/{user}/queue/**", Send)}, "*", Send, "/user/*/queue/x", true},
		{[]Rule{allows("/user/{user}/queue/**", Send)}, "**", Send, "/user/**/queue/x", true},
		{[]Rule{allows("/user/{user}/queue/**", Subscribe)}, "**", Subscribe, "/user/queue/x", true},
		{[]Rule{allows("/user/{user}/queue/**", Subscribe)}, "**", Subscribe, "/user/topic/x", false},
		{[]Rule{allows("/user/**", Send)}, "z", Send, "/user/bob/queue/x", true},
		{[]Rule{allows("/user/bob/**", AdminRead)}, "z", AdminRead, "/user/bob/queue/*", true},
		{[]Rule{allows("/user/bob/**", AdminRead)}, "z", AdminRead, "/user/*/queue/x", false},
		{[]Rule{allows("/user/**", AdminRead)}, "z", AdminRead, "/user/**", true},
		{denies("/user/queue/secret"), "bob", Subscribe, "/user/queue/secret", false},
		{denies("/user/queue/secret"), "bob", Subscribe, "/user/queue/*", false},
		{denies("/user/queue/secret"), "bob", Send, "/user/ann/queue/secret", false},
		{denies("/user/queue/secret"), "bob", Send, "/user/ann/queue/other", true},
		{denies("/user/bob/queue/x"), "bob", Subscribe, "/user/queue/x", false},
		{denies("/user/bob/queue/x"), "ann", Subscribe, "/user/queue/x", true},
		{denies("/user/b.c/queue/x"), "ann", Send, "/user/b.c/queue/x", false},
		{denies("/user/*/queue/x"), "ann", Send, "/user/b.c/queue/x", false},
		{denies("/user/**"), "ann", Subscribe, "/user/topic/x", false},
	} {
		d := compiled(t, c.rules...).For(&auth.Identity{User: c.user}).Decide(c.action, c.destination)
		if d.Allowed != c.want {
			t.Errorf("%+v: %+v", c, d)
		}
	}
}

func TestTemporaryDestinations(t *testing.T) {
	none := compiled(t).For(nil)
	for _, c := range []struct {
		action      Action
		destination string
		want        reason
	}{
		{Send, "/temp-queue/x", temporary},
		{Subscribe, "/temp-queue/x", temporary},
		{AdminRead, "/temp-queue/x", byDefault},
		{Send, "/reply-queue/abc.x", reply},
		{Subscribe, "/reply-queue/abc.x", byDefault},
		{Send, "/temp-queues/x", byDefault},
		{Send, "/temp-queue", byDefault},
		{Send, "/temp-queue/*", wildSend},
	} {
		if got := none.Decide(c.action, c.destination); got.Reason != c.want.String() || got.Allowed != c.want.allows() {
			t.Errorf("%v %s: %+v, want %v", c.action, c.destination, got, c.want)
		}
	}
	denied := compiled(t, deny(Send, "/reply-queue/**", "/temp-queue/a.**")).For(nil)
	for destination, want := range map[string]bool{"/reply-queue/abc.x": false, "/temp-queue/a/b": false, "/temp-queue/b": true} {
		if got := denied.Decide(Send, destination); got.Allowed != want {
			t.Errorf("%s: %+v, want %v", destination, got, want)
		}
	}
}

func TestWithoutRules(t *testing.T) {
	var missing *List
	for _, acl := range []*List{missing, compiled(t)} {
		p := acl.For(nil)
		if d := p.Decide(Send, "/topic/a"); d.Allowed || d.Rule != "" {
			t.Errorf("no rules: %+v", d)
		}
		if l := p.List(); l != nil {
			t.Errorf("no rules: %v", l)
		}
	}
	p := AllowAll().For(nil)
	if d := p.Decide(Subscribe, "/topic/**"); !d.Allowed {
		t.Errorf("everything: %+v", d)
	}
	if l := p.List(); len(l) != 4 || l[1] != (Grant{Action: Subscribe, Pattern: "/**", Allowed: true}) {
		t.Errorf("everything: %v", l)
	}
	if e := p.Explain(Send, "/a/b"); !strings.HasPrefix(e, "allowed: ") {
		t.Error(e)
	}
}

func TestFaultsOfRules(t *testing.T) {
	_, err := Compile([]Rule{
		{Name: "fine", Allow: []Action{Send}, Destinations: []string{"/queue/a"}},
		{Name: "empty"},
		{Allow: []Action{Send, 7}, Deny: []Action{Send}, Roles: []string{""}, Users: []string{""},
			Claims: []ClaimMatch{{}, {"a", []string{"x"}}}, Destinations: []string{
				"topic/a", "/topic", "/*", "/topic/", "/topic/a*", "/topic/*{user}", "/topic/{usr}", "/topic/{claim:}", "/topic/{user",
				"/topic/user}", "/topic/a\nb", "/a" + strings.Repeat(".a", destination.MaxRuleSegments), "/user/bob", "/user/a.**", "/user/bob/",
			}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		`acl[1] "empty": expected allow or deny, with send or subscribe`,
		`acl[1] "empty": destinations: expected at least one, such as /topic/news.**`,
		`acl[2] "": unknown action 7, expected send, subscribe, admin:read or admin:write`,
		`acl[2] "": expected send to be allowed or denied, not both; deny would win`,
		`acl[2] "": roles: expected no empty name`,
		`acl[2] "": users: expected no empty name`,
		`acl[2] "": claims[0]: expected the name of a claim, such as tenantId or realm_access.roles`,
		`acl[2] "": claims[0]: values: expected at least one`,
		`acl[2] "": destinations: "topic/a": expected a destination that begins with '/', such as /topic/news.**`,
		`acl[2] "": destinations: "/topic": expected a name behind the prefix, such as /topic/news or /topic/**`,
		`acl[2] "": destinations: "/*": expected a name behind the prefix, such as /topic/news or /topic/**`,
		`acl[2] "": destinations: "/topic/": expected a name behind the last '/'; ** stands for all names`,
		`acl[2] "": destinations: "/topic/a*": expected each wildcard to be a whole segment, * for one or ** for any number, and not a part of "a*"`,
		`acl[2] "": destinations: "/topic/*{user}": expected a template and plain text only, and no wildcard in "*{user}"`,
		`acl[2] "": destinations: "/topic/{usr}": unknown template {usr}, expected {user} or {claim:NAME}`,
		`acl[2] "": destinations: "/topic/{claim:}": unknown template {claim:}, expected {user} or {claim:NAME}`,
		`acl[2] "": destinations: "/topic/{user": expected a '}' behind the '{'`,
		`acl[2] "": destinations: "/topic/user}": expected a '{' before the '}'`,
		`acl[2] "": destinations: "/topic/a\nb": expected at most 1024 bytes without control characters`,
		`acl[2] "": destinations: "/a` + strings.Repeat(".a", destination.MaxRuleSegments) + `": expected at most 36 segments, found 37`,
		`acl[2] "": destinations: "/user/bob": expected /user/**, or /user/queue/NAME for SUBSCRIBE, or /user/NAME/queue/NAME for SEND; topic may stand for queue`,
		`acl[2] "": destinations: "/user/a.**": expected each wildcard to be a whole segment, * for one or ** for any number, and not a part of "a.**" (behind /user/, a user's name goes up to the next '/')`,
		`acl[2] "": destinations: "/user/bob/": expected a name behind the last '/'; ** stands for all names`,
	}
	got := strings.Split(err.Error(), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("line %d of:\n%v\nwant:\n%v", i, err, strings.Join(want, "\n"))
		}
	}
}

func TestLabels(t *testing.T) {
	twin := Rule{Name: "twin", Users: []string{"ann"}, Allow: []Action{Send}, Destinations: []string{"/queue/a"}}
	other := twin
	other.Users = []string{"bob"}
	nameless := allow(Send, "/queue/b")
	acl := compiled(t, twin, other, nameless)
	for user, want := range map[string]string{"ann": "twin (#0)", "bob": "twin (#1)"} {
		if d := acl.For(&auth.Identity{User: user}).Decide(Send, "/queue/a"); d.Rule != want {
			t.Errorf("%s: %+v, want %s", user, d, want)
		}
	}
	if d := acl.For(nil).Decide(Send, "/queue/b"); d.Rule != "#2" {
		t.Errorf("nameless: %+v", d)
	}
}

func TestActions(t *testing.T) {
	for a := Send; a.known(); a++ {
		if got, err := ParseAction(a.String()); err != nil || got != a {
			t.Errorf("%v: %v, %v", a, got, err)
		}
	}
	if _, err := ParseAction("Send"); err == nil {
		t.Error("the case of an action does not matter")
	}
}
