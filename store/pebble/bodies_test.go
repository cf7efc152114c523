package pebble

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	cockroach "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"hoofbeat/broker"
	"hoofbeat/internal/storetest"
)

// keysUnder counts the records under a prefix, and their bytes.
func keysUnder(tb testing.TB, s *Store, prefix byte) (n, size int) {
	tb.Helper()
	from, to := prefixSpan(prefix)
	it, err := s.db.NewIter(&cockroach.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		tb.Fatal(err)
	}
	for more := it.First(); more; more = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			tb.Fatal(err)
		}
		n++
		size += len(value)
	}
	if err := it.Close(); err != nil {
		tb.Fatal(err)
	}
	return n, size
}

func wantBodies(tb testing.TB, s *Store, want int) {
	tb.Helper()
	if n, _ := keysUnder(tb, s, prefixBody); n != want {
		tb.Errorf("%d shared messages are kept, want %d", n, want)
	}
	if n, _ := keysUnder(tb, s, prefixCount); n != want {
		tb.Errorf("%d shared messages are counted, want %d", n, want)
	}
}

// spread puts shared messages, each into as many queues, which it describes.
func spread(tb testing.TB, s *Store, queues, messages int, body string) (puts [][]broker.Op) {
	tb.Helper()
	d := storetest.Queue(tb, "a")
	var b broker.Batch
	for q := range queues {
		b = append(b, storetest.Describe(broker.QueueID(q+1), d))
	}
	for n := range messages {
		m := storetest.Message(d, fmt.Sprint(body, n))
		m.ShareAs(uint64(n + 1))
		var of []broker.Op
		for q := range queues {
			of = append(of, storetest.Put(broker.QueueID(q+1), storetest.Seq(uint64(n+1)), m))
		}
		puts = append(puts, of)
		b = append(b, of...)
	}
	storetest.Apply(tb, s, b...)
	return puts
}

// A message in many queues is kept once, until the last of them forgets it.
func TestSharedMessageIsKeptOnce(t *testing.T) {
	dir, fs := inMemory(t)
	s := mustOpen(t, dir, Options{FS: fs})
	puts := spread(t, s, 100, 3, strings.Repeat("x", 100<<10))
	wantBodies(t, s, 3)
	if n, size := keysUnder(t, s, prefixMessage); n != 300 || size > 300*20 {
		t.Errorf("%d references have %d bytes", n, size)
	}
	for _, p := range puts[0] {
		storetest.Apply(t, s, storetest.Delete(p))
	}
	wantBodies(t, s, 2)
	mustClose(t, s)
	mustCheck(t, dir, fs)
	s = mustOpen(t, dir, Options{FS: fs})
	if got := storetest.ReadLane(t, s, 7, storetest.Seq(1).Lane); len(got) != 2 || got[0].Message.Shared() != 2 {
		t.Errorf("queue 7 holds %v", got)
	}
	for _, p := range puts[1][:99] {
		storetest.Apply(t, s, storetest.Delete(p))
	}
	wantBodies(t, s, 2)
	// To put it elsewhere, or again, takes no copy.
	last := puts[1][99]
	moved := storetest.Put(100, broker.Position{Lane: broker.Delayed, At: 5, Seq: 2}, last.Message)
	storetest.Apply(t, s, storetest.Delete(last), moved)
	wantBodies(t, s, 2)
	storetest.Apply(t, s, storetest.Delete(moved))
	wantBodies(t, s, 1)
}

// All readers of a shared message get the same one in memory.
func TestSharedMessageIsReadOnce(t *testing.T) {
	dir, fs := inMemory(t)
	s := mustOpen(t, dir, Options{FS: fs})
	spread(t, s, 2, 1, "x")
	one, two := storetest.ReadLane(t, s, 1, storetest.Seq(1).Lane), storetest.ReadLane(t, s, 2, storetest.Seq(1).Lane)
	if one[0].Message != two[0].Message {
		t.Error("they are two")
	}
}

// A dropped queue gives its references back, in pieces, also after a restart;
// the others keep their messages.
func TestDropReleasesSharedMessages(t *testing.T) {
	dir, fs := inMemory(t)
	s := mustOpen(t, dir, Options{FS: fs})
	spread(t, s, 3, 2*dropPiece+10, "x")
	drop := func(id broker.QueueID) broker.Op { return broker.Op{Kind: broker.Drop, Queue: id} }
	storetest.Apply(t, s, drop(1), drop(2))
	mustClose(t, s) // with a part of it done, or nothing
	mustCheck(t, dir, fs)
	s = mustOpen(t, dir, Options{FS: fs})
	waitReleased(t, s)
	wantBodies(t, s, 2*dropPiece+10)
	if got := storetest.ReadLane(t, s, 3, storetest.Seq(1).Lane); len(got) != 2*dropPiece+10 {
		t.Errorf("queue 3 holds %d messages", len(got))
	}
	storetest.Apply(t, s, drop(3))
	waitReleased(t, s)
	wantBodies(t, s, 0)
	if n, _ := keysUnder(t, s, prefixMessage); n != 0 {
		t.Errorf("%d records are left", n)
	}
	mustClose(t, s)
	mustCheck(t, dir, fs)
}

// A dropped queue with damaged records is released all the same: readable
// records give back their references, and the store goes on.
func TestDropOfDamagedReferences(t *testing.T) {
	dir, fs := inMemory(t)
	var log strings.Builder
	s := mustOpen(t, dir, Options{FS: fs, Log: slog.New(slog.NewTextHandler(&log, nil))})
	spread(t, s, 2, 5, "x")
	b := s.db.NewBatch()
	if err := errors.Join(b.Set(appendMessageKey(nil, 1, storetest.Seq(3)), []byte{1 << 7, 0}, nil), b.Commit(cockroach.Sync)); err != nil {
		t.Fatal(err)
	}
	storetest.Apply(t, s, broker.Op{Kind: broker.Drop, Queue: 1})
	waitReleased(t, s)
	storetest.Apply(t, s, broker.Op{Kind: broker.Drop, Queue: 2})
	waitReleased(t, s)
	wantBodies(t, s, 1) // that of the damaged one
	if n := strings.Count(log.String(), "references=1"); n != 1 {
		t.Errorf("it was logged %d times:\n%s", n, log.String())
	}
	mustClose(t, s)
}

// waitReleased lets batches pass until dropped queues are released: a piece
// follows each.
func waitReleased(tb testing.TB, s *Store) {
	tb.Helper()
	for range 1000 {
		storetest.Apply(tb, s, storetest.Describe(99, storetest.Queue(tb, "z")))
		if n, _ := keysUnder(tb, s, prefixDropped); n == 0 {
			return
		}
	}
	tb.Fatal("dropped queues are not released")
}

// A crash at any time leaves counts and references in step.
func TestSharedMessagesSurviveCrashes(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s := mustOpen(t, "data", small(Options{FS: mem}))
	m := storetest.NewModel(t, 11)
	for i := range 40 {
		for range 20 {
			s.Apply(m.Batch(10), nil)
		}
		storetest.Apply(t, s, m.Batch(10)...)
		crashed := mem.CrashClone(vfs.CrashCloneCfg{})
		mustCheck(t, "data", crashed)
		if i%10 == 9 {
			again := mustOpen(t, "data", small(Options{FS: crashed}))
			waitReleased(t, again)
			mustClose(t, again)
			mustCheck(t, "data", crashed)
		}
	}
}

// Check reports missing messages, messages without a reference, and wrong
// counts.
func TestCheckOfSharedMessages(t *testing.T) {
	for name, tc := range map[string]struct {
		damage func(b *cockroach.Batch) error
		want   string
	}{
		"body":  {func(b *cockroach.Batch) error { return b.Delete(appendSharedKey(nil, prefixBody, 1), nil) }, "the shared message 1 is missing"},
		"count": {func(b *cockroach.Batch) error { return b.Set(appendSharedKey(nil, prefixCount, 1), []byte{3}, nil) }, "said to have 3 references, and has 2"},
		"orphan": {func(b *cockroach.Batch) error {
			return errors.Join(b.Delete(appendMessageKey(nil, 1, storetest.Seq(1)), nil), b.Delete(appendMessageKey(nil, 2, storetest.Seq(1)), nil),
				b.Delete(appendSharedKey(nil, prefixCount, 1), nil))
		}, "shared message 1: nothing refers to it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, fs := inMemory(t)
			s := mustOpen(t, dir, Options{FS: fs})
			spread(t, s, 2, 1, "x")
			b := s.db.NewBatch()
			if err := errors.Join(tc.damage(b), b.Commit(cockroach.Sync)); err != nil {
				t.Fatal(err)
			}
			mustClose(t, s)
			var faults []string
			if err := Check(dir, Options{FS: fs}, func(f string) { faults = append(faults, f) }); err == nil || !strings.Contains(strings.Join(faults, "\n"), tc.want) {
				t.Errorf("faults are %q, error %v", faults, err)
			}
		})
	}
}
