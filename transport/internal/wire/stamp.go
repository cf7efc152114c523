package wire

import (
	"sync/atomic"
	"time"
)

// A Stamp is the time of the last event; any goroutine may read it. It uses the
// monotonic clock, so a step of the wall clock makes no client look silent.
type Stamp struct {
	start time.Time
	since atomic.Int64 // nanoseconds
}

// Begin starts the clock. It must return before other goroutines use the Stamp.
func (s *Stamp) Begin() { s.start = time.Now() }

// Set sets it to now.
func (s *Stamp) Set() { s.since.Store(int64(time.Since(s.start))) }

// Last returns the time of the last Set.
func (s *Stamp) Last() time.Time { return s.start.Add(time.Duration(s.since.Load())) }
