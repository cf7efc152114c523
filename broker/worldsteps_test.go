package broker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"hoofbeat/destination"
)

// A worldClient is a connection.
type worldClient struct {
	owner destination.Owner
	p     *Publisher
	subs  []*worldSub
	tx    *worldTx
	// waits is closed when its sender is to try again; then nothing else of it
	// is read.
	waits  <-chan struct{}
	again  func() <-chan struct{}
	bodies []string // the message that it waits to send
}

type worldTx struct {
	*Transaction
	bodies []string
	claims []worldClaim
}

type worldClaim struct {
	sub  *worldSub
	tags []uint64
	how  outcome
}

// A worldSub is a subscription and its Sink.
type worldSub struct {
	w       *world
	sub     *Subscription
	ack     AckMode
	room    int
	queue   string // its key
	pending []worldDelivery
}

type worldDelivery struct {
	tag     uint64
	body    string
	claimed bool
}

// Overrun implements Sink; no backlog here is bounded.
func (s *worldSub) Overrun() Overflow { return DropNewest }

// TakeCredit implements Sink.
func (s *worldSub) TakeCredit(int) bool {
	s.w.mu.Lock() // pages are delivered by the Store's goroutine
	defer s.w.mu.Unlock()
	if s.room == 0 {
		return false
	}
	s.room--
	return true
}

// Deliver implements Sink.
func (s *worldSub) Deliver(d Delivery) {
	m := d.Message
	if d.Tag == 0 {
		return
	}
	w, at := s.w, spot{s.queue, string(m.Body())}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	switch e := m.rarely(); {
	case e.due > now && !w.back, w.notBefore[at] > now && !w.back:
		w.note("FAULT: %s: %s is %d ms early", at.queue, at.body, max(e.due, w.notBefore[at])-now)
		w.t.Error("a message came too early")
	case e.expires != 0 && e.expires <= now:
		w.note("FAULT: %s: %s has expired", at.queue, at.body)
		w.t.Error("an expired message was delivered")
	case d.Attempt == 1 && e.due == 0 && !strings.HasSuffix(at.queue, "dead"):
		lane := fmt.Sprint(s.queue, " ", m.priority)
		if w.order[lane] >= w.arrival[at.body] {
			w.note("FAULT: %s: %s, which came as %d, is delivered after %d", lane, at.body, w.arrival[at.body], w.order[lane])
			w.t.Error("messages are out of order")
		}
		w.order[lane] = w.arrival[at.body]
	}
	s.pending = append(s.pending, worldDelivery{tag: d.Tag, body: at.body})
}

// act takes a random step.
func (w *world) act() {
	if w.store != nil && w.r.IntN(4) == 0 {
		w.store.release(w.r.IntN(2) == 0)
		synctest.Wait()
	}
	if w.r.IntN(100) == 0 {
		w.setClock() // alone, or it is not known when messages came
		return
	}
	for _, c := range w.clients {
		w.tryAgain(c)
	}
	c := w.clients[w.r.IntN(len(w.clients))]
	n := w.r.IntN(100)
	if c.waits != nil {
		if n < 5 {
			w.disconnect(c)
		} else {
			w.pass()
		}
		return
	}
	switch {
	case n < 28:
		for range 1 + w.r.IntN(6) {
			if c.waits == nil {
				w.send(c)
			}
		}
	case n < 36:
		w.subscribe(c)
	case n < 41:
		if len(c.subs) > 0 {
			w.unsubscribe(c, w.r.IntN(len(c.subs)))
		}
	case n < 68:
		w.settle(c)
	case n < 72:
		if len(c.subs) > 0 {
			s := c.subs[w.r.IntN(len(c.subs))]
			w.write(s)
			s.room = w.newRoom()
			w.note("%s resumes with room %d", s.queue, s.room)
			s.sub.Resume()
		}
	case n < 75:
		if c.tx == nil {
			c.tx = &worldTx{Transaction: c.p.Begin()}
		}
	case n < 79:
		if c.tx != nil {
			w.commit(c)
		}
	case n < 80:
		w.abort(c)
	case n < 82:
		w.reload()
	case n < 87:
		w.operate()
	case n < 88:
		w.disconnect(c)
	case n < 89 && w.r.IntN(3) == 0:
		w.restart()
	default:
		w.pass()
	}
}

func (w *world) pass() {
	d := time.Duration(w.r.IntN(4000)) * time.Millisecond
	w.note("%v pass", d)
	time.Sleep(d) // in a bubble
}

// setClock sets the wall clock, as NTP or an operator does, or sleep.
func (w *world) setClock() {
	step := time.Duration(w.r.IntN(60_000)-20_000) * time.Millisecond
	w.offset.Add(int64(step))
	w.stepped = time.Now()
	w.back = w.back || step < 0
	w.note("the clock is set by %v", step)
}

func (w *world) newMessage(c *worldClient) *Message {
	text := append(worldQueues, "/topic/a", "/topic/b")[w.r.IntN(5)]
	d, err := destination.DefaultNamespace().ForSend(text, c.owner)
	if err != nil {
		w.t.Fatal(err)
	}
	w.serial++
	m := makeMessage(d, text, fmt.Sprint("m", w.serial, strings.Repeat("x", w.r.IntN(200))))
	m.priority = uint8(3 + w.r.IntN(3))
	m.transient = w.r.IntN(4) == 0
	var expires, due int64
	if w.r.IntN(5) == 0 {
		expires = w.now() + int64(w.r.IntN(20000))
	}
	if d.Kind == destination.Queue && w.r.IntN(4) == 0 {
		due = w.now() + int64(w.r.IntN(15000))
	}
	m.setTimes(expires, due)
	return m
}

func (w *world) send(c *worldClient) {
	m := w.newMessage(c)
	body := string(m.Body())
	if c.tx != nil && w.r.IntN(3) > 0 {
		w.note("%s sends %.9s to %s in its transaction", c.owner.User, body, m.to)
		c.tx.Send(m)
		c.tx.bodies = append(c.tx.bodies, body)
		w.sent[body] = m
		return
	}
	w.note("%s sends %.9s to %s, priority %d, transient %v, expires %d, due %d; now %d", c.owner.User, body, m.to, m.priority, m.transient, m.Expires(), m.rarely().due, w.now())
	w.offer(c, []string{body}, func(done func(error)) <-chan struct{} {
		w.sent[body] = m
		return c.p.Send(m, done)
	})
}

// offer sends or commits, now or as soon as there is room.
func (w *world) offer(c *worldClient, bodies []string, f func(done func(error)) <-chan struct{}) {
	done := func(err error) {
		if err == nil {
			return
		}
		stored := (*StoredError)(nil)
		if !errors.Is(err, ErrQueueFull) && !errors.Is(err, ErrTooLarge) && !errors.As(err, &stored) {
			w.note("FAULT: %v", err)
			w.t.Error("the error is none of those expected")
		}
		for _, body := range bodies {
			w.sent[body] = nil
		}
	}
	c.bodies = bodies
	c.again = func() <-chan struct{} {
		for _, body := range bodies {
			w.arrivals++
			w.arrival[body] = w.arrivals
		}
		return f(done)
	}
	c.waits = c.again()
	synctest.Wait()
}

// tryAgain lets the next waiting client go on.
func (w *world) tryAgain(c *worldClient) {
	for tries := 0; c.waits != nil; tries++ {
		select {
		case <-c.waits:
			w.note("%s tries again", c.owner.User)
			c.waits = c.again()
			synctest.Wait()
		default:
			return
		}
		if tries > 20 {
			w.fail("a sender is called again and again, and there is no room")
		}
	}
}

// write says that some of the deliveries of a subscription, which acknowledges
// them itself, were written.
func (w *world) write(s *worldSub) {
	if n := len(s.pending); n > 0 && s.ack != AckAuto {
		tag := s.pending[w.r.IntN(n)].tag
		w.note("%q was written up to %d", s.queue, tag)
		s.sub.Written(tag)
	}
}

func (w *world) newRoom() int {
	if w.r.IntN(3) == 0 {
		return w.r.IntN(6)
	}
	return 1 << 20
}

func (w *world) subscribe(c *worldClient) {
	if len(c.subs) == 4 {
		return
	}
	s := &worldSub{w: w, ack: AckMode(w.r.IntN(3)), room: w.newRoom()}
	o := SubscribeOptions{Ack: s.ack, Prefetch: 1 + w.r.IntN(10), Sink: s, User: c.owner.User}
	text := append(worldQueues, worldDead, "/topic/a", "/topic/b", "/topic/**")[w.r.IntN(7)]
	o.Destination = readDestination(w.t, text, c.owner)
	if s.queue = o.Destination.Key(); o.Destination.Kind == destination.Topic {
		if w.r.IntN(2) == 0 {
			name := fmt.Sprint("n", w.r.IntN(2), " ", text)
			o.Durable = destination.DurableSubscription("u", "c", name)
			s.queue = o.Durable.Key()
		} else if s.ack == AckAuto {
			s.ack, o.Ack = AckClient, AckClient
		}
	}
	w.note("%s subscribes to %q, %s, prefetch %d, room %d", c.owner.User, s.queue, s.ack, o.Prefetch, s.room)
	s.sub = mustSubscribe(w.b, o)
	if key := w.key(s.sub.consumer.q); key != s.queue { // a private queue; of others, a page may be delivered now
		s.queue = key
	}
	c.subs = append(c.subs, s)
	w.consumers = append(w.consumers, s.sub.consumer)
}

func (w *world) unsubscribe(c *worldClient, i int) {
	s := c.subs[i]
	c.subs = slices.Delete(c.subs, i, i+1)
	if s.sub.consumer.q.passing() {
		w.step.wiped[s.queue] = true
	}
	if w.r.IntN(2) == 0 {
		w.note("%s unsubscribes from %q", c.owner.User, s.queue)
		s.sub.Unsubscribe()
		return
	}
	w.note("%s loses %q", c.owner.User, s.queue)
	for _, d := range s.pending {
		w.step.refused[spot{s.queue, d.body}] = true
	}
	s.sub.ConnectionLost()
}

// take removes the deliveries that an answer to one of them concerns from the
// pending ones.
func (s *worldSub) take(i int, claim bool) (taken []worldDelivery) {
	tag, all := s.pending[i].tag, s.ack != AckClientIndividual
	kept := s.pending[:0:0]
	for _, d := range s.pending {
		if !d.claimed && (d.tag == tag || all && d.tag < tag) {
			taken = append(taken, d)
			if d.claimed = true; !claim {
				continue
			}
		}
		kept = append(kept, d)
	}
	s.pending = kept
	return taken
}

func (w *world) settle(c *worldClient) {
	if len(c.subs) == 0 {
		return
	}
	s := c.subs[w.r.IntN(len(c.subs))]
	if len(s.pending) == 0 {
		return
	}
	if w.r.IntN(2) == 0 {
		w.write(s)
	}
	i := w.r.IntN(len(s.pending))
	if s.pending[i].claimed {
		return
	}
	tag := s.pending[i].tag
	how := []outcome{acknowledged, acknowledged, acknowledged, refused, rejected}[w.r.IntN(5)]
	switch {
	case s.ack == AckAuto:
		w.note("%q was written up to %d", s.queue, tag)
		w.settled(s, s.take(i, false), acknowledged)
		s.sub.Written(tag)
	case c.tx != nil && w.r.IntN(2) == 0:
		taken := s.take(i, true)
		cl := worldClaim{sub: s, how: how}
		for _, d := range taken {
			cl.tags = append(cl.tags, d.tag)
		}
		w.note("%s claims %v of %q as %d", c.owner.User, cl.tags, s.queue, how)
		c.tx.claims = append(c.tx.claims, cl)
		if how == acknowledged {
			w.must(c.tx.Ack(s.sub, tag))
		} else {
			w.must(c.tx.Nack(s.sub, tag, how == refused))
		}
	default:
		taken := s.take(i, false)
		w.note("%s settles %d of %q as %d: %d messages", c.owner.User, tag, s.queue, how, len(taken))
		w.settled(s, taken, how)
		if how == acknowledged {
			w.must(s.sub.Ack(tag, nil))
		} else {
			w.must(s.sub.Nack(tag, how == refused, nil))
		}
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.fail("error %v", err)
	}
}

// settled enters the outcome of deliveries.
func (w *world) settled(s *worldSub, taken []worldDelivery, how outcome) {
	for _, d := range taken {
		at := spot{s.queue, d.body}
		if how == acknowledged {
			w.step.acked[at]++
			continue
		}
		w.step.refused[at] = true
		if p := w.policies.For(w.dests[s.queue].named); how == refused {
			w.notBefore[at] = w.now() + p.RedeliveryDelay.Initial.Milliseconds()
		}
	}
}
