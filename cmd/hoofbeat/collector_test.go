package main

import (
	"runtime"
	"testing"
)

// The ballast and the live heap are half of the floor together, or the heap is
// larger.
func TestFloorAdjusts(t *testing.T) {
	const mib = 1 << 20
	f := &floor{bytes: 64 * mib}
	for _, step := range []struct{ live, want int }{
		{0, 32}, {1, 32}, {7, 32}, {16, 16}, {20, 16}, {30, 2}, {31, 2}, {32, 0}, {500, 0}, {31, 0}, {10, 22}, {0, 32},
	} {
		if f.adjust(step.live * mib); len(f.ballast) != step.want*mib {
			t.Errorf("a live heap of %d MiB has a ballast of %d MiB, want %d", step.live, len(f.ballast)/mib, step.want)
		}
	}
	if f.drop(); f.ballast != nil {
		t.Error("the ballast stays")
	}
}

// Collections below the floor are rare, and a heap that grows is collected as
// without a floor: it must not become much larger than twice its live part.
func TestFloorBoundsHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	defer raiseCollectorFloor(1 << 30)()
	count := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumGC
	}
	runtime.GC()
	before := count()
	for range 10_000 {
		garbage = make([]byte, 1<<10)
	}
	if n := count() - before; n > 1 {
		t.Errorf("%d collections for 10 MiB of garbage", n)
	}
	var live [120][]byte
	most := uint64(0)
	for i := range live {
		live[i] = make([]byte, 1<<20)
		for range 5 << 10 {
			garbage = make([]byte, 1<<10)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}
	if most > 400<<20 {
		t.Errorf("the heap grew to %d MiB with 120 MiB live", most>>20)
	}
	runtime.KeepAlive(live)
}

var garbage []byte

// The environment wins.
func TestFloorAndEnvironment(t *testing.T) {
	t.Setenv("GOGC", "50")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	defer raiseCollectorFloor(1 << 30)()
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 1<<20 {
		t.Error("there is a ballast in spite of the environment")
	}
}
