package acl

import (
	"strings"
	"testing"

	"hoofbeat/auth"
	"hoofbeat/destination"
)

// FuzzPattern reads any text as a rule's destination and as a client's.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"/topic/a.**", "/user/a.b/queue/*", "/**", "/t/{user}-{claim:a.b/c}/#", "/t/**.*.**.a", "/user/**", "/t/..", "//"} {
		f.Add(s, "/topic/a.b")
		f.Add("/topic/**.*", s)
	}
	f.Fuzz(func(t *testing.T, rule, text string) {
		acl, err := Compile([]Rule{{Allow: []Action{Subscribe, AdminWrite}, Destinations: []string{rule}}})
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: more than one line: %v", rule, err)
			}
			return
		}
		denying, err := Compile([]Rule{allow(AdminWrite, "/**"), {Deny: []Action{AdminWrite}, Destinations: []string{rule}}})
		if err != nil {
			t.Fatal(err)
		}
		id := &auth.Identity{User: "u", Claims: map[string]any{"a": []any{"x", "a.b"}}}
		p, d := acl.For(id), denying.For(id)
		if !strings.Contains(rule, "{") {
			if got := p.Decide(AdminWrite, rule); !got.Allowed && got.Reason != tooLong.String() {
				t.Errorf("%q does not allow itself: %+v", rule, got)
			}
		}
		covered, overlaps := p.Decide(AdminWrite, text).Allowed, d.Decide(AdminWrite, text).Rule == "#1"
		if covered && !overlaps {
			t.Errorf("%q covers %q but does not overlap it", rule, text)
		}
		var r reading
		if why := r.read(AdminWrite, text, ""); why == undecided && !r.wild() && !strings.HasPrefix(text, destination.UserPrefix) && !strings.Contains(rule, "{") && covered != overlaps {
			t.Errorf("%q and the name %q: covers %v, overlaps %v", rule, text, covered, overlaps)
		}
		p.Explain(Subscribe, text)
		p.List()
	})
}

// fuzzSegments makes a pattern of bytes.
func fuzzSegments(b []byte, longest int) []string {
	alphabet := []string{"a", "b", "*", "**"}
	var out []string
	many := 0
	for _, c := range b[:min(len(b), longest)] {
		s := alphabet[c%4]
		if s == "**" {
			if many++; many > 3 {
				s = "*"
			}
		}
		out = append(out, s)
	}
	return out
}

// FuzzCoverage compares coverage and overlap of two patterns with the model.
func FuzzCoverage(f *testing.F) {
	f.Add([]byte{3, 0, 2, 3}, []byte{2, 3, 0})
	f.Add([]byte{2, 3}, []byte{3, 2})
	f.Fuzz(func(t *testing.T, q, p []byte) {
		a, b := fuzzSegments(q, 10), fuzzSegments(p, 10)
		comparePair(t, treeOf(t, a), wordOf(t, b), a, b)
	})
}

// FuzzDecide gives a user any name and any claim, and asks for any destination:
// an inbox must be open to its user alone.
func FuzzDecide(f *testing.F) {
	for _, v := range hostileValues() {
		f.Add(v, "a", "/queue/inbox."+v)
		f.Add("ann", v, "/queue/of."+v+".x")
	}
	acl, err := Compile([]Rule{
		allow(Send, "/queue/inbox.{user}", "/queue/of.{claim:c}.x"),
		allow(Subscribe, "/queue/inbox.{user}", "/queue/of.{claim:c}.x"),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, user, claim, destination string) {
		p := acl.For(&auth.Identity{User: user, Claims: map[string]any{"c": claim}})
		segments := strings.Split(strings.ReplaceAll(destination, "/", "."), ".")
		want := false
		switch {
		case strings.HasPrefix(destination, "/temp-queue/"), strings.HasPrefix(destination, "/reply-queue/"):
			return
		case len(segments) == 4 && segments[2] == "inbox":
			want = user != "" && segments[3] == user
		case len(segments) == 5 && segments[2] == "of":
			want = claim != "" && segments[3] == claim && segments[4] == "x"
		}
		want = want && segments[0] == "" && segments[1] == "queue" && destination[0] == '/'
		for _, s := range segments {
			want = want && !strings.Contains(s, "*") && s != "#" && s != ">"
		}
		for _, action := range []Action{Send, Subscribe} {
			if got := p.Decide(action, destination); got.Allowed != want {
				t.Errorf("user %q, claim %q: %v %q: %+v, want %v", user, claim, action, destination, got, want)
			}
		}
	})
}
