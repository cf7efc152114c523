package destination

import (
	"strings"
	"testing"
)

func TestCovers(t *testing.T) {
	for pattern, names := range map[string]string{
		"/queue/a":       "a",
		"/queue/a.*":     "a.b a/b a.* !a !a.b.c",
		"/queue/**":      "a a.b a.b.c",
		"/queue/a.**":    "a a.b a.b.c a.** !b",
		"/queue/**.z":    "z a.z a.b.z z.z !a !z.a",
		"/queue/a.**.z":  "a.z a.b.z a.z.z !a !z",
		"/queue/*.**.*":  "a.b a.b.c !a",
		"/queue/**.b.**": "b a.b b.c a.b.c !a !a.c",
		"/queue/#.b.>":   "b a.b b.c",
		"/queue/*-user*": "late-user1 a-user -user !late-use !user1 !a.b-user1",
		"/queue/a*b*c.*": "abc.x a1b2c.x aXbbcc.y !ab.x !abcd.x !abc",
		"/queue/**.x*":   "x a.xy a.b.x !a !x.a",
		"/queue/*a*a":    "aa aba aaa !a !ab",
	} {
		p, err := DefaultNamespace().ForPolicy(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(names) {
			name, not := strings.CutPrefix(name, "!")
			o, err := DefaultNamespace().ForPolicy("/queue/" + name)
			if err != nil {
				t.Fatal(err)
			}
			if p.Covers(o) == not {
				t.Errorf("%s covers %s: %v", pattern, name, !not)
			}
			if o.Kind = Topic; p.Covers(o) {
				t.Errorf("%s covers a topic", pattern)
			}
		}
	}
}

// TestCoversIsBounded: a pattern made to cause backtracking is not slow.
func TestCoversIsBounded(t *testing.T) {
	p := strings.Repeat("**.a.", 15) + "b"
	n := strings.Repeat("a.", 31) + "a"
	if covers(strings.Split(p, "."), strings.Split(n, ".")) {
		t.Error("it matches")
	}
}

func TestForPolicy(t *testing.T) {
	for _, bad := range []string{"", "queue/a", "/queue/", "/other/a", "/temp-queue/a", "/user/queue/a"} {
		if d, err := DefaultNamespace().ForPolicy(bad); err == nil {
			t.Errorf("%q is %v", bad, d)
		}
	}
}
