package destination

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// matches is the specification: it matches one pattern by recursion.
func matches(pattern, name []string) bool {
	switch {
	case len(pattern) == 0:
		return len(name) == 0
	case pattern[0] == "**":
		return matches(pattern[1:], name) || len(name) > 0 && matches(pattern, name[1:])
	case len(name) == 0:
		return false
	}
	return (pattern[0] == "*" || pattern[0] == name[0]) && matches(pattern[1:], name[1:])
}

func TestMatchTable(t *testing.T) {
	tests := []struct {
		pattern string
		yes, no []string
	}{
		{"*", []string{"a", ""}, []string{"a.b", "."}},
		{"**", []string{"a", "a.b", "a.b.c", "", "."}, nil},
		{"a.*", []string{"a.b", "a."}, []string{"a", "a.b.c", "b.b"}},
		{"a.**", []string{"a", "a.b", "a.b.c"}, []string{"b", "ab", "b.a"}},
		{"**.a", []string{"a", "b.a", "a.a", "b.c.a"}, []string{"a.b", "ba"}},
		{"a.**.b", []string{"a.b", "a.c.b", "a.b.b", "a.c.c.b"}, []string{"a", "b", "a.b.c"}},
		{"**.**", []string{"a", "a.b"}, nil},
		{"**.*", []string{"a", "a.b"}, nil},
		{"*.**.*", []string{"a.b", "a.b.c"}, []string{"a"}},
		{"*.*", []string{"a.b"}, []string{"a", "a.b.c"}},
	}
	for _, tt := range tests {
		root := &node[string]{}
		root.insert(tt.pattern, tt.pattern)
		for _, name := range tt.yes {
			if n := len(root.match(name, nil)); n != 1 {
				t.Errorf("%q against %q: found %d times, want once", tt.pattern, name, n)
			}
		}
		for _, name := range tt.no {
			if n := len(root.match(name, nil)); n != 0 {
				t.Errorf("%q against %q: found %d times, want none", tt.pattern, name, n)
			}
		}
	}
}

func randomName(r *rand.Rand, alphabet []string, most int) string {
	segments := make([]string, 1+r.IntN(most))
	for i := range segments {
		segments[i] = alphabet[r.IntN(len(alphabet))]
	}
	return strings.Join(segments, ".")
}

// A forest is a tree of patterns together with a plain list of them.
type forest struct {
	root     node[string]
	patterns map[string]bool
}

func (f *forest) insert(pattern string) {
	if !f.patterns[pattern] {
		f.patterns[pattern] = true
		f.root.insert(pattern, pattern)
	}
}

func (f *forest) remove(pattern string) {
	if f.patterns[pattern] {
		f.root.remove(pattern)
		delete(f.patterns, pattern)
	}
}

func (f *forest) check(tb testing.TB, name string) {
	tb.Helper()
	var got, want []string
	got = f.root.match(name, got)
	for p := range f.patterns {
		if matches(strings.Split(p, "."), strings.Split(name, ".")) {
			want = append(want, p)
		}
		if found, ok := f.root.find(p); !ok || found != p {
			tb.Fatalf("%q is not found", p)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		tb.Fatalf("%q matches %q, want %q", name, got, want)
	}
	if n := f.root.len(); n != len(f.patterns) {
		tb.Fatalf("the tree has %d patterns, want %d", n, len(f.patterns))
	}
}

func TestMatchRandom(t *testing.T) {
	literals := []string{"a", "b", "c"}
	all := append([]string{"*", "**"}, literals...)
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		f := forest{patterns: make(map[string]bool)}
		for range 100 {
			switch p := randomName(r, all, 5); r.IntN(3) {
			case 0:
				f.remove(p)
			case 1:
				for p := range f.patterns {
					f.remove(p) // any of them
					break
				}
			default:
				f.insert(p)
			}
			f.check(t, randomName(r, literals, 6))
		}
		for p := range f.patterns {
			f.remove(p)
		}
		if !f.root.empty() || f.root.len() != 0 {
			t.Fatalf("seed %d: something is left in the tree", seed)
		}
	}
}

// TestMatchSteps counts steps instead of time: with many ** in a pattern, a
// match visits each node at most once per segment of the name.
func TestMatchSteps(t *testing.T) {
	name := strings.TrimSuffix(strings.Repeat("a.", 500), ".")
	for _, pattern := range []string{
		"**.a.**.a.**.a.**",
		"**.a.**.a.**.a.**.b",
		strings.Repeat("**.", 100) + "b",
		strings.Repeat("**.*.", 100) + "b",
		strings.Repeat("**.a.", 100) + "**",
	} {
		root := &node[string]{}
		root.insert(pattern, pattern)
		m := matcher[string]{}
		m.add(root)
		for s := range strings.SplitSeq(name, ".") {
			m.step(s)
		}
		nodes, segments := strings.Count(pattern, ".")+2, 501
		if most := nodes * (segments + 1); m.steps > most {
			t.Errorf("%.40q: %d steps, want at most %d", pattern, m.steps, most)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("**.a *.b a", "a.b")
	f.Add("** **.** **.**.a a.**", "a.a.a")
	f.Add("*.**.* **.a.**.a.**", "a.b.a.b.a")
	f.Add("a..b *. .**", "a..b")
	f.Fuzz(func(t *testing.T, patterns, name string) {
		if len(patterns) > 100 || strings.Count(name, ".") > 12 {
			return // the recursive specification takes exponential time
		}
		tree := forest{patterns: make(map[string]bool)}
		for p := range strings.FieldsSeq(patterns) {
			if strings.Count(p, "**") < 6 {
				tree.insert(p)
			}
		}
		tree.check(t, name)
		for p := range tree.patterns {
			tree.remove(p)
			tree.check(t, name)
		}
		if !tree.root.empty() {
			t.Fatal("something is left in the tree")
		}
	})
}

// TestMatchSharedPrefixes: a node that several patterns share stays until the
// last of them is removed.
func TestMatchSharedPrefixes(t *testing.T) {
	root := &node[string]{}
	patterns := []string{"a", "a.b", "a.b.*", "a.*", "a.*.c", "**", "**.a", "*.**"}
	for i, p := range patterns {
		root.insert(p, p)
		if root.len() != i+1 {
			t.Fatalf("%d values after %d patterns", root.len(), i+1)
		}
	}
	for i, p := range patterns {
		root.remove(p)
		for j, q := range patterns {
			if _, found := root.find(q); found != (j > i) {
				t.Errorf("after %q was removed, %q is found: %v", p, q, found)
			}
		}
	}
	if !root.empty() {
		t.Error("something is left in the tree")
	}
}

// len returns the number of patterns at and below n.
func (n *node[T]) len() int { return len(n.gather(nil)) }
