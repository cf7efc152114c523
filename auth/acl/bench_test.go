package acl

import (
	"fmt"
	"strings"
	"testing"

	"hoofbeat/auth"
)

// manyKindsOfRules are a thousand rules as a large installation may have them,
// of each kind as many.
func manyKindsOfRules() []Rule {
	both := []Action{Send, Subscribe}
	var rules []Rule
	for i := range 200 {
		rules = append(rules,
			Rule{Name: fmt.Sprint("role ", i), Roles: []string{fmt.Sprint("role", i)}, Allow: both, Destinations: []string{fmt.Sprintf("/topic/app%d.**", i)}},
			Rule{Name: fmt.Sprint("user ", i), Users: []string{fmt.Sprint("user", i)}, Allow: both, Destinations: []string{fmt.Sprintf("/queue/work%d.*", i)}},
			Rule{Name: fmt.Sprint("tenant ", i), Claims: []ClaimMatch{{"tenant", []string{fmt.Sprint("tenant", i)}}}, Allow: both, Destinations: []string{fmt.Sprintf("/topic/tenants.%d.**", i)}},
			Rule{Name: fmt.Sprint("own ", i), Allow: both, Destinations: []string{fmt.Sprintf("/queue/inbox%d.{user}", i), fmt.Sprintf("/topic/{claim:tenant}.%d.**", i)}},
			Rule{Name: fmt.Sprint("denied ", i), Deny: both, Destinations: []string{fmt.Sprintf("/topic/**.secret%d", i)}},
		)
	}
	return rules
}

// alikeRules are a thousand rules that begin alike, so that an index by the
// first segments does not help.
func alikeRules() []Rule {
	var rules []Rule
	for i := range 1000 {
		rules = append(rules, Rule{Roles: []string{fmt.Sprint("role", i)}, Allow: []Action{Send, Subscribe}, Destinations: []string{"/topic/{claim:tenant}.**"}})
	}
	return rules
}

func benchIdentity(tb testing.TB, i int) *auth.Identity {
	return &auth.Identity{User: fmt.Sprint("user", i), Roles: []string{fmt.Sprint("role", i%200), "role1"}, Claims: aclClaims(tb, fmt.Sprintf(`{"tenant":"tenant%d"}`, i%200))}
}

// coldDestinations are allowed and denied ones, for user 7.
func coldDestinations() []string {
	return []string{
		"/topic/app7.orders.new", "/queue/work7.a", "/topic/tenants.7.x", "/queue/inbox150.user7", "/topic/tenant7.199.x.y",
		"/topic/app7.orders.secret3", "/topic/app8.orders.new", "/queue/inbox150.user8", "/topic/none", "/temp-queue/replies",
	}
}

func benchRules(b *testing.B, run func(b *testing.B, acl *List)) {
	b.Helper()
	for name, rules := range map[string][]Rule{"kinds": manyKindsOfRules(), "alike": alikeRules()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			run(b, compiled(b, rules...))
		})
	}
}

func BenchmarkSendWarm(b *testing.B) {
	benchRules(b, func(b *testing.B, acl *List) {
		p, destinations := acl.For(benchIdentity(b, 7)), coldDestinations()
		i := 0
		for b.Loop() {
			if i++; i == len(destinations) {
				i = 0
			}
			p.Decide(Send, destinations[i])
		}
	})
}

func BenchmarkSendCold(b *testing.B) {
	benchRules(b, func(b *testing.B, acl *List) {
		p, destinations := acl.For(benchIdentity(b, 7)), coldDestinations()
		i := 0
		for b.Loop() {
			if i++; i == len(destinations) {
				i = 0
			}
			p.decide(Send, destinations[i])
		}
	})
}

// BenchmarkSendEverNew measures a client that never sends to the same
// destination twice.
func BenchmarkSendEverNew(b *testing.B) {
	acl := compiled(b, manyKindsOfRules()...)
	p, destinations := acl.For(benchIdentity(b, 7)), make([]string, 100_000)
	for i := range destinations {
		destinations[i] = fmt.Sprint("/topic/app7.orders.", i)
	}
	i := 0
	for b.Loop() {
		p.Decide(Send, destinations[i%len(destinations)])
		i++
	}
}

func BenchmarkSubscribeCold(b *testing.B) {
	for _, destination := range []string{"/topic/app7.orders", "/topic/app7.**", "/topic/*.orders", "/topic/**", "/**.x.**.y.**", "/topic/" + strings.Repeat("**.a.", 15) + "**"} {
		b.Run(fmt.Sprintf("%.15s", destination), func(b *testing.B) {
			benchRules(b, func(b *testing.B, acl *List) {
				p := acl.For(benchIdentity(b, 7))
				for b.Loop() {
					p.decide(Subscribe, destination)
				}
			})
		})
	}
}

func BenchmarkFor(b *testing.B) {
	benchRules(b, func(b *testing.B, acl *List) {
		id := benchIdentity(b, 7)
		for b.Loop() {
			acl.For(id)
		}
	})
}

func BenchmarkCompileACL(b *testing.B) {
	rules := manyKindsOfRules()
	for b.Loop() {
		compiled(b, rules...)
	}
}

// BenchmarkReload measures a reload with 10,000 sessions of five
// subscriptions each.
func BenchmarkReload(b *testing.B) {
	ids := make([]*auth.Identity, 10_000)
	for i := range ids {
		ids[i] = benchIdentity(b, i)
	}
	for name, patterns := range map[string][]string{
		"usual": {"/topic/app%d.orders", "/topic/app%d.**", "/queue/work%d.a", "/topic/tenants.%d.*", "/user/queue/%d"},
		"wide":  {"/topic/**", "/topic/*.%d", "/topic/**.%d", "/**", "/topic/*.*.%d.**"},
	} {
		b.Run(name, func(b *testing.B) {
			benchRules(b, func(b *testing.B, acl *List) {
				for b.Loop() {
					reload(acl, ids, patterns)
				}
			})
		})
	}
}

func reload(acl *List, ids []*auth.Identity, patterns []string) {
	for i, id := range ids {
		p := acl.For(id)
		for _, pattern := range patterns {
			if strings.Contains(pattern, "%d") {
				pattern = fmt.Sprintf(pattern, i%200)
			}
			p.Decide(Subscribe, pattern)
		}
	}
}
