package broker

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/destination"
)

// attach subscribes durably under a name, as alice.
func (x *tester) attach(name, topic string, ack AckMode) *peer {
	x.Helper()
	return x.subscribeWith(newRecorder(), SubscribeOptions{
		Destination: readDestination(x, topic, alice), Durable: destination.DurableSubscription("alice", "c", name), Ack: ack, Prefetch: 9})
}

func TestDurableSubscription(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(nil)
		x.send("/topic/a.b", "before")
		p := x.attach("s", "/topic/a.*", AckClientIndividual)
		x.send("/topic/a.b", "1 2")
		p.arrived("1 2")
		p.ack("2")
		p.sub.Unsubscribe()
		x.wantSize(1, 1)
		x.send("/topic/a.c", "3")
		x.send("/topic/b.c", "other")
		p = x.attach("s", "/topic/a.*", AckClientIndividual)
		p.arrived("1#2 3")
		if d := p.got[1].msg.Destination(); d != "/topic/a.c" {
			t.Errorf("it was sent to %s", d)
		}
		again := x.attach("s", "/topic/a.*", AckClientIndividual) // shares
		x.send("/topic/a.c", "4 5")
		synctest.Wait()
		if n := p.count() + again.count(); n != 4 {
			t.Errorf("%d deliveries, want 4", n)
		}
		if _, err := x.b.Subscribe(SubscribeOptions{Destination: readDestination(t, "/topic/b", alice), Durable: destination.DurableSubscription("alice", "c", "s"), Sink: discard{}}); !errors.Is(err, ErrOtherTopic) {
			t.Errorf("error is %v", err)
		}
		if err := x.b.MakeDurable(destination.DurableSubscription("alice", "c", "s"), readDestination(t, "/topic/b", alice), nil); !errors.Is(err, ErrOtherTopic) {
			t.Errorf("error is %v", err)
		}
		d := destination.DurableSubscription("alice", "c", "s")
		if err := x.b.DeleteDurable(d, nil); !errors.Is(err, ErrQueueInUse) {
			t.Errorf("error is %v", err)
		}
		p.sub.Unsubscribe()
		again.sub.Unsubscribe()
		for _, other := range []destination.Destination{destination.DurableSubscription("bob", "c", "s"), destination.DurableSubscription("alice", "", "s"), destination.DurableSubscription("alice", "c", "t")} {
			if err := x.b.DeleteDurable(other, nil); !errors.Is(err, ErrNoSubscription) {
				t.Errorf("%s: error is %v", other, err)
			}
		}
		var deleted counter
		x.must(x.b.DeleteDurable(d, deleted.done))
		synctest.Wait()
		deleted.want(t, 1, nil)
		x.wantSize(0, 0)
	})
}

func TestDurableSubscriptionRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &Memory{}
		x := newTester(t, store)
		var made counter
		x.must(x.b.MakeDurable(destination.DurableSubscription("alice", "c", "s"), readDestination(t, "/topic/a/**", alice), made.done))
		synctest.Wait()
		made.want(t, 1, nil)
		x.send("/topic/a.b", "1")
		x.b.Close()

		x = newTester(t, store)
		x.send("/topic/a.b.c", "2")
		p := x.attach("s", "/topic/a.**", AckAuto)
		p.arrived("1 2")
		p.sub.Written(2)
		x.must(x.b.MakeDurable(destination.DurableSubscription("alice", "c", "s"), readDestination(t, "/topic/a/**", alice), made.done))
		synctest.Wait()
		made.want(t, 2, nil)
		if store.Len() != 0 {
			t.Errorf("%d messages are stored", store.Len())
		}
	})
}

// TestDurableIsDone: done comes when all durable subscriptions have it; if one
// is full, nobody gets it.
func TestDurableIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{}
		x := newTesterWith(t, Options{Store: s, Policies: rules(t, map[string]Policy{"/topic/t": {Durable: true, MaxMessages: 2}})})
		live := x.subscribe("/topic/t", AckAuto, 1)
		for _, name := range []string{"one", "two"} {
			x.must(x.b.MakeDurable(destination.DurableSubscription("alice", "", name), readDestination(t, "/topic/t", alice), nil))
		}
		s.finish(nil)
		var done counter
		x.p.Send(x.message("/topic/t", "1"), done.done)
		done.want(t, 0, nil)
		if got := s.steps(); got != "put:1 put:1" || len(s.waiting) != 1 {
			t.Errorf("steps are %s in %d batches", got, len(s.waiting))
		}
		s.finish(errors.New("disk full"))
		done.want(t, 1, done.err)
		if done.err == nil {
			t.Error("the batch failed")
		}
		tx := x.p.Begin()
		tx.Send(x.message("/topic/t", "2"))
		tx.Commit(done.done)
		if got := s.steps(); got != "put:2 put:2" || len(s.waiting) != 1 {
			t.Errorf("steps are %s in %d batches", got, len(s.waiting))
		}
		s.finish(nil)
		x.p.Send(x.message("/topic/t", "3"), done.done)
		done.want(t, 3, ErrQueueFull)
		live.arrived("1 2")
	})
}

func TestSubscriptionExpiry(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		policies := map[string]Policy{"/topic/**": {SubscriptionExpiry: time.Hour}}
		x := start(policies)
		p := x.attach("s", "/topic/t", AckAuto)
		pass(2 * time.Hour)
		x.wantSize(1, 1) // it is in use
		p.sub.Unsubscribe()
		pass(59 * time.Minute)
		x.attach("s", "/topic/t", AckAuto).sub.Unsubscribe()
		pass(59 * time.Minute)
		x.wantSize(1, 1)
		if x.b.queues.store != nil {
			x.b.Close()
			x = start(policies) // the time goes on
		}
		pass(time.Minute)
		x.wantSize(0, 0)
	})
}
