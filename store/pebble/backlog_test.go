package pebble

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"hoofbeat/broker"
	"hoofbeat/internal/storetest"
)

// TestBacklog fills a queue with as many messages of 1 KiB as
// HOOFBEAT_BACKLOG says, opens the store again, and consumes them in pages of
// 256 KiB. Ten million need 12 GB on the disk and two minutes.
func TestBacklog(t *testing.T) {
	count, err := strconv.ParseUint(os.Getenv("HOOFBEAT_BACKLOG"), 10, 64)
	if err != nil {
		t.Skip("HOOFBEAT_BACKLOG says how many messages")
	}
	dir := t.TempDir()
	start := time.Now()
	phase := func(name string, s *Store) {
		peak, now := memory(t)
		t.Logf("%-8s %9s, now %d MiB, peak %d MiB, %d MiB on disk", name, time.Since(start).Round(time.Millisecond), now>>20, peak>>20, s.Metrics().DiskBytes>>20)
		runtime.GC()
		if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
			t.Log(err) // the next peak is that of all
		}
		start = time.Now()
	}
	open := func() *Store { // closed stores must not be referenced, or they would be measured, too
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	fill(t, s, count)
	phase("fill", s)
	mustClose(t, s)
	start = time.Now()
	s = open()
	queues, _ := storetest.Load(t, s)
	if queues[0].Lanes[storetest.Seq(1).Lane].Count != int(count) {
		t.Errorf("loaded %+v", queues)
	}
	phase("open", s)
	consume(t, s, count, false)
	phase("read", s)
	consume(t, s, count, true)
	phase("consume", s)
	mustClose(t, s)
	mustCheck(t, dir, nil)
}

func fill(t *testing.T, s *Store, count uint64) {
	d := storetest.Queue(t, "backlog")
	var bodies []*broker.Message // which cannot be compressed: more than fit into a block
	for seed := range byte(64) {
		body := make([]byte, 1024)
		if _, err := rand.NewChaCha8([32]byte{seed}).Read(body); err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, storetest.Message(d, string(body)))
	}
	storetest.Apply(t, s, storetest.Describe(1, d))
	room := make(chan struct{}, window)
	for n := range count {
		room <- struct{}{}
		s.Apply(broker.Batch{storetest.Put(1, storetest.Seq(n+1), bodies[n%64])}, func(err error) {
			if err != nil {
				t.Error(err)
			}
			<-room
		})
	}
	storetest.Apply(t, s)
}

// consume reads all messages, one page ahead, and deletes them if it is told
// to.
func consume(t *testing.T, s *Store, count uint64, remove bool) {
	pages := make(chan broker.Page, 1)
	r := broker.Range{Queue: 1, After: storetest.Seq(0), Messages: math.MaxInt, Size: 256 << 10}
	s.Read(r, func(p broker.Page) { pages <- p })
	read := uint64(0)
	for end := false; !end; {
		p := <-pages
		if p.Err != nil {
			t.Fatal(p.Err)
		}
		if end = p.End; !end {
			r.After = p.Messages[len(p.Messages)-1].At
			s.Read(r, func(p broker.Page) { pages <- p })
		}
		read += uint64(len(p.Messages))
		if remove {
			discard(t, s, p.Messages)
		}
	}
	if read != count {
		t.Errorf("%d messages were read, want %d", read, count)
	}
}

// discard deletes each message for itself, as consumers do.
func discard(t *testing.T, s *Store, messages []broker.Stored) {
	for i, m := range messages {
		b := broker.Batch{storetest.Delete(storetest.Put(1, m.At, m.Message))}
		if i == len(messages)-1 {
			storetest.Apply(t, s, b...)
		} else {
			s.Apply(b, nil)
		}
	}
}

// memory is how much the process has resident, and had at most, in bytes.
func memory(t *testing.T) (peak, now uint64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(status)) {
		var kb uint64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kb); err == nil {
			peak = kb << 10
		}
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kb); err == nil {
			now = kb << 10
		}
	}
	return peak, now
}

// TestIdleQueues measures the cost of an idle queue, and the time to start
// with many.
func TestIdleQueues(t *testing.T) {
	count := broker.QueueID(5000)
	if n, err := strconv.ParseUint(os.Getenv("HOOFBEAT_QUEUES"), 10, 64); err == nil {
		count = broker.QueueID(n)
	}
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for id := range count {
		d := storetest.Queue(t, fmt.Sprintf("inbox.user-%d", id))
		b := broker.Batch{storetest.Describe(id+1, d)}
		for n := range uint64(10) {
			b = append(b, storetest.Put(id+1, storetest.Seq(n+1), storetest.Message(d, strings.Repeat("x", 128))))
		}
		s.Apply(b, nil)
	}
	storetest.Apply(t, s)
	mustClose(t, s)
	before := heap()
	start := time.Now()
	s = mustOpen(t, dir, Options{})
	opened := time.Since(start)
	loaded := 0
	if _, err := s.Load(func(broker.StoredQueue) error { loaded++; return nil }); err != nil || loaded != int(count) {
		t.Errorf("%d queues are loaded, error %v", loaded, err)
	}
	took := time.Since(start)
	// Pebble's own memory is the same with and without queues.
	s.state.Lock()
	each := heap()
	s.queues = nil
	each = (each - heap()) / uint64(count)
	s.state.Unlock()
	t.Logf("%d queues: open %s, load %s, %d bytes on the heap each, %d MiB for all", count, opened, took-opened, each, (heap()-before)>>20)
	if each > 1024 {
		t.Errorf("each queue takes %d bytes", each)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
