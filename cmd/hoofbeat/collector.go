package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// collectorFloor is the heap size that the garbage collector aims for at
	// least. A broker with few messages has a live heap of some MiB; at Go's
	// default, a collection at twice the live heap, it would collect hundreds
	// of times a second under load.
	collectorFloor = 64 << 20
	// defaultPercent is Go's default for GOGC. Above the floor it applies.
	defaultPercent = 100
	// smallestHeap is the heap at which Go begins to collect with
	// defaultPercent. It grows with GOGC, which bounds GOGC here.
	smallestHeap = 4 << 20
)

// raiseCollectorFloor keeps the garbage collector idle while the heap is
// smaller than collectorFloor, or than an eighth of limit, the budget of the
// process, if that is less. A larger heap is collected as usual. The
// environment variable GOGC wins. Restore ends it.
func raiseCollectorFloor(limit int) (restore func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	f := &floor{bytes: uint64(min(collectorFloor, limit/8)), set: debug.SetGCPercent}
	f.last = f.percent(heap{})
	before := f.set(f.last)
	f.arm()
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.stopped = true
		f.set(before)
	}
}

// floor sets GOGC anew after each collection.
type floor struct {
	bytes uint64
	set   func(percent int) (before int)

	mu      sync.Mutex // held for microseconds: finalizers share a goroutine
	last    int        // the argument of the last call of set
	stopped bool
}

// sentinel is garbage as soon as it is made; its finalizer tells that a
// collection has ended. It holds a pointer so that Go does not allocate it in
// one block with other objects, which would delay the finalizer.
type sentinel struct{ floor *floor }

// arm waits for the next collection.
func (f *floor) arm() {
	runtime.SetFinalizer(&sentinel{f}, func(s *sentinel) { s.floor.collected() })
}

// collected adjusts GOGC to the heap that survived. SetGCPercent stops the
// world for some microseconds, so small changes are left alone.
func (f *floor) collected() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return
	}
	if percent := f.percent(readHeap()); percent*10 < f.last*9 || percent*9 > f.last*10 {
		f.last = percent
		f.set(percent)
	}
	f.arm()
}

// percent is the GOGC with which the next collection begins at the floor. Go
// aims for live + (live + roots) * GOGC / 100.
func (f *floor) percent(h heap) int {
	if h.live >= f.bytes {
		return defaultPercent
	}
	most := max(defaultPercent, f.bytes*defaultPercent/smallestHeap)
	percent := (f.bytes - h.live) * 100 / max(1, h.live+h.roots)
	return int(min(most, max(defaultPercent, percent)))
}

// heap has the results of the last collection.
type heap struct {
	live  uint64 // bytes that survived
	roots uint64 // bytes of stacks and globals, which Go adds to live
}

func readHeap() heap {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(s)
	return heap{live: s[0].Value.Uint64(), roots: s[1].Value.Uint64() + s[2].Value.Uint64()}
}
