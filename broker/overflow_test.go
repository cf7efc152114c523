package broker

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// A message that was given back waits like the rest, and is older: it is
// given up first.
func TestDropHeadOfWhatCameBack(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {MaxMessages: 3, Overflow: DropHead, DeadLetter: toDead(t)}})
		x.send("/queue/q", "0 1 2")
		p := x.subscribe("/queue/q", AckClientIndividual, 9)
		p.arrived("0 1 2")
		p.sub.Unsubscribe()
		for i := 3; i < 8; i++ {
			x.send("/queue/q", fmt.Sprint(i))
			synctest.Wait()
		}
		x.wantDepth("/queue/q", 3, 0)
		x.subscribe("/queue/q", AckClientIndividual, 9).arrived("5 6 7")
		x.subscribe("/queue/dead", AckClient, 9).arrived("0 1 2 3 4")
	})
}

// The lowest priority is given up first, whether it came back or not.
func TestDropHeadByPriority(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {MaxMessages: 4, Overflow: DropHead, DeadLetter: toDead(t)}})
		send := func(priority uint8, body string) {
			m := x.message("/queue/q", body)
			m.priority = priority
			x.p.Send(m, nil)
			synctest.Wait()
		}
		send(5, "a")
		send(3, "b")
		p := x.subscribe("/queue/q", AckClientIndividual, 9)
		p.arrived("a b")
		p.sub.Unsubscribe()
		for _, m := range []struct {
			priority uint8
			body     string
		}{{4, "c"}, {3, "d"}, {5, "e"}, {5, "f"}, {5, "g"}, {5, "h"}} {
			send(m.priority, m.body)
		}
		x.wantDepth("/queue/q", 4, 0)
		x.subscribe("/queue/dead", AckClient, 9).arrived("a c b d") // by their priority
	})
}

// A message never pushes out one of a higher priority: if all waiting
// messages have one, it is given up itself. Messages of consumers do not
// count.
func TestDropHeadYields(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {MaxMessages: 3, Overflow: DropHead, DeadLetter: toDead(t)}})
		for i, priority := range []uint8{9, 9, 0, 0, 9, 0, 5, 9} {
			var done counter
			m := x.message("/queue/q", fmt.Sprint("p", priority, "-", i))
			m.priority = priority
			x.p.Send(m, done.done)
			synctest.Wait()
			done.want(t, 1, nil)
		}
		x.wantDepth("/queue/q", 3, 0)
		dead := x.subscribe("/queue/dead", AckClient, 9)
		dead.arrived("p9-0 p5-6 p0-2 p0-3 p0-5") // by their priority
		p := x.subscribe("/queue/q", AckClientIndividual, 9)
		p.arrived("p9-1 p9-4 p9-7")
		x.sendWith("/queue/q", "p0-8", 0, false, 0, 0)
		p.arrived("p0-8")
	})
}

// Messages that wait for their time count towards the limits, and are given up
// when there are no others.
func TestDropHeadOfDelayed(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		all := map[string]Policy{"/queue/q": {MaxMessages: 3, Overflow: DropHead, DeadLetter: toDead(t)}}
		x := start(all)
		for i := range 9 {
			x.p.Send(later(x, "/queue/q", fmt.Sprint(i), time.Hour), nil)
			synctest.Wait()
		}
		d, _ := x.b.Depth(readDestination(t, "/queue/q", alice))
		if d != (Depth{Delayed: 3}) {
			t.Errorf("the queue holds %+v", d)
		}
		x.send("/queue/q", "now")
		x.subscribe("/queue/dead", AckClient, 9).arrived("0 1 2 3 4 5 6")
		x.subscribe("/queue/q", AckClient, 9).arrived("now")
	})
}

// Messages that are only on disk after a restart are given up as well, and no
// more of them than needed.
func TestDropHeadAfterRestart(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			o := Options{Store: &Memory{}, Policies: rules(t, map[string]Policy{"/queue/q": {Durable: true, MaxMessages: 5, Overflow: DropHead}})}
			x := newTesterWith(t, o)
			for i := range 5 {
				x.p.Send(later(x, "/queue/q", fmt.Sprint(i), delay), nil)
			}
			synctest.Wait()
			x = newTesterWith(t, o)
			for range 2 {
				x.p.Send(later(x, "/queue/q", "one that is longer than those before", delay), nil)
			}
			synctest.Wait()
			if d, _ := x.b.Depth(readDestination(t, "/queue/q", alice)); d.Ready+d.Delayed != 5 {
				t.Errorf("delayed by %s: the queue holds %+v", delay, d)
			}
		})
	}
}

// later is a message that waits for its time.
func later(x *tester, text, body string, delay time.Duration) *Message {
	m := x.message(text, body)
	if delay > 0 {
		m.setTimes(0, x.b.queues.now()+delay.Milliseconds())
	}
	return m
}

// A transaction gives up nothing if its own acknowledgements make the room.
func TestCommitMakesRoomFirst(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {MaxMessages: 4, Overflow: DropHead}})
		x.send("/queue/q", "1 2 3 4")
		p := x.subscribe("/queue/q", AckClientIndividual, 2)
		p.arrived("1 2")
		tx := x.p.Begin()
		x.must(tx.Ack(p.sub, p.tag("1")))
		x.must(tx.Ack(p.sub, p.tag("2")))
		p.arrived("3 4")
		x.must(p.sub.Nack(p.tag("3"), true, nil))
		p.arrived("3#2")
		p.sub.Unsubscribe()
		tx.Send(x.message("/queue/q", "5"))
		tx.Send(x.message("/queue/q", "6"))
		tx.Commit(nil)
		synctest.Wait()
		x.wantDepth("/queue/q", 4, 0)
		x.subscribe("/queue/q", AckClientIndividual, 9).arrived("3#3 4#2 5 6")
	})
}

// Under random steps, a queue that drops its oldest holds no more than its
// limit and the messages of its consumer, and all that it gives up is dead.
func TestDropHeadRandomly(t *testing.T) {
	const most, prefetch = 20, 7
	for seed := range uint64(20) {
		bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
			random := rand.New(rand.NewPCG(seed, 0))
			backoff := Backoff{Initial: time.Second, Multiplier: 1}
			x := start(map[string]Policy{"/queue/q": {MaxMessages: most, Overflow: DropHead, DeadLetter: toDead(t), RedeliveryDelay: backoff}})
			var p *peer
			sent, acked := 0, 0
			answer := func(how func(tag uint64)) {
				if p != nil && p.seen < p.count() {
					how(p.got[p.seen].tag)
					p.seen++
				}
			}
			for range 400 {
				switch random.IntN(8) {
				case 0:
					if p == nil {
						p = x.subscribe("/queue/q", AckClientIndividual, prefetch)
					}
				case 1:
					if p != nil {
						p.sub.Unsubscribe()
						p = nil
					}
				case 2:
					answer(func(tag uint64) { x.must(p.sub.Ack(tag, nil)); acked++ })
				case 3:
					answer(func(tag uint64) { x.must(p.sub.Nack(tag, true, nil)) })
				case 4:
					pass(500 * time.Millisecond)
				default:
					m := later(x, "/queue/q", fmt.Sprint(sent), []time.Duration{0, time.Second, time.Hour}[random.IntN(3)])
					m.priority = uint8(random.IntN(3))
					x.p.Send(m, nil)
					sent++
				}
				synctest.Wait()
				if d, _ := x.b.Depth(readDestination(t, "/queue/q", alice)); d.Ready+d.Unacked+d.Delayed > most+prefetch {
					t.Fatalf("seed %d: the queue holds %+v", seed, d)
				}
			}
			d, _ := x.b.Depth(readDestination(t, "/queue/q", alice))
			dead, _ := x.b.Depth(readDestination(t, "/queue/dead", alice))
			if n := d.Ready + d.Unacked + d.Delayed + dead.Ready + acked; n != sent || dead.Ready == 0 {
				t.Errorf("seed %d: %d were sent, %d acknowledged; the queue holds %+v, and %d are dead", seed, sent, acked, d, dead.Ready)
			}
		})
	}
}
