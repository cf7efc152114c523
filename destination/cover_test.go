package destination

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"hoofbeat/internal/patterntest"
)

func patternOf(t testing.TB, segments []string) Pattern {
	t.Helper()
	p, err := ParsePolicy(patterntest.Destination(segments))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wordOf(t testing.TB, segments []string) *Word {
	t.Helper()
	w := &Word{}
	if err := w.AddAll(patterntest.Destination(segments)[1:]); err != nil {
		t.Fatal(err)
	}
	return w
}

func comparePair(t *testing.T, q, p []string) {
	t.Helper()
	pattern, word := patternOf(t, q), wordOf(t, p)
	if got, want := pattern.Covers(word), patterntest.Cover(q, p); got != want {
		t.Fatalf("%v covers %v: %v, want %v", q, p, got, want)
	}
	if got, want := pattern.Overlaps(word), patterntest.Overlap(q, p); got != want {
		t.Fatalf("%v overlaps %v: %v, want %v", q, p, got, want)
	}
}

// TestCoverageAndOverlapOfAllShortPatterns compares with the recursive model.
func TestCoverageAndOverlapOfAllShortPatterns(t *testing.T) {
	patterns := patterntest.Patterns(3, "a", "b", "*", "**")[1:] // a rule needs a name after its prefix
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
			want := slices.ContainsFunc(lists, func(l []string) bool { return patterntest.Match(a, l) && patterntest.Match(b, l) })
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
