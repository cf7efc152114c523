package tracing

import (
	"sync/atomic"
	"time"
)

// An allowance limits the spans of each second. The zero value is ready to use.
type allowance struct {
	second atomic.Int64 // Unix time
	used   atomic.Int64 // within that second, refused ones included
}

// take uses one span of the allowance, and returns false if none is left. Calls
// at the turn of a second may count for the previous one, which is harmless.
func (a *allowance) take(now time.Time) bool {
	second := now.Unix()
	if last := a.second.Load(); last != second && a.second.CompareAndSwap(last, second) {
		a.used.Store(0)
	}
	return a.used.Add(1) <= SpansPerSecond
}
