package storetest

import (
	"fmt"
	"math"
	"sync"
	"testing"

	"hoofbeat/broker"
)

// testLimits: a page has exactly the requested size, except the last one, which
// has End set.
func testLimits(t *testing.T, open func() broker.Store) {
	s := open()
	d := Queue(t, "a")
	Apply(t, s, Describe(1, d))
	size := Message(d, "12345").Size()
	for n := range uint64(10) {
		Apply(t, s, Put(1, Seq(n+1), Message(d, "12345")))
	}
	Apply(t, s, broker.Op{Kind: broker.Note, Queue: 1, At: Seq(10), State: broker.State{Attempts: 1}})
	Apply(t, s, Delete(Put(1, Seq(5), Message(d, "12345"))))
	for s := range twice(s, open) {
		Load(t, s)
		for _, c := range []struct {
			after          uint64
			messages, size int
			count          int
			end            bool
		}{
			{0, math.MaxInt, math.MaxInt, 9, true},
			{0, 3, math.MaxInt, 3, false},
			{0, 9, math.MaxInt, 9, true},
			{0, 8, math.MaxInt, 8, false},
			{0, math.MaxInt, size, 1, false},
			{0, math.MaxInt, 1, 1, false},
			{0, math.MaxInt, 3*size - 1, 2, false},
			{0, math.MaxInt, 3 * size, 3, false},
			{4, 1, math.MaxInt, 1, false},
			{5, 5, math.MaxInt, 5, true},
			{9, 1, 1, 1, true},
			{10, 1, 1, 0, true},
			{11, 1, 1, 0, true},
		} {
			p := ReadRange(t, s, broker.Range{Queue: 1, After: Seq(c.after), Messages: c.messages, Size: c.size})
			if len(p.Messages) != c.count || p.End != c.end {
				t.Errorf("behind %d, %d messages, %d bytes: got %d messages, end %v; want %d, %v", c.after, c.messages, c.size, len(p.Messages), p.End, c.count, c.end)
			}
			if c.after == 4 && p.Messages[0].At != Seq(6) {
				t.Errorf("behind %d is %v", c.after, p.Messages[0].At)
			}
		}
	}
}

// testReadAfterApply: a Read sees every batch applied before it, even if that
// is not done.
func testReadAfterApply(t *testing.T, open func() broker.Store) {
	s := open()
	d := Queue(t, "a")
	s.Apply(broker.Batch{Describe(1, d)}, nil)
	var wg sync.WaitGroup
	for n := range uint64(200) {
		s.Apply(broker.Batch{Put(1, Seq(n+1), Message(d, fmt.Sprint(n+1)))}, nil)
		if n >= 5 {
			s.Apply(broker.Batch{Delete(Put(1, Seq(n-4), Message(d, fmt.Sprint(n-4))))}, nil)
		}
		first := uint64(1)
		if n >= 5 {
			first = n - 3
		}
		wg.Add(1)
		s.Read(broker.Range{Queue: 1, After: Seq(first - 1), Messages: 5, Size: math.MaxInt}, func(p broker.Page) {
			defer wg.Done()
			// The page may reflect later batches, which delete at the front and
			// put at the end.
			if n := n + 1; p.Err != nil || len(p.Messages) == 0 || p.Messages[len(p.Messages)-1].At.Seq < n {
				t.Errorf("after %d was put: %s, error %v", n, bodies(p.Messages), p.Err)
			}
		})
	}
	wg.Wait()
	s.Apply(broker.Batch{Put(1, Seq(1000), Message(d, "last"))}, nil)
	wantLane(t, s, 1, plain, "196:196 197:197 198:198 199:199 200:200 1000:last ")
}

// testCallsBack: callbacks come in order, from a goroutine other than the
// caller's, with no lock held.
func testCallsBack(t *testing.T, open func() broker.Store) {
	s := open()
	d := Queue(t, "a")
	var mu sync.Mutex
	var order []int
	done := make(chan struct{})
	mu.Lock()
	for i := range 100 {
		b := broker.Batch{Put(1, Seq(uint64(i+1)), Message(d, "x"))}
		if i == 0 {
			b = append(broker.Batch{Describe(1, d)}, b...)
		}
		s.Apply(b, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			order = append(order, i)
			if i < 99 {
				return
			}
			s.Ready()
			s.Read(broker.Range{Queue: 1, After: Seq(0), Messages: 1, Size: 1}, func(p broker.Page) {
				mu.Lock()
				defer mu.Unlock()
				s.Apply(broker.Batch{Delete(Put(1, p.Messages[0].At, p.Messages[0].Message))}, func(error) { close(done) })
				s.Read(broker.Range{Queue: 1, Messages: 1, Size: 1}, func(broker.Page) {})
			})
		})
	}
	mu.Unlock()
	<-done
	for i, n := range order {
		if i != n {
			t.Fatalf("batches were done in the order %v", order)
		}
	}
}

// testConcurrent: each batch is done once, in order per goroutine. Batches are
// atomic.
func testConcurrent(t *testing.T, open func() broker.Store) {
	const writers, batches = 8, 200
	s := open()
	d := Queue(t, "a")
	var wg, all sync.WaitGroup
	for g := range broker.QueueID(writers) {
		mirror := g + writers + 1
		g++
		s.Apply(broker.Batch{Describe(g, d), Describe(mirror, d)}, nil)
		wg.Go(func() {
			last := 0 // guarded by the order of callbacks
			for i := 1; i <= batches; i++ {
				m := Message(d, fmt.Sprint(i))
				b := broker.Batch{Put(g, Seq(uint64(i)), m), Put(mirror, Seq(uint64(i)), m)}
				if old := i - 10; old > 0 {
					m := Message(d, fmt.Sprint(old))
					b = append(b, Delete(Put(g, Seq(uint64(old)), m)), Delete(Put(mirror, Seq(uint64(old)), m)))
				}
				all.Add(1)
				s.Apply(b, func(err error) {
					defer all.Done()
					if err != nil || i != last+1 {
						t.Errorf("batch %d is done after %d, error %v", i, last, err)
					}
					last = i
				})
			}
		})
	}
	wg.Wait()
	all.Wait()
	s = open()
	queues, _ := Load(t, s)
	if len(queues) != 2*writers {
		t.Errorf("%d queues, want %d", len(queues), 2*writers)
	}
	for _, q := range queues {
		wantLane(t, s, q.ID, plain, "191:191 192:192 193:193 194:194 195:195 196:196 197:197 198:198 199:199 200:200 ")
	}
}
