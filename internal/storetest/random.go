package storetest

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

// A Model makes random operations and knows the content that a Store must have
// after them.
type Model struct {
	Rand   *rand.Rand
	Queues map[broker.QueueID]*ModelQueue
	next   broker.QueueID
	dest   destination.Destination
	shared []*broker.Message // the latest ones
	bodies uint64            // number of bodies made
}

// ModelQueue is the expected content of a queue.
type ModelQueue struct {
	Meta     broker.QueueMeta
	Messages map[broker.Position]broker.Op // the Put, with the latest State
}

// NewModel returns an empty Model.
func NewModel(tb testing.TB, seed uint64) *Model {
	return &Model{Rand: rand.New(rand.NewPCG(seed, 1)), Queues: make(map[broker.QueueID]*ModelQueue), next: 1, dest: Queue(tb, "random")}
}

// Clone returns a copy that will draw the same random numbers.
func (m *Model) Clone() *Model {
	c := *m
	c.Queues = make(map[broker.QueueID]*ModelQueue)
	for id, q := range m.Queues {
		c.Queues[id] = &ModelQueue{Meta: q.Meta, Messages: maps.Clone(q.Messages)}
	}
	return &c
}

// Batch makes up to most random operations and applies them to the model.
func (m *Model) Batch(most int) broker.Batch {
	var b broker.Batch
	for range 1 + m.Rand.IntN(most) {
		b = append(b, m.step())
	}
	return b
}

func (m *Model) step() broker.Op {
	ids := slices.Sorted(maps.Keys(m.Queues))
	n := m.Rand.IntN(1000)
	if len(ids) == 0 || n < 20 && len(ids) < 8 {
		return m.describe(m.next)
	}
	id := ids[m.Rand.IntN(len(ids))]
	switch q := m.Queues[id]; {
	case n < 25:
		return m.describe(id)
	case n < 32:
		delete(m.Queues, id)
		return broker.Op{Kind: broker.Drop, Queue: id}
	case n < 45:
		return m.clear(id, q)
	default:
		return m.touch(id, q)
	}
}

func (m *Model) describe(id broker.QueueID) broker.Op {
	meta := broker.QueueMeta{Destination: m.dest, Abandoned: m.Rand.Int64N(100)}
	if m.Queues[id] == nil {
		m.Queues[id] = &ModelQueue{Messages: make(map[broker.Position]broker.Op)}
		m.next++
	}
	m.Queues[id].Meta = meta
	return broker.Op{Kind: broker.Describe, Queue: id, Meta: &meta}
}

func (m *Model) position() broker.Position {
	p := broker.Position{Lane: []broker.Lane{0, plain, broker.Delayed}[m.Rand.IntN(3)], Seq: 1 + m.Rand.Uint64N(30)}
	if p.Lane == broker.Delayed {
		p.At = m.Rand.Int64N(3)
	}
	return p
}

func (m *Model) clear(id broker.QueueID, q *ModelQueue) broker.Op {
	op := broker.Op{Kind: broker.Clear, Queue: id, At: m.position()}
	for p, put := range q.Messages {
		if p.Lane == op.At.Lane && p.Compare(op.At) > 0 {
			op.Count++
			op.Size += put.Size
			delete(q.Messages, p)
		}
	}
	return op
}

// touch puts a message at a free position, and deletes or notes the one at a
// used position.
func (m *Model) touch(id broker.QueueID, q *ModelQueue) broker.Op {
	p := m.position()
	put, there := q.Messages[p]
	switch {
	case !there:
		put = Put(id, p, m.message())
		put.State.Attempts = uint16(max(0, m.Rand.IntN(6)-3))
		q.Messages[p] = put
		return put
	case m.Rand.IntN(3) == 0:
		put.State.Attempts++
		q.Messages[p] = put
		return broker.Op{Kind: broker.Note, Queue: id, At: p, State: put.State}
	default:
		delete(q.Messages, p)
		return Delete(put)
	}
}

// message makes a message, or reuses a shared one.
func (m *Model) message() *broker.Message {
	n := m.Rand.IntN(8)
	if n < len(m.shared) {
		return m.shared[n]
	}
	msg := Message(m.dest, fmt.Sprint(m.Rand.Uint64()))
	if n < 6 {
		m.bodies++
		msg.ShareAs(m.bodies)
		m.shared = append([]*broker.Message{msg}, m.shared[:min(3, len(m.shared))]...)
	}
	return msg
}

// Diff describes how the Store differs from the model; "" if it does not.
func (m *Model) Diff(tb testing.TB, s broker.Store) string {
	queues, next := Load(tb, s)
	if len(queues) != len(m.Queues) {
		return fmt.Sprintf("%d queues, want %d", len(queues), len(m.Queues))
	}
	for _, q := range queues {
		want := m.Queues[q.ID]
		switch {
		case want == nil:
			return fmt.Sprintf("queue %d is there", q.ID)
		case q.Meta != want.Meta:
			return fmt.Sprintf("queue %d is described as %+v, want %+v", q.ID, q.Meta, want.Meta)
		case next <= q.ID:
			return fmt.Sprintf("the next id is %d", next)
		}
		if d := want.diff(tb, s, q, 1+m.Rand.IntN(10)); d != "" {
			return fmt.Sprintf("queue %d: %s", q.ID, d)
		}
	}
	return ""
}

// diff reads the queue in pages of page messages.
func (q *ModelQueue) diff(tb testing.TB, s broker.Store, got broker.StoredQueue, page int) string {
	seen := 0
	for lane := range broker.Lane(broker.Lanes) {
		var e broker.Extent
		r := broker.Range{Queue: got.ID, After: broker.Position{Lane: lane, At: math.MinInt64}, Messages: page, Size: math.MaxInt}
		for end := false; !end; {
			p := ReadRange(tb, s, r)
			for _, m := range p.Messages {
				want, ok := q.Messages[m.At]
				if !ok || m.State != want.State || string(m.Message.Body()) != string(want.Message.Body()) || m.At.Compare(r.After) <= 0 || m.At.Seq > got.LastSeq {
					return fmt.Sprintf("%v holds %q %v, want %v; LastSeq %d", m.At, m.Message.Body(), m.State, want, got.LastSeq)
				}
				e.Count++
				e.Size += m.Message.Size()
				r.After = m.At
			}
			end = p.End
		}
		if e != got.Lanes[lane] {
			return fmt.Sprintf("lane %d holds %+v, and %+v by Load", lane, e, got.Lanes[lane])
		}
		seen += e.Count
	}
	if seen != len(q.Messages) {
		return fmt.Sprintf("%d messages, want %d", seen, len(q.Messages))
	}
	return ""
}

// testRandom compares the store with the model, reopening it at random.
func testRandom(t *testing.T, open func() broker.Store) {
	m := NewModel(t, 2)
	s := open()
	Load(t, s)
	for range 40 {
		for range m.Rand.IntN(60) {
			s.Apply(m.Batch(10), nil)
		}
		Apply(t, s, m.Batch(10)...)
		if m.Rand.IntN(2) == 0 {
			s = open()
		}
		if d := m.Diff(t, s); d != "" {
			t.Fatal(d)
		}
	}
}
