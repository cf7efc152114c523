package acl

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"hoofbeat/auth"
	"hoofbeat/destination"
	"hoofbeat/internal/patterntest"
)

// modelDecide decides as the documentation of Rule says, rule by rule: it
// returns whether it is allowed, and the first rule that decides, or -1.
func modelDecide(rules []Rule, id *auth.Identity, action Action, segments []string) (allowed bool, rule int) {
	pattern := append([]string{"t"}, segments...)
	for _, denying := range []bool{true, false} {
		for i, r := range rules {
			list := r.Allow
			if denying {
				list = r.Deny
			}
			if slices.Contains(list, action) && modelConcerns(r, id) && modelApplies(r, id, pattern, denying) {
				return !denying, i
			}
		}
	}
	return false, -1
}

func modelConcerns(r Rule, id *auth.Identity) bool {
	any := func(want, have []string) bool {
		return len(want) == 0 || slices.ContainsFunc(want, func(w string) bool { return slices.Contains(have, w) })
	}
	ok := any(r.Roles, id.Roles) && any(r.Users, []string{id.User})
	for _, m := range r.Claims {
		texts, _ := modelTexts(id, destination.ClaimPrefix+m.Name)
		ok = ok && any(m.Values, texts)
	}
	return ok
}

// modelTexts are the values of a variable.
func modelTexts(id *auth.Identity, name string) (texts []string, whole bool) {
	if name == destination.UserVariable {
		return []string{id.User}, id.User != ""
	}
	value := id.Claims[strings.TrimPrefix(name, destination.ClaimPrefix)]
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	whole = len(list) > 0
	for _, v := range list {
		switch v := v.(type) {
		case string:
			texts = append(texts, v)
			whole = whole && v != ""
		case bool:
			texts = append(texts, fmt.Sprint(v))
		default:
			whole = false
		}
	}
	return texts, whole
}

func modelApplies(r Rule, id *auth.Identity, pattern []string, denying bool) bool {
	for _, d := range r.Destinations {
		for _, filled := range modelFill(strings.Split(d[1:], "/"), id, denying) {
			if denying && patterntest.Overlap(filled, pattern) || !denying && patterntest.Cover(filled, pattern) {
				return true
			}
		}
	}
	return false
}

// modelVariables are those that randomRule uses.
func modelVariables() []string { return []string{destination.UserVariable, "claim:c", "claim:d.e"} }

// modelFill fills the templates of a rule's destination in all possible ways.
func modelFill(segments []string, id *auth.Identity, denying bool) [][]string {
	ways := [][]string{segments}
	for _, name := range modelVariables() {
		braced := "{" + name + "}"
		texts, whole := modelTexts(id, name)
		var next [][]string
		for _, way := range ways {
			if !slices.ContainsFunc(way, func(s string) bool { return strings.Contains(s, braced) }) {
				next = append(next, way)
				continue
			}
			if denying && !whole {
				next = append(next, modelReplace(way, braced, "", true))
				continue
			}
			for _, text := range texts {
				if text != "" {
					next = append(next, modelReplace(way, braced, text, false))
				}
			}
		}
		ways = next
	}
	if denying {
		ways = modelSplit(ways)
	}
	return ways
}

// modelSplit adds the ways in which values with separators are taken apart.
func modelSplit(ways [][]string) [][]string {
	var all [][]string
	for _, way := range ways {
		heads := [][]string{nil}
		for _, s := range way {
			options := [][]string{{s}}
			if strings.HasPrefix(s, `\`) && strings.ContainsAny(s, "./") {
				options = append(options, strings.Split(`\`+strings.NewReplacer(".", `.\`, "/", `.\`).Replace(s[1:]), "."))
			}
			var next [][]string
			for _, h := range heads {
				for _, o := range options {
					next = append(next, slices.Concat(h, o))
				}
			}
			heads = next
		}
		all = append(all, heads...)
	}
	return all
}

func modelReplace(segments []string, braced, value string, star bool) []string {
	out := slices.Clone(segments)
	for i, s := range out {
		switch {
		case !strings.Contains(s, braced):
		case star:
			out[i] = "*"
		default:
			out[i] = `\` + strings.TrimPrefix(strings.ReplaceAll(s, braced, value), `\`)
		}
	}
	return out
}

func pick(rng *rand.Rand, from ...string) string { return from[rng.IntN(len(from))] }

// some picks a few, often none.
func some(rng *rand.Rand, from ...string) (out []string) {
	for _, s := range from {
		if rng.IntN(4) == 0 {
			out = append(out, s)
		}
	}
	return out
}

func randomRule(rng *rand.Rand) Rule {
	r := Rule{Roles: some(rng, "r", "s"), Users: some(rng, "u", "a.b")}
	if rng.IntN(4) == 0 {
		r.Claims = append(r.Claims, ClaimMatch{Name: "c", Values: []string{pick(rng, "x", "y", "true")}})
		if rng.IntN(4) == 0 {
			r.Claims = append(r.Claims, ClaimMatch{Name: "d.e", Values: []string{"x", "z"}})
		}
	}
	action := Send
	if rng.IntN(2) == 0 {
		action = Subscribe
	}
	if rng.IntN(3) == 0 {
		r.Deny = []Action{action}
	} else {
		r.Allow = []Action{action}
	}
	for range 1 + rng.IntN(2) {
		segments := []string{"t"}
		for range 1 + rng.IntN(4) {
			segments = append(segments, pick(rng, "a", "a", "b", "x", "*", "*", "**", "{user}", "{claim:c}", "{claim:d.e}", "x-{user}", "{claim:c}{user}"))
		}
		r.Destinations = append(r.Destinations, "/"+strings.Join(segments, "/"))
	}
	return r
}

func randomIdentity(rng *rand.Rand) *auth.Identity {
	claims := map[string]any{}
	values := []any{"x", "y", "", "*", "**", "a.b", "a/**", true, nil, []any{}, []any{"x", "y"}, []any{"x", map[string]any{}}, []any{"*", "", "b"}, "a\x00", "\n"}
	for _, name := range []string{"c", "d.e"} {
		if rng.IntN(5) > 0 {
			claims[name] = values[rng.IntN(len(values))]
		}
	}
	return &auth.Identity{User: pick(rng, "u", "x", "a", "a.b", "*", "**", ""), Roles: some(rng, "r", "s"), Claims: claims}
}

// TestDecideAgainstModel compares decisions under random rules with the model.
func TestDecideAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	rounds := 1000
	if testing.Short() {
		rounds = 200
	}
	allowed, denied := 0, 0
	for range rounds {
		rules := make([]Rule, 1+rng.IntN(30))
		for i := range rules {
			rules[i] = randomRule(rng)
		}
		acl := compiled(t, rules...)
		for range 4 {
			id := randomIdentity(rng)
			p := acl.For(id)
			for range 8 {
				d := compareWithModel(t, rng, p, rules, id)
				if d.Allowed {
					allowed++
				} else if d.Rule != "" {
					denied++
				}
			}
		}
	}
	if allowed < rounds || denied < rounds {
		t.Errorf("the rules decide too little: %d times allowed, %d times denied", allowed, denied)
	}
}

func compareWithModel(t *testing.T, rng *rand.Rand, p *Permissions, rules []Rule, id *auth.Identity) Decision {
	t.Helper()
	action := Send
	alphabet := []string{"a", "b", "x", "y", "u", "x-u", "true", "xu"}
	if rng.IntN(2) == 0 {
		action = Subscribe
		alphabet = append(alphabet, "*", "*", "**", "**")
	}
	var segments []string
	for range 1 + rng.IntN(4) {
		segments = append(segments, pick(rng, alphabet...))
	}
	destination := patterntest.Destination(segments)
	got := p.Decide(action, destination)
	allowed, rule := modelDecide(rules, id, action, segments)
	label := ""
	if rule >= 0 {
		label = fmt.Sprintf("#%d", rule)
	}
	if got.Allowed != allowed || got.Rule != label {
		t.Fatalf("%v %s by %+v:\n%+v, want %v by %q under the rules\n%+v", action, destination, id, got, allowed, label, rules)
	}
	return got
}
