package tracing

import (
	"sync/atomic"
	"time"
)

// An allowance bounds the spans of each second. The zero value is ready.
type allowance struct {
	second atomic.Int64 // Unix time
	used   atomic.Int64 // in that second, those that were refused included
}

// take uses one up, and reports false if there is none left. Who calls it while
// a second begins may be counted to the one before, which does no harm.
func (a *allowance) take(now time.Time) bool {
	second := now.Unix()
	if last := a.second.Load(); last != second && a.second.CompareAndSwap(last, second) {
		a.used.Store(0)
	}
	return a.used.Add(1) <= SpansPerSecond
}
