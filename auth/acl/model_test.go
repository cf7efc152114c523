package acl

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"hoofbeat/auth"
	"hoofbeat/destination"
	"hoofbeat/internal/patterntest"
)

// treeOf is a tree with a single rule.
func treeOf(t testing.TB, segments []string) *ruleTree {
	t.Helper()
	var vs variables
	if len(segments) == 0 {
		// A rule cannot be that short, but a tree can.
		n := newRuleNode()
		n.insert(0, &pattern{segments: []segment{{Segment: destination.Segment{Text: "t"}}}})
		return &ruleTree{root: n, nodes: 2}
	}
	p, err := parsePattern(patterntest.Destination(segments), &vs)
	if err != nil {
		t.Fatal(err)
	}
	tree := &ruleTree{root: newRuleNode()}
	tree.root.insert(0, p)
	tree.root.finish(&tree.nodes)
	return tree
}

func wordOf(t testing.TB, segments []string) *destination.Word {
	t.Helper()
	w := &destination.Word{}
	if err := w.AddAll(patterntest.Destination(segments)[1:]); err != nil {
		t.Fatal(err)
	}
	return w
}

// finds tells whether the only rule of a tree covers or overlaps a word.
func finds(tree *ruleTree, w *destination.Word, cover bool) bool {
	k := walk{p: &Permissions{concerns: ruleSet{1}}, w: w, cover: cover}
	return k.run(tree) && k.best == 0
}

// TestCoverageAndOverlapByEnumeration compares with the sets of all names that
// are long enough to decide. If a name is matched by p and not by q, there is
// one of at most the segments of p that are not **, and len(q)+1 for each **
// (see patterntest.Cover; ** next to each other are one): of patterns with two
// segments that is 1+3 = 4 with one **, and of patterns with three it is
// 1+2*4 = 9 with two. A name that both match need not be longer than p and q
// together.
func TestCoverageAndOverlapByEnumeration(t *testing.T) {
	compareByNames(t, patterntest.Patterns(4, "a", "b", patterntest.Fresh), patterntest.Patterns(2, "a", "b", "*", "**"))
	compareByNames(t, patterntest.Patterns(9, "a", patterntest.Fresh), patterntest.Patterns(3, "a", "*", "**"))
}

func compareByNames(t *testing.T, names, patterns [][]string) {
	t.Helper()
	matched := make([]ruleSet, len(patterns))
	for i, p := range patterns {
		matched[i] = newRuleSet(len(names))
		for j, n := range names {
			if patterntest.Match(p, n) {
				matched[i].add(int32(j))
			}
		}
	}
	for i, q := range patterns {
		tree := treeOf(t, q)
		for j, p := range patterns {
			w := wordOf(t, p)
			if got, want := finds(tree, w, true), subset(matched[j], matched[i]); got != want {
				t.Errorf("%v covers %v: %v, want %v", q, p, got, want)
			}
			if got, want := finds(tree, w, false), matched[i].meets(matched[j]); got != want {
				t.Errorf("%v overlaps %v: %v, want %v", q, p, got, want)
			}
		}
	}
}

func subset(s, of ruleSet) bool {
	for i := range s {
		if s[i]&^of[i] != 0 {
			return false
		}
	}
	return true
}

// TestCoverageAndOverlapOfAllShortPatterns compares with the recursive model.
func TestCoverageAndOverlapOfAllShortPatterns(t *testing.T) {
	size := 4
	if testing.Short() {
		size = 3
	}
	patterns := patterntest.Patterns(size, "a", "b", "*", "**")
	words := make([]*destination.Word, len(patterns))
	for i, p := range patterns {
		words[i] = wordOf(t, p)
	}
	for _, q := range patterns {
		tree := treeOf(t, q)
		for i, p := range patterns {
			comparePair(t, tree, words[i], q, p)
		}
	}
}

func comparePair(t *testing.T, tree *ruleTree, w *destination.Word, q, p []string) {
	t.Helper()
	if got, want := finds(tree, w, true), patterntest.Cover(q, p); got != want {
		t.Fatalf("%v covers %v: %v, want %v", q, p, got, want)
	}
	if got, want := finds(tree, w, false), patterntest.Overlap(q, p); got != want {
		t.Fatalf("%v overlaps %v: %v, want %v", q, p, got, want)
	}
}

func TestCoverageAndOverlapOfRandomPatterns(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	rounds := 5_000
	if testing.Short() {
		rounds = 500
	}
	for range rounds {
		q := randomPattern(rng, 9)
		p := mutated(rng, q)
		comparePair(t, treeOf(t, q), wordOf(t, p), q, p)
		comparePair(t, treeOf(t, p), wordOf(t, q), p, q)
	}
}

func randomPattern(rng *rand.Rand, longest int) []string {
	alphabet := []string{"a", "a", "b", "*", "*", "**"}
	p := make([]string, 1+rng.IntN(longest))
	many := 0
	for i := range p {
		p[i] = alphabet[rng.IntN(len(alphabet))]
		if p[i] == "**" {
			if many++; many > 3 { // the model takes too long
				p[i] = "*"
			}
		}
	}
	return p
}

// mutated changes a pattern a little, so that one often covers the other.
func mutated(rng *rand.Rand, p []string) []string {
	out := append([]string{}, p...)
	for range rng.IntN(4) {
		i := rng.IntN(len(out))
		switch rng.IntN(4) {
		case 0:
			out[i] = "*"
		case 1:
			out[i] = "a"
		case 2:
			if len(out) > 1 {
				out = append(out[:i], out[i+1:]...)
			}
		default:
			out = append(out[:i], append([]string{"*"}, out[i:]...)...)
		}
	}
	return out
}

// TestLongestPatterns walks the longest patterns that a hostile client can
// send.
func TestLongestPatterns(t *testing.T) {
	repeat := func(n int, segments ...string) (out []string) {
		for range n {
			out = append(out, segments...)
		}
		return out
	}
	rules := [][]string{
		repeat(16, "**", "a"), repeat(16, "**", "*"), repeat(32, "*"), repeat(32, "a"),
		append([]string{"**", "a"}, repeat(30, "*")...),
	}
	for _, q := range rules {
		tree := treeOf(t, q)
		for _, p := range append(rules, repeat(30, "**", "a"), repeat(60, "*"), repeat(60, "a")) {
			k := walk{p: &Permissions{concerns: ruleSet{1}}, w: wordOf(t, p)}
			for _, k.cover = range []bool{false, true} {
				k.run(tree)
				if steps := tree.nodes + maxSteps - k.left; steps > tree.nodes {
					t.Errorf("%v and %v: %d steps for %d nodes", q, p, steps, tree.nodes)
				}
			}
		}
	}
}

func ExampleList() {
	acl, err := Compile([]Rule{
		{Name: "staff read the news", Roles: []string{"staff"}, Allow: []Action{Subscribe}, Destinations: []string{"/topic/news.**"}},
		{Name: "no drafts", Deny: []Action{Subscribe}, Destinations: []string{"/topic/**.draft"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := acl.For(&auth.Identity{User: "ann", Roles: []string{"staff"}})
	for _, d := range []string{"/topic/news/sport", "/topic/news.*.draft", "/topic/**"} {
		fmt.Printf("%s: %+v\n", d, p.Decide(Subscribe, d))
	}
	// Output:
	// /topic/news/sport: {Allowed:true Rule:staff read the news Reason:a rule allows it}
	// /topic/news.*.draft: {Allowed:false Rule:no drafts Reason:a rule denies it}
	// /topic/**: {Allowed:false Rule:no drafts Reason:a rule denies it}
}
