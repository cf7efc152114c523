package broker

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// steps are the comparisons that the queue has made.
func (q *queue) steps() (n int) {
	for _, p := range q.backlog.piles() {
		n += p.stored.steps + p.loose.steps
	}
	return n + q.backlog.index.expiries.steps
}

// wantSteps says that n operations have cost O(log n) each.
func (x *tester) wantSteps(text string, n int) {
	x.Helper()
	q := x.b.queues.lookup(readDestination(x, text, alice).Key())
	q.mu.Lock()
	defer q.mu.Unlock()
	if got, most := q.steps(), 8*n*int(math.Log2(float64(n))); got > most {
		x.Errorf("%d operations took %d comparisons, want at most %d", n, got, most)
	}
}

// Neither delayed nor returned messages cost more than O(log n) each, in
// memory or with a Store, with a ttl or without.
func TestManyCostLittle(t *testing.T) {
	const n = 40_000
	random := rand.New(rand.NewPCG(1, 2))
	for name, o := range map[string]Options{
		"Memory": {}, "TTL": {Policies: Policies{Default: Policy{TTL: time.Hour}}}, "Durable": {Store: &Memory{}, Policies: durably},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTesterWith(t, o)
				defer x.b.Close()
				count := n
				if o.Store != nil {
					count /= 10 // the Store of tests is linear
				}
				p := x.subscribe("/queue/q", AckClientIndividual, 65535)
				for i := range count {
					x.sendWith("/queue/q", "m", uint8(i%3), i%2 == 0, 0, time.Minute+time.Duration(random.IntN(count))*time.Millisecond)
				}
				x.wantSteps("/queue/q", count)
				pass(2 * time.Minute)
				if got := p.count(); got != count {
					t.Fatalf("%d were delivered, want %d", got, count)
				}
				p.sub.Unsubscribe()
				r := newRecorder()
				p = x.subscribeWith(r, SubscribeOptions{Destination: readDestination(t, "/queue/q", alice), Ack: AckClientIndividual, Prefetch: 10})
				for i := range count {
					if r.count() <= i {
						synctest.Wait()
					}
					r.mu.Lock() // a page may be delivered now
					tag := r.got[i].tag
					r.mu.Unlock()
					x.must(p.sub.Ack(tag, nil))
				}
				x.wantSteps("/queue/q", 3*count)
			})
		})
	}
}

// A cumulative ACK does not walk over messages that a transaction has
// claimed.
func TestClaimedArePassed(t *testing.T) {
	x := newTesterWith(t, Options{})
	p := x.subscribe("/queue/q", AckClient, 1000)
	for range 1000 {
		x.send("/queue/q", "m")
	}
	tx := x.p.Begin()
	c := p.sub.consumer
	for i := range 500 {
		x.must(tx.Ack(p.sub, p.got[i].tag))
	}
	if first, last := c.held.acknowledged(p.got[500].tag, AckClient); last-first != 1 {
		t.Errorf("an ACK walks from %d to %d", first, last)
	}
	x.must(p.sub.Ack(p.got[600].tag, nil))
	tx.Abort()
	x.must(p.sub.Ack(p.got[700].tag, nil))
	x.wantDepth("/queue/q", 0, 299)
}

// A message that is due is delivered before those of lower priority, however
// many of them are due, came back or wait on disk.
func TestDuePriority(t *testing.T) {
	for name, others := range map[string]func(x *tester, i int){
		"Returned":  func(x *tester, i int) { x.sendWith("/queue/q", fmt.Sprint(i), 4, false, 0, 0) },
		"Due":       func(x *tester, i int) { x.sendWith("/queue/q", fmt.Sprint(i), 4, false, 0, time.Second) },
		"Transient": func(x *tester, i int) { x.sendWith("/queue/q", fmt.Sprint(i), 4, true, 0, time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
				x := start(nil)
				p := x.subscribe("/queue/q", AckClientIndividual, 500)
				for i := range 2000 {
					others(x, i)
				}
				pass(2 * time.Second)
				p.sub.Unsubscribe()
				p = x.subscribe("/queue/q", AckClientIndividual, 1)
				x.sendWith("/queue/q", "urgent", 9, false, 0, time.Second)
				pass(time.Minute)
				x.must(p.sub.Ack(p.got[0].tag, nil))
				synctest.Wait()
				if got := p.got[1].String(); got != "urgent" {
					t.Errorf("after the first came %s", got)
				}
			})
		})
	}
}

// Messages that are due come at their time, whether the Store keeps them or not,
// and wait for none that is due later.
func TestDueBehindTransient(t *testing.T) {
	for _, again := range []bool{false, true} {
		bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
			x := start(nil)
			p := x.subscribe("/queue/q", AckClientIndividual, 60000)
			for i := range 900 {
				x.sendWith("/queue/q", fmt.Sprint("t", i), 4, true, 0, time.Hour)
			}
			for i := range 900 {
				x.sendWith("/queue/q", fmt.Sprint("s", i), 4, false, 0, 10*time.Second+time.Duration(i)*time.Millisecond)
				if again && i%300 == 0 {
					p.sub.Unsubscribe()
					p = x.subscribe("/queue/q", AckClientIndividual, 60000)
				}
			}
			pass(11 * time.Second)
			for i, d := range p.got {
				if got, want := d.String(), fmt.Sprint("s", i); got != want {
					t.Fatalf("%s came where %s was due", got, want)
				}
			}
			if n := p.count(); n != 900 {
				t.Errorf("%d of 900 came in time", n)
			}
			pass(time.Hour)
			if n := p.count(); n != 1800 {
				t.Errorf("%d of 1800 came", n)
			}
		})
	}
}

// A sorted is the model of a queue with one consumer that takes one message
// at a time: a list.
type sorted struct {
	*tester
	p    *peer
	all  []*sortedMessage
	seed uint64
}

type sortedMessage struct {
	body      string
	priority  uint8
	due       time.Time
	delivered bool
}

func (s *sorted) send(priority uint8, transient bool, delay time.Duration) {
	m := &sortedMessage{body: fmt.Sprint("m", len(s.all)), priority: priority, due: time.Now().Add(delay)}
	s.all = append(s.all, m)
	s.sendWith("/queue/q", m.body, priority, transient, 0, delay)
	s.look()
}

// first is the next message: of those whose time has come, by priority and
// then by the order of sending.
func (s *sorted) first() *sortedMessage {
	var first *sortedMessage
	for _, m := range s.all {
		if !m.delivered && !m.due.After(time.Now()) && (first == nil || m.priority > first.priority) {
			first = m
		}
	}
	return first
}

// look compares a delivery, if there is one.
func (s *sorted) look() {
	s.Helper()
	synctest.Wait()
	m := s.first()
	switch {
	case s.p == nil:
	case s.p.seen < s.p.count():
		got := string(s.p.got[s.p.seen].msg.Body())
		s.p.seen++
		if m == nil || m.body != got {
			s.Fatalf("seed %d: got %s, want %+v", s.seed, got, m)
		}
		m.delivered = true
	case s.p.sub.Pending() == 0 && m != nil:
		s.Fatalf("seed %d: %s did not come", s.seed, m.body)
	}
}

func (s *sorted) ack() {
	if s.p != nil && s.p.sub.Pending() > 0 {
		s.must(s.p.sub.Ack(s.p.got[s.p.seen-1].tag, nil))
		s.look()
	}
}

// attach takes the place of the consumer.
func (s *sorted) attach() {
	if s.p != nil {
		if s.p.sub.Pending() > 0 {
			last := string(s.p.got[s.p.seen-1].msg.Body())
			i := slices.IndexFunc(s.all, func(m *sortedMessage) bool { return m.body == last })
			s.all[i].delivered = false
		}
		s.p.sub.Unsubscribe()
		s.p = nil
		synctest.Wait()
		return
	}
	s.p = s.subscribe("/queue/q", AckClientIndividual, 1)
	s.look()
}

// Against a sorted list: visible messages are delivered by priority, then in
// the order in which they were sent, wherever they waited.
func TestOrderRandomly(t *testing.T) {
	for seed := range uint64(40) {
		bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
			s := &sorted{tester: start(nil), seed: seed}
			random := rand.New(rand.NewPCG(seed, 5))
			for range 300 {
				switch random.IntN(8) {
				case 0:
					s.attach()
				case 1, 2, 3:
					s.ack()
				case 4:
					pass(time.Second)
					s.look()
				default:
					delay := time.Duration(max(0, random.IntN(20)-10)) * time.Second
					s.send(uint8(random.IntN(3)), random.IntN(2) == 0, delay)
				}
			}
			if s.p == nil {
				s.attach()
			}
			pass(10 * time.Second)
			for s.look(); s.p.sub.Pending() > 0; {
				s.ack()
			}
			s.wantDepth("/queue/q", 0, 0)
		})
	}
}
