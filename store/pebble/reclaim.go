package pebble

import (
	"context"
	"sync/atomic"
	"time"

	cockroach "github.com/cockroachdb/pebble/v2"

	"hoofbeat/broker"
)

// Deleted messages take room until Pebble comes across them, which it does
// when more is written. On a full disk nothing more is: so this file asks for
// the room of consumed messages.

// reclaimInterval is how often, at most, while the disk is full.
const reclaimInterval = time.Second

// A reclaimer gives room back. Its goroutine exists while there is something to
// do, and Close waits for it.
type reclaimer struct {
	bodies  bool  // shared messages were deleted; the committer's
	dead    int64 // bytes that were deleted and not reclaimed; the committer's
	last    time.Time
	running atomic.Bool
	context context.Context // ends with the Store
	stop    context.CancelFunc
	ended   chan struct{} // of the one that runs; the committer's
}

// reclaim begins to give back the room of deleted messages, if that is worth
// while. It is called by the committer.
func (s *Store) reclaim(now time.Time) {
	r := &s.reclaimer
	if r.dead == 0 || now.Sub(r.last) < reclaimInterval || r.running.Swap(true) {
		return
	}
	bodies := r.bodies
	r.last, r.dead, r.bodies = now, 0, false
	ended := make(chan struct{})
	r.ended = ended
	go func() {
		defer close(ended)
		defer r.running.Store(false)
		if err := s.compactDead(r.context, bodies); err != nil && r.context.Err() == nil {
			s.options.Log.Warn("The room of what was deleted could not be given back.", "directory", s.dir, "error", err)
		}
	}()
}

// stopReclaiming waits for a running compaction. The committer has ended.
func (s *Store) stopReclaiming() {
	s.reclaimer.stop()
	if s.reclaimer.ended != nil {
		within(closeLimit, s.reclaimer.ended)
	}
}

// compactDead moves deletions to the records that they delete, for the fronts
// of all lanes with deleted messages.
func (s *Store) compactDead(ctx context.Context, bodies bool) error {
	flushed, err := s.db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-flushed:
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, id := range s.deadLanes() {
		if err := s.compactFront(ctx, id); err != nil {
			return err
		}
	}
	if bodies {
		from, to := prefixSpan(prefixBody)
		return s.compactTo(ctx, from, from, to)
	}
	return nil
}

// deadLanes are those of which something was deleted since they were asked for.
func (s *Store) deadLanes() (ids []laneID) {
	s.state.Lock()
	defer s.state.Unlock()
	for id, q := range s.queues {
		for i := range q.lanes {
			if l := &q.lanes[i]; l.dead {
				l.dead = false
				ids = append(ids, laneID{id, l.lane})
			}
		}
	}
	return ids
}

// compactFront compacts a lane up to its first message.
func (s *Store) compactFront(ctx context.Context, id laneID) error {
	from := append(appendQueueKey(nil, prefixMessage, id.queue), byte(id.lane))
	to := appendLaneEnd(nil, id.queue, id.lane)
	return s.compactTo(ctx, from, s.hint(id, from), to)
}

// compactTo compacts a range up to its first key, which is not in front of hint.
func (s *Store) compactTo(ctx context.Context, from, hint, to []byte) error {
	it, err := s.db.NewIter(&cockroach.IterOptions{LowerBound: hint, UpperBound: to})
	if err != nil {
		return err
	}
	if it.First() {
		to = append([]byte(nil), it.Key()...)
	}
	if err := it.Close(); err != nil {
		return err
	}
	return s.db.Compact(ctx, from, to, false)
}

// hint is a key that no message of the lane is in front of.
func (s *Store) hint(id laneID, otherwise []byte) []byte {
	s.state.Lock()
	defer s.state.Unlock()
	if l := s.lane(id); l != nil {
		return appendMessageKey(nil, id.queue, broker.Position{Lane: id.lane, At: l.head.at, Seq: l.head.seq})
	}
	return otherwise
}
