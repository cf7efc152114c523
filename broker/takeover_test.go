package broker

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"hoofbeat/destination"
)

// A claimant is a subscriber that takes its durable subscription over.
type claimant struct {
	*peer
	lost atomic.Int64 // how often it was taken over
}

// claim attaches one, as alice.
func (x *tester) claim(name string, ack AckMode, prefetch int) *claimant {
	x.Helper()
	c := &claimant{}
	c.peer = x.subscribeWith(newRecorder(), SubscribeOptions{
		Destination: readDestination(x, "/topic/a", alice), Durable: destination.DurableSubscription("alice", "c", name), Ack: ack, Prefetch: prefetch,
		TakenOver: func() { c.lost.Add(1) },
	})
	return c
}

// Unacknowledged messages of the old subscriber go to the new one, in order,
// and count as no failure; the old one gets nothing more, and is told once.
func TestTakeover(t *testing.T) {
	for _, ack := range []AckMode{AckAuto, AckClient, AckClientIndividual} {
		t.Run(ack.String(), func(t *testing.T) {
			bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
				x := start(map[string]Policy{"/topic/**": {MaxDeliveries: 1}})
				old := x.claim("s", ack, 3)
				x.send("/topic/a", "1 2 3 4 5")
				old.arrived("1 2 3")
				if ack == AckClientIndividual {
					old.ack("2")
					old.arrived("4")
				}
				for range 3 {
					next := x.claim("s", ack, 9)
					if old.lost.Load() != 1 || next.lost.Load() != 0 {
						t.Fatalf("the old one was told %d times, the new one %d times", old.lost.Load(), next.lost.Load())
					}
					before := old.count()
					synctest.Wait()
					want := []string{"1", "2", "3", "4", "5"}
					if ack == AckClientIndividual {
						want = []string{"1", "3", "4", "5"}
					}
					if next.count() != len(want) || old.count() != before {
						t.Fatalf("the new one got %v", next.got)
					}
					for i, body := range want {
						if got := string(next.got[i].msg.Body()); got != body {
							t.Errorf("got %v", next.got)
						}
					}
					if ack != AckAuto {
						x.wantLate(old.sub.Ack(old.tag("1"), nil))
					}
					old.sub.Unsubscribe()
					old.sub.ConnectionLost()
					old = next
				}
				if n := x.b.Stats().Subscriptions.Load(); n != 1 {
					t.Errorf("there are %d subscriptions", n)
				}
				if n := x.b.Stats().Exhausted.Load(); n != 0 {
					t.Errorf("%d messages are dead", n)
				}
				old.sub.Unsubscribe()
				x.must(x.b.DeleteDurable(destination.DurableSubscription("alice", "c", "s"), nil))
			})
		})
	}
}

// Messages acknowledged in an open transaction stay with it.
func TestTakeoverOfClaims(t *testing.T) {
	x := newTester(t, nil)
	old := x.claim("s", AckClientIndividual, 9)
	x.send("/topic/a", "1 2 3 4")
	tx, aborted := x.p.Begin(), x.p.Begin()
	x.must(tx.Ack(old.sub, old.tag("2")))
	x.must(aborted.Ack(old.sub, old.tag("3")))
	next := x.claim("s", AckClientIndividual, 9)
	next.want("1#2 4#2")
	d := destination.DurableSubscription("alice", "c", "s")
	if err := x.b.ReclaimDurable(d, nil); !errors.Is(err, ErrQueueInUse) {
		t.Errorf("error is %v", err)
	}
	tx.Commit(nil)
	aborted.Abort()
	if next.lost.Load() != 1 {
		t.Error("it was not told")
	}
	last := x.claim("s", AckClientIndividual, 9)
	last.want("1#3 3#2 4#3")
	x.must(x.b.ReclaimDurable(d, nil))
	x.wantSize(0, 0)
}

// With durable_sharing, and where a subscriber does not ask for it, nobody is
// taken over.
func TestNoTakeover(t *testing.T) {
	x := newTester(t, nil)
	x.b.SetPolicies(rules(t, map[string]Policy{"/topic/**": {DurableSharing: true}}))
	one, two := x.claim("s", AckClientIndividual, 1), x.claim("s", AckClientIndividual, 1)
	d := destination.DurableSubscription("alice", "c", "s")
	if err := x.b.ReclaimDurable(d, nil); !errors.Is(err, ErrQueueInUse) {
		t.Errorf("error is %v", err)
	}
	x.send("/topic/a", "1 2")
	one.want("1")
	two.want("2")
	x.b.SetPolicies(Policies{})
	x.attach("s", "/topic/a", AckClientIndividual)
	if one.lost.Load()+two.lost.Load() != 0 {
		t.Error("one was taken over by a subscriber that does not do that")
	}
	x.must(x.b.ReclaimDurable(d, nil))
	if one.lost.Load() != 1 || two.lost.Load() != 1 {
		t.Error("they were not told")
	}
	x.wantSize(0, 0)
}

// Many take over, leave and delete at once: each is told at most once, and at
// most one is left.
func TestConcurrentTakeovers(t *testing.T) {
	x := newTester(t, nil)
	var all sync.WaitGroup
	claims := make([]*claimant, 50)
	for i := range claims {
		all.Go(func() {
			claims[i] = x.claim("s", AckMode(i%3), 1+i%5)
			switch i % 5 {
			case 1:
				claims[i].sub.ConnectionLost()
			case 2:
				_ = x.b.ReclaimDurable(destination.DurableSubscription("alice", "c", "s"), nil) // another may be there already
			case 3:
				p := x.b.NewPublisher()
				p.Send(x.message("/topic/a", fmt.Sprint(i)), nil)
			}
		})
	}
	all.Wait()
	left := 0
	for _, c := range claims {
		if n := c.lost.Load(); n > 1 {
			t.Errorf("one was told %d times", n)
		}
		if !c.sub.closed.Load() {
			left++
		}
	}
	if n := x.b.Stats().Subscriptions.Load(); left > 1 || int(n) != left {
		t.Errorf("%d are left, and %d counted", left, n)
	}
	for _, c := range claims {
		c.sub.Unsubscribe()
	}
	if err := x.b.DeleteDurable(destination.DurableSubscription("alice", "c", "s"), nil); err != nil && !errors.Is(err, ErrNoSubscription) {
		t.Error(err)
	}
	x.wantSize(0, 0)
}
