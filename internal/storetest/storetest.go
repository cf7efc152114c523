// Package storetest is the contract of broker.Store as a test suite.
package storetest

import (
	"bytes"
	"fmt"
	"iter"
	"math"
	"testing"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/frames"
)

// Run tests a Store. newDisk prepares an empty place and returns open, which
// opens a Store there. A reopened Store must hold everything that the previous
// one has reported as done. open closes the previous Store.
func Run(t *testing.T, newDisk func(t *testing.T) (open func() broker.Store)) {
	for _, c := range []struct {
		name string
		test func(*testing.T, func() broker.Store)
	}{
		{"Empty", testEmpty},
		{"Order", testOrder},
		{"DelayedOrder", testDelayedOrder},
		{"Message", testMessage},
		{"State", testState},
		{"Again", testAgain},
		{"Clear", testClear},
		{"Drop", testDrop},
		{"Vanish", testVanish},
		{"Describe", testDescribe},
		{"UnknownQueue", testUnknownQueue},
		{"LoadStops", testLoadStops},
		{"NextID", testNextID},
		{"Limits", testLimits},
		{"ReadAfterApply", testReadAfterApply},
		{"CallsBack", testCallsBack},
		{"Concurrent", testConcurrent},
		{"Shared", testShared},
		{"Random", testRandom},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, newDisk(t)) })
	}
}

// Queue returns the destination of a queue.
func Queue(tb testing.TB, name string) destination.Destination {
	tb.Helper()
	d, err := destination.DefaultNamespace().ForSend("/queue/"+name, destination.Owner{User: "alice", Connection: "c"})
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// Message returns a message for d, with headers in pairs.
func Message(d destination.Destination, body string, headers ...string) *broker.Message {
	return MessageWith(d, body, broker.Properties{Priority: broker.DefaultPriority}, headers...)
}

// MessageWith returns a message with properties.
func MessageWith(d destination.Destination, body string, p broker.Properties, headers ...string) *broker.Message {
	return broker.NewMessage(d, broker.Content{Header: frame.NewHeader(headers...), Body: []byte(body)}, p)
}

// Describe returns the operation that describes a queue.
func Describe(id broker.QueueID, d destination.Destination) broker.Op {
	return broker.Op{Kind: broker.Describe, Queue: id, Meta: &broker.QueueMeta{Destination: d}}
}

// Put returns the operation that stores a message.
func Put(id broker.QueueID, at broker.Position, m *broker.Message) broker.Op {
	return broker.Op{Kind: broker.Put, Queue: id, At: at, Message: m, Size: m.Size(), Shared: m.Shared()}
}

// Delete returns the operation that deletes the message of p.
func Delete(p broker.Op) broker.Op {
	return broker.Op{Kind: broker.Delete, Queue: p.Queue, At: p.At, Size: p.Size, Shared: p.Shared, State: p.State}
}

// Seq returns a position in the lane of the default priority.
func Seq(n uint64) broker.Position {
	return broker.Position{Lane: broker.LaneOf(broker.DefaultPriority), Seq: n}
}

// Apply applies a batch and waits until it is done.
func Apply(tb testing.TB, s broker.Store, b ...broker.Op) {
	tb.Helper()
	done := make(chan error, 2)
	s.Apply(b, func(err error) { done <- err })
	if err := <-done; err != nil {
		tb.Fatal(err)
	}
}

// Load returns all queues and the next id.
func Load(tb testing.TB, s broker.Store) ([]broker.StoredQueue, broker.QueueID) {
	tb.Helper()
	var all []broker.StoredQueue
	next, err := s.Load(func(q broker.StoredQueue) error { all = append(all, q); return nil })
	if err != nil {
		tb.Fatal(err)
	}
	return all, next
}

// ReadRange reads a page and waits for it.
func ReadRange(tb testing.TB, s broker.Store, r broker.Range) broker.Page {
	tb.Helper()
	pages := make(chan broker.Page, 2)
	s.Read(r, func(p broker.Page) { pages <- p })
	p := <-pages
	if p.Err != nil {
		tb.Fatal(p.Err)
	}
	return p
}

// ReadLane returns all messages of a lane.
func ReadLane(tb testing.TB, s broker.Store, id broker.QueueID, lane broker.Lane) []broker.Stored {
	tb.Helper()
	p := ReadRange(tb, s, broker.Range{
		Queue: id, After: broker.Position{Lane: lane, At: math.MinInt64}, Messages: math.MaxInt, Size: math.MaxInt,
	})
	if !p.End {
		tb.Error("a page without limit is not the end of its lane")
	}
	return p.Messages
}

// WantSame compares all visible properties of two messages.
func WantSame(tb testing.TB, got, want *broker.Message) {
	tb.Helper()
	if got.Destination() != want.Destination() || got.Text() != want.Text() || got.Size() != want.Size() || !bytes.Equal(got.Body(), want.Body()) {
		tb.Errorf("got %s %.50q, want %s %.50q", got.Destination(), got.Body(), want.Destination(), want.Body())
	}
	for v := frames.V10; v <= frames.V12; v++ {
		if g, w := got.AppendTail(nil, v), want.AppendTail(nil, v); !bytes.Equal(g, w) {
			tb.Errorf("in %s: got %.100q, want %.100q", v, g, w)
		}
	}
	// The record contains the properties that have no accessor.
	g, w := broker.AppendMessage(nil, got, broker.State{}, destination.Destination{}), broker.AppendMessage(nil, want, broker.State{}, destination.Destination{})
	if !bytes.Equal(g, w) {
		tb.Errorf("got the record %.100q, want %.100q", g, w)
	}
}

// bodies returns the messages' numbers and bodies.
func bodies(messages []broker.Stored) string {
	s := ""
	for _, m := range messages {
		s += fmt.Sprintf("%d:%s ", m.At.Seq, m.Message.Body())
	}
	return s
}

// wantLane expects a lane's content, and Load to report the same counts.
func wantLane(tb testing.TB, s broker.Store, id broker.QueueID, lane broker.Lane, want string) {
	tb.Helper()
	got := ReadLane(tb, s, id, lane)
	if b := bodies(got); b != want {
		tb.Errorf("lane %d of queue %d holds %q, want %q", lane, id, b, want)
	}
	var e broker.Extent
	for _, m := range got {
		e.Count++
		e.Size += m.Message.Size()
	}
	queues, _ := Load(tb, s)
	for _, q := range queues {
		if q.ID == id && q.Lanes[lane] != e {
			tb.Errorf("lane %d of queue %d is loaded as %+v, and holds %+v", lane, id, q.Lanes[lane], e)
		}
	}
}

// twice yields a Store, and then one reopened on the same disk.
func twice(s broker.Store, open func() broker.Store) iter.Seq[broker.Store] {
	return func(yield func(broker.Store) bool) {
		if yield(s) {
			yield(open())
		}
	}
}
