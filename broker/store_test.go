package broker_test

import (
	"errors"
	"testing"

	"hoofbeat/broker"
	"hoofbeat/internal/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) func() broker.Store {
		s := &broker.Memory{}
		return func() broker.Store { return s }
	})
}

func TestMemoryRefusal(t *testing.T) {
	storetest.RunRefusal(t, func(*testing.T) func() broker.Store {
		s := &broker.Memory{Limit: 64 << 10}
		return func() broker.Store { return s }
	})
}

func TestMemoryFails(t *testing.T) {
	full := errors.New("disk full")
	s := &broker.Memory{Fail: func() error { return full }}
	d := storetest.Queue(t, "a")
	done := make(chan error, 1)
	s.Apply(broker.Batch{storetest.Describe(1, d), storetest.Put(1, storetest.Seq(1), storetest.Message(d, "x"))}, func(err error) { done <- err })
	if err := <-done; !errors.Is(err, full) || !errors.Is(s.Ready(), full) {
		t.Errorf("error is %v, ready %v", err, s.Ready())
	}
	if n := s.Len(); n > 0 {
		t.Errorf("%d messages are kept", n)
	}
}

// TestMemoryLarge deletes from the front, the back and between.
func TestMemoryLarge(t *testing.T) {
	const count = 100_000
	s := &broker.Memory{}
	d := storetest.Queue(t, "a")
	m := storetest.Message(d, "x")
	s.Apply(broker.Batch{storetest.Describe(1, d)}, nil)
	for n := range uint64(count) {
		s.Apply(broker.Batch{storetest.Put(1, storetest.Seq(n+1), m)}, nil)
	}
	for n := range uint64(count / 2) {
		s.Apply(broker.Batch{storetest.Delete(storetest.Put(1, storetest.Seq(1+n*7919%count), m))}, nil)
	}
	if n := s.Len(); n != count/2 {
		t.Errorf("%d messages are kept, want %d", n, count/2)
	}
	if got := storetest.ReadLane(t, s, 1, storetest.Seq(1).Lane); len(got) != count/2 {
		t.Errorf("%d messages are read, want %d", len(got), count/2)
	}
}
