package pebble

import (
	"sync"
	"sync/atomic"
	"time"
)

// Metrics count the work of a Store since it was opened.
type Metrics struct {
	Batches     int64         // calls of Apply
	Steps       int64         // Ops in them
	Elided      int64         // of these, operations that were void before they were written
	Commits     int64         // writes, each with one sync if Options say so
	Bytes       int64         // in them
	CommitTime  time.Duration // the sum of their durations
	DiskBytes   int64         // size of the files; 0: the disk does not answer
	PendingOps  int           // not yet taken to be written
	PendingRead int           // ranges not yet read

	CommitTimes Histogram // of commits, in seconds
	CommitSteps Histogram // of the Ops in one
	CommitSizes Histogram // of the bytes in one

	// Free is how much room the file system has, and MinFree how much is to
	// stay free; in bytes. Free is negative if it is not known.
	Free, MinFree int64
}

// A Histogram says how many observations were how large.
type Histogram struct {
	Bounds []float64 // upper bounds, growing
	Counts []uint64  // of values at most the bound and above the one before; one more for all above
	Sum    float64   // of all observations
}

// The bounds of the histograms. A commit without a sync takes tens of
// microseconds, a disk in trouble takes seconds.
var (
	timeBounds = [...]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	stepBounds = [...]float64{1, 4, 16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10}
	sizeBounds = [...]float64{256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20}
)

// counts has the counters of Metrics. The committer alone counts commits.
type counts struct {
	batches                                 int64 // guarded by Store.mu
	ops, elided, commits, bytes, commitTime atomic.Int64

	times [len(timeBounds) + 1]atomic.Uint64
	steps [len(stepBounds) + 1]atomic.Uint64
	sizes [len(sizeBounds) + 1]atomic.Uint64
}

func (c *counts) commit(steps, size int, took time.Duration) {
	c.commits.Add(1)
	c.bytes.Add(int64(size))
	c.commitTime.Add(int64(took))
	observe(c.times[:], timeBounds[:], took.Seconds())
	observe(c.steps[:], stepBounds[:], float64(steps))
	observe(c.sizes[:], sizeBounds[:], float64(size))
}

func observe(counts []atomic.Uint64, bounds []float64, value float64) {
	i := 0
	for i < len(bounds) && value > bounds[i] {
		i++
	}
	counts[i].Add(1)
}

func histogram(counts []atomic.Uint64, bounds []float64, sum float64) Histogram {
	h := Histogram{Bounds: bounds, Counts: make([]uint64, len(counts)), Sum: sum}
	for i := range counts {
		h.Counts[i] = counts[i].Load()
	}
	return h
}

// A metricsGate keeps Metrics from asking a Pebble that is closed.
type metricsGate struct {
	mu     sync.RWMutex // held while Pebble is asked
	closed bool         // guarded by mu
}

// Metrics returns the counters. It may be called from any goroutine, also
// while the Store is closed and afterwards.
func (s *Store) Metrics() Metrics {
	c := &s.metrics
	m := Metrics{
		Steps: c.ops.Load(), Elided: c.elided.Load(), Commits: c.commits.Load(), Bytes: c.bytes.Load(),
		CommitTime: time.Duration(c.commitTime.Load()), Free: -1, MinFree: s.options.MinFree,
	}
	m.CommitTimes = histogram(c.times[:], timeBounds[:], m.CommitTime.Seconds())
	m.CommitSteps = histogram(c.steps[:], stepBounds[:], float64(m.Steps))
	m.CommitSizes = histogram(c.sizes[:], sizeBounds[:], float64(m.Bytes))
	s.measureDisk(&m)
	s.mu.Lock()
	defer s.mu.Unlock()
	m.Batches, m.PendingOps, m.PendingRead = c.batches, len(s.gathering.ops), len(s.requests)
	return m
}

// measureDisk asks Pebble and the file system, if they can be expected to
// answer: after a failure, and while a commit hangs, Pebble's locks may be held
// for ever.
func (s *Store) measureDisk(m *Metrics) {
	s.gate.mu.RLock()
	defer s.gate.mu.RUnlock()
	if s.gate.closed || s.hasFailed() || s.stuck() > 0 {
		return
	}
	m.DiskBytes = int64(s.db.Metrics().DiskSpaceUsage())
	if u, err := s.options.FS.GetDiskUsage(s.dir); err == nil {
		m.Free = int64(u.AvailBytes)
	}
}

// stuck is for how long the disk has not answered, if that is unusual; else 0.
func (s *Store) stuck() time.Duration {
	t := s.started.Load()
	if t == 0 {
		return 0
	}
	if d := time.Since(s.opened) - time.Duration(t); d > slowCommit {
		return d
	}
	return 0
}

// stopMetrics waits until nobody asks Pebble, and sees to it that nobody will.
func (s *Store) stopMetrics() {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	s.gate.closed = true
}
