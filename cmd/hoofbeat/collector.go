package main

import (
	"os"
	"runtime"
	"runtime/metrics"
	"sync"
)

// collectorFloor is the heap size below which the garbage collector does not run.
// A broker with few messages has a live heap of some MiB; at Go's default, a
// collection at twice the live heap, it would collect hundreds of times a second
// under load.
const collectorFloor = 64 << 20

// raiseCollectorFloor keeps the garbage collector idle while the heap is
// smaller than collectorFloor, or than an eighth of limit, the budget of the
// process, if that is less. A larger heap is collected as usual. The environment
// variable GOGC wins. Restore ends it.
func raiseCollectorFloor(limit int) (restore func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	f := &floor{bytes: min(collectorFloor, limit/8)}
	f.adjust(0)
	f.arm()
	return f.drop
}

// A floor holds memory that nobody touches, so that the live heap and this ballast
// together are half of the floor: Go collects at twice their sum. The system gives
// no pages for memory that was never written. A change of GOGC instead of a ballast
// could come late: finalizers run behind the collector, and with a GOGC for a small
// heap the next collection of a large one is gigabytes away.
type floor struct {
	bytes int

	mu      sync.Mutex // held for microseconds: finalizers share a goroutine
	ballast []byte
	dropped bool
}

// sentinel is garbage as soon as it is made; its finalizer runs after a collection.
// It holds a pointer, as Go may keep small objects without pointers in one block
// with others, which would delay the finalizer.
type sentinel struct{ floor *floor }

// arm waits for the next collection.
func (f *floor) arm() {
	runtime.SetFinalizer(&sentinel{f}, func(s *sentinel) { s.floor.collected() })
}

// collected adjusts the ballast to the heap that survived a collection.
func (f *floor) collected() {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.dropped {
		f.adjust(max(0, int(s[0].Value.Uint64())-len(f.ballast)))
		f.arm()
	}
}

// adjust makes the ballast fit a live heap of so many bytes. It leaves small
// differences alone.
func (f *floor) adjust(live int) {
	want := max(0, f.bytes/2-live)
	if diff := want - len(f.ballast); diff > f.bytes/8 || diff < -f.bytes/8 || want == 0 && diff < 0 {
		f.ballast = nil
		if want > 0 {
			f.ballast = make([]byte, want)
		}
	}
}

// drop ends the floor.
func (f *floor) drop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dropped, f.ballast = true, nil
}
