package broker

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Consumers get their turns in the order in which they joined, each stands in line
// once, and those that have closed leave the line in the end.
func TestTurns(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 3))
		l := &turns{}
		var all, want []*consumer
		for range 3000 {
			switch r.IntN(8) {
			case 0:
				all = append(all, &consumer{prefetch: 1})
			case 1, 2, 3:
				if len(all) > 0 {
					c := all[r.IntN(len(all))]
					if l.join(c); c.ready() && !slices.Contains(want, c) {
						want = append(want, c)
					}
				}
			case 4:
				if len(all) > 0 {
					all[r.IntN(len(all))].blocked = r.IntN(2) == 0
				}
			case 5:
				if len(all) > 0 {
					i := r.IntN(len(all))
					all[i].closed = true
					l.leave(all[i])
					all = slices.Delete(all, i, i+1)
				}
			default:
				got := l.next()
				for got != nil && got.closed {
					got = l.next()
				}
				want = slices.DeleteFunc(want, func(c *consumer) bool { return c.closed })
				if len(want) == 0 {
					if got != nil {
						t.Fatalf("seed %d: somebody has a turn out of nothing", seed)
					}
					continue
				}
				if got != want[0] {
					t.Fatalf("seed %d: another consumer has its turn", seed)
				}
				want = want[1:]
			}
			open := 0
			for _, c := range want {
				if !c.closed {
					open++
				}
			}
			if n := l.line.len(); n > 2*open+33 || n < open {
				t.Fatalf("seed %d: %d stand in line, %d of them may have a turn", seed, n, open)
			}
		}
	}
}
