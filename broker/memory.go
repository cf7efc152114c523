package broker

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Memory is a Store that keeps messages as long as it exists, which may be
// longer than a Broker does: in tests, it is the disk. The zero value is
// ready.
type Memory struct {
	// Fail, if it is set before the first use, is called by Ready and by
	// every Apply. If its result is not nil, they report it, and nothing is
	// kept. It may be called with locks of the broker held.
	Fail func() error
	// Limit is the result of MaxBatch, if it is set before the first use.
	Limit int

	// refusal is called for queues that a batch was refused of.
	refusal func(QueueID, error)

	mu     sync.Mutex
	queues map[QueueID]*memoryQueue
	last   QueueID // the highest one ever described, or given to a shared message
	// refused has the queues whose batches are refused, with the reasons.
	refused map[QueueID]error
	// calls are the pending callbacks. One goroutine makes them; it exists
	// while calling is set.
	calls   []func()
	calling bool
}

type memoryQueue struct {
	meta    QueueMeta
	lastSeq uint64
	lanes   [Lanes]memoryLane
}

// A memoryLane has the positions in order, including some that hold nothing
// any more.
type memoryLane struct {
	order    []Position
	messages map[Position]Stored
}

// Load implements Store. It opens it again.
func (s *Memory) Load(f func(StoredQueue) error) (QueueID, error) {
	s.mu.Lock()
	s.refused = nil
	var all []StoredQueue
	for _, id := range slices.Sorted(maps.Keys(s.queues)) {
		all = append(all, s.queues[id].stored(id))
	}
	next := s.last + 1
	s.mu.Unlock()
	for _, q := range all {
		if err := f(q); err != nil {
			return 0, err
		}
	}
	return next, nil
}

func (q *memoryQueue) stored(id QueueID) StoredQueue {
	sq := StoredQueue{ID: id, Meta: q.meta, LastSeq: q.lastSeq}
	for i := range q.lanes {
		for _, m := range q.lanes[i].messages {
			sq.Lanes[i].Count++
			sq.Lanes[i].Size += m.Message.Size()
		}
	}
	return sq
}

func (q *memoryQueue) empty() bool {
	for i := range q.lanes {
		if len(q.lanes[i].messages) > 0 {
			return false
		}
	}
	return true
}

// Apply implements Store.
func (s *Memory) Apply(b Batch, done func(error)) {
	err := s.Ready()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = s.refuse(b)
	}
	if err == nil {
		for i := range b {
			s.step(&b[i])
		}
	}
	if done != nil {
		s.call(func() { done(err) })
	}
}

// MaxBatch implements Store.
func (s *Memory) MaxBatch() int {
	if s.Limit > 0 {
		return s.Limit
	}
	return 1 << 30
}

// OnRefusal implements Store.
func (s *Memory) OnRefusal(f func(QueueID, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = f
}

// refuse tells why a batch is refused, nil if it is not. s.mu is held.
func (s *Memory) refuse(b Batch) (err error) {
	if b.OnlyDrops() {
		return nil
	}
	for i := range b {
		if err = s.refused[b[i].Queue]; err != nil {
			break
		}
	}
	if n := b.Size(); err == nil && n > s.MaxBatch() {
		err = fmt.Errorf("a batch has %d bytes, more than %d", n, s.MaxBatch())
	}
	if err != nil {
		s.poison(b, err)
	}
	return err
}

func (s *Memory) poison(b Batch, why error) {
	for i := range b {
		id := b[i].Queue
		if s.refused[id] != nil {
			continue
		}
		if s.refused == nil {
			s.refused = make(map[QueueID]error)
		}
		s.refused[id] = why
		if f := s.refusal; f != nil {
			s.call(func() { f(id, why) })
		}
	}
}

// step does an Op. Ops on an unknown queue do nothing.
func (s *Memory) step(op *Op) {
	q := s.queues[op.Queue]
	switch {
	case op.Kind == Describe:
		s.describe(op)
	case q == nil:
	case op.Kind == Drop, op.Kind == Vanish && q.empty():
		delete(s.queues, op.Queue)
	case op.Kind == Vanish:
	case op.Kind == Put:
		s.last = max(s.last, QueueID(op.Shared))
		q.lastSeq = max(q.lastSeq, op.At.Seq)
		q.lanes[op.At.Lane].put(Stored{At: op.At, Message: op.Message, State: op.State})
	default:
		q.lanes[op.At.Lane].step(op)
	}
}

func (s *Memory) describe(op *Op) {
	if s.queues == nil {
		s.queues = make(map[QueueID]*memoryQueue)
	}
	if s.queues[op.Queue] == nil {
		s.queues[op.Queue] = &memoryQueue{}
		s.last = max(s.last, op.Queue)
	}
	s.queues[op.Queue].meta = *op.Meta
}

func (l *memoryLane) step(op *Op) {
	switch op.Kind {
	case Note:
		if m, ok := l.messages[op.At]; ok {
			m.State = op.State
			l.messages[op.At] = m
		}
	case Delete:
		delete(l.messages, op.At)
		l.trim()
	case Clear:
		i := l.behind(op.At)
		for _, p := range l.order[i:] {
			delete(l.messages, p)
		}
		l.order = l.order[:i]
	}
}

func (l *memoryLane) put(m Stored) {
	if l.messages == nil {
		l.messages = make(map[Position]Stored)
	}
	if i, found := slices.BinarySearchFunc(l.order, m.At, Position.Compare); !found {
		l.order = slices.Insert(l.order, i, m.At)
	}
	l.messages[m.At] = m
}

// behind is where in order the positions behind p begin.
func (l *memoryLane) behind(p Position) int {
	i, found := slices.BinarySearchFunc(l.order, p, Position.Compare)
	if found {
		i++
	}
	return i
}

// trim forgets positions that hold nothing: those in front, and all once they
// are most.
func (l *memoryLane) trim() {
	gone := func(p Position) bool {
		_, ok := l.messages[p]
		return !ok
	}
	for len(l.order) > 0 && gone(l.order[0]) {
		l.order = l.order[1:]
	}
	if len(l.order) > 2*len(l.messages) {
		l.order = slices.DeleteFunc(l.order, gone)
	}
}

// Read implements Store.
func (s *Memory) Read(r Range, f func(Page)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := Page{End: true}
	if q := s.queues[r.Queue]; q != nil {
		p = q.lanes[r.After.Lane].page(r)
	}
	s.call(func() { f(p) })
}

func (l *memoryLane) page(r Range) Page {
	var p Page
	size := 0
	for _, at := range l.order[l.behind(r.After):] {
		m, ok := l.messages[at]
		if !ok {
			continue
		}
		size += m.Message.Size()
		if n := len(p.Messages); n == r.Messages || n > 0 && size > r.Size {
			return p
		}
		p.Messages = append(p.Messages, m)
	}
	p.End = true
	return p
}

// Ready implements Store.
func (s *Memory) Ready() error {
	if s.Fail == nil {
		return nil
	}
	return s.Fail()
}

// call has f called. s.mu is held.
func (s *Memory) call(f func()) {
	s.calls = append(s.calls, f)
	if !s.calling {
		s.calling = true
		go s.callBack()
	}
}

func (s *Memory) callBack() {
	for {
		s.mu.Lock()
		calls := s.calls
		s.calls = nil
		s.calling = len(calls) > 0
		s.mu.Unlock()
		if len(calls) == 0 {
			return
		}
		for _, f := range calls {
			f()
		}
	}
}

// Len is how many messages are kept.
func (s *Memory) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, q := range s.queues {
		for i := range q.lanes {
			n += len(q.lanes[i].messages)
		}
	}
	return n
}
