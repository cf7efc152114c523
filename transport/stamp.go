package transport

import (
	"sync/atomic"
	"time"
)

// A stamp is when something last happened, for any goroutine. It goes by the
// monotonic clock: when the machine's clock is set, no client has been silent
// for it.
type stamp struct {
	start time.Time
	since atomic.Int64 // nanoseconds
}

// begin sets it for the first time, before others can read it.
func (s *stamp) begin() { s.start = time.Now() }

func (s *stamp) set()            { s.since.Store(int64(time.Since(s.start))) }
func (s *stamp) last() time.Time { return s.start.Add(time.Duration(s.since.Load())) }
