package pebble

import (
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hoofbeat/internal/storetest"
)

func TestObserve(t *testing.T) {
	var c counts
	c.commit(1, 256, 1)
	c.commit(2, 257, 0)
	c.commit(1<<20, 1<<30, 1<<40)
	for name, h := range map[string]Histogram{
		"steps": histogram(c.steps[:], stepBounds[:], 0), "sizes": histogram(c.sizes[:], sizeBounds[:], 0),
	} {
		if last := len(h.Counts) - 1; h.Counts[0] != 1 || h.Counts[1] != 1 || h.Counts[last] != 1 || last != len(h.Bounds) {
			t.Errorf("%s: %+v", name, h)
		}
	}
	if h := histogram(c.times[:], timeBounds[:], 0); h.Counts[0] != 2 || h.Counts[len(h.Bounds)] != 1 {
		t.Errorf("times: %+v", h)
	}
}

func TestMetrics(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{MinFree: 7})
	d := storetest.Queue(t, "a")
	before := s.Metrics()
	storetest.Apply(t, s, storetest.Describe(1, d))
	storetest.Apply(t, s, storetest.Put(1, storetest.Seq(1), storetest.Message(d, "x")), storetest.Put(1, storetest.Seq(2), storetest.Message(d, "y")))
	m := s.Metrics()
	if n := m.Steps - before.Steps; n != 3 {
		t.Errorf("%d steps", n)
	}
	for name, h := range map[string]Histogram{"times": m.CommitTimes, "steps": m.CommitSteps, "sizes": m.CommitSizes} {
		n := uint64(0)
		for _, c := range h.Counts {
			n += c
		}
		if n != uint64(m.Commits) || m.Commits < before.Commits+2 || h.Sum <= 0 {
			t.Errorf("%s: %d observations and a sum of %v, for %d commits", name, n, h.Sum, m.Commits)
		}
	}
	if m.Free < 0 || m.MinFree != 7 {
		t.Errorf("%d bytes are free of which %d are to stay", m.Free, m.MinFree)
	}
}

// TestMetricsWhileClosing: a caller gets an answer while the Store is closed,
// without a call of a closed Pebble.
func TestMetricsWhileClosing(t *testing.T) {
	s, err := Open("data", Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	storetest.Apply(t, s, storetest.Describe(1, storetest.Queue(t, "a")))
	stop := make(chan struct{})
	var askers sync.WaitGroup
	for range 4 {
		askers.Go(func() {
			for {
				s.Metrics()
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	close(stop)
	askers.Wait()
	if m := s.Metrics(); m.Commits == 0 || m.DiskBytes != 0 || m.Free != -1 {
		t.Errorf("after Close: %+v", m)
	}
}
