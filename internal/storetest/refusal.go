package storetest

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"hoofbeat/broker"
)

// RunRefusal tests a Store, opened as for Run, whose MaxBatch is 64 KiB or
// little more. A batch up to the limit is accepted. A larger one is refused,
// and so is every later batch for its queues until the Store is reopened.
func RunRefusal(t *testing.T, newDisk func(t *testing.T) (open func() broker.Store)) {
	open := newDisk(t)
	s := open()
	most := s.MaxBatch()
	var mu sync.Mutex
	var refused []broker.QueueID
	s.OnRefusal(func(id broker.QueueID, why error) {
		mu.Lock()
		defer mu.Unlock()
		refused = append(refused, id)
		if why == nil {
			t.Errorf("queue %d is refused for no reason", id)
		}
	})
	Load(t, s)
	d := Queue(t, "a")
	Apply(t, s, Describe(1, d), Describe(2, d), Describe(3, d))
	// A batch of exactly the limit, or more bytes larger.
	batch := func(seq uint64, more int) broker.Batch {
		b := broker.Batch{Put(1, Seq(seq), Message(d, "")), Put(2, Seq(seq), Message(d, ""))}
		b[0] = Put(1, Seq(seq), Message(d, strings.Repeat("x", most-b.Size()+more)))
		for b.Size() > most+more { // content-length takes some bytes, too
			body := b[0].Message.Body()
			b[0] = Put(1, Seq(seq), Message(d, string(body[1:])))
		}
		return b
	}
	Apply(t, s, batch(1, 0)...)
	wantRefused(t, s, batch(2, 1)...)
	wantRefused(t, s, Put(1, Seq(3), Message(d, "late")))
	wantRefused(t, s, Put(3, Seq(1), Message(d, "with")), Delete(Put(2, Seq(1), Message(d, ""))))
	wantRefused(t, s, Put(3, Seq(2), Message(d, "alone")))
	Apply(t, s, Describe(4, d), Put(4, Seq(1), Message(d, "other")))
	Apply(t, s, broker.Op{Kind: broker.Drop, Queue: 3})
	mu.Lock()
	slices.Sort(refused)
	if !slices.Equal(refused, []broker.QueueID{1, 2, 3}) {
		t.Errorf("queues %v are refused", refused)
	}
	mu.Unlock()
	s = open()
	if queues, _ := Load(t, s); len(queues) != 3 {
		t.Errorf("%d queues are there", len(queues))
	}
	wantLane(t, s, 2, plain, "1: ")
	wantLane(t, s, 4, plain, "1:other ")
	Apply(t, s, Put(2, Seq(2), Message(d, "again")))
	wantLane(t, s, 2, plain, "1: 2:again ")
}

func wantRefused(tb testing.TB, s broker.Store, b ...broker.Op) {
	tb.Helper()
	done := make(chan error, 1)
	s.Apply(b, func(err error) { done <- err })
	if <-done == nil {
		tb.Error("the batch was taken")
	}
}
