package transport

import (
	"sync/atomic"
	"time"
)

// A stamp is the time of the last event; any goroutine may read it. It uses the
// monotonic clock, so a step of the wall clock makes no client look silent.
type stamp struct {
	start time.Time
	since atomic.Int64 // nanoseconds
}

// begin starts the clock. It must return before other goroutines use the stamp.
func (s *stamp) begin() { s.start = time.Now() }

func (s *stamp) set()            { s.since.Store(int64(time.Since(s.start))) }
func (s *stamp) last() time.Time { return s.start.Add(time.Duration(s.since.Load())) }
