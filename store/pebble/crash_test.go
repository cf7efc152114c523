package pebble

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"hoofbeat/broker"
	"hoofbeat/internal/storetest"
)

// TestPowerLoss cuts the power before nearly every write, and checks the
// rest: all batches that were reported as done are there, and no part of a
// batch, so the rest is the result of the first so many batches.
func TestPowerLoss(t *testing.T) {
	for _, c := range []struct {
		sync SyncMode
		lost int // percent of unsynced data that survives
	}{{SyncAlways, 0}, {SyncAlways, 50}, {SyncAlways, 100}, {SyncNever, 50}} {
		t.Run(fmt.Sprint(c.sync, c.lost), func(t *testing.T) {
			w := newPowerLoss(t, Options{Sync: c.sync}, c.lost)
			w.run(200)
			w.cut()
			if w.cuts < 100 {
				t.Errorf("the power was cut %d times", w.cuts)
			}
		})
	}
}

// A powerLoss is a workload on a disk that loses power again and again.
type powerLoss struct {
	t       *testing.T
	options Options
	percent int
	fs      *vfs.MemFS
	cloning sync.Mutex // see reuser

	mu     sync.Mutex
	cuts   int
	states []*storetest.Model // after so many batches were applied
	done   int                // how many were reported
}

func newPowerLoss(t *testing.T, o Options, percent int) *powerLoss {
	w := &powerLoss{t: t, options: small(o), percent: percent, fs: vfs.NewCrashableMem()}
	w.states = append(w.states, storetest.NewModel(t, uint64(percent)))
	return w
}

// run applies batches, up to 30 at once.
func (w *powerLoss) run(batches int) {
	o := w.options
	o.FS = errorfs.Wrap(reuser{w.fs, &w.cloning}, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			w.cut()
		}
		return nil
	}))
	s := mustOpen(w.t, "data", o)
	m := w.states[0].Clone()
	room := make(chan struct{}, 30)
	for i := range batches {
		room <- struct{}{}
		s.Apply(w.batch(m), func(err error) {
			w.reported(err)
			<-room
		})
		if i%40 == 20 {
			if _, err := s.db.AsyncFlush(); err != nil {
				w.t.Error(err)
			}
		}
	}
	mustClose(w.t, s)
}

func (w *powerLoss) batch(m *storetest.Model) broker.Batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := m.Batch(6)
	w.states = append(w.states, m.Clone())
	return b
}

func (w *powerLoss) reported(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.t.Error(err)
	}
	w.done++
}

// A reuser keeps CrashClone out while a file is reused: the MemFS takes a lock
// for reading twice then, and waits for ever if it is wanted for writing in
// between.
type reuser struct {
	vfs.FS
	cloning *sync.Mutex
}

func (r reuser) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	r.cloning.Lock()
	defer r.cloning.Unlock()
	return r.FS.ReuseForWrite(from, to, c)
}

// cut checks the state that a power cut would leave now.
func (w *powerLoss) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cuts++
	cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: w.percent, RNG: rand.New(rand.NewPCG(uint64(w.cuts), 1))}
	w.cloning.Lock()
	fs := w.fs.CrashClone(cfg)
	w.cloning.Unlock()
	o := w.options
	o.FS = fs
	s, err := Open("data", strict(w.t, o))
	if err != nil {
		w.t.Errorf("cut %d: %v", w.cuts, err)
		return
	}
	w.compare(s)
	mustClose(w.t, s)
	mustCheck(w.t, "data", fs)
}

// compare finds the number of batches that lead to the content of s.
func (w *powerLoss) compare(s *Store) {
	least := w.done
	if w.options.Sync != SyncAlways {
		least = 0
	}
	last := ""
	for n := len(w.states) - 1; n >= least; n-- {
		if last = w.states[n].Diff(w.t, s); last == "" {
			return
		}
	}
	w.t.Errorf("cut %d: what is left is not what any %d to %d batches made: %s", w.cuts, least, len(w.states)-1, last)
}
