package broker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A sender is a client that sends one thing after the other, and counts how
// often it tries.
type sender struct {
	p            *Publisher
	tries, taken int
	end          chan struct{} // closed when it is not to wait any more
}

// try sends until it is taken; false says that it was ended before.
func (s *sender) try(send func(p *Publisher) <-chan struct{}) bool {
	defer s.p.Close()
	for {
		s.tries++
		wait := send(s.p)
		if wait == nil {
			s.taken++
			return true
		}
		select {
		case <-wait:
		case <-s.end:
			return false
		}
	}
}

func (x *tester) sender() *sender {
	return &sender{p: x.b.NewPublisher(), end: make(chan struct{})}
}

// Senders that wait for different amounts of room try again only when their
// own message fits.
func TestBlockDoesNotSpin(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {MaxMessages: 100, MaxBytes: 100_000, Overflow: BlockSender}})
		x.send("/queue/q", strings.Repeat(strings.Repeat("y", 1200)+" ", 60))
		large, many := x.sender(), x.sender()
		var wg sync.WaitGroup
		wg.Go(func() {
			large.try(func(p *Publisher) <-chan struct{} {
				return p.Send(x.message("/queue/q", strings.Repeat("x", 20_000)), nil)
			})
		})
		wg.Go(func() {
			tx := many.p.Begin()
			for range 50 {
				tx.Send(x.message("/queue/q", "t"))
			}
			many.try(func(*Publisher) <-chan struct{} { return tx.Commit(nil) })
		})
		pass(time.Hour)
		if large.tries != 1 || many.tries != 1 {
			t.Errorf("with nothing taken out, they tried %d and %d times", large.tries, many.tries)
		}
		p := x.subscribe("/queue/q", AckClientIndividual, 1)
		synctest.Wait()
		for n := 0; large.taken+many.taken < 2 && n < 200; n++ {
			x.must(p.sub.Ack(p.delivery(p.count()-1).tag, nil))
			synctest.Wait()
		}
		wg.Wait()
		if large.tries != 2 || many.tries != 2 {
			t.Errorf("they tried %d and %d times", large.tries, many.tries)
		}
	})
}

// First come, first served: small messages do not keep a large one out.
func TestBlockIsFair(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {MaxBytes: 10_000, Overflow: BlockSender}})
		stop := make(chan struct{})
		var wg sync.WaitGroup
		small := func() {
			s := x.sender()
			s.end = stop
			for s.try(func(p *Publisher) <-chan struct{} { return p.Send(x.message("/queue/q", "small"), nil) }) {
				select {
				case <-stop:
					return
				default:
				}
			}
		}
		for range 3 {
			wg.Go(small)
		}
		synctest.Wait()
		large := x.sender()
		wg.Go(func() {
			large.try(func(p *Publisher) <-chan struct{} {
				return p.Send(x.message("/queue/q", strings.Repeat("x", 9_000)), nil)
			})
		})
		p := x.subscribe("/queue/q", AckClientIndividual, 1)
		n := 0
		synctest.Wait()
		for ; large.taken == 0 && n < 500; n++ {
			x.must(p.sub.Ack(p.delivery(p.count()-1).tag, nil))
			synctest.Wait()
		}
		if large.taken != 1 || n > 100 || large.tries > 3 {
			t.Errorf("the large message was taken %d times in %d tries, after %d others", large.taken, large.tries, n)
		}
		close(stop)
		wg.Wait()
	})
}

// A sender that goes keeps no room from others, whether it was called or not.
func TestBlockWithoutTheFirst(t *testing.T) {
	for _, called := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			x := newTesterWith(t, Options{Policies: rules(t, map[string]Policy{"/queue/q": {MaxMessages: 1, Overflow: BlockSender}})})
			x.send("/queue/q", "1")
			gone, next := x.b.NewPublisher(), x.b.NewPublisher()
			if gone.Send(x.message("/queue/q", "2"), nil) == nil {
				t.Fatal("it was taken")
			}
			wait := next.Send(x.message("/queue/q", "3"), nil)
			p := x.subscribe("/queue/q", AckClientIndividual, 1)
			if called {
				p.ack("1")
				gone.Close()
			} else {
				gone.Close()
				p.ack("1")
			}
			<-wait
			if next.Send(x.message("/queue/q", "3"), nil) != nil {
				t.Fatal("there is no room")
			}
			p.arrived("1 3")
		})
	}
}

// A transaction that makes room for its own messages does not wait behind
// senders that wait for that room.
func TestBlockNotBehindItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTesterWith(t, Options{Policies: rules(t, map[string]Policy{"/queue/q": {MaxMessages: 2, Overflow: BlockSender}})})
		x.send("/queue/q", "1 2")
		p := x.subscribe("/queue/q", AckClientIndividual, 9)
		p.arrived("1 2")
		other := x.b.NewPublisher()
		wait := other.Send(x.message("/queue/q", "other"), nil)
		tx := x.p.Begin()
		x.must(tx.Ack(p.sub, p.tag("1")))
		tx.Send(x.message("/queue/q", "3"))
		if tx.Commit(nil) != nil {
			t.Fatal("it waits for room that nobody else makes")
		}
		p.arrived("3")
		p.ack("2")
		<-wait
		if other.Send(x.message("/queue/q", "other"), nil) != nil {
			t.Error("there is no room")
		}
	})
}

// Senders to several full queues wait without keeping room from each other, and
// all get through.
func TestBlockOfSeveralQueues(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/*": {MaxMessages: 2, Overflow: BlockSender}, "/topic/a": {MaxMessages: 2, Overflow: BlockSender}})
		names := []string{"/queue/a", "/queue/b", "/queue/c"}
		var readers []*peer
		for _, name := range names {
			readers = append(readers, x.subscribe(name, AckClientIndividual, 1))
		}
		readers = append(readers, x.attach("one", "/topic/a", AckClientIndividual), x.attach("two", "/topic/a", AckClientIndividual))
		const each = 30
		all := make([]*sender, 4)
		var wg sync.WaitGroup
		for i := range all {
			all[i] = x.sender()
			wg.Go(func() {
				for n := range each {
					tx := all[i].p.Begin()
					body := fmt.Sprintf("%d.%d", i, n)
					tx.Send(x.message(names[(i+n)%3], body))
					tx.Send(x.message(names[(i+n+1+n%2)%3], body))
					tx.Send(x.message("/topic/a", body))
					all[i].try(func(*Publisher) <-chan struct{} { return tx.Commit(nil) })
					all[i].try(func(p *Publisher) <-chan struct{} { return p.Send(x.message("/topic/a", body), nil) })
				}
			})
		}
		acked := make([]int, len(readers))
		for idle := 0; idle < 3; idle++ {
			synctest.Wait()
			for i, r := range readers {
				for ; acked[i] < r.count(); acked[i]++ {
					x.must(r.sub.Ack(r.delivery(acked[i]).tag, nil))
					idle = 0
				}
			}
		}
		for i, s := range all {
			if s.taken != 2*each || s.tries > 40*each {
				t.Errorf("%d: %d of %d were taken, in %d tries", i, s.taken, 2*each, s.tries)
			}
			close(s.end)
		}
		wg.Wait()
	})
}

// Senders are called in the order in which they came, as room comes, and nobody has
// room that was promised to another. The model is a list.
func TestWaitingLine(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 9))
		const limit = 20
		l, used := &waitingLine{}, 0
		fits := func(more Extent) bool { return used+more.Count <= limit }
		ever := func(x Extent) bool { return x.Count <= limit }
		var line, called []*waiter
		for range 500 {
			switch r.IntN(5) {
			case 0, 1:
				w := &waiter{want: Extent{Count: 1 + r.IntN(limit+2)}}
				if l.lets(w.want, fits) != (len(line) == 0 && sum(called)+used+w.want.Count <= limit) {
					t.Fatalf("seed %d: a sender passes the line", seed)
				}
				l.enter(w)
				line = append(line, w)
			case 2:
				used = r.IntN(limit + 1)
			case 3:
				if len(called) == 0 {
					continue
				}
				i := r.IntN(len(called))
				w := called[i]
				called = slices.Delete(called, i, i+1)
				if r.IntN(3) == 0 { // others took its room
					l.enter(w)
					line = slices.Insert(line, 0, w)
				} else {
					l.leave(w)
				}
			default:
				if len(line) == 0 {
					continue
				}
				i := r.IntN(len(line))
				l.leave(line[i])
				line = slices.Delete(line, i, i+1)
			}
			l.callNext(fits, ever)
			for len(line) > 0 && (!ever(line[0].want) || used+sum(called)+line[0].want.Count <= limit) {
				called = append(called, line[0])
				line = line[1:]
			}
			for i, w := range line {
				if w.called {
					t.Fatalf("seed %d: the sender at place %d is called", seed, i)
				}
			}
			for _, w := range called {
				select {
				case <-w.ready:
				default:
					t.Fatalf("seed %d: a sender is not called", seed)
				}
			}
			if l.room.Count != sum(called) || l.empty() != (len(line)+len(called) == 0) {
				t.Fatalf("seed %d: room for %d is promised, want %d", seed, l.room.Count, sum(called))
			}
		}
		l.callAll()
		if l.list.Len() != 0 || l.called != len(line)+len(called) {
			t.Errorf("seed %d: %d are in line when all were called", seed, l.list.Len())
		}
	}
}

func sum(all []*waiter) (n int) {
	for _, w := range all {
		n += w.want.Count
	}
	return n
}
