package destination

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// The model keeps patterns and names as lists of segments and matches them by
// recursion. A segment of a pattern is "*", "**" or a literal; a literal that
// looks like a wildcard has a backslash in front.

func modelMatch(pattern, name []string) bool {
	switch {
	case len(pattern) == 0:
		return len(name) == 0
	case pattern[0] == "**":
		return modelMatch(pattern[1:], name) || len(name) > 0 && modelMatch(pattern, name[1:])
	case len(name) == 0:
		return false
	}
	return (pattern[0] == "*" || strings.TrimPrefix(pattern[0], `\`) == name[0]) && modelMatch(pattern[1:], name[1:])
}

// modelOverlap reports whether some name matches both patterns.
func modelOverlap(p, q []string) bool {
	switch {
	case len(p) == 0 && len(q) == 0:
		return true
	case len(p) > 0 && p[0] == "**":
		return modelOverlap(p[1:], q) || len(q) > 0 && modelOverlap(p, q[1:])
	case len(q) > 0 && q[0] == "**":
		return modelOverlap(q, p)
	case len(p) == 0 || len(q) == 0:
		return false
	}
	same := strings.TrimPrefix(p[0], `\`) == strings.TrimPrefix(q[0], `\`)
	return (p[0] == "*" || q[0] == "*" || same) && modelOverlap(p[1:], q[1:])
}

// fresh is a segment that occurs in no pattern of these tests.
const fresh = "fresh"

// modelCover reports whether q matches every name that p matches. It tries only
// some names of p. Each wildcard is replaced by fresh segments: a pattern that
// matches a fresh segment matches any other in its place. Each ** is replaced
// by 0 to len(q)+1 of them: every further fresh segment changes the positions
// that q may have reached, until only its ** are left, and that takes at most
// len(q) segments.
func modelCover(q, p []string) bool {
	return modelCoverFrom(q, p, nil)
}

func modelCoverFrom(q, p, name []string) bool {
	name = name[:len(name):len(name)]
	switch {
	case len(p) == 0:
		return modelMatch(q, name)
	case p[0] == "*":
		return modelCoverFrom(q, p[1:], append(name, fresh))
	case p[0] != "**":
		return modelCoverFrom(q, p[1:], append(name, strings.TrimPrefix(p[0], `\`)))
	}
	for range len(q) + 2 {
		if !modelCoverFrom(q, p[1:], name) {
			return false
		}
		name = append(name, fresh)
	}
	return true
}

// modelPatterns returns all patterns of at most size segments.
func modelPatterns(size int, alphabet ...string) [][]string {
	all := [][]string{nil}
	for from := 0; size > 0; size-- {
		until := len(all)
		for _, p := range all[from:until] {
			for _, s := range alphabet {
				all = append(all, append(p[:len(p):len(p)], s))
			}
		}
		from = until
	}
	return all
}

// destinationOf writes segments as a destination, with alternating separators.
func destinationOf(segments []string) string {
	var b strings.Builder
	b.WriteString("/t")
	for i, s := range segments {
		b.WriteByte("/."[i%2])
		b.WriteString(s)
	}
	return b.String()
}

func patternOf(t testing.TB, segments []string) Pattern {
	t.Helper()
	p, err := ParsePolicy(destinationOf(segments))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wordOf(t testing.TB, segments []string) *Word {
	t.Helper()
	w := &Word{}
	if err := w.AddAll(destinationOf(segments)[1:]); err != nil {
		t.Fatal(err)
	}
	return w
}

func comparePair(t *testing.T, q, p []string) {
	t.Helper()
	pattern, word := patternOf(t, q), wordOf(t, p)
	if got, want := pattern.Covers(word), modelCover(q, p); got != want {
		t.Fatalf("%v covers %v: %v, want %v", q, p, got, want)
	}
	if got, want := pattern.Overlaps(word), modelOverlap(q, p); got != want {
		t.Fatalf("%v overlaps %v: %v, want %v", q, p, got, want)
	}
}

// TestCoverageAndOverlapOfAllShortPatterns compares with the recursive model.
func TestCoverageAndOverlapOfAllShortPatterns(t *testing.T) {
	patterns := modelPatterns(3, "a", "b", "*", "**")[1:] // a rule needs a name after its prefix
	for _, q := range patterns {
		for _, p := range patterns {
			comparePair(t, q, p)
		}
	}
}

func TestCoverageAndOverlapOfRandomPatterns(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3_000 {
		q := randomPattern(rng, 9)
		p := mutated(rng, q)
		comparePair(t, q, p)
		comparePair(t, p, q)
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

// mutated changes a pattern slightly, so that one often covers the other.
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

// TestOverlapByEnumeration compares Overlaps with trying every list of
// segments.
func TestOverlapByEnumeration(t *testing.T) {
	words := []string{"a", "b"}
	var lists [][]string
	lists = append(lists, nil)
	for at := 0; len(lists[at]) < 4; at++ {
		for _, w := range words {
			lists = append(lists, append(slices.Clone(lists[at]), w))
		}
	}
	patterns := [][]string{nil}
	for at := 0; len(patterns[at]) < 3; at++ {
		for _, w := range []string{"a", "b", "*", "**"} {
			patterns = append(patterns, append(slices.Clone(patterns[at]), w))
		}
	}
	for _, a := range patterns {
		for _, b := range patterns {
			want := slices.ContainsFunc(lists, func(l []string) bool { return modelMatch(a, l) && modelMatch(b, l) })
			if len(a) == 0 {
				continue // a rule needs a name after its prefix
			}
			if got := patternOf(t, a).Overlaps(wordOf(t, b)); got != want {
				t.Fatalf("%q and %q: %v", a, b, got)
			}
		}
	}
}

func TestWordBounds(t *testing.T) {
	if err := new(Word).AddAll(strings.Repeat("a.", maxPlaces) + "a"); !errors.Is(err, ErrTooLong) {
		t.Errorf("too many segments: %v", err)
	}
	if err := new(Word).AddAll(strings.Repeat("**.", 1000) + "*"); err != nil {
		t.Errorf("one ** written often: %v", err)
	}
	if err := new(Word).AddAll("a.b*"); !errors.Is(err, ErrBadWildcard) {
		t.Errorf("part of a segment: %v", err)
	}
}

// TestPatternsWithParts covers segments that are neither literals nor
// wildcards.
func TestPatternsWithParts(t *testing.T) {
	for _, tt := range []struct {
		read            func(string) (Pattern, error)
		pattern, other  string
		covers, overlap bool
	}{
		{ParsePolicy, "/queue/a*", "/queue/abc", true, true},
		{ParsePolicy, "/queue/a*", "/queue/b", false, false},
		{ParsePolicy, "/queue/a*c", "/queue/ab*c", true, true},
		{ParsePolicy, "/queue/ab*", "/queue/a*", false, false},
		{ParsePolicy, "/queue/a*", "/queue/*", false, true},
		{ParseRule, "/topic/{user}", "/topic/x", false, true},
		{ParseRule, "/topic/{user}", "/topic/*", false, true},
		{ParseRule, "/topic/{user}.**", "/topic/x.y", false, true},
		{ParseRule, "/t{user}c/a", "/topic/a", false, true},
		{ParseRule, "/to{user}/a", "/to/a", false, false},
		{ParseRule, "/{user}{claim:x}/a", "/t/a", false, false},
		{ParseRule, "/{user}{claim:x}/a", "/to/a", false, true},
		{ParseRule, "/topic/{claim:a/b.c}", "/topic/x", false, true},
		{ParseRule, "/user/a%2Fb/queue/x", "/user/a%2Fb/queue/x", true, true},
	} {
		p, err := tt.read(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		o, err := ParsePolicy(tt.other)
		if err != nil {
			t.Fatal(err)
		}
		w, err := o.Word()
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Covers(w); got != tt.covers {
			t.Errorf("%s covers %s: %v", tt.pattern, tt.other, got)
		}
		if got := p.Overlaps(w); got != tt.overlap {
			t.Errorf("%s overlaps %s: %v", tt.pattern, tt.other, got)
		}
	}
}
