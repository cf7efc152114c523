package broker

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
)

// A COMMIT ends, and its dead letters go where the policy says at that time,
// whatever a reload has done to dead_letter since they were claimed, and
// whichever kind of queue they are in.
func TestCommitAfterReload(t *testing.T) {
	none, first, second := Policy{}, "/queue/first", "/queue/second"
	policy := func(t *testing.T, dead string) Policy {
		p := none
		if dead != "" {
			p.DeadLetter = readDestination(t, dead, alice)
		}
		return p
	}
	kinds := map[string]func(x *tester) *peer{
		"/queue/q": func(x *tester) *peer { return x.subscribe("/queue/q", AckClientIndividual, 9) },
		"/topic/a": func(x *tester) *peer { return x.subscribe("/topic/a", AckClientIndividual, 9) },
		"/topic/b": func(x *tester) *peer { return x.attach("s", "/topic/b", AckClientIndividual) },
	}
	changes := map[string][2]string{"Added": {"", first}, "Changed": {first, second}, "Removed": {first, ""}, "Same": {first, first}}
	for change, dead := range changes {
		for from, subscribe := range kinds {
			t.Run(change+from, func(t *testing.T) {
				bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
					x := start(map[string]Policy{from: policy(t, dead[0])})
					p := subscribe(x)
					x.send(from, "m n")
					synctest.Wait()
					tx := x.p.Begin()
					x.must(tx.Nack(p.sub, p.tag("m"), false))
					all := rules(t, map[string]Policy{from: policy(t, dead[1])})
					x.b.SetPolicies(all)
					var done counter
					tx.Commit(done.done)
					synctest.Wait()
					done.want(t, 1, nil)
					for _, name := range []string{first, second} {
						want := -1
						if name == dead[1] {
							want = 1
						}
						x.wantDepth(name, want, 0)
					}
					p.nack("n", false)
					synctest.Wait()
					if dead[1] != "" {
						x.wantDepth(dead[1], 2, 0)
					}
				})
			})
		}
	}
}

// COMMITs end while policies change all the time, and nothing is lost.
func TestCommitWhileReloading(t *testing.T) {
	const rounds = 200
	x := newTester(t, &Memory{})
	dead := []Policy{{Durable: true}, {Durable: true, DeadLetter: readDestination(t, "/queue/first", alice)}, {Durable: true, DeadLetter: readDestination(t, "/queue/second", alice)}}
	stop := make(chan struct{})
	var reloads sync.WaitGroup
	reloads.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				x.b.SetPolicies(rules(t, map[string]Policy{"/queue/q.*": dead[i%3], "/topic/**": dead[(i+1)%3]}))
			}
		}
	})
	var clients sync.WaitGroup
	for c := range 3 {
		clients.Go(func() {
			p := x.b.NewPublisher()
			for i := range rounds {
				own := &tester{TB: t, b: x.b, p: p}
				name := fmt.Sprintf("/queue/q.%d.%d", c, i%2)
				q, topic := own.subscribe(name, AckClientIndividual, 9), own.subscribe(fmt.Sprintf("/topic/t.%d", c), AckClientIndividual, 9)
				own.send(name, "m")
				own.send(fmt.Sprintf("/topic/t.%d", c), "m")
				tx := p.Begin()
				own.must(tx.Nack(q.sub, q.tag("m"), false))
				own.must(tx.Nack(topic.sub, topic.tag("m"), false))
				tx.Send(own.message(name, "n"))
				done := make(chan error, 1)
				tx.Commit(func(err error) { done <- err })
				own.must(<-done)
				own.must(q.sub.Ack(q.tag("n"), nil))
				q.sub.Unsubscribe()
				topic.sub.Unsubscribe()
			}
		})
	}
	clients.Wait()
	close(stop)
	reloads.Wait()
}

// Limits of a topic's policy are for its durable subscriptions. A subscriber
// that acknowledges gets everything; its queue is bounded by its backlog, and
// messages that the backlog refuses are counted.
func TestLimitsOfTopicsAreNotForSubscribers(t *testing.T) {
	for _, overflow := range []FullPolicy{RejectNewest, DropHead, BlockSender} {
		for _, tx := range []bool{false, true} {
			x := newTesterWith(t, Options{Policies: rules(t, map[string]Policy{"/topic/**": {MaxMessages: 2, MaxBytes: 500, Overflow: overflow}})})
			p := x.subscribe("/topic/a", AckClientIndividual, 3)
			small := newRecorder()
			small.overflow = DropNewest
			d := readDestination(t, "/topic/a", alice)
			x.subscribeWith(small, SubscribeOptions{Destination: d, Ack: AckClientIndividual, Prefetch: 1, Backlog: 2 * x.message("/topic/a", "1").Size()})
			var done counter
			for i := 1; i <= 5; i++ {
				if tx {
					one := x.p.Begin()
					one.Send(x.message("/topic/a", fmt.Sprint(i)))
					if one.Commit(done.done) != nil {
						t.Error("the COMMIT waits")
					}
				} else if x.p.Send(x.message("/topic/a", fmt.Sprint(i)), done.done) != nil {
					t.Error("the sender waits")
				}
			}
			done.want(t, 5, nil)
			p.want("1 2 3")
			p.ack("1 2 3")
			p.want("4 5")
			if n := x.b.Stats().DroppedFor(DropNoRoom); n != 3 {
				t.Errorf("%d had no room, want 3", n)
			}
		}
	}
}

// A policy that is changed is in force in the queues of topics' subscriptions.
func TestReloadReachesSubscribers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTesterWith(t, Options{Policies: rules(t, map[string]Policy{"/topic/**": {MaxDeliveries: 1}})})
		p := x.subscribe("/topic/a", AckClientIndividual, 9)
		x.send("/topic/a", "1")
		p.nack("1", true)
		x.b.SetPolicies(rules(t, map[string]Policy{"/topic/**": {MaxDeliveries: 2, DeadLetter: toDead(t)}}))
		x.send("/topic/a", "2")
		p.nack("2", true)
		p.nack("2", true)
		p.arrived("1 2 2#2")
		x.subscribe("/queue/dead", AckClient, 9).arrived("2")
	})
}
