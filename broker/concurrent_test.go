package broker

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A ledger knows the fate of every message, while many goroutines use a
// Broker.
type ledger struct {
	mu       sync.Mutex
	sent     map[string]int // by queue and body; 1 if it is in a queue
	settled  map[string]int // acknowledged or rejected, by how many
	attempts map[string]int // deliveries, by queue, body and attempt
	dying    bool           // rejected messages go to a dead letter queue
}

func (l *ledger) count(in map[string]int, key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	in[key]++
}

// A worker is one connection: it sends, subscribes and settles at random.
type worker struct {
	x     *tester
	l     *ledger
	r     *rand.Rand
	p     *Publisher
	id    int
	sent  int
	subs  []*workerSub
	tx    *Transaction
	stage []func() // changes of the ledger if tx commits
}

// A workerSub is a subscription's Sink. It refuses when it has ten that the
// worker has not looked at.
type workerSub struct {
	l     *ledger
	queue string
	ack   AckMode
	sub   *Subscription

	mu      sync.Mutex
	inbox   []delivered
	refused bool

	held []delivered // owned by the worker
}

// TakeCredit implements Sink. Only one queue delivers, so there is room until Deliver.
func (s *workerSub) TakeCredit(int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = s.refused || len(s.inbox) == 10
	return len(s.inbox) < 10
}

func (s *workerSub) Deliver(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inbox = append(s.inbox, delivered{d.Message, d.Tag, d.Attempt})
	s.l.count(s.l.attempts, fmt.Sprintf("%s %s %d", s.queue, d.Message.Body(), d.Attempt))
}

func (s *workerSub) Overrun() Overflow { return DropNewest }

// look takes the delivered messages.
func (s *workerSub) look() {
	s.mu.Lock()
	s.held = append(s.held, s.inbox...)
	s.inbox = nil
	resume := s.refused
	s.refused = false
	s.mu.Unlock()
	if resume {
		s.sub.Resume()
	}
}

func (w *worker) step() {
	switch n := w.r.IntN(100); {
	case n < 30:
		w.send()
	case n < 40 && len(w.subs) < 3:
		w.subscribe()
	case n < 45 && len(w.subs) > 0:
		i := w.r.IntN(len(w.subs))
		w.subs[i].sub.Unsubscribe()
		w.subs = append(w.subs[:i], w.subs[i+1:]...)
	case n < 85 && len(w.subs) > 0:
		w.settle(w.subs[w.r.IntN(len(w.subs))])
	case n < 90 && w.tx == nil:
		w.tx = w.p.Begin()
	case n < 95 && w.tx != nil:
		w.tx.Commit(nil)
		for _, effect := range w.stage {
			effect()
		}
		w.tx, w.stage = nil, nil
	case n == 99:
		w.disconnect()
	}
}

func (w *worker) send() {
	queue := fmt.Sprintf("/queue/%d", w.r.IntN(3))
	w.sent++
	m := w.x.message(queue, fmt.Sprintf("%d.%d", w.id, w.sent))
	effect := func() { w.l.count(w.l.sent, queue+" "+string(m.Body())) }
	if w.tx != nil && w.r.IntN(2) == 0 {
		w.tx.Send(m)
		w.stage = append(w.stage, effect)
		return
	}
	w.p.Send(m, nil)
	effect()
}

func (w *worker) subscribe() {
	s := &workerSub{l: w.l, queue: fmt.Sprintf("/queue/%d", w.r.IntN(3)), ack: AckMode(w.r.IntN(3))}
	w.subs = append(w.subs, s)
	s.sub = mustSubscribe(w.x.b, SubscribeOptions{Destination: readDestination(w.x, s.queue, alice), Ack: s.ack, Prefetch: 1 + w.r.IntN(20), Sink: s})
}

// settle takes some of the held messages.
func (w *worker) settle(s *workerSub) {
	s.look()
	if len(s.held) == 0 {
		return
	}
	i := w.r.IntN(len(s.held))
	tag := s.held[i].tag
	first := i
	if s.ack != AckClientIndividual {
		first = 0
	}
	mine := append([]delivered(nil), s.held[first:i+1]...)
	s.held = append(s.held[:first:first], s.held[i+1:]...)
	count := func() {
		for _, d := range mine {
			w.l.count(w.l.settled, s.queue+" "+string(d.msg.Body()))
		}
	}
	how := w.r.IntN(5)
	var err error
	switch {
	case s.ack == AckAuto:
		s.sub.Written(tag)
		count()
	case how == 0:
		err = s.sub.Nack(tag, true, nil)
	case w.tx != nil && how < 3:
		// An abort makes it pending again; the worker forgets it, and gives it
		// back when it unsubscribes. In mode client a later ACK would mean it,
		// so claims are for the other.
		if s.ack == AckClient {
			err = s.sub.Ack(tag, nil)
			count()
			break
		}
		err = w.tx.Ack(s.sub, tag)
		w.stage = append(w.stage, count)
	case how == 3:
		err = s.sub.Nack(tag, false, nil)
		if !w.l.dying {
			count()
		}
	default:
		err = s.sub.Ack(tag, nil)
		count()
	}
	w.x.must(err)
}

func (w *worker) disconnect() {
	if w.tx != nil {
		w.tx.Abort()
		w.tx, w.stage = nil, nil
	}
	for _, s := range w.subs {
		if w.r.IntN(2) == 0 {
			s.sub.ConnectionLost()
		}
		s.sub.Unsubscribe()
	}
	w.subs = nil
}

// TestConcurrent: at the end, every message that was sent was settled once, or
// is still there; and no attempt was given to two.
func TestConcurrent(t *testing.T) {
	for _, o := range []Options{{}, {Store: &Memory{}}, {Store: &Memory{}, window: 2}} {
		o.Policies = durably
		synctest.Test(t, func(t *testing.T) { testConcurrent(t, o, false) })
	}
}

// TestConcurrentPolicies: the same with messages that fail, wait, make room for
// others, and end in a dead letter queue.
func TestConcurrentPolicies(t *testing.T) {
	dead := readDestination(t, "/queue/dead", alice)
	for _, o := range []Options{{}, {Store: &Memory{}}, {Store: &Memory{}, window: 2}} {
		o.Policies = rules(t, map[string]Policy{
			"/queue/0": {Durable: true, MaxDeliveries: 2, RedeliveryDelay: Backoff{Initial: time.Millisecond, Multiplier: 2}, DeadLetter: dead},
			"/queue/1": {Durable: true, MaxMessages: 20, Overflow: DropHead, DeadLetter: dead},
			"/queue/2": {Durable: true, TTL: 5 * time.Millisecond, DeadLetter: dead},
		})
		synctest.Test(t, func(t *testing.T) { testConcurrent(t, o, true) })
	}
}

func testConcurrent(t *testing.T, o Options, dying bool) {
	x := newTesterWith(t, o)
	l := &ledger{dying: dying, sent: make(map[string]int), settled: make(map[string]int), attempts: make(map[string]int)}
	var wg sync.WaitGroup
	for id := range 6 {
		wg.Go(func() {
			w := &worker{x: x, l: l, r: rand.New(rand.NewPCG(uint64(id), 9)), p: x.b.NewPublisher(), id: id}
			for range 2000 {
				w.step()
				if w.r.IntN(10) == 0 {
					time.Sleep(time.Duration(w.r.IntN(1_000_000))) // in a bubble: lets the others come so far
				}
			}
			w.disconnect()
		})
	}
	wg.Wait()
	time.Sleep(time.Hour) // in a bubble: until nothing is delayed
	synctest.Wait()
	store, _ := o.Store.(*Memory)
	checkLedger(t, x, l, store)
}

// countDead enters the messages of the dead letter queue.
func countDead(x *tester, l *ledger) int {
	s := x.b.Stats()
	if s.Rejected.Load() == 0 || s.Exhausted.Load() == 0 || s.Expired.Load() == 0 || s.Overflowed.Load() == 0 {
		x.Errorf("dead are %d rejected, %d exhausted, %d expired, %d without room", s.Rejected.Load(), s.Exhausted.Load(), s.Expired.Load(), s.Overflowed.Load())
	}
	p := x.subscribe("/queue/dead", AckClient, 1<<20)
	synctest.Wait()
	for _, d := range p.got {
		l.settled[d.msg.Header().Get("original-destination")+" "+string(d.msg.Body())]++
	}
	return p.count()
}

func checkLedger(t *testing.T, x *tester, l *ledger, store *Memory) {
	t.Helper()
	left := 0
	for i := range 3 {
		queue := fmt.Sprintf("/queue/%d", i)
		p := x.subscribe(queue, AckClient, 1<<20)
		synctest.Wait()
		left += p.count()
		for _, d := range p.got {
			l.settled[queue+" "+string(d.msg.Body())]++
		}
	}
	if l.dying {
		left += countDead(x, l)
	}
	checkBooks(t, x.b)
	if store != nil && store.Len() != left {
		t.Errorf("%d messages are stored, %d are left", store.Len(), left)
	}
	for key := range l.sent {
		if n := l.settled[key]; n != 1 {
			t.Errorf("%s was settled %d times", key, n)
		}
	}
	for key := range l.settled {
		if l.sent[key] != 1 {
			t.Errorf("%s was never sent", key)
		}
	}
	for key, n := range l.attempts {
		if n != 1 {
			t.Errorf("%s was delivered %d times", key, n)
		}
	}
	if len(l.sent) < 1000 || !l.dying && left > len(l.sent)*9/10 {
		t.Errorf("only %d were sent, %d are left", len(l.sent), left)
	}
}
