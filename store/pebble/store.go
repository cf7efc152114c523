package pebble

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	cockroach "github.com/cockroachdb/pebble/v2"

	"hoofbeat/broker"
)

// Errors that the Store's own wrap.
var (
	// ErrFailed says that the Store cannot write any more.
	ErrFailed = errors.New("the store has failed")
	// ErrDiskFull says that nothing more can be kept until there is room.
	ErrDiskFull = errors.New("the disk is full")
	// ErrClosed is the error of a batch that comes after Close.
	ErrClosed = errors.New("the store is closed")
)

// A Store is a broker.Store in a folder. Apply never waits, so batches stay
// in memory until their callback: an Op (about 100 bytes) and its message.
// Callers bound memory by limiting outstanding batches.
type Store struct {
	dir     string
	options Options
	lock    io.Closer
	db      *cockroach.DB
	disk    *disk
	opened  time.Time
	metrics counts
	gate    metricsGate

	// Why Ready is not nil, or nil.
	failure atomic.Pointer[error] // set once
	full    atomic.Pointer[error] // MinFree; set by the committer
	flush   atomic.Pointer[error] // writes do not get to their place
	compact atomic.Pointer[error] // there is no room to tidy up
	started atomic.Int64          // when the commit under way was, since opened; 0: none is

	// Owned by the committer.
	space     space
	reclaimer reclaimer
	dropped   []broker.QueueID // queues with references to be given back
	dirty     bool             // something is not synced
	synced    time.Time        // when it was last

	wake   chan struct{} // the committer
	failed chan struct{} // closed when failure is set
	// Closed when the committer, the reader and the finisher have ended.
	committed, wasRead, wasTold chan struct{}

	// mu guards the fields below. It is never held while Pebble is called.
	mu        sync.Mutex
	gathering *group        // the committer's next group
	spare     *group        // for after that
	inflight  []application // groups that it took and that were not reported
	applied   uint64        // the number of the last group that can be read
	finished  []outcome     // for the finisher
	finish    sync.Cond
	requests  []request // for the reader
	read      sync.Cond
	closing   bool // nothing more comes from outside
	drained   bool // nor from the committer
	idle      bool // nor from the reader

	// state guards the fields below, and mu is not locked behind it. The
	// committer alone changes them, except heads, which the reader changes.
	state  sync.Mutex
	queues map[broker.QueueID]*queue
	// refused has the queues with refused batches, and the reasons. It
	// belongs to the committer.
	refused map[broker.QueueID]error
	refusal func(broker.QueueID, error) // set before the first Apply
	ids     broker.QueueID              // no higher one was ever used
}

// An outcome is to be called back.
type outcome struct {
	done func(error)
	err  error
}

// Load implements broker.Store. It does not wait for applied batches.
func (s *Store) Load(f func(broker.StoredQueue) error) (broker.QueueID, error) {
	s.state.Lock()
	ids := slices.Sorted(maps.Keys(s.queues))
	next := s.ids + 1
	s.state.Unlock()
	for _, id := range ids {
		if q, ok := s.stored(id); ok {
			if err := f(q); err != nil {
				return 0, err
			}
		}
	}
	return next, nil
}

func (s *Store) stored(id broker.QueueID) (broker.StoredQueue, bool) {
	s.state.Lock()
	defer s.state.Unlock()
	q := s.queues[id]
	if q == nil {
		return broker.StoredQueue{}, false
	}
	return q.stored(), true
}

// MaxBatch implements broker.Store.
func (s *Store) MaxBatch() int { return s.options.maxBatch }

// OnRefusal implements broker.Store.
func (s *Store) OnRefusal(f func(broker.QueueID, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = f
}

// Apply implements broker.Store.
func (s *Store) Apply(b broker.Batch, done func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch failure := s.failure.Load(); {
	case failure != nil:
		s.tell(done, *failure)
	case s.idle:
		// The finisher may have ended. This is the caller's fault, and he is
		// told all the same.
		if done != nil {
			go done(ErrClosed)
		}
	case s.closing:
		s.tell(done, ErrClosed)
	default:
		s.gathering.add(b, done)
		s.metrics.batches++
		s.wakeCommitter()
	}
}

func (s *Store) wakeCommitter() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// tell has the finisher call done. s.mu is held.
func (s *Store) tell(done func(error), err error) {
	if done != nil {
		s.finished = append(s.finished, outcome{done, err})
		s.finish.Signal()
	}
}

// finishLoop is the finisher: it makes the callbacks, in order.
func (s *Store) finishLoop() {
	defer close(s.wasTold)
	var batch []outcome
	for {
		s.mu.Lock()
		for len(s.finished) == 0 && !s.idle {
			s.finish.Wait()
		}
		batch, s.finished = s.finished, batch[:0]
		s.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for _, o := range batch {
			o.done(o.err)
		}
		clear(batch)
		if cap(batch) > maxSpare {
			batch = nil
		}
	}
}

// slowCommit is how long a commit may take before Ready speaks of it. Disks
// in trouble do take seconds, and recover.
const slowCommit = 30 * time.Second

// Ready implements broker.Store. It looks at nothing but memory.
func (s *Store) Ready() error {
	for _, why := range []*atomic.Pointer[error]{&s.failure, &s.full, &s.flush, &s.compact} {
		if err := why.Load(); err != nil {
			return *err
		}
	}
	if d := s.stuck(); d > 0 {
		return fmt.Errorf("the disk of %s has not answered for %s", s.dir, d.Round(time.Second))
	}
	return nil
}

// fail ends all writing. It may be called from any goroutine of Pebble's,
// whatever that holds, but not with s.mu held.
func (s *Store) fail(reason error) {
	err := fmt.Errorf("%w: %w; free or replace the disk of %s, and start again", ErrFailed, reason, s.dir)
	s.mu.Lock()
	if !s.failure.CompareAndSwap(nil, &err) {
		s.mu.Unlock()
		return
	}
	for _, a := range slices.Concat(s.inflight, s.gathering.applications) {
		s.tell(a.done, err)
	}
	s.inflight, s.gathering = nil, &group{}
	close(s.failed)
	s.read.Signal()
	s.tell(s.options.OnFailure, err)
	s.mu.Unlock()
	s.options.Log.Error("The store has failed. What is sent to durable queues is refused. Free or replace the disk, and start again.",
		"directory", s.dir, "error", reason)
}

func (s *Store) hasFailed() bool { return s.failure.Load() != nil }
