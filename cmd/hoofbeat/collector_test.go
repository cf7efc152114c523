package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestFloorPercent(t *testing.T) {
	const mib = 1 << 20
	f := &floor{bytes: 64 * mib}
	for name, tc := range map[string]struct {
		heap heap
		want int
	}{
		"before the first collection": {heap{}, 1600},
		"small heap":                  {heap{live: 1 * mib}, 1600},
		"some MiB":                    {heap{live: 8 * mib}, 700},
		"with stacks":                 {heap{live: 8 * mib, roots: 8 * mib}, 350},
		"half of the floor":           {heap{live: 32 * mib}, 100},
		"just below the floor":        {heap{live: 63 * mib}, 100},
		"above it":                    {heap{live: 500 * mib}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			if got := f.percent(tc.heap); got != tc.want {
				t.Errorf("GOGC=%d, want %d", got, tc.want)
			}
		})
	}
	if got := (&floor{bytes: mib}).percent(heap{}); got != 100 {
		t.Errorf("GOGC=%d with a floor of 1 MiB, want 100: a small budget gets no larger heap than Go's", got)
	}
}

// After a collection GOGC follows the heap; after restore it does not.
func TestFloorFollowsHeap(t *testing.T) {
	set := make(chan int)
	f := &floor{bytes: 64 << 20, last: 1, set: func(percent int) int { set <- percent; return 0 }}
	f.arm()
	runtime.GC()
	small := <-set
	ballast := make([]byte, 100<<20)
	runtime.GC()
	if got := <-set; got != 100 || small <= 100 {
		t.Errorf("GOGC=%d with a small heap, %d with 100 MiB", small, got)
	}
	runtime.KeepAlive(ballast)
	f.mu.Lock()
	f.stopped = true
	f.mu.Unlock()
	f.collected() // blocks if it sets anything
}

// The environment takes precedence, and restoring sets the previous value.
func TestRaiseCollectorFloor(t *testing.T) {
	current := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	before := current()
	t.Setenv("GOGC", "")
	restore := raiseCollectorFloor(1 << 30)
	if got := current(); got != 1600 {
		t.Errorf("GOGC=%d", got)
	}
	restore()
	if got := current(); got != before {
		t.Errorf("GOGC stays at %d", got)
	}
	t.Setenv("GOGC", "50")
	defer raiseCollectorFloor(1 << 30)()
	if got := current(); got != before {
		t.Errorf("GOGC=%d in spite of the environment", got)
	}
}
