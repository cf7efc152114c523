package storetest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

var plain = broker.LaneOf(broker.DefaultPriority)

func testEmpty(t *testing.T, open func() broker.Store) {
	s := open()
	if queues, _ := Load(t, s); len(queues) > 0 {
		t.Errorf("%d queues in an empty store", len(queues))
	}
	if err := s.Ready(); err != nil {
		t.Error(err)
	}
	p := ReadRange(t, s, broker.Range{Queue: 1, Messages: 1, Size: 1})
	if len(p.Messages) > 0 || !p.End {
		t.Errorf("an unknown queue holds %v", p)
	}
	put := Put(1, Seq(1), Message(Queue(t, "a"), "x"))
	s.Apply(broker.Batch{Describe(1, Queue(t, "a")), put}, nil) // without a done function
	Apply(t, s, Delete(put))
	Apply(t, s) // an empty batch
	s = open()
	if queues, _ := Load(t, s); len(queues) != 1 || queues[0].Lanes != [broker.Lanes]broker.Extent{} {
		t.Errorf("queues that are empty again: %+v", queues)
	}
	wantLane(t, s, 1, plain, "")
}

// testOrder: messages come in order of their number, even where byte order
// would differ, separately for each queue and lane.
func testOrder(t *testing.T, open func() broker.Store) {
	seqs := []uint64{1, 2, 9, 10, 255, 256, 257, 65535, 65536, 1 << 32, 1<<32 + 1, 1 << 56, math.MaxUint64}
	queues := []broker.QueueID{1, 2, 255, 256, 257, 1 << 40, math.MaxUint64 >> 1}
	lanes := []broker.Lane{0, plain, broker.Delayed - 1, broker.Delayed}
	s := open()
	Load(t, s)
	var b broker.Batch
	for _, id := range queues {
		d := Queue(t, fmt.Sprint(id))
		Apply(t, s, Describe(id, d))
		for _, lane := range lanes {
			for _, seq := range seqs {
				m := Message(d, fmt.Sprint(id, lane, seq))
				b = append(b, Put(id, broker.Position{Lane: lane, Seq: seq}, m))
			}
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	r.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
	Apply(t, s, b...)
	for s := range twice(s, open) {
		loaded, _ := Load(t, s)
		for _, q := range loaded {
			if q.LastSeq < math.MaxUint64 {
				t.Errorf("LastSeq of queue %d is %d", q.ID, q.LastSeq)
			}
		}
		for _, id := range queues {
			for _, lane := range lanes {
				want := ""
				for _, seq := range seqs {
					want += fmt.Sprintf("%d:%s ", seq, fmt.Sprint(id, lane, seq))
				}
				wantLane(t, s, id, lane, want)
			}
		}
	}
}

// testDelayedOrder: delayed messages come in order of time, then number.
func testDelayedOrder(t *testing.T, open func() broker.Store) {
	s := open()
	d := Queue(t, "a")
	Apply(t, s, Describe(1, d))
	var at []broker.Position
	for _, ms := range []int64{0, 1, 255, 256, 1_700_000_000_000, math.MaxInt64} {
		for _, seq := range []uint64{1, 2, 256} {
			at = append(at, broker.Position{Lane: broker.Delayed, At: ms, Seq: seq})
		}
	}
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(len(at)) {
		Apply(t, s, Put(1, at[i], Message(d, "x")))
	}
	s = open()
	Load(t, s)
	var got []broker.Position
	for _, m := range ReadLane(t, s, 1, broker.Delayed) {
		got = append(got, m.At)
	}
	if !slices.Equal(got, at) {
		t.Errorf("got %v, want %v", got, at)
	}
	p := ReadRange(t, s, broker.Range{Queue: 1, After: at[4], Messages: 1, Size: 1})
	if len(p.Messages) != 1 || p.Messages[0].At != at[5] {
		t.Errorf("behind %v is %v", at[4], p.Messages)
	}
}

// testMessage: the store keeps everything that subscribers and the broker see
// of a message.
func testMessage(t *testing.T, open func() broker.Store) {
	q := Queue(t, "q")
	topic, err := destination.DefaultNamespace().ForSend("/topic/a/b", destination.Owner{})
	if err != nil {
		t.Fatal(err)
	}
	messages := []*broker.Message{
		Message(q, ""),
		Message(q, "text", "a", "1", "b", "", "a", "2"),
		Message(q, "\x00\xff\n", "content-type", "application/octet-stream"),
		Message(q, "x", "line", "one\ntwo\rthree", "a:b", `c:\d`),
		Message(q, strings.Repeat("long ", 4<<20/5)),
		Message(topic, "of a topic", "x", "\n"),
		Message(Queue(t, "q/r"), "elsewhere"),
		MessageWith(q, "all", broker.Properties{ReplyTo: "/queue/r", Priority: broker.MaxPriority, Expires: 1_700_000_000_000, Due: 5}),
		MessageWith(q, "least", broker.Properties{}),
	}
	s := open()
	Load(t, s)
	Apply(t, s, Describe(1, q))
	for i, m := range messages {
		Apply(t, s, Put(1, Seq(uint64(i+1)), m))
	}
	for s := range twice(s, open) {
		Load(t, s)
		got := ReadLane(t, s, 1, plain)
		if len(got) != len(messages) {
			t.Fatalf("%d messages, want %d", len(got), len(messages))
		}
		for i, st := range got {
			WantSame(t, st.Message, messages[i])
			if st.State != (broker.State{}) {
				t.Errorf("state %+v, want none", st.State)
			}
		}
	}
}

// testState: the last state counts, whether Put or Note set it. A reused
// position does not inherit a state.
func testState(t *testing.T, open func() broker.Store) {
	s := open()
	d := Queue(t, "a")
	put := func(n uint64, st broker.State) broker.Op {
		p := Put(1, Seq(n), Message(d, "x"))
		p.State = st
		return p
	}
	note := func(n uint64, st broker.State) broker.Op {
		return broker.Op{Kind: broker.Note, Queue: 1, At: Seq(n), State: st}
	}
	remove := func(n uint64, st broker.State) broker.Op { return Delete(put(n, st)) }
	one, two, most := broker.State{Attempts: 1}, broker.State{Attempts: 2, Failures: 1}, broker.State{Attempts: math.MaxUint16, Failures: math.MaxUint16}
	Apply(t, s, Describe(1, d), put(1, broker.State{}), put(2, one), put(3, one), put(4, one), put(5, one))
	Apply(t, s, note(1, one), note(3, two), note(4, two), note(5, two))
	Apply(t, s, note(3, most))
	Apply(t, s, remove(4, two))
	Apply(t, s, put(4, broker.State{}))
	Apply(t, s, remove(5, two), put(5, broker.State{}), note(5, one), remove(5, one), put(5, broker.State{}))
	Apply(t, s, put(6, broker.State{}), note(6, one), note(6, two), remove(6, two))
	Apply(t, s, put(7, broker.State{}), note(7, one), note(7, two))
	want := map[uint64]broker.State{1: one, 2: one, 3: most, 4: {}, 5: {}, 7: two}
	for s := range twice(s, open) {
		Load(t, s)
		got := make(map[uint64]broker.State)
		for _, m := range ReadLane(t, s, 1, plain) {
			got[m.At.Seq] = m.State
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// testAgain: a position is free after a Delete, within the same batch and
// later.
func testAgain(t *testing.T, open func() broker.Store) {
	s := open()
	d := Queue(t, "a")
	put := func(body string) broker.Op { return Put(1, Seq(7), Message(d, body)) }
	remove := func(body string) broker.Op { return Delete(put(body)) }
	Apply(t, s, Describe(1, d), put("one"))
	Apply(t, s, remove("one"), put("two"))
	wantLane(t, s, 1, plain, "7:two ")
	Apply(t, s, remove("two"), put("three"), remove("three"))
	wantLane(t, s, 1, plain, "")
	Apply(t, s, put("four"), remove("four"), put("five"))
	wantLane(t, s, 1, plain, "7:five ")
	s = open()
	Load(t, s)
	wantLane(t, s, 1, plain, "7:five ")
	for i := range 10 {
		s.Apply(broker.Batch{remove("five")}, nil)
		s.Apply(broker.Batch{put(fmt.Sprint("last", i))}, nil)
		Apply(t, s, remove(fmt.Sprint("last", i)), put("five"))
	}
	Apply(t, s, remove("five"))
	s = open()
	Load(t, s)
	wantLane(t, s, 1, plain, "")
}

// testClear: Clear applies to one lane, after a position.
func testClear(t *testing.T, open func() broker.Store) {
	s := open()
	d := Queue(t, "a")
	clearBehind := func(at broker.Position, puts ...broker.Op) broker.Op {
		op := broker.Op{Kind: broker.Clear, Queue: 1, At: at, Count: len(puts)}
		for _, p := range puts {
			op.Size += p.Size
		}
		return op
	}
	var p []broker.Op
	for n := range uint64(6) {
		p = append(p, Put(1, Seq(n+1), Message(d, "x")))
	}
	other := Put(1, broker.Position{Lane: plain + 1, Seq: 9}, Message(d, "o"))
	neighbour := Put(2, Seq(9), Message(d, "n"))
	Apply(t, s, Describe(1, d), Describe(2, d), other, neighbour, p[0], p[1], p[2], p[3])
	Apply(t, s, broker.Op{Kind: broker.Note, Queue: 1, At: p[3].At, State: broker.State{Attempts: 1}})
	Apply(t, s, clearBehind(p[1].At, p[2], p[3]), p[4])
	wantLane(t, s, 1, plain, "1:x 2:x 5:x ")
	Apply(t, s, p[3], p[5], clearBehind(p[4].At, p[5])) // a cleared position is free
	s = open()
	Load(t, s)
	wantLane(t, s, 1, plain, "1:x 2:x 4:x 5:x ")
	for _, m := range ReadLane(t, s, 1, plain) {
		if m.State != (broker.State{}) {
			t.Errorf("%v has inherited %v", m.At, m.State)
		}
	}
	Apply(t, s, Delete(p[3]), clearBehind(Seq(0), p[0], p[1], p[4]), clearBehind(Seq(0)))
	s = open()
	Load(t, s)
	wantLane(t, s, 1, plain, "")
	wantLane(t, s, 1, plain+1, "9:o ")
	wantLane(t, s, 2, plain, "9:n ")
}

func testDrop(t *testing.T, open func() broker.Store) {
	s := open()
	d := Queue(t, "a")
	drop := func(id broker.QueueID) broker.Op { return broker.Op{Kind: broker.Drop, Queue: id} }
	gone := Put(2, Seq(1), Message(d, "y"))
	Apply(t, s, Describe(1, d), Describe(2, d), Describe(3, d), Describe(4, d))
	Apply(t, s, Put(1, Seq(1), Message(d, "x")), gone, Put(3, Seq(1), Message(d, "z")))
	Apply(t, s, drop(2), drop(4), Describe(5, d), Put(5, Seq(1), Message(d, "x")), drop(5))
	Apply(t, s, Describe(6, d), drop(6))
	for s := range twice(s, open) {
		queues, _ := Load(t, s)
		if len(queues) != 2 || queues[0].ID != 1 || queues[1].ID != 3 {
			t.Errorf("queues are %+v", queues)
		}
		for id, want := range map[broker.QueueID]string{1: "1:x ", 2: "", 3: "1:z ", 4: "", 5: "", 6: ""} {
			wantLane(t, s, id, plain, want)
		}
	}
}

// testDescribe: the last description counts, and nothing else changes.
func testDescribe(t *testing.T, open func() broker.Store) {
	s := open()
	d := destination.DurableSubscription("alice", "", "s")
	topic, err := destination.DefaultNamespace().ForSubscribe("/topic/a.*", destination.Owner{})
	if err != nil {
		t.Fatal(err)
	}
	m := Message(Queue(t, "x"), "x")
	Apply(t, s, Describe(1, d), Put(1, Seq(5), m), Describe(2, Queue(t, "b/c")))
	want := broker.QueueMeta{Destination: d, Topic: topic, Abandoned: 1_700_000_000_000}
	Apply(t, s, broker.Op{Kind: broker.Describe, Queue: 1, Meta: &want})
	for s := range twice(s, open) {
		queues, _ := Load(t, s)
		if len(queues) != 2 || queues[0].Meta != want || queues[1].Meta != (broker.QueueMeta{Destination: Queue(t, "b/c")}) {
			t.Errorf("queues are %+v", queues)
		}
		wantLane(t, s, 1, plain, "5:x ")
	}
}

// testUnknownQueue: when a queue is forgotten, all of its content is forgotten.
func testUnknownQueue(t *testing.T, open func() broker.Store) {
	s := open()
	d := Queue(t, "a")
	put := Put(1, Seq(1), Message(d, "x"))
	put.State = broker.State{Attempts: 1}
	Apply(t, s, Describe(1, d), put, broker.Op{Kind: broker.Drop, Queue: 1})
	Apply(t, s, Delete(put), broker.Op{Kind: broker.Note, Queue: 1, At: put.At, State: put.State},
		broker.Op{Kind: broker.Clear, Queue: 1, Count: 1, Size: put.Size}, broker.Op{Kind: broker.Drop, Queue: 1})
	s = open()
	if queues, _ := Load(t, s); len(queues) > 0 {
		t.Errorf("queues are %+v", queues)
	}
}

func testLoadStops(t *testing.T, open func() broker.Store) {
	s := open()
	Load(t, s)
	Apply(t, s, Describe(1, Queue(t, "a")), Describe(2, Queue(t, "b")), Describe(3, Queue(t, "c")))
	enough, calls := errors.New("enough"), 0
	_, err := open().Load(func(broker.StoredQueue) error {
		calls++
		if calls == 2 {
			return enough
		}
		return nil
	})
	if calls != 2 || !errors.Is(err, enough) {
		t.Errorf("f was called %d times, error %v", calls, err)
	}
}

// testNextID: the next id is higher than every id ever used, even if nothing is
// left.
func testNextID(t *testing.T, open func() broker.Store) {
	var last broker.QueueID
	for range 4 {
		s := open()
		_, next := Load(t, s)
		if next <= last {
			t.Fatalf("the next id is %d after %d was used", next, last)
		}
		for i := range broker.QueueID(3) {
			last = next + i
			Apply(t, s, Describe(last, Queue(t, "a")))
			Apply(t, s, broker.Op{Kind: broker.Drop, Queue: last})
		}
	}
	s := open()
	Apply(t, s, Describe(last+100_000, Queue(t, "a")))
	if _, next := Load(t, open()); next <= last+100_000 {
		t.Errorf("the next id is %d after %d was used", next, last+100_000)
	}
}

// testVanish: a queue vanishes only if it is empty.
func testVanish(t *testing.T, open func() broker.Store) {
	s := open()
	d := Queue(t, "a")
	put := Put(1, Seq(1), Message(d, "x"))
	Apply(t, s, Describe(1, d), put, Describe(2, d))
	Apply(t, s, broker.Op{Kind: broker.Vanish, Queue: 1}, broker.Op{Kind: broker.Vanish, Queue: 2})
	for s := range twice(s, open) {
		if queues, _ := Load(t, s); len(queues) != 1 || queues[0].ID != 1 {
			t.Errorf("%d queues are left, want the one that holds a message", len(queues))
		}
		wantLane(t, s, 1, plain, "1:x ")
	}
	s = open()
	Load(t, s)
	Apply(t, s, Delete(put), broker.Op{Kind: broker.Vanish, Queue: 1})
	for s := range twice(s, open) {
		if queues, _ := Load(t, s); len(queues) != 0 {
			t.Errorf("%d queues are left", len(queues))
		}
	}
}

// testShared: each queue has the whole of a shared message until that queue
// deletes it.
func testShared(t *testing.T, open func() broker.Store) {
	s := open()
	d, other := Queue(t, "a"), Queue(t, "b")
	m := MessageWith(other, "shared", broker.Properties{Priority: broker.DefaultPriority, Expires: 1_700_000_000_000}, "a:b", "c\nd")
	m.ShareAs(1000)
	var puts []broker.Op
	b := broker.Batch{}
	for id := range broker.QueueID(6) {
		b = append(b, Describe(id+1, d))
		puts = append(puts, Put(id+1, Seq(5), m))
	}
	puts[1].State = broker.State{Attempts: 3, Failures: 1}
	size := b.Size()
	b = append(b, puts...)
	if most := size + m.Size() + 6*200; b.Size() > most {
		t.Errorf("the batch counts as %d bytes, more than %d", b.Size(), most)
	}
	Apply(t, s, b...)
	Apply(t, s, broker.Op{Kind: broker.Note, Queue: 3, At: Seq(5), State: broker.State{Attempts: 1}})
	Apply(t, s, Delete(puts[3]), broker.Op{Kind: broker.Drop, Queue: 5})
	Apply(t, s, broker.Op{Kind: broker.Clear, Queue: 6, At: Seq(4), Count: 1, Size: puts[5].Size})
	Apply(t, s, Put(6, Seq(5), m)) // again, at its old position
	states := map[broker.QueueID]broker.State{1: {}, 2: puts[1].State, 3: {Attempts: 1}, 6: {}}
	for s := range twice(s, open) {
		_, next := Load(t, s)
		if next <= 1000 {
			t.Errorf("the next id is %d, and 1000 was used for a message", next)
		}
		for id := range broker.QueueID(6) {
			id++
			got := ReadLane(t, s, id, plain)
			if state, there := states[id]; !there && len(got) == 0 {
				continue
			} else if !there || len(got) != 1 || got[0].State != state {
				t.Errorf("queue %d holds %v", id, got)
				continue
			}
			WantSame(t, got[0].Message, m)
			if got[0].Message.Shared() != 1000 {
				t.Errorf("queue %d: it is shared as %d", id, got[0].Message.Shared())
			}
		}
	}
	s = open()
	Load(t, s)
	for id, state := range states {
		del := Delete(puts[id-1])
		del.State = state
		Apply(t, s, del)
		wantLane(t, s, id, plain, "")
	}
	s = open()
	Load(t, s)
	Apply(t, s, puts[0]) // it may come back
	wantLane(t, s, 1, plain, "5:shared ")
}
