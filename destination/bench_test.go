package destination

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkMatch10000(b *testing.B) {
	root := &Tree[int]{}
	for i := range 10000 {
		pattern := [...]string{"room.%d.*", "*.%d.typing", "user.%d.**", "**.%d.alert"}[i%4]
		root.Insert(fmt.Sprintf(pattern, i/4), i)
	}
	for _, name := range []string{"room.77.typing", "user.42.a.b.c", "nothing.of.that"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var found []int
			for b.Loop() {
				found = root.Match(name, found[:0])
			}
		})
	}
}

// BenchmarkMatchHostile matches the longest name with a pattern of many **.
func BenchmarkMatchHostile(b *testing.B) {
	root := &Tree[int]{}
	root.Insert(strings.Repeat("**.", 300)+"b", 1)
	name := strings.TrimSuffix(strings.Repeat("a.", 500), ".")
	for b.Loop() {
		root.Match(name, nil)
	}
}
