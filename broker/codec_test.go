package broker_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/frames"
	"hoofbeat/internal/storetest"
)

// sampleMessages have each part of a record at least once.
func sampleMessages(tb testing.TB) (queue destination.Destination, messages []*broker.Message) {
	tb.Helper()
	queue = storetest.Queue(tb, "a/b")
	user, err := destination.DefaultNamespace().ForSend("/user/x%2Fy/queue/z", destination.Owner{})
	if err != nil {
		tb.Fatal(err)
	}
	return queue, []*broker.Message{
		storetest.Message(queue, ""),
		storetest.Message(queue, "text", "k", "v", "empty", "", "k", "again"),
		storetest.Message(queue, "\x00\xff", "line", "one\ntwo\rthree", "a:b", `c:\d`),
		storetest.Message(storetest.Queue(tb, "elsewhere"), "x"),
		storetest.Message(user, "x", "\n", ":"),
		storetest.Message(destination.DurableSubscription("u", "c", "n"), "x"),
		storetest.MessageWith(queue, "x", broker.Properties{Priority: 0, Expires: math.MaxInt64, Due: 1, ReplyTo: "/queue/r"}),
		storetest.MessageWith(queue, strings.Repeat("x", 1<<17), broker.Properties{Priority: broker.MaxPriority}, "h", strings.Repeat("y", 1000)),
	}
}

func TestMessageRecord(t *testing.T) {
	queue, messages := sampleMessages(t)
	for _, m := range messages {
		for _, s := range []broker.State{{}, {Attempts: 1}, {Attempts: math.MaxUint16, Failures: math.MaxUint16}, {Shift: 1}, {Attempts: 7, Shift: 1<<30 - 1}} {
			record := broker.AppendMessage([]byte("in front"), m, s, queue)[len("in front"):]
			keep := bytes.Clone(record)
			got, state, err := broker.ParseMessage(record, queue)
			if err != nil {
				t.Fatalf("%.50q: %v", record, err)
			}
			clear(record) // it shares no memory
			storetest.WantSame(t, got, m)
			if state != s {
				t.Errorf("the state is %v, want %v", state, s)
			}
			for n := range min(len(keep), 200) {
				if _, _, err := broker.ParseMessage(keep[:n], queue); !errors.Is(err, broker.ErrRecord) {
					t.Errorf("%d bytes of %.100q: %v", n, keep, err)
				}
			}
		}
	}
}

func TestStateRecord(t *testing.T) {
	for _, s := range []broker.State{{}, {Attempts: 1}, {Failures: 300}, {Attempts: math.MaxUint16, Failures: math.MaxUint16}, {Shift: 1}, {Attempts: 7, Shift: 1<<30 - 1}} {
		if got, err := broker.ParseState(broker.AppendState(nil, s)); err != nil || got != s {
			t.Errorf("got %v, want %v, error %v", got, s, err)
		}
	}
	for _, bad := range []string{"", "\x01", "\x01\x01\x01", "\xff\xff\xff\xff\xff\xff\x7f\x01", "\x01\xff\xff\xff\x01", "\x80"} {
		if _, err := broker.ParseState([]byte(bad)); !errors.Is(err, broker.ErrRecord) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func sampleMetas(tb testing.TB) []broker.QueueMeta {
	tb.Helper()
	topic, err := destination.DefaultNamespace().ForSubscribe("/topic/a.*.#", destination.Owner{})
	if err != nil {
		tb.Fatal(err)
	}
	return []broker.QueueMeta{
		{Destination: storetest.Queue(tb, "a")},
		{Destination: storetest.Queue(tb, "a/b"), Abandoned: 1},
		{Destination: storetest.Queue(tb, "a.b"), Kept: true, Expiring: true},
		{Destination: destination.DurableSubscription("user", "client", "name"), Topic: topic, Abandoned: math.MaxInt64},
	}
}

func TestQueueRecord(t *testing.T) {
	for _, q := range sampleMetas(t) {
		record := broker.AppendQueueMeta(nil, q)
		if got, err := broker.ParseQueueMeta(record); err != nil || got != q {
			t.Errorf("got %+v, want %+v, error %v", got, q, err)
		}
		for n := range record {
			if _, err := broker.ParseQueueMeta(record[:n]); !errors.Is(err, broker.ErrRecord) {
				t.Errorf("%d bytes of %q: %v", n, record, err)
			}
		}
		if _, err := broker.ParseQueueMeta(append(record, 0)); !errors.Is(err, broker.ErrRecord) {
			t.Errorf("a longer %q: %v", record, err)
		}
	}
}

// FuzzMessageRecord: any bytes are refused or a message that can be used, is
// about as large as they, and is the same when it is written and read again.
func FuzzMessageRecord(f *testing.F) {
	queue, messages := sampleMessages(f)
	for _, m := range messages[:len(messages)-1] {
		f.Add(broker.AppendMessage(nil, m, broker.State{Attempts: 3}, queue))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		m, s, err := broker.ParseMessage(record, queue)
		if err != nil {
			if !errors.Is(err, broker.ErrRecord) {
				t.Errorf("the error is %v", err)
			}
			return
		}
		if size := m.Size(); size > 200+40*len(record) {
			t.Errorf("%d bytes make a message of %d", len(record), size)
		}
		_, _ = m.Body(), m.Text()
		_ = m.Destination()
		for v := frames.V10; v <= frames.V12; v++ {
			m.AppendTail(nil, v)
		}
		once := broker.AppendMessage(nil, m, s, queue)
		again, s2, err := broker.ParseMessage(once, queue)
		if err != nil || s2 != s {
			t.Fatalf("%q became %q: state %v and %v, error %v", record, once, s, s2, err)
		}
		storetest.WantSame(t, again, m)
	})
}

// FuzzQueueRecord: any bytes are refused or a description that is the same
// when it is written and read again.
func FuzzQueueRecord(f *testing.F) {
	for _, q := range sampleMetas(f) {
		f.Add(broker.AppendQueueMeta(nil, q))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		q, err := broker.ParseQueueMeta(record)
		if err != nil {
			if !errors.Is(err, broker.ErrRecord) {
				t.Errorf("the error is %v", err)
			}
			return
		}
		_, _ = q.Destination.String(), q.Topic.String()
		if again, err := broker.ParseQueueMeta(broker.AppendQueueMeta(nil, q)); err != nil || again != q {
			t.Errorf("%+v became %+v, error %v", q, again, err)
		}
	})
}

// FuzzStateRecord: as the others.
func FuzzStateRecord(f *testing.F) {
	f.Add(broker.AppendState(nil, broker.State{Attempts: 3, Failures: 300}))
	f.Fuzz(func(t *testing.T, record []byte) {
		s, err := broker.ParseState(record)
		if err != nil {
			return
		}
		if again, err := broker.ParseState(broker.AppendState(nil, s)); err != nil || again != s {
			t.Errorf("%+v became %+v, error %v", s, again, err)
		}
	})
}
