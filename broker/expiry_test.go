package broker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/destination"
)

// sendWith sends a message with a priority, an expiry and a delay (0: none).
func (x *tester) sendWith(text, body string, priority uint8, transient bool, ttl, delay time.Duration) {
	x.Helper()
	m := x.message(text, body)
	m.priority, m.transient = priority, transient
	var expires, due int64
	if ttl > 0 {
		expires = x.b.queues.now() + ttl.Milliseconds()
	}
	if delay > 0 {
		due = x.b.queues.now() + delay.Milliseconds()
	}
	m.setTimes(expires, due)
	x.p.Send(m, nil)
}

// Messages expire although the last consumer has left, wherever they are.
func TestExpiryAfterConsumerLeft(t *testing.T) {
	for name, send := range map[string]func(x *tester){
		"Window": func(x *tester) {
			x.send("/queue/q", "a b")
			pass(30 * time.Second)
			x.send("/queue/q", "c d e")
		},
		"Priorities": func(x *tester) {
			for i := range 10 {
				x.sendWith("/queue/q", fmt.Sprint(i), uint8(i), i%3 == 0, 0, 0)
				pass(time.Second)
			}
		},
		"Delayed": func(x *tester) {
			x.sendWith("/queue/q", "a", 4, false, 0, time.Second)
			x.sendWith("/queue/q", "b", 4, true, 0, 30*time.Minute)
			x.sendWith("/queue/q", "c", 5, false, 0, 20*time.Second)
		},
		"Transient": func(x *tester) {
			for i := range 6 {
				x.sendWith("/queue/q", fmt.Sprint(i), 4, i%2 == 0, 0, 0)
			}
		},
		"Own": func(x *tester) {
			for i := range 6 {
				x.sendWith("/queue/q", fmt.Sprint(i), uint8(i%2), i%3 == 0, time.Duration(60-10*i)*time.Second, 0)
			}
		},
	} {
		for _, prefetch := range []int{1, 3, 20} {
			t.Run(fmt.Sprint(name, prefetch), func(t *testing.T) {
				bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
					x := start(map[string]Policy{"/queue/q": {TTL: time.Minute}})
					p := x.subscribe("/queue/q", AckClientIndividual, prefetch)
					send(x)
					synctest.Wait()
					p.sub.Unsubscribe()
					pass(2 * time.Minute)
					x.wantDepth("/queue/q", -1, 0)
					if n := x.b.Stats().Expired.Load(); n == 0 {
						t.Error("nothing has expired")
					}
				})
			})
		}
	}
}

// A ttl that comes with a reload applies to existing messages, also without
// consumers and to those that were given back.
func TestExpiryByReload(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {}})
		p := x.subscribe("/queue/q", AckClientIndividual, 2)
		x.send("/queue/q", "a b c d")
		x.sendWith("/queue/q", "e", 4, false, 0, time.Hour)
		synctest.Wait()
		p.sub.Unsubscribe()
		p = x.subscribe("/queue/q", AckClientIndividual, 1) // the returned message is in memory
		pass(time.Minute)
		for _, ttl := range []time.Duration{time.Hour, 3 * time.Minute} {
			x.b.SetPolicies(rules(t, map[string]Policy{"/queue/q": {TTL: ttl, Durable: x.b.queues.store != nil}}))
		}
		pass(2 * time.Minute)
		d, _ := x.b.Depth(readDestination(t, "/queue/q", alice))
		if d.Unacked != 1 || d.Ready != 0 {
			t.Errorf("the queue holds %+v, want what the consumer has", d)
		}
		p.sub.Unsubscribe()
		pass(time.Second)
		x.wantDepth("/queue/q", -1, 0)
	})
}

// A returned message expires at its time, whatever is in front of it.
func TestReturnedExpiresExactly(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(nil)
		p := x.subscribe("/queue/q", AckClientIndividual, 9)
		for i, ttl := range []time.Duration{time.Hour, time.Minute, 2 * time.Minute, 30 * time.Minute} {
			x.sendWith("/queue/q", fmt.Sprint(i), 4, false, ttl, 0)
		}
		synctest.Wait()
		q := x.subscribe("/queue/q", AckClientIndividual, 1)
		q.setRoom(0)
		p.sub.Unsubscribe()
		pass(time.Minute)
		x.wantDepth("/queue/q", 3, 0)
		pass(time.Minute)
		x.wantDepth("/queue/q", 2, 0)
		q.setRoom(-1)
		q.sub.Resume()
		q.arrived("0#2")
	})
}

// Messages of temporary queues expire by their senders' wish, with a consumer
// that takes nothing and without one.
func TestTemporaryExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTesterWith(t, Options{})
		defer x.b.Close()
		d := readDestination(t, "/temp-queue/r", alice)
		x.b.MakeTemporary(d, "", 0, nil)
		for i := range 3 {
			x.sendWith(destination.ReplyTo(d), fmt.Sprint(i), 4, false, time.Minute, 0)
		}
		p := x.subscribe("/temp-queue/r", AckClientIndividual, 1)
		p.arrived("0")
		p.sub.Unsubscribe()
		pass(time.Minute)
		if depth, ok := x.b.Depth(d); !ok || depth != (Depth{}) {
			t.Errorf("the queue holds %+v", depth)
		}
	})
}

// A page that cannot be read is read later, and its messages expire then,
// though nobody consumes.
func TestExpiryAfterReadError(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			store := &unreadable{Memory: &Memory{}}
			x := newTesterWith(t, Options{Store: store, Policies: rules(t, map[string]Policy{"/queue/q": {Durable: true, TTL: time.Minute}})})
			defer x.b.Close()
			x.sendWith("/queue/q", "a", 4, false, 0, delay)
			store.fails.Store(true)
			pass(2 * time.Minute)
			if d, _ := x.b.Depth(readDestination(t, "/queue/q", alice)); d.Ready+d.Delayed != 1 {
				t.Errorf("the queue holds %+v of what nobody could read", d)
			}
			store.fails.Store(false)
			pass(5 * time.Second)
			x.wantDepth("/queue/q", -1, 0)
		})
	}
}

// An unreadable is a Store with pages that cannot be read for a while.
type unreadable struct {
	*Memory
	fails atomic.Bool
}

func (s *unreadable) Read(r Range, f func(Page)) {
	if s.fails.Load() {
		go f(Page{Err: errors.New("unreadable")})
		return
	}
	s.Memory.Read(r, f)
}

// Whatever happened before, a queue in which everything expires is gone in the
// end without anybody's help.
func TestExpiryRandomly(t *testing.T) {
	for seed := range uint64(30) {
		bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
			random := rand.New(rand.NewPCG(seed, 3))
			policy := Policy{TTL: time.Minute, RedeliveryDelay: Backoff{Initial: 20 * time.Second}}
			if random.IntN(2) == 0 {
				policy.DeadLetter = readDestination(t, "/queue/dead", alice)
			}
			if random.IntN(2) == 0 {
				policy.Overflow, policy.MaxMessages = DropHead, 30
			}
			x := start(map[string]Policy{"/queue/q": policy, "/queue/dead": {TTL: time.Second}})
			var p *peer
			for i := range 300 {
				switch random.IntN(9) {
				case 0:
					if p == nil {
						p = x.subscribe("/queue/q", AckClientIndividual, 1+random.IntN(9))
					}
				case 1:
					if p != nil {
						p.sub.Unsubscribe()
						p = nil
					}
				case 2, 3:
					if p != nil && p.seen < p.count() {
						if tag := p.got[p.seen].tag; random.IntN(2) == 0 {
							x.must(p.sub.Nack(tag, true, nil))
						} else {
							x.must(p.sub.Ack(tag, nil))
						}
						p.seen++
					}
				case 4:
					pass(time.Duration(random.IntN(8000)) * time.Millisecond)
				default:
					ttl, delay := time.Duration(random.IntN(3))*20*time.Second, max(0, time.Duration(random.IntN(6)-3))*15*time.Second
					x.sendWith("/queue/q", fmt.Sprint(i), uint8(3+random.IntN(3)), random.IntN(3) == 0, ttl, delay)
				}
				synctest.Wait()
				checkQueues(t, x.b)
			}
			if p != nil {
				p.sub.Unsubscribe()
			}
			pass(3 * time.Minute)
			if d, ok := x.b.Depth(readDestination(t, "/queue/q", alice)); ok {
				t.Errorf("seed %d: the queue holds %+v", seed, d)
			}
			x.wantSize(0, 0)
		})
	}
}

// A backlog on disk that nobody reads expires by whole pages, and no more of it
// at a time than a lock should be held for.
func TestBacklogExpiresByPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counting{Memory: &Memory{}}
		x := newTesterWith(t, Options{Store: store, Policies: rules(t, map[string]Policy{"/queue/q": {Durable: true, TTL: time.Minute, DeadLetter: toDead(t)}})})
		defer x.b.Close()
		const n = 5000
		for range n {
			x.send("/queue/q", "m")
		}
		pass(30 * time.Second)
		if pages := store.pages.Load(); pages != 0 {
			t.Errorf("%d pages were read although nothing has expired", pages)
		}
		pass(31 * time.Second)
		x.wantDepth("/queue/q", -1, 0)
		x.wantDepth("/queue/dead", n, 0)
		if pages := store.pages.Load(); pages > n/100 {
			t.Errorf("%d pages were read for %d messages", pages, n)
		}
	})
}

// When many messages in memory expire at once, others get the lock and the
// timers in between.
func TestExpiryIsBounded(t *testing.T) {
	x := newTesterWith(t, Options{Clock: func() time.Time { return time.Unix(1000, 0) }})
	d := readDestination(t, "/queue/q", alice)
	const n = 3 * toilMessages
	for range n {
		x.send("/queue/q", "m")
	}
	q := x.b.queues.lookup(d.Key())
	x.b.queues.timers.Close() // ticks are those of this test
	q.mu.Lock()
	for _, l := range q.backlog.lanes {
		for i := range l.loose.len() {
			l.loose.at(i).msg.setTimes(1, 0)
		}
	}
	q.expiring = true
	q.mu.Unlock()
	for left := n; left > 0; left -= toilMessages {
		x.wantDepth("/queue/q", left, 0)
		q.tick()
	}
	x.wantDepth("/queue/q", -1, 0)
}

// A message that the Store keeps once for several queues is reported as such
// wherever it goes.
func TestSharedRipens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counting{Memory: &Memory{}}
		x := newTesterWith(t, Options{Store: store, Policies: rules(t, map[string]Policy{"/topic/**": {Durable: true, RedeliveryDelay: Backoff{Initial: time.Second}}})})
		defer x.b.Close()
		a, b := x.attach("a", "/topic/a", AckClient), x.attach("b", "/topic/a", AckClient)
		const n = 1500
		a.sub.consumer.prefetch, b.sub.consumer.prefetch = n, n // nothing was sent yet
		for range n {
			x.send("/topic/a", "m")
		}
		synctest.Wait()
		for _, p := range []*peer{a, b} { // all of them in one go
			x.must(p.sub.Nack(p.got[n-1].tag, true, nil))
			p.setRoom(0)
		}
		pass(time.Minute)
		if wrong := store.unshared.Load(); wrong > 0 {
			t.Errorf("%d messages were stored again without what they share", wrong)
		}
	})
}

// A counting Store counts the pages that are read, and the messages without a
// number.
type counting struct {
	*Memory
	pages, unshared atomic.Int64
}

func (s *counting) Read(r Range, f func(Page)) {
	s.pages.Add(1)
	s.Memory.Read(r, f)
}

func (s *counting) Apply(b Batch, done func(error)) {
	for i := range b {
		if op := &b[i]; op.Kind == Put && op.Shared != op.Message.shared {
			s.unshared.Add(1)
		}
	}
	s.Memory.Apply(b, done)
}
