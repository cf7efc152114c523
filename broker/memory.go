package broker

import (
	"cmp"
	"maps"
	"slices"
	"sync"
)

// Memory is a Store that keeps messages as long as it exists, which may be
// longer than a Broker does: in tests, it is the disk. The zero value is
// ready.
type Memory struct {
	mu       sync.Mutex
	messages map[place]*Message
}

type place struct {
	queue string
	seq   uint64
}

// Apply implements Store.
func (s *Memory) Apply(b Batch, done func(error)) {
	s.mu.Lock()
	if s.messages == nil {
		s.messages = make(map[place]*Message)
	}
	for _, op := range b {
		switch p := (place{op.Queue, op.Seq}); op.Kind {
		case Put:
			s.messages[p] = op.Message
		case Delete:
			delete(s.messages, p)
		}
	}
	s.mu.Unlock()
	finished(done, nil)
}

// Load implements Store.
func (s *Memory) Load(f func(Stored) error) error {
	s.mu.Lock()
	kept := maps.Clone(s.messages)
	s.mu.Unlock()
	inOrder := func(a, b place) int {
		return cmp.Or(cmp.Compare(a.queue, b.queue), cmp.Compare(a.seq, b.seq))
	}
	for _, p := range slices.SortedFunc(maps.Keys(kept), inOrder) {
		if err := f(Stored{Queue: p.queue, Seq: p.seq, Message: kept[p]}); err != nil {
			return err
		}
	}
	return nil
}

// Len is how many messages are kept.
func (s *Memory) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.messages)
}
