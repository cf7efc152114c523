package pebble

import (
	"errors"
	"fmt"
	"time"

	cockroach "github.com/cockroachdb/pebble/v2"

	"hoofbeat/broker"
)

// closeLimit is how long Close waits for a disk that does not answer, and for
// callbacks.
const closeLimit = 30 * time.Second

// Close ends the Store: it writes, syncs and reports all applied batches, and
// reads all ranges, before it returns. Nothing may be called afterwards. If
// the disk does not answer, or the Store has failed, it returns an error in
// bounded time, and leaves behind the goroutines that wait for the disk.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return nil
	}
	s.closing = true
	s.wakeCommitter()
	s.mu.Unlock()
	if !s.await(s.committed) && !s.hasFailed() {
		s.fail(fmt.Errorf("the disk has not answered for %s while closing", closeLimit))
	}
	s.stopReclaiming()
	s.drain()
	if err := s.failure.Load(); err != nil {
		return errors.Join(*err, s.release())
	}
	if err := s.guard(s.shut); err != nil {
		return errors.Join(fmt.Errorf("close the store in %s: %w", s.dir, err), s.release())
	}
	return s.release()
}

// await waits until c is closed, but in bounded time, and not for events that
// cannot happen any more.
func (s *Store) await(c <-chan struct{}) bool {
	t := time.NewTimer(closeLimit)
	defer t.Stop()
	select {
	case <-c:
		return true
	case <-s.failed:
	case <-t.C:
	}
	return false
}

// drain ends the reader and the finisher, in this order, as callbacks of the
// reader may apply batches, which the finisher reports.
func (s *Store) drain() {
	s.mu.Lock()
	s.drained = true
	s.read.Signal()
	s.mu.Unlock()
	within(closeLimit, s.wasRead)
	s.mu.Lock()
	s.idle = true
	s.finish.Signal()
	s.mu.Unlock()
	within(closeLimit, s.wasTold)
}

func within(limit time.Duration, c <-chan struct{}) {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-c:
	case <-t.C:
	}
}

// shut writes where lanes begin, so that the next one to open the Store need
// not search, and closes Pebble.
func (s *Store) shut() error {
	s.stopMetrics()
	if err := s.writeHeads(); err != nil {
		return errors.Join(err, s.db.Close())
	}
	return s.db.Close()
}

// headsAtClose is how many deletions make it worth while to look up where a
// lane begins, when the Store is closed. To skip so many takes no time.
const headsAtClose = 1000

func (s *Store) writeHeads() error {
	var due []laneID
	s.state.Lock()
	for id, q := range s.queues {
		for i := range q.lanes {
			if l := &q.lanes[i]; l.deletes >= headsAtClose && l.count > 0 {
				l.startRefresh()
				due = append(due, laneID{id, l.lane})
			}
		}
	}
	s.state.Unlock()
	if len(due) == 0 {
		return nil
	}
	r := reader{s: s}
	e := encoder{s: s, batch: s.db.NewBatch()}
	for _, id := range due {
		r.refreshHead(id)
		e.touch(s.queues[id.queue])
	}
	if err := e.counters(); err != nil {
		return err
	}
	return s.db.Apply(e.batch, cockroach.Sync)
}

// guard calls f in a goroutine of its own, which is left behind if the Store
// fails meanwhile: Pebble does not return then.
func (s *Store) guard(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-s.failed:
		return *s.failure.Load()
	}
}

var _ broker.Store = (*Store)(nil)
