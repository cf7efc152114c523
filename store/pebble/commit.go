package pebble

import (
	"fmt"
	"runtime/debug"
	"time"

	cockroach "github.com/cockroachdb/pebble/v2"

	"hoofbeat/broker"
)

// commitLoop is the committer. It takes whatever was applied since it took the
// last group, writes it, and ends when the Store is closed or has failed.
func (s *Store) commitLoop() {
	defer close(s.committed)
	defer func() {
		if r := recover(); r != nil {
			s.options.Log.Error("A fault in the store.", "panic", r, "stack", string(debug.Stack()))
			s.fail(fmt.Errorf("a fault in the store: %v", r))
		}
	}()
	c := committer{s: s, encoder: encoder{s: s}}
	for g := c.take(); g != nil; g = c.take() {
		for first := 0; first < len(g.applications) && !s.hasFailed(); {
			n := g.chunk(first)
			if err := c.commit(g, first, n); err != nil {
				s.fail(err)
				return
			}
			first += n
		}
		s.giveBack(g)
		s.housekeeping()
		c.releaseSome()
	}
	if s.dirty {
		s.sync()
	}
}

// releaseSome gives back references of dropped queues. It reports whether there
// may be more to do.
func (c *committer) releaseSome() bool {
	more, err := c.release()
	if err != nil {
		c.s.fail(err)
	}
	return more && err == nil
}

// take waits for the next group, and meanwhile does work in the background.
// It returns nil when there will be none.
func (c *committer) take() *group {
	s := c.s
	for {
		s.mu.Lock()
		g := s.gathering
		switch {
		case s.hasFailed():
			s.mu.Unlock()
			return nil
		case len(g.applications) > 0:
			s.gathering, s.spare = s.spare, nil
			s.gathering.reset(g.number + 1)
			s.inflight = g.applications
			s.mu.Unlock()
			return g
		case s.closing:
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		if !c.releaseSome() {
			s.wait()
		}
	}
}

// wait waits until there may be something to do.
func (s *Store) wait() {
	var due <-chan time.Time
	if d := s.nextDuty(); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-s.wake:
	case <-due:
		s.housekeeping()
	}
}

// nextDuty is when there will be something to do for the committer besides
// committing; 0: never.
func (s *Store) nextDuty() (next time.Duration) {
	switch {
	case s.full.Load() != nil:
		next = spaceInterval
	case s.options.MinFree > 0:
		next = idleSpaceInterval
	}
	if s.dirty && s.options.Sync == SyncInterval {
		due := max(time.Millisecond, time.Until(s.synced.Add(s.options.SyncInterval)))
		if next == 0 || due < next {
			next = due
		}
	}
	return next
}

func (s *Store) housekeeping() {
	s.space.look(s, time.Now())
	if s.dirty && s.options.Sync == SyncInterval && time.Since(s.synced) >= s.options.SyncInterval {
		s.sync()
	}
}

// sync makes everything that was committed safe from a crash of the machine.
func (s *Store) sync() {
	s.disk.lazy.Store(false)
	defer s.disk.lazy.Store(s.options.Sync != SyncAlways)
	if err := s.db.LogData(nil, cockroach.Sync); err != nil {
		s.fail(err)
		return
	}
	s.dirty, s.synced = false, time.Now()
}

func (s *Store) giveBack(g *group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spare = g
	s.applied = max(s.applied, g.number)
	s.read.Signal()
}

// A committer has the state of the goroutine of that name.
type committer struct {
	s       *Store
	encoder encoder
	elider  elider
	ops     int           // steps of the last batch
	refused map[int]error // by application
	untold  []refusal     // of the last batch
}

// A refusal is of all further changes of a queue.
type refusal struct {
	queue broker.QueueID
	why   error
}

// commit writes n applications of a group, from the one at first on.
func (c *committer) commit(g *group, first, n int) error {
	s := c.s
	start := time.Since(s.opened)
	s.started.Store(int64(start))
	defer s.started.Store(0)
	if err := c.encode(g, first, n); err != nil {
		return err
	}
	c.tellRefusals() // before refusals are reported
	b := c.encoder.batch
	s.space.written += int64(b.Len())
	err := s.write(b, func() {
		if first+n == len(g.applications) {
			s.canBeRead(g.number)
		}
	})
	if err != nil {
		return err
	}
	s.metrics.commit(c.ops, b.Len(), time.Since(s.opened)-start)
	c.refreshHeads() // before it is reported, so that later readers find the new head
	s.report(g.applications[first:first+n], c.refused, first)
	b.Reset()
	return nil
}

// encode makes a Pebble batch.
func (c *committer) encode(g *group, first, n int) error {
	ops := g.ops[g.start(first):g.applications[first+n-1].end]
	c.ops = len(ops)
	c.s.metrics.ops.Add(int64(len(ops)))
	clear(c.refused)
	for i := first; i < first+n; i++ {
		c.measure(g, i)
	}
	if len(c.refused) == 0 && len(c.s.refused) == 0 {
		// Where some are refused, others must not have been made void by them.
		c.s.metrics.elided.Add(int64(c.elider.elide(ops)))
	}
	c.encoder.open()
	if err := firstError(c.encoder.recall(ops), c.encoder.findCleared(ops)); err != nil {
		return err
	}
	c.s.state.Lock()
	defer c.s.state.Unlock()
	for i := first; i < first+n; i++ {
		ops := g.ops[g.start(i):g.applications[i].end]
		if err := firstError(c.refused[i], c.encoder.refusal(ops)); err != nil {
			c.refuse(i, ops, err)
		} else if err := c.encoder.apply(ops); err != nil {
			return err
		}
	}
	return c.encoder.counters()
}

// measure refuses an application that is too large.
func (c *committer) measure(g *group, i int) {
	b := broker.Batch(g.ops[g.start(i):g.applications[i].end])
	if size := b.Size(); size > c.s.options.maxBatch {
		c.refused = with(c.refused, i, fmt.Errorf("%d bytes are more than can be written as one, which are %d", size, c.s.options.maxBatch))
	}
}

// refuse is called for steps that are not done, and makes all later ones for
// their queues be refused, too.
func (c *committer) refuse(i int, ops []broker.Op, err error) {
	s := c.s
	s.options.Log.Error("A batch cannot be stored. Its queues take no changes until the broker is started again.", "error", err)
	c.refused = with(c.refused, i, err)
	for _, op := range ops {
		if op.Kind != 0 && s.refused[op.Queue] == nil {
			s.refused = with(s.refused, op.Queue, err)
			c.untold = append(c.untold, refusal{op.Queue, err})
		}
	}
}

func with[K comparable, V any](m map[K]V, k K, v V) map[K]V {
	if m == nil {
		m = make(map[K]V)
	}
	m[k] = v
	return m
}

// tellRefusals has the broker told which queues are refused from now on. Nothing
// is locked.
func (c *committer) tellRefusals() {
	if len(c.untold) == 0 {
		return
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if f := c.s.refusal; f != nil {
		for _, r := range c.untold {
			c.s.tell(func(err error) { f(r.queue, err) }, r.why)
		}
	}
	c.untold = nil
}

// write commits a batch, and calls visible when it can be read, which is
// before it is safe.
func (s *Store) write(b *cockroach.Batch, visible func()) error {
	if b.Empty() {
		visible()
		return nil
	}
	s.dirty = s.options.Sync != SyncAlways // then the disk leaves the sync out
	if err := s.db.ApplyNoSyncWait(b, cockroach.Sync); err != nil {
		return err
	}
	visible()
	return b.SyncWait()
}

func (s *Store) canBeRead(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applied = number
	s.read.Signal()
}

// report has it told that applications are safe, unless they were said to
// have failed meanwhile.
func (s *Store) report(done []application, refused map[int]error, first int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hasFailed() {
		return
	}
	s.inflight = s.inflight[len(done):]
	for i, a := range done {
		s.tell(a.done, refused[first+i])
	}
}

// refreshHeads asks the reader to look up heads. All that was put until now
// can be read.
func (c *committer) refreshHeads() {
	for _, due := range c.encoder.due {
		c.s.state.Lock()
		l := c.s.lane(due)
		if l != nil {
			l.startRefresh()
		}
		c.s.state.Unlock()
		if l != nil {
			c.s.ask(0, func(r *reader) { r.refreshHead(due) })
		}
	}
	c.encoder.due = c.encoder.due[:0]
}

// headInterval is after how many deletions it is looked up where a lane
// begins. To find it, one after the other is skipped, at a few million a
// second.
const headInterval = 50_000
