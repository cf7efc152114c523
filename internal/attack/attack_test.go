package attack

import (
	"runtime"
	"testing"
	"time"
)

// TestAttacks attacks one broker in every way, beside a bystander that must
// never be disconnected. The process's memory is bounded, and after each attack
// nothing of the attackers is left.
func TestAttacks(t *testing.T) {
	if testing.Short() {
		t.Skip("hundreds of megabytes")
	}
	if runtime.GOOS != "linux" {
		t.Skip("it looks into /proc")
	}
	w := newWorld(t)
	b := w.bystander(t)
	if !until(b.heard) {
		t.Fatal("the bystander gets nothing")
	}
	base, before := w.memory(t, "VmRSS"), w.figures(t)
	bound := memoryBound(base)
	t.Logf("before: %d MiB, %+v; bound: %d MiB", base>>20, before, bound>>20)
	for _, one := range attacks {
		t.Run(one.name, func(t *testing.T) {
			w.forgetPeak()
			began := time.Now()
			c := &crew{T: t, w: w}
			one.attack(c)
			used := w.figures(t).used
			c.leave()
			took := time.Since(began)
			w.wantCalm(t, before, c.filled)

			peak := w.memory(t, "VmHWM")
			until(b.heard) // an attack may be over quickly
			rounds, slowest, fault := b.report()
			t.Logf("%v, calm after %v; used %d MiB; at most %d MiB, then %d MiB; bystander: %d rounds, slowest %v; ERRORs: %s",
				took.Round(time.Millisecond), (time.Since(began) - took).Round(time.Millisecond), used>>20,
				peak>>20, w.memory(t, "VmRSS")>>20, rounds, slowest.Round(time.Millisecond), c.told())
			if peak > bound {
				t.Errorf("the process has taken %d MiB of memory, more than %d MiB", peak>>20, bound>>20)
			}
			if fault != nil || rounds == 0 {
				t.Errorf("the bystander: %d rounds, %v", rounds, fault)
			}
		})
	}
}
