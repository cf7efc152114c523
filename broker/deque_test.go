package broker

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestDeque(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 3))
		var d deque[int]
		var want []int
		for i := range 2000 {
			switch n := r.IntN(100); {
			case n < 50+int(seed)-25:
				d.pushBack(i)
				want = append(want, i)
			case n < 99 && len(want) > 0:
				if v := d.popFront(); v != want[0] {
					t.Fatalf("seed %d: popped %d, want %d", seed, v, want[0])
				}
				want = want[1:]
			case n == 99:
				k := 1 + r.IntN(4)
				d.keep(func(v *int) bool { return *v%k > 0 || k == 1 })
				want = slices.DeleteFunc(want, func(v int) bool { return v%k == 0 && k > 1 })
			}
			if d.len() != len(want) {
				t.Fatalf("seed %d: %d values, want %d", seed, d.len(), len(want))
			}
			for j := range want {
				if *d.at(j) != want[j] {
					t.Fatalf("seed %d: %d is at %d, want %d", seed, *d.at(j), j, want[j])
				}
			}
		}
		for d.len() > 0 {
			d.popFront()
		}
		if len(d.ring) > dequeKeep {
			t.Errorf("seed %d: %d places are left of nothing", seed, len(d.ring))
		}
		for _, v := range d.ring {
			if v != 0 {
				t.Errorf("seed %d: %d is left in the ring", seed, v)
			}
		}
	}
}
