package broker

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/destination"
	"hoofbeat/internal/memory"
)

// stubs is how many deliveries of a subscription have no body.
func (p *peer) stubs() (n int) {
	c := p.sub.consumer
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	for i := range c.held.len() {
		if d := c.held.at(i); d.settle != settled && d.msg.bodiless() {
			n++
		}
	}
	return n
}

// holder returns a tester with consumers that hold next to nothing in memory.
func holder(t *testing.T, s Store, all map[string]Policy) *tester {
	for match, p := range all {
		p.Durable = true
		all[match] = p
	}
	return newTesterWith(t, Options{Store: s, Policies: rules(t, all), held: 1, window: 3})
}

func (p *peer) written() { p.sub.Written(uint64(p.count())) }

// A client may collect far more than its account allows before its first ACK:
// written messages leave memory, and come back in order when the client is
// gone.
func TestHeldBodiesLeaveMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages, limit = 100, 1 << 20
		x := newTester(t, &Memory{})
		account := memory.New(0).Open(limit, nil)
		d := readDestination(t, "/queue/q", alice)
		p := x.subscribeWith(newRecorder(), SubscribeOptions{Destination: d, Ack: AckClientIndividual, Prefetch: 65535, Account: account})
		for i := range messages {
			x.send("/queue/q", fmt.Sprint(i, strings.Repeat("x", limit/10)))
			p.written()
			if n := account.Used(); n > limit {
				t.Fatalf("the account is charged with %d bytes", n)
			}
		}
		x.wantDepth("/queue/q", 0, messages)
		if n := p.stubs(); n < messages-10 {
			t.Errorf("%d of %d deliveries left memory", n, messages)
		}
		tag := uint64(0)
		for range messages / 2 {
			tag++
			x.must(p.sub.Ack(tag, nil))
		}
		p.sub.Unsubscribe()
		if n := account.Used(); n != 0 {
			t.Errorf("the account is charged with %d bytes at the end", n)
		}
		r := newRecorder()
		x.subscribeWith(r, SubscribeOptions{Destination: d, Ack: AckClient, Prefetch: 65535})
		synctest.Wait()
		for i, d := range r.got {
			if want := fmt.Sprint(i+messages/2, "x"); !strings.HasPrefix(string(d.msg.Body()), want) || d.attempt != 2 {
				t.Fatalf("%.9s came at %d as attempt %d", d.msg.Body(), i, d.attempt)
			}
		}
		if n := len(r.got); n != messages/2 {
			t.Errorf("%d came again", n)
		}
	})
}

// Bodies that wait to be written stay, and those of messages that no Store keeps.
func TestBodiesThatStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := holder(t, &Memory{}, nil)
		p := x.subscribe("/queue/q", AckClientIndividual, 99)
		m := x.message("/queue/q", "0")
		m.transient = true
		x.p.Send(m, nil)
		x.send("/queue/q", "1 2 3")
		if n := p.stubs(); n != 0 {
			t.Errorf("%d bodies left before they were written", n)
		}
		p.sub.Written(p.tag("2"))
		if n := p.stubs(); n != 2 {
			t.Errorf("%d bodies left", n)
		}
		p.arrived("0 1 2 3")
		p.ack("0 1 2 3")
		x.wantDepth("/queue/q", 0, 0)
	})
}

// With a receipt, a NACK is answered when the message is where it goes, also if
// its body must be read for that: dead, or delayed.
func TestRefusedWithoutBody(t *testing.T) {
	for name, tc := range map[string]struct {
		policy  Policy
		requeue bool
		after   string // in the dead letter queue
		late    string // in the queue, a minute later
	}{
		"rejected": {Policy{DeadLetter: toDead(t)}, false, "1 2 3", ""},
		"failed":   {Policy{MaxDeliveries: 1, DeadLetter: toDead(t)}, true, "1 2 3", ""},
		"delayed":  {Policy{RedeliveryDelay: Backoff{Initial: time.Minute, Multiplier: 1}}, true, "", "1#2 2#2 3#2"},
		"dropped":  {Policy{}, false, "", ""},
	} {
		for _, inTransaction := range []bool{false, true} {
			t.Run(fmt.Sprint(name, inTransaction), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := &lazyStore{}
					x := holder(t, store, map[string]Policy{"/queue/q": tc.policy})
					p := x.subscribe("/queue/q", AckClient, 99)
					x.send("/queue/q", "1 2 3")
					p.written()
					p.arrived("1 2 3")
					var done counter
					store.release(true)
					if inTransaction {
						tx := x.p.Begin()
						x.must(tx.Nack(p.sub, p.tag("3"), tc.requeue))
						tx.Commit(done.done)
					} else {
						x.must(p.sub.Nack(p.tag("3"), tc.requeue, done.done))
					}
					synctest.Wait()
					done.want(t, 0, nil)
					for range 9 { // a page, a batch, and the next one
						store.release(true)
						synctest.Wait()
					}
					done.want(t, 1, nil)
					store.release(false)
					dead := x.subscribe("/queue/dead", AckClient, 9)
					dead.arrived(tc.after)
					p.arrived("")
					pass(time.Minute + time.Second)
					p.arrived(tc.late)
					p.sub.Unsubscribe()
				})
			})
		}
	}
}

// A page that cannot be read is asked for again, for those that come again and for
// those that go elsewhere.
func TestBodiesCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &damagedStore{}
		x := holder(t, store, map[string]Policy{"/queue/q": {DeadLetter: toDead(t)}})
		p := x.subscribe("/queue/q", AckClientIndividual, 99)
		x.send("/queue/q", "1 2 3")
		p.arrived("1 2 3")
		p.written()
		store.broken.Store(true)
		var done counter
		x.must(p.sub.Nack(p.tag("1"), false, done.done))
		x.must(p.sub.Nack(p.tag("2"), true, nil))
		p.arrived("")
		done.want(t, 0, nil)
		if n := x.b.Stats().ReadErrors.Load(); n != 2 {
			t.Errorf("%d pages could not be read", n)
		}
		store.broken.Store(false)
		pass(3 * time.Second)
		p.arrived("2#2")
		done.want(t, 1, nil)
		x.wantDepth("/queue/dead", 1, 0)
	})
}

// A message that the Store has lost meanwhile is missed, and holds up nobody.
func TestBodiesLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &Memory{}
		x := holder(t, store, map[string]Policy{
			"/queue/q": {DeadLetter: toDead(t)}, "/queue/late": {RedeliveryDelay: Backoff{Initial: time.Minute, Multiplier: 1}}})
		p, late := x.subscribe("/queue/q", AckClientIndividual, 99), x.subscribe("/queue/late", AckClientIndividual, 9)
		x.send("/queue/q", "1 2 3 4")
		x.send("/queue/late", "1 2")
		p.arrived("1 2 3 4")
		late.arrived("1 2")
		p.written()
		late.written()
		for _, text := range []string{"/queue/q", "/queue/late"} {
			q := x.b.queues.lookup(readDestination(t, text, alice).Key())
			for seq := range uint64(2) {
				store.Apply(Batch{{Kind: Delete, Queue: q.id, At: Position{Lane: LaneOf(DefaultPriority), Seq: seq + 1}}}, nil)
			}
		}
		var done counter
		x.must(p.sub.Nack(p.tag("1"), false, done.done))
		x.must(p.sub.Nack(p.tag("2"), true, nil))
		x.must(p.sub.Nack(p.tag("3"), true, nil))
		x.must(late.sub.Nack(late.tag("1"), true, done.done))
		p.arrived("3#2")
		done.want(t, 2, nil)
		if n := x.b.Stats().DroppedFor(DropMissing); n != 2 {
			t.Errorf("%d are missing", n)
		}
		x.wantDepth("/queue/dead", -1, 0)
		x.wantDepth("/queue/late", 0, 1)
		late.sub.Unsubscribe()
	})
}

// Another client that takes a durable subscription over gets the messages in order,
// and one that is deleted leaves nothing.
func TestTakeoverWithoutBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &lazyStore{}
		x := holder(t, store, map[string]Policy{"/topic/**": {RedeliveryDelay: Backoff{Initial: time.Minute, Multiplier: 1}}})
		old := x.claim("s", AckClientIndividual, 9)
		x.send("/topic/a", "1 2 3 4 5")
		old.arrived("1 2 3 4 5")
		old.written()
		next := x.claim("s", AckClientIndividual, 9)
		next.arrived("1#2 2#2 3#2 4#2 5#2")
		next.written()
		store.release(true)
		var done counter
		x.must(next.sub.Nack(next.tag("1"), true, done.done))
		next.sub.Unsubscribe()
		x.must(x.b.DeleteDurable(destination.DurableSubscription("alice", "c", "s"), nil))
		store.release(false)
		synctest.Wait()
		done.want(t, 1, nil)
		if n := store.Len(); n != 0 {
			t.Errorf("the store has %d messages", n)
		}
	})
}

// The parts of an outcome are one to its waiter, which learns of the first
// error.
func TestJoin(t *testing.T) {
	one, two := errors.New("one"), errors.New("two")
	for _, tc := range []struct {
		errs []error
		want error
	}{{nil, nil}, {[]error{nil}, nil}, {[]error{one}, one}, {[]error{nil, one, two}, one}, {[]error{nil, nil}, nil}} {
		var done counter
		f := join(len(tc.errs), done.done)
		for _, err := range tc.errs {
			if done.calls != 0 {
				t.Errorf("%v: called early", tc.errs)
			}
			f(err)
		}
		done.want(t, 1, tc.want)
	}
	if join(2, nil) != nil {
		t.Error("nobody waits")
	}
}

// A damagedStore cannot read while it is broken.
type damagedStore struct {
	Memory
	broken atomic.Bool
}

func (s *damagedStore) Read(r Range, f func(Page)) {
	s.Memory.Read(r, func(p Page) {
		if s.broken.Load() {
			p = Page{Err: errors.New("input/output error")}
		}
		f(p)
	})
}

// The receipt of an outcome with messages for several dead letter queues
// waits for all of them, also if the last one is in memory only.
func TestOutcomeWaitsForAllDeadLetterQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &lazyStore{}
		x := newTesterWith(t, Options{Store: store, Policies: rules(t, map[string]Policy{
			"/queue/q": {Durable: true, TTL: time.Minute, DeadLetter: toDead(t)}, "/queue/loose": {}})})
		p := x.subscribe("/queue/q", AckClient, 9)
		x.send("/queue/q", "1 2")
		p.arrived("1 2")
		loose := readDestination(t, "/queue/loose", alice)
		q := p.sub.consumer.q
		store.release(true)
		var done counter
		q.mu.Lock()
		p.sub.consumer.settleLocked(1, rejected)
		reloaded := *q.policy
		reloaded.DeadLetter = loose
		q.policy = &reloaded
		p.sub.consumer.settleLocked(2, rejected)
		q.moveDead(q.settleUp(), done.done)
		synctest.Wait()
		done.want(t, 0, nil)
		store.release(false)
		synctest.Wait()
		done.want(t, 1, nil)
		x.wantDepth("/queue/dead", 1, 0)
		x.wantDepth("/queue/loose", 1, 0)
	})
}
