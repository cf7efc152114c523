package pebble

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"hoofbeat/broker"
	"hoofbeat/internal/storetest"
)

// Batches that come while the disk is busy are the next group, over all
// queues and callers: one commit, one sync. Nothing waits for a time or a
// size.
func TestOneSyncForAll(t *testing.T) {
	var syncs atomic.Int64
	var counting atomic.Bool // from when the store is open
	entered, release := make(chan struct{}), make(chan struct{})
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if counting.Load() && on(errorfs.OpFileSyncData, ".log")(op) && syncs.Add(1) == 1 {
			close(entered)
			<-release
		}
		return nil
	}))
	s := mustOpen(t, "data", Options{FS: fs})
	d := storetest.Queue(t, "a")
	const queues, each = 10, 20
	counting.Store(true)
	before := s.Metrics().Commits
	var told sync.WaitGroup
	apply := func(ops ...broker.Op) {
		told.Add(1)
		s.Apply(ops, func(err error) {
			if err != nil {
				t.Error(err)
			}
			told.Done()
		})
	}
	apply(storetest.Describe(100, d)) // alone, it goes to the disk at once
	<-entered
	var callers sync.WaitGroup
	for id := range broker.QueueID(queues) {
		callers.Go(func() {
			apply(storetest.Describe(id+1, d))
			for n := range uint64(each) {
				apply(storetest.Put(id+1, storetest.Seq(n+1), storetest.Message(d, "x")))
			}
		})
	}
	callers.Wait()
	close(release)
	told.Wait()
	if n, commits := syncs.Load(), s.Metrics().Commits-before; n != 2 || commits != 2 {
		t.Errorf("%d syncs and %d commits, want 2 and 2", n, commits)
	}
}

// A message that was deleted before the memtable went to the disk leaves
// nothing there, not even that it was deleted.
func TestDeletedLeavesNothing(t *testing.T) {
	s := mustOpen(t, "data", Options{FS: vfs.NewMem()})
	d := storetest.Queue(t, "a")
	storetest.Apply(t, s, storetest.Describe(1, d))
	for n := range uint64(1000) {
		put := storetest.Put(1, storetest.Seq(n+1), storetest.Message(d, "x"))
		storetest.Apply(t, s, put)
		storetest.Apply(t, s, storetest.Delete(put))
	}
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	// The counters of the queue are there, of the messages not a key.
	if n := s.db.Metrics().Levels[0].TableBytesFlushed; n == 0 || n > 1000 {
		t.Errorf("%d bytes have gone to the table", n)
	}
}
