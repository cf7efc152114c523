package broker

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/destination"
)

// checkQueues looks at the invariants of all queues, by walking their lists.
func checkQueues(tb testing.TB, b *Broker) {
	tb.Helper()
	all := b.queues.all()
	for q := range b.queues.passing.Range {
		all = append(all, q.(*queue))
	}
	for _, q := range all {
		q.mu.Lock()
		err := q.check()
		if err == nil && !q.gone {
			err = q.checkLists()
		}
		q.mu.Unlock()
		if err != nil {
			tb.Errorf("%s: %v", q.dest, err)
		}
	}
	checkAccounts(tb, b)
	if n := b.Stats().Faults.Load(); n > 0 {
		tb.Errorf("%d queues have faults", n)
	}
}

// checkLists is the part of check that takes a walk: sizes and orders. The
// lock is held.
func (q *queue) checkLists() error {
	var listed int
	for _, l := range q.backlog.lanes {
		size, err := l.checkOrder()
		if err != nil {
			return fmt.Errorf("priority %d: %w", l.priority, err)
		}
		listed += size + l.behind.Size
	}
	indexed := 0
	for _, p := range q.backlog.piles() {
		size, mortal, err := p.check()
		if err != nil {
			return err
		}
		listed += size
		indexed += mortal
	}
	if indexed != len(q.backlog.index.expiries.items) {
		return fmt.Errorf("%d messages in piles expire, and the index has %d", indexed, len(q.backlog.index.expiries.items))
	}
	listed += q.backlog.delayed.behind.Size
	if listed > q.size || q.held+q.taken == 0 && listed != q.size {
		return fmt.Errorf("it counts %d bytes, and its lists hold %d", q.size, listed)
	}
	return nil
}

// check gives the bytes in the pile, and how many of it expire.
func (p *pile) check() (size, mortal int, err error) {
	for _, r := range []*ranking{&p.stored, &p.loose} {
		sum := 0
		for i, it := range r.items {
			switch {
			case it.place != i || it.home != r || i > 0 && r.Less(i, (i-1)/2):
				return 0, 0, fmt.Errorf("a pile is in no order at %d", i)
			case it.stored() != (r == &p.stored):
				return 0, 0, fmt.Errorf("message %d is in the wrong part of a pile", it.seq)
			case (it.expiry >= 0) != (it.expires != 0) || it.expiry >= 0 && p.index.expiries.items[it.expiry] != it:
				return 0, 0, fmt.Errorf("message %d is not where the index of expiry has it", it.seq)
			}
			if it.expiry >= 0 {
				mortal++
			}
			sum += it.msg.Size()
		}
		if sum != r.size {
			return 0, 0, fmt.Errorf("a pile counts %d bytes, and has %d", r.size, sum)
		}
		size += sum
	}
	return size, mortal, nil
}

// checkOrder gives the bytes in memory.
func (l *lane) checkOrder() (size int, err error) {
	stored := 0
	for _, d := range []*deque[entry]{&l.window, &l.loose} {
		last := uint64(0)
		for i := range d.len() {
			e := d.at(i)
			if e.seq <= last || e.msg.priority != l.priority {
				return 0, fmt.Errorf("message %d of priority %d comes after %d", e.seq, e.msg.priority, last)
			}
			last = e.seq
			size += e.msg.Size()
			if e.stored() {
				stored += e.msg.Size()
			}
		}
	}
	switch {
	case stored != l.loaded:
		return 0, fmt.Errorf("it counts %d bytes as loaded, and has %d", l.loaded, stored)
	case l.behind.Count < 0, l.behind.Size < 0, l.behind.Count == 0 && l.behind.Size != 0:
		return 0, fmt.Errorf("%+v are behind", l.behind)
	}
	return size, nil
}

// Messages that come after a purge are not taken for purged ones, wherever
// those were.
func TestPurgeDelayed(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {MaxMessages: 20, Overflow: DropHead}})
		p := x.subscribe("/queue/q", AckClientIndividual, 10)
		for i := range 5 {
			x.p.Send(later(x, "/queue/q", fmt.Sprint("old", i), 5*time.Second), nil)
		}
		synctest.Wait()
		if n, err := x.b.Purge(x.ctx(), readDestination(t, "/queue/q", alice)); n != 5 || err != nil {
			t.Errorf("%d were purged, error %v", n, err)
		}
		checkQueues(t, x.b)
		x.send("/queue/q", "a b c d e")
		x.p.Send(later(x, "/queue/q", "f", 5*time.Second), nil)
		p.arrived("a b c d e")
		if d, _ := x.b.Depth(readDestination(t, "/queue/q", alice)); d != (Depth{Unacked: 5, Delayed: 1}) {
			t.Errorf("6 were sent: %+v", d)
		}
		checkQueues(t, x.b)
		p.ack("a")
		p.sub.Unsubscribe()
		pass(time.Minute)
		x.subscribe("/queue/q", AckClientIndividual, 10).arrived("b#2 c#2 d#2 e#2 f")
		if n := x.b.Stats().DroppedFor(DropMissing); n != 0 {
			t.Errorf("%d are said to be missing", n)
		}
	})
}

// A wrong count removes no queue, and takes nothing out of the store.
func TestLostCountDeletesNothing(t *testing.T) {
	spoil := map[string]func(q *queue){
		"Fewer":    func(q *queue) { q.count, q.size = q.count-1, q.size-q.size/3 },
		"InStep":   func(q *queue) { l := q.backlog.lanes[0]; q.count--; l.behind.Count--; l.learning = false },
		"Negative": func(q *queue) { q.count -= 9 },
	}
	for name, f := range spoil {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &Memory{}
				b, err := New(Options{Store: store, Policies: durably, window: 1})
				if err != nil {
					t.Fatal(err)
				}
				x := &tester{TB: t, b: b, p: b.NewPublisher()}
				x.send("/queue/q", "1 2 3")
				synctest.Wait()
				q := b.queues.lookup(readDestination(t, "/queue/q", alice).Key())
				q.mu.Lock()
				f(q)
				q.mu.Unlock()
				p := x.subscribe("/queue/q", AckClientIndividual, 2)
				synctest.Wait()
				p.ack("1 2")
				synctest.Wait()
				p.sub.Unsubscribe()
				synctest.Wait()
				b.queues.vanish(q)
				synctest.Wait()
				if n := store.Len(); n != 1 {
					t.Errorf("the store has %d messages, want 1", n)
				}
				if name != "InStep" && b.Stats().Faults.Load() != 1 {
					t.Errorf("%d faults were counted", b.Stats().Faults.Load())
				}
				b.Close()
				again := newTester(t, store) // counts anew
				p = again.subscribe("/queue/q", AckClientIndividual, 9)
				synctest.Wait()
				if n := p.count(); n != 1 || string(p.got[0].msg.Body()) != "3" {
					t.Errorf("%d messages are left: %v", n, p.got)
				}
			})
		})
	}
}

// A durable subscription that is deleted while messages move out of it leaves
// no count behind, and each message is counted once.
func TestDeleteWhileMoving(t *testing.T) {
	for _, fits := range []int{0, 2} {
		synctest.Test(t, func(t *testing.T) {
			x := newTesterWith(t, Options{Store: &Memory{}, Policies: rules(t, map[string]Policy{"/queue/to": {Durable: true, MaxMessages: fits}})})
			d := destination.DurableSubscription("alice", "c", "n")
			x.must(x.b.MakeDurable(d, readDestination(t, "/topic/a", alice), nil))
			x.send("/topic/a", "1 2 3 4 5")
			synctest.Wait()
			q := x.b.queues.lookup(d.Key())
			q.mu.Lock()
			q.takers++
			q.unlock()
			some, err := q.take(context.Background(), 4)
			if len(some) != 4 || err != nil {
				t.Fatalf("took %d, error %v", len(some), err)
			}
			x.must(x.b.DeleteDurable(d, nil))
			n, _ := q.transfer(some, x.b.queues, readDestination(t, "/queue/to", alice), nil)
			if want := map[int]int{0: 4, 2: 2}[fits]; n != want {
				t.Errorf("%d moved, want %d", n, want)
			}
			q.mu.Lock()
			if q.count != 0 || q.size < 0 || q.taken != 0 || q.stored != 0 || q.told != 0 {
				t.Errorf("the queue that is gone counts %d messages, %d taken, %d bytes stored", q.count, q.taken, q.stored)
			}
			q.mu.Unlock()
			synctest.Wait()
			x.wantDepth("/queue/to", n, 0)
			checkBooks(t, x.b)
		})
	}
}

// Messages that have become visible are not read again when the clock is set
// back and messages come that are due before them.
func TestClockBackDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		offset := time.Duration(0)
		store := &Memory{}
		x := newTesterWith(t, Options{Store: store, Policies: durably, window: 2, Clock: func() time.Time { return time.Now().Add(offset) }})
		p := x.subscribe("/queue/q", AckClientIndividual, 100)
		x.p.Send(later(x, "/queue/q", "first", time.Hour), nil)
		pass(time.Hour)
		p.arrived("first")
		offset = -time.Hour
		for i := range 20 {
			x.p.Send(later(x, "/queue/q", fmt.Sprint(i), time.Duration(40-i)*time.Minute), nil)
		}
		synctest.Wait()
		if n, err := x.b.Purge(x.ctx(), readDestination(t, "/queue/q", alice)); n != 20 || err != nil {
			t.Errorf("%d were purged, error %v", n, err)
		}
		for i := range 20 {
			x.p.Send(later(x, "/queue/q", fmt.Sprint(i), time.Duration(40-i)*time.Minute), nil)
		}
		synctest.Wait()
		if n := store.Len(); n != 21 {
			t.Errorf("the store has %d messages, want 21", n)
		}
		for range 30 {
			pass(10 * time.Minute)
			checkQueues(t, x.b)
		}
		if n := p.count(); n != 21 {
			t.Errorf("%d were delivered, want 21", n)
		}
		x.wantDepth("/queue/q", 0, 21)
	})
}
