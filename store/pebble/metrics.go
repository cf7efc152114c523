package pebble

import (
	"sync/atomic"
	"time"
)

// Metrics are what a Store has done since it was opened.
type Metrics struct {
	Batches     int64         // calls of Apply
	Steps       int64         // Ops in them
	Elided      int64         // of these, what was void before it was written
	Commits     int64         // writes, each with one sync if Options say so
	Bytes       int64         // in them
	CommitTime  time.Duration // the sum of what they took
	DiskBytes   int64         // what the files take
	PendingOps  int           // not yet taken to be written
	PendingRead int           // ranges not yet read
}

type counts struct {
	batches                                 int64 // guarded by Store.mu
	ops, elided, commits, bytes, commitTime atomic.Int64
}

func (c *counts) commit(size int, took time.Duration) {
	c.commits.Add(1)
	c.bytes.Add(int64(size))
	c.commitTime.Add(int64(took))
}

// Metrics tells what the Store has done. It may not be called after Close.
func (s *Store) Metrics() Metrics {
	m := Metrics{
		Steps: s.metrics.ops.Load(), Elided: s.metrics.elided.Load(),
		Commits: s.metrics.commits.Load(), Bytes: s.metrics.bytes.Load(),
		CommitTime: time.Duration(s.metrics.commitTime.Load()),
	}
	if !s.hasFailed() { // Pebble's locks may be held for ever
		m.DiskBytes = int64(s.db.Metrics().DiskSpaceUsage())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m.Batches, m.PendingOps, m.PendingRead = s.metrics.batches, len(s.gathering.ops), len(s.requests)
	return m
}
