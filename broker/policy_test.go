package broker

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/destination"
)

func TestBackoff(t *testing.T) {
	b := Backoff{Initial: time.Second, Multiplier: 2, Max: 5 * time.Second}
	for failures, want := range map[int]time.Duration{1: 1, 2: 2, 3: 4, 4: 5, 1000: 5} {
		if got := b.After(failures); got != want*time.Second {
			t.Errorf("after %d: %v", failures, got)
		}
	}
	if got := (Backoff{Initial: time.Second, Multiplier: 10}).After(10000); got != 365*24*time.Hour {
		t.Errorf("without a maximum: %v", got)
	}
	if got := (Backoff{Initial: time.Second}).After(7); got != time.Second {
		t.Errorf("without a multiplier: %v", got)
	}
}

// rules makes Policies of texts and policies.
func rules(tb testing.TB, all map[string]Policy) Policies {
	p := durably
	for match, policy := range all {
		d, err := destination.DefaultNamespace().ForPolicy(match)
		if err != nil {
			tb.Fatal(err)
		}
		p.Rules = append(p.Rules, PolicyRule{Match: d, Policy: policy})
	}
	return p
}

// bothWays runs a test with queues in memory, and with durable ones of which
// little is in memory.
func bothWays(t *testing.T, f func(t *testing.T, start func(map[string]Policy) *tester)) {
	for name, window := range map[string]int{"Memory": -1, "Durable": 0, "SmallWindow": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &Memory{}
				f(t, func(all map[string]Policy) *tester {
					o := Options{Policies: rules(t, all)}
					if window >= 0 {
						o.Store, o.window = store, window
						for i := range o.Policies.Rules {
							o.Policies.Rules[i].Policy.Durable = true
						}
					}
					return newTesterWith(t, o)
				})
			})
		})
	}
}

// pass lets time go by.
func pass(d time.Duration) {
	time.Sleep(d) // in a bubble
	synctest.Wait()
}

func toDead(tb testing.TB) destination.Destination { return readDestination(tb, "/queue/dead", alice) }

// header is one of the newest delivery's.
func (p *peer) header(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.got) == 0 {
		return ""
	}
	return p.got[len(p.got)-1].msg.Header().Get(name)
}

// arrived is want, after all is quiet.
func (p *peer) arrived(bodies string) {
	p.x.Helper()
	synctest.Wait()
	p.want(bodies)
}

func TestRedeliveryDelay(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {
			MaxDeliveries: 4, RedeliveryDelay: Backoff{Initial: time.Second, Multiplier: 3, Max: 5 * time.Second}, DeadLetter: toDead(t)}})
		dead := x.subscribe("/queue/dead", AckClientIndividual, 9)
		p := x.subscribe("/queue/q", AckClientIndividual, 1)
		x.send("/queue/q", "poison a b")
		p.arrived("poison")
		p.nack("poison", true)
		p.arrived("a") // is not held up
		p.ack("a")
		p.arrived("b")
		x.wantDelayed("/queue/q", 1)
		pass(999 * time.Millisecond)
		p.ack("b")
		p.arrived("")
		pass(time.Millisecond)
		p.arrived("poison#2")
		p.nack("poison", true)
		pass(2999 * time.Millisecond)
		p.arrived("")
		pass(time.Millisecond)
		p.arrived("poison#3")
		p.nack("poison", true)
		pass(4999 * time.Millisecond)
		p.arrived("")
		pass(time.Millisecond)
		p.arrived("poison#4")
		dead.arrived("")
		p.nack("poison", true)
		dead.arrived("poison")
		if got := dead.header("original-destination") + " " + dead.header("death-reason") + " " + dead.header("death-count"); got != "/queue/q max-deliveries 1" {
			t.Errorf("it died as %s", got)
		}
		x.wantDepth("/queue/q", 0, 0)
		if s := x.b.Stats(); s.Exhausted.Load() != 1 || s.DeadLettered.Load() != 1 || s.Dropped.Load() != 0 {
			t.Errorf("exhausted %d, dead-lettered %d, dropped %d", s.Exhausted.Load(), s.DeadLettered.Load(), s.Dropped.Load())
		}
	})
}

// Without a redelivery_delay, a message that is refused for the third time waits
// for a second, and others do not wait for it; by NACK and in a transaction,
// in queues and for topics, and after a restart.
func TestRefusedAgainAndAgain(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(nil)
		for _, text := range []string{"/queue/q", "/topic/a"} {
			p := x.subscribe(text, AckClientIndividual, 1)
			x.send(text, "poison a")
			p.arrived("poison")
			p.nack("poison", true)
			p.arrived("poison#2")
			p.nack("poison", true)
			p.arrived("poison#3")
			p.nack("poison", true)
			p.arrived("a")
			p.ack("a")
			pass(999 * time.Millisecond)
			p.arrived("")
			pass(time.Millisecond)
			p.arrived("poison#4")
			tx := x.p.Begin()
			x.must(tx.Nack(p.sub, p.tag("poison"), true))
			tx.Commit(nil)
			pass(999 * time.Millisecond)
			p.arrived("")
			if text == "/queue/q" {
				p.sub.Unsubscribe()
				if x.b.queues.store != nil {
					x.b.Close()
					x = start(nil)
				}
				x.wantDelayed(text, 1)
				p = x.subscribe(text, AckClientIndividual, 1)
				p.arrived("")
			}
			pass(time.Millisecond)
			p.arrived("poison#5")
			p.ack("poison")
			p.sub.Unsubscribe()
		}
	})
}

// A policy's own delay holds, however short.
func TestRefusedByPolicy(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {RedeliveryDelay: Backoff{Initial: time.Millisecond}}})
		p := x.subscribe("/queue/q", AckClientIndividual, 1)
		x.send("/queue/q", "1")
		for range 10 {
			synctest.Wait()
			p.nack("1", true)
			pass(time.Millisecond)
		}
		if n := p.count(); n != 11 {
			t.Errorf("it was delivered %d times, want 11", n)
		}
	})
}

func (x *tester) wantDelayed(text string, n int) {
	x.Helper()
	synctest.Wait()
	if d, _ := x.b.Depth(readDestination(x, text, alice)); d.Delayed != n {
		x.Errorf("%d messages of %s are delayed, want %d", d.Delayed, text, n)
	}
}

func TestRejected(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {DeadLetter: toDead(t)}, "/queue/dead": {MaxMessages: 1}})
		p := x.subscribe("/queue/q", AckClientIndividual, 9)
		x.send("/queue/q", "1 2 3")
		p.arrived("1 2 3")
		p.nack("1 2", false) // the limit of the other queue is for senders
		p.ack("3")
		var refused counter
		x.p.Send(x.message("/queue/dead", "x"), refused.done)
		refused.want(t, 1, ErrQueueFull)
		dead := x.subscribe("/queue/dead", AckClientIndividual, 9)
		dead.arrived("1 2")
		if got := dead.header("death-reason"); got != "rejected" {
			t.Errorf("it died as %s", got)
		}
		dead.nack("1 2", false)
		x.wantSize(0, 2)
		if n := x.b.Stats().Dropped.Load(); n != 2 {
			t.Errorf("%d were dropped, want 2", n)
		}
	})
}

// TestDeathCount: a message that dies again keeps where it came from first.
func TestDeathCount(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {DeadLetter: toDead(t)}, "/queue/dead": {DeadLetter: readDestination(t, "/queue/deader", alice)}})
		q, dead, deader := x.subscribe("/queue/q", AckClientIndividual, 9), x.subscribe("/queue/dead", AckClientIndividual, 9), x.subscribe("/queue/deader", AckClientIndividual, 9)
		m := makeMessage(readDestination(t, "/queue/q", alice), "/queue/q", "1", "a", "x:y", "b", "", "death-count", "7", "original-destination", "/queue/forged")
		m.setTimes(time.Now().Add(time.Hour).UnixMilli(), 0)
		x.p.Send(m, nil)
		q.arrived("1")
		q.nack("1", false)
		dead.arrived("1")
		dead.nack("1", false)
		deader.arrived("1")
		h := deader.got[0].msg.Header()
		if got := fmt.Sprint(h.Get("a"), h.Get("b"), h.Get("original-destination"), h.Get("death-count"), deader.got[0].msg.Expires()); got != "x:y/queue/q20" {
			t.Errorf("got %s", got)
		}
	})
}

// TestLostConsumer: of the messages of a lost consumer, only the oldest
// counts as failed.
func TestLostConsumer(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {MaxDeliveries: 2, DeadLetter: toDead(t)}})
		x.send("/queue/q", "poison a b")
		for i := range 5 {
			p := x.subscribe("/queue/q", AckClientIndividual, 9)
			synctest.Wait()
			switch i {
			case 0, 2:
				p.sub.ConnectionLost()
			case 4:
				p.want("a#5 b#5")
			default:
				p.sub.Unsubscribe() // leaving is no failure
			}
		}
		x.subscribe("/queue/dead", AckClient, 9).arrived("poison")
	})
}

func TestExpiry(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {TTL: 10 * time.Second, DeadLetter: toDead(t)}})
		at := func(d time.Duration) int64 { return time.Now().Add(d).UnixMilli() }
		send := func(body string, expires int64) {
			m := x.message("/queue/q", body)
			m.setTimes(expires, 0)
			x.p.Send(m, nil)
		}
		send("sooner", at(time.Second))
		send("later", at(time.Hour))
		send("past", at(-time.Second))
		pass(time.Second)
		x.wantDepth("/queue/dead", 1, 0)
		pass(9*time.Second - time.Millisecond)
		x.wantDepth("/queue/q", 2, 0) // behind one that is alive
		pass(time.Millisecond)
		x.wantDepth("/queue/q", -1, 0)
		dead := x.subscribe("/queue/dead", AckClient, 9)
		dead.arrived("sooner later past")
		if got := dead.header("death-reason"); got != "expired" {
			t.Errorf("it died as %s", got)
		}
		p := x.subscribe("/queue/q", AckClientIndividual, 1)
		send("1", 0)
		send("2", at(time.Second))
		send("3", 0)
		p.arrived("1")
		pass(time.Second)
		p.ack("1")
		p.arrived("3")
		pass(time.Hour) // messages of consumers do not expire
		p.nack("3", true)
		p.arrived("")
		dead.arrived("2 3")
		if n := x.b.Stats().Expired.Load(); n != 5 {
			t.Errorf("%d expired, want 5", n)
		}
	})
}

func TestPriority(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(nil)
		for i, priority := range []uint8{4, 0, 9, 4, 9, 5} {
			m := x.message("/queue/q", fmt.Sprint(i))
			m.priority = priority
			x.p.Send(m, nil)
		}
		p := x.subscribe("/queue/q", AckClientIndividual, 3)
		p.arrived("2 4 5")
		p.nack("2", true)
		p.ack("5")
		p.arrived("2#2 0")
		p.ack("2 4 0")
		p.arrived("3 1")
	})
}

func TestDelayedDelivery(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(nil)
		now := time.Now()
		send := func(body string, d time.Duration) {
			m := x.message("/queue/q", body)
			m.setTimes(0, now.Add(d).UnixMilli())
			x.p.Send(m, nil)
		}
		send("30", 30*time.Second)
		send("10", 10*time.Second)
		send("-1", -time.Second)
		p := x.subscribe("/queue/q", AckClientIndividual, 9)
		send("20", 20*time.Second)
		send("15", 15*time.Second)
		p.arrived("-1")
		x.wantDelayed("/queue/q", 4)
		pass(10*time.Second - time.Millisecond)
		p.arrived("")
		pass(time.Millisecond)
		p.arrived("10")
		pass(5 * time.Second)
		p.arrived("15")
		p.sub.Unsubscribe()
		pass(10 * time.Second)
		p = x.subscribe("/queue/q", AckClientIndividual, 9)
		synctest.Wait()
		if got := p.count(); got != 4 {
			t.Errorf("%d are there, want 4", got)
		}
		pass(5 * time.Second)
		if got := p.count(); got != 5 {
			t.Errorf("%d are there, want 5", got)
		}
		p.ack("10 20 15 30 -1")
		x.wantDelayed("/queue/q", 0)
	})
}

// TestManyDelayed: more than memory is for, in any order, some while others
// are read.
func TestManyDelayed(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(nil)
		now := time.Now()
		p := x.subscribe("/queue/q", AckClientIndividual, 1000)
		for round := range 10 {
			for i := range 20 {
				m := x.message("/queue/q", fmt.Sprint(round, ".", i))
				m.setTimes(0, now.Add(time.Duration(1+(i*7)%20)*time.Second).UnixMilli())
				x.p.Send(m, nil)
			}
			if round == 5 {
				p.sub.Unsubscribe()
				p = x.subscribe("/queue/q", AckClientIndividual, 1000)
			}
		}
		for second := range 20 {
			pass(time.Second)
			if n := p.count(); n != 10*(second+1) {
				t.Fatalf("%d are there after %d s, want %d", n, second+1, 10*(second+1))
			}
		}
	})
}

// TestReload: limits below a queue's content lose nothing.
func TestReload(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(nil)
		x.send("/queue/q", "1 2 3 4 5 6")
		policy := Policy{MaxMessages: 2, Durable: x.b.queues.store != nil}
		x.b.SetPolicies(rules(t, map[string]Policy{"/queue/q": policy}))
		x.wantDepth("/queue/q", 6, 0)
		if i, _ := x.b.Queue(readDestination(t, "/queue/q", alice)); !i.OverLimits() {
			t.Error("it is not known to be over its limits")
		}
		var refused counter
		x.p.Send(x.message("/queue/q", "7"), refused.done)
		refused.want(t, 1, ErrQueueFull)
		policy.Overflow = DropHead
		x.b.SetPolicies(rules(t, map[string]Policy{"/queue/q": policy}))
		synctest.Wait()
		x.send("/queue/q", "8")
		synctest.Wait()
		x.wantDepth("/queue/q", 6, 0) // one goes for one that comes
		policy = Policy{TTL: time.Second, Durable: policy.Durable}
		x.b.SetPolicies(rules(t, map[string]Policy{"/queue/q": policy}))
		pass(time.Second)
		x.wantDepth("/queue/q", -1, 0)
	})
}

// TestRestart: decisions about a message survive a restart.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &Memory{}
		start := func() *tester {
			p := rules(t, map[string]Policy{"/queue/q": {Durable: true, MaxDeliveries: 3, RedeliveryDelay: Backoff{Initial: time.Minute}, DeadLetter: toDead(t)}})
			return newTesterWith(t, Options{Store: store, Policies: p})
		}
		x := start()
		p := x.subscribe("/queue/q", AckClientIndividual, 9)
		x.send("/queue/q", "nacked left kept")
		m := x.message("/queue/q", "delayed")
		m.setTimes(0, time.Now().Add(2*time.Minute).UnixMilli())
		x.p.Send(m, nil)
		m = x.message("/queue/q", "expiring")
		m.setTimes(time.Now().Add(3*time.Minute).UnixMilli(), 0)
		x.p.Send(m, nil)
		m = x.message("/queue/q", "transient")
		m.transient = true
		x.p.Send(m, nil)
		p.arrived("nacked left kept expiring transient")
		p.nack("nacked", true)
		p.sub.ConnectionLost()
		synctest.Wait()
		x.b.Close()

		x = start()
		x.wantDelayed("/queue/q", 2)
		p = x.subscribe("/queue/q", AckClientIndividual, 9)
		p.arrived("left#2 kept#2 expiring#2")
		pass(time.Minute)
		p.arrived("nacked#2")
		p.nack("nacked left", true)
		pass(time.Minute)
		p.arrived("nacked#3 left#3 delayed")
		p.sub.Unsubscribe()
		pass(time.Minute - time.Second)
		x.b.Close()

		x = start()
		dead := x.subscribe("/queue/dead", AckClientIndividual, 9)
		pass(time.Second)
		dead.arrived("") // it is not at the head
		p = x.subscribe("/queue/q", AckClientIndividual, 9)
		synctest.Wait()
		p.want("nacked#4 left#4 kept#3 delayed#2")
		dead.want("expiring")
		p.nack("nacked left", true)
		dead.arrived("nacked left")
	})
}

// TestLookAfterRestart: messages expire after a restart although nobody
// consumes.
func TestLookAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &Memory{}
		x := newTester(t, store)
		m := x.message("/queue/q", "1")
		m.setTimes(time.Now().Add(time.Minute).UnixMilli(), 0)
		x.p.Send(m, nil)
		x.send("/queue/q", "2")
		synctest.Wait()
		x.b.Close()
		x = newTester(t, store)
		pass(time.Minute)
		x.wantDepth("/queue/q", 1, 0)
		x.subscribe("/queue/q", AckClient, 2).arrived("2")
	})
}

func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("disk full")
		var fault error
		store := &Memory{Fail: func() error { return fault }}
		x := newTester(t, store)
		x.send("/queue/q", "1 2")
		fault = broken
		var done counter
		x.p.Send(x.message("/queue/q", "3"), done.done)
		done.want(t, 1, broken)
		m := x.message("/queue/q", "transient")
		m.transient = true
		x.p.Send(m, done.done)
		done.want(t, 2, nil)
		tx := x.p.Begin()
		tx.Send(x.message("/queue/q", "4"))
		tx.Commit(done.done)
		done.want(t, 3, broken)
		p := x.subscribe("/queue/q", AckClientIndividual, 9)
		p.arrived("1 2 transient")
		var acked counter
		x.must(p.sub.Ack(p.tag("1"), acked.done))
		synctest.Wait()
		acked.want(t, 1, broken)
		fault = nil
		x.send("/queue/q", "5")
		p.arrived("5")
	})
}

func TestClockGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Int64
		x := newTesterWith(t, Options{Clock: func() time.Time { return time.Now().Add(-time.Duration(back.Load())) },
			Policies: rules(t, map[string]Policy{"/queue/q": {RedeliveryDelay: Backoff{Initial: time.Minute}, TTL: time.Hour}})})
		p := x.subscribe("/queue/q", AckClientIndividual, 9)
		x.send("/queue/q", "1")
		p.arrived("1")
		p.nack("1", true)
		back.Store(int64(10 * time.Minute))
		x.send("/queue/q", "2")
		p.arrived("2")
		pass(11 * time.Minute)
		p.arrived("1#2")
	})
}
