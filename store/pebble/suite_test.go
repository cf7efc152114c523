package pebble

import (
	"testing"

	cockroach "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"hoofbeat/broker"
	"hoofbeat/internal/storetest"
)

// small has everything happen often: flushes, compactions, searches.
func small(o Options) Options {
	o.MemTable, o.Cache = 256<<10, 1<<20
	return o
}

// strict has misused deletions fail the test.
func strict(tb testing.TB, o Options) Options {
	o.misuse = func(i cockroach.PossibleAPIMisuseInfo) { tb.Errorf("%s of %x", i.Kind, i.UserKey) }
	return o
}

// mustOpen opens a store and closes it at the end of the test.
func mustOpen(tb testing.TB, dir string, o Options) *Store {
	tb.Helper()
	s, err := Open(dir, strict(tb, o))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { mustClose(tb, s) })
	return s
}

func mustClose(tb testing.TB, s *Store) {
	tb.Helper()
	if err := s.Close(); err != nil {
		tb.Error(err)
	}
}

// mustCheck fails the test for every fault of a store.
func mustCheck(tb testing.TB, dir string, fs vfs.FS) {
	tb.Helper()
	if err := Check(dir, Options{FS: fs}, func(fault string) { tb.Error(fault) }); err != nil {
		tb.Error(err)
	}
}

func disks(t *testing.T, newFS func(t *testing.T) (string, vfs.FS), o Options) {
	storetest.Run(t, diskOf(newFS, o))
}

// diskOf gives stores one after the other on the same disk.
func diskOf(newFS func(t *testing.T) (string, vfs.FS), o Options) func(t *testing.T) func() broker.Store {
	return func(t *testing.T) func() broker.Store {
		dir, fs := newFS(t)
		o := o
		o.FS = fs
		var last *Store
		return func() broker.Store {
			if last != nil {
				mustClose(t, last)
				mustCheck(t, dir, fs)
			}
			last = mustOpen(t, dir, o)
			return last
		}
	}
}

func onDisk(t *testing.T) (string, vfs.FS)   { return t.TempDir(), nil }
func inMemory(t *testing.T) (string, vfs.FS) { return "data", vfs.NewMem() }

func TestStoreOnDisk(t *testing.T)   { disks(t, onDisk, Options{}) }
func TestStoreInMemory(t *testing.T) { disks(t, inMemory, small(Options{})) }
func TestStoreRefusal(t *testing.T) {
	storetest.RunRefusal(t, diskOf(inMemory, small(Options{maxBatch: 64 << 10})))
}
func TestStoreInterval(t *testing.T) { disks(t, inMemory, small(Options{Sync: SyncInterval})) }
func TestStoreNever(t *testing.T)    { disks(t, inMemory, small(Options{Sync: SyncNever})) }

// TestStoreChurns moves messages through all levels, with states, clears and
// drops, and every deletion finds its record.
func TestStoreChurns(t *testing.T) {
	fs := vfs.NewMem()
	o := small(Options{FS: fs})
	m := storetest.NewModel(t, 7)
	for range 4 {
		s := mustOpen(t, "data", o)
		for i := range 3000 {
			s.Apply(m.Batch(10), nil)
			if i%100 == 0 {
				storetest.Apply(t, s)
			}
			if i%500 == 0 {
				if err := s.db.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		storetest.Apply(t, s) // Load does not wait for applied batches
		if err := s.db.Compact(t.Context(), []byte{0}, []byte{255}, false); err != nil {
			t.Fatal(err)
		}
		if d := m.Diff(t, s); d != "" {
			t.Fatal(d)
		}
		mustClose(t, s)
		mustCheck(t, "data", fs)
	}
}
