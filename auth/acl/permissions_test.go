package acl

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"hoofbeat/auth"
	"hoofbeat/destination"
)

// hostileValues are values of a user's name or a claim that try to widen a
// pattern.
func hostileValues() []string {
	return []string{
		"*", "**", "#", ">", ".", "/", "..", "a.b", "a/b", "a.*", "*.a", "a.**", "**.a", "/**", "/topic/**", "a*", "*a",
		"\x00", "a\x00", "\n", "a\nb", "\r\n", "{user}", "{claim:team}", "{", "}", `\`, `\*`, "%2F", "%2A", "a%2Fb", "*\x00",
		"\xff", "\u202e", "∗", "＊", "．", "a ", " ", "", "queue", "user", strings.Repeat("a", 5000), strings.Repeat("**.", 100) + "a",
	}
}

// TestHostileValues asks, for each value, for the destinations that an
// attacker would hope to open. A value may open only its own segment.
func TestHostileValues(t *testing.T) {
	acl := compiled(t,
		allow(Subscribe, "/topic/inbox.{user}", "/topic/teams.{claim:team}.x", "/topic/box-{user}"),
		allow(Send, "/topic/inbox.{user}", "/topic/teams.{claim:team}.x", "/topic/box-{user}"))
	for _, v := range hostileValues() {
		for _, claim := range []any{v, []any{v}} {
			p := acl.For(&auth.Identity{User: v, Claims: map[string]any{"team": claim}})
			checkHostile(t, p, v)
		}
	}
}

func checkHostile(t *testing.T, p *Permissions, v string) {
	t.Helper()
	for _, d := range []string{
		"/topic/inbox.bob", "/topic/inbox.a", "/topic/inbox.a.b", "/topic/inbox/a/b", "/topic/inbox.*", "/topic/inbox.**", "/topic/inbox",
		"/topic/inbox.", "/topic/inbox..", "/topic/inbox.#", "/topic/**", "/topic/teams.a.x", "/topic/teams.a.b.x", "/topic/teams.*.x",
		"/topic/teams.**.x", "/topic/teams.x", "/topic/teams..x", "/topic/teams...x", "/topic/box-", "/topic/box-b", "/topic/box-.a", "/topic/*",
		"/topic/inbox." + v, "/topic/teams." + v + ".x", "/topic/box-" + v,
	} {
		kind, ok := destination.WildcardOf(v)
		itself := ok && kind == destination.Literal && v != "" && !strings.ContainsAny(v, "./")
		hoped := strings.HasSuffix(d, v) || strings.HasSuffix(d, "."+v+".x")
		boxed := strings.HasPrefix(d, "/topic/box-") && d == "/topic/box-"+v && v != "" && !strings.ContainsAny(v, "./*")
		want := itself && hoped && (d == "/topic/inbox."+v || d == "/topic/teams."+v+".x") || boxed
		for _, action := range []Action{Send, Subscribe} {
			if got := p.Decide(action, d); got.Allowed != want {
				t.Errorf("value %.20q: %v %.60q: %+v, want %v", v, action, d, got, want)
			}
		}
	}
}

// TestUnfilledTemplates: a template without a value allows nothing, and
// denies all its possible meanings.
func TestUnfilledTemplates(t *testing.T) {
	acl := compiled(t,
		allow(Send, "/topic/open.**", "/topic/teams.{claim:team}"),
		deny(Send, "/topic/open.{claim:team}.secret", "/topic/open.x-{claim:team}"))
	for _, c := range []struct {
		claims                              string
		teams, mine, other, boxed, elsewise bool
	}{
		{`{"team":"red"}`, true, false, true, false, true},
		{`{"team":["red","blue"]}`, true, false, false, false, true},
		{`{}`, false, false, false, false, false},
		{`{"team":null}`, false, false, false, false, false},
		{`{"team":""}`, false, false, false, false, false},
		{`{"team":[]}`, false, false, false, false, false},
		{`{"team":{"red":1}}`, false, false, false, false, false},
		{`{"team":["red",null]}`, true, false, false, false, false},
		{`{"team":["red",["blue"]]}`, true, false, false, false, false},
		{`{"team":["red",""]}`, true, false, false, false, false},
		{`{"team":7}`, false, true, true, true, true},
	} {
		p := acl.For(&auth.Identity{User: "ann", Claims: aclClaims(t, c.claims)})
		for destination, want := range map[string]bool{
			"/topic/teams.red":        c.teams,
			"/topic/open.red.secret":  c.mine,
			"/topic/open.blue.secret": c.other,
			"/topic/open.x-red":       c.boxed,
			"/topic/open.y":           c.elsewise,
			"/topic/open.y.z":         true,
		} {
			if got := p.Decide(Send, destination); got.Allowed != want {
				t.Errorf("%s: %s: %+v, want %v", c.claims, destination, got, want)
			}
		}
	}
}

// TestDenyOfValueWithSeparators: a rule for a user's name with dots also
// denies the destination that a publisher makes of that name.
func TestDenyOfValueWithSeparators(t *testing.T) {
	p := compiled(t, allow(Send, "/**"), deny(Send, "/topic/of.{user}.x")).For(&auth.Identity{User: "a.*"})
	for destination, want := range map[string]bool{"/topic/of.a.x": true, "/topic/of.b.x": true, "/topic/of.a.b.x": true} {
		if got := p.Decide(Send, destination); got.Allowed != want {
			t.Errorf("%s: %+v, want %v", destination, got, want)
		}
	}
	p = compiled(t, allow(Send, "/**"), deny(Send, "/topic/of.{user}.x")).For(&auth.Identity{User: "a@b.com"})
	for destination, want := range map[string]bool{"/topic/of.a@b.com.x": false, "/topic/of/a@b/com/x": false, "/topic/of.a@b.x": true} {
		if got := p.Decide(Send, destination); got.Allowed != want {
			t.Errorf("%s: %+v, want %v", destination, got, want)
		}
	}
}

func TestValuesOfOtherTypes(t *testing.T) {
	acl := compiled(t, allow(Send, "/queue/{claim:v}"))
	for _, c := range []struct {
		value       any
		destination string
		want        bool
	}{
		{json.Number("9007199254740993"), "/queue/9007199254740993", true},
		{json.Number("1e3"), "/queue/1e3", true},
		{json.Number("1e3"), "/queue/1000", false},
		{json.Number("1.5"), "/queue/1.5", false}, // two segments
		{float64(42), "/queue/42", true},
		{float64(9007199254740993), "/queue/9007199254740992", false},
		{true, "/queue/true", true},
		{[]string{"a", "b"}, "/queue/b", true},
		{42, "/queue/42", false},
	} {
		p := acl.For(&auth.Identity{Claims: map[string]any{"v": c.value}})
		if got := p.Decide(Send, c.destination); got.Allowed != c.want {
			t.Errorf("%T %v: %s: %+v, want %v", c.value, c.value, c.destination, got, c.want)
		}
	}
}

// TestListsHoldStill: one element of a list stands at all places of a template.
func TestListsHoldStill(t *testing.T) {
	acl := compiled(t, allow(Send, "/queue/{claim:t}.{claim:t}", "/topic/{claim:t}.{claim:s}"))
	p := acl.For(&auth.Identity{Claims: aclClaims(t, `{"t":["a","b"],"s":["a","b"]}`)})
	for destination, want := range map[string]bool{"/queue/a.a": true, "/queue/a.b": false, "/topic/a.b": true, "/topic/a.c": false} {
		if got := p.Decide(Send, destination); got.Allowed != want {
			t.Errorf("%s: %+v, want %v", destination, got, want)
		}
	}
}

// TestTooManyValues: claims that are long lists do not make a decision long.
func TestTooManyValues(t *testing.T) {
	list := make([]any, 2000)
	for i := range list {
		list[i] = fmt.Sprint(i)
	}
	id := &auth.Identity{Claims: map[string]any{"a": list, "b": list, "c": list}}
	const templates = "/topic/{claim:a}.{claim:b}.{claim:c}.x"
	p := compiled(t, allow(Subscribe, templates)).For(id)
	if got := p.Decide(Subscribe, "/topic/*.*.*.y"); got.Allowed {
		t.Errorf("%+v", got)
	}
	if got := p.Decide(Subscribe, "/topic/1.2.3.x"); !got.Allowed {
		t.Errorf("%+v", got)
	}
	p = compiled(t, allow(Subscribe, "/**"), deny(Subscribe, templates)).For(id)
	if got := p.Decide(Subscribe, "/topic/*.*.*.y"); got.Allowed || got.Reason != tooManySteps.String() {
		t.Errorf("%+v", got)
	}
}

func TestMemoryOfDecisionsIsBounded(t *testing.T) {
	p := compiled(t, allow(Send, "/queue/**")).For(nil)
	for i := range 10_000 {
		d := fmt.Sprintf("/queue/%s%d", strings.Repeat("x", i%300), i)
		if !p.Decide(Send, d).Allowed {
			t.Fatal(d)
		}
		entries, size := 0, 0
		for _, m := range p.recent {
			for destination := range m {
				entries++
				size += len(destination)
			}
		}
		if entries > maxKept || size > maxKeptBytes || entries != p.kept || size != p.keptBytes {
			t.Fatalf("%d entries with %d bytes, counted as %d with %d", entries, size, p.kept, p.keptBytes)
		}
	}
	kept := p.kept
	p.Decide(Send, "/queue/"+strings.Repeat("x", 2*maxKeptBytes))
	if p.kept != kept {
		t.Error("something larger than all that is kept was kept")
	}
}

func TestWarmDecisionsDoNotAllocate(t *testing.T) {
	p := compiled(t, designRules()...).For(&auth.Identity{User: "ann"})
	destination := "/queue/inbox.ann"
	if n := testing.AllocsPerRun(100, func() { p.Decide(Send, destination) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestManySessionsShareAnACL is for the race detector.
func TestManySessionsShareAnACL(t *testing.T) {
	acl := compiled(t, designRules()...)
	id := &auth.Identity{User: "ann", Roles: []string{"staff"}, Claims: aclClaims(t, `{"team":["red","blue"]}`)}
	var sessions sync.WaitGroup
	for range 8 {
		sessions.Go(func() {
			p := acl.For(id)
			for i := range 100 {
				p.Decide(Send, fmt.Sprintf("/topic/teams.red.%d", i))
				p.Decide(Subscribe, "/topic/news.*")
				p.List()
			}
		})
	}
	sessions.Wait()
}

func TestList(t *testing.T) {
	acl := compiled(t, append(designRules(),
		Rule{Allow: []Action{Send}, Deny: []Action{AdminRead}, Destinations: []string{"/topic/{claim:none}/x", "/user/{user}/queue/x-{claim:team}"}})...)
	p := acl.For(&auth.Identity{User: "a.b", Roles: []string{"staff"}, Claims: aclClaims(t, `{"team":["red","*"]}`)})
	var b strings.Builder
	for _, g := range p.List() {
		fmt.Fprintf(&b, "%v %v %s (%s) %s\n", g.Allowed, g.Action, g.Pattern, g.Rule, g.Note)
	}
	const want = `true send /queue/inbox."a.b" (own inbox) 
true send /topic/teams.red.** (own inbox) 
true send /topic/teams."*".** (own inbox) 
false send /topic/audit.** (no forgery) 
true send /topic/{claim:none}/x (#4) {claim:none} has no usable value, so nothing is allowed
true send /user/"a.b"/queue/x-red (#4) 
true send /user/"a.b"/queue/"x-*" (#4) 
true subscribe /topic/news.** (staff read the news) 
true subscribe /queue/inbox."a.b" (own inbox) 
true subscribe /topic/teams.red.** (own inbox) 
true subscribe /topic/teams."*".** (own inbox) 
false admin:read /topic/*/x (#4) {claim:none} has no usable value, so any is denied
false admin:read /user/"a.b"/queue/x-red (#4) 
false admin:read /user/"a.b"/queue/"x-*" (#4) 
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestListIsBounded(t *testing.T) {
	list := make([]any, 100)
	for i := range list {
		list[i] = fmt.Sprint(i)
	}
	p := compiled(t, allow(Send, "/topic/{claim:a}.{claim:b}")).For(&auth.Identity{Claims: map[string]any{"a": list, "b": list}})
	l := p.List()
	if len(l) != maxFilled || l[0].Note != "there are more values than are listed" {
		t.Errorf("%d grants, the first %+v", len(l), l[0])
	}
}

func TestExplain(t *testing.T) {
	acl := compiled(t, designRules()...)
	p := acl.For(&auth.Identity{User: "ann", Roles: []string{"staff", "auditor"}, Claims: aclClaims(t, `{"team":"red"}`)})
	for _, c := range []struct {
		action      Action
		destination string
		want        string
	}{
		{Send, "/topic/audit.x", `denied: send "/topic/audit.x" by user "ann" with roles ["staff" "auditor"]
  because a rule denies it: "no forgery"
  "no forgery" denies it: "/topic/audit.**"
  "auditors" allows it: "/topic/**"
`},
		{Subscribe, "/topic/**.x", `allowed: subscribe "/topic/**.x" by user "ann" with roles ["staff" "auditor"]
  because a rule allows it: "auditors"
  "auditors" allows it: "/topic/**"
  "staff read the news" allows a part of it only: "/topic/news.**"
  "own inbox" allows a part of it only: "/topic/teams.{claim:team}.**"
`},
		{Subscribe, "/queue/inbox.bob", `denied: subscribe "/queue/inbox.bob" by user "ann" with roles ["staff" "auditor"]
  because no rule allows it
`},
		{Send, "queue", `denied: send "queue" by user "ann" with roles ["staff" "auditor"]
  because the destination does not begin with a slash
`},
	} {
		if got := p.Explain(c.action, c.destination); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

// Admin rights are about the whole broker.
func TestAdminister(t *testing.T) {
	read, write, both := []Action{AdminRead}, []Action{AdminWrite}, []Action{AdminRead, AdminWrite}
	for name, tt := range map[string]struct {
		rules       []Rule
		read, write bool
	}{
		"no rules":              {nil, false, false},
		"read":                  {[]Rule{{Allow: read}}, true, false},
		"write":                 {[]Rule{{Allow: write}}, true, true},
		"everything":            {[]Rule{{Allow: []Action{Send, AdminWrite}, Destinations: []string{"/**"}}}, true, true},
		"some destinations":     {[]Rule{{Allow: both, Destinations: []string{"/queue/**", "/topic/**"}}}, false, false},
		"write denied":          {[]Rule{{Allow: both}, {Deny: write}}, true, false},
		"read denied":           {[]Rule{{Allow: both}, {Deny: read}}, false, true},
		"some denied":           {[]Rule{{Allow: both}, {Deny: both, Destinations: []string{"/queue/a"}}}, false, false},
		"others denied":         {[]Rule{{Allow: both}, {Deny: both, Roles: []string{"x"}}}, true, true},
		"to others":             {[]Rule{{Allow: both, Roles: []string{"x"}}}, false, false},
		"send is not for admin": {[]Rule{{Allow: []Action{Send, Subscribe}, Destinations: []string{"/**"}}}, false, false},
	} {
		acl, err := Compile(tt.rules)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p := acl.For(&auth.Identity{User: "anna"})
		if p.Administer(AdminRead).Allowed != tt.read || p.Administer(AdminWrite).Allowed != tt.write {
			t.Errorf("%s: %+v, %+v", name, p.Administer(AdminRead), p.Administer(AdminWrite))
		}
	}
	if _, err := Compile([]Rule{{Allow: []Action{AdminRead, Send}}}); err == nil || !strings.Contains(err.Error(), "destinations: expected at least one") {
		t.Errorf("got %v", err)
	}
}
