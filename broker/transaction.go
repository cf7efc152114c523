package broker

import (
	"cmp"
	"slices"

	"hoofbeat/destination"
)

// A Transaction gathers sends and acknowledgements that happen together or
// not at all (STOMP 1.2, BEGIN). It belongs to one connection and is used by
// one goroutine at a time.
type Transaction struct {
	publisher *Publisher
	messages  []*Message
	claims    []claim
}

// A claim is the pending deliveries that one ACK or NACK in a transaction
// meant.
type claim struct {
	consumer *consumer
	tags     []uint64
	how      outcome
}

// Begin starts a transaction. Its messages keep their order among all
// messages that are sent through p.
func (p *Publisher) Begin() *Transaction { return &Transaction{publisher: p} }

// Send adds a message to the transaction.
func (t *Transaction) Send(m *Message) {
	m.owner = t.publisher.account
	t.messages = append(t.messages, m)
}

// Len returns the number of steps.
func (t *Transaction) Len() int { return len(t.messages) + len(t.claims) }

// Ack acknowledges a delivery as [Subscription.Ack] does, once the transaction
// commits; until then nobody else can. The errors are those of it.
func (t *Transaction) Ack(s *Subscription, tag uint64) error {
	return t.claim(s, tag, acknowledged)
}

// Nack refuses a delivery as [Subscription.Nack] does, once the transaction
// commits.
func (t *Transaction) Nack(s *Subscription, tag uint64, requeue bool) error {
	return t.claim(s, tag, nacked(requeue))
}

func (t *Transaction) claim(s *Subscription, tag uint64, how outcome) error {
	c := s.consumer
	if c == nil || c.auto {
		return ErrUnknownDelivery
	}
	tags, err := c.claim(tag)
	if err != nil {
		return err
	}
	t.claims = append(t.claims, claim{consumer: c, tags: tags, how: how})
	return nil
}

// Abort drops the messages; acknowledged ones are pending again, with the
// same consumer.
func (t *Transaction) Abort() {
	slices.SortStableFunc(t.claims, func(a, b claim) int { return cmp.Compare(a.consumer.q.id, b.consumer.q.id) })
	for rest := t.claims; len(rest) > 0; {
		q, n := rest[0].consumer.q, 0
		q.mu.Lock()
		for ; n < len(rest) && rest[n].consumer.q == q; n++ {
			rest[n].consumer.unclaim(rest[n].tags)
		}
		rest = rest[n:]
		// Only now, so that messages that go back to a queue leave it in
		// order.
		q.pump()
		q.unlock()
		t.publisher.broker.queues.vanish(q)
	}
	t.messages, t.claims = nil, nil
}

// distinct sorts queues in the order in which they are locked, each once.
func distinct(qs []*queue) []*queue {
	slices.SortFunc(qs, func(a, b *queue) int { return cmp.Compare(a.id, b.id) })
	return slices.Compact(qs)
}

// Commit carries out all steps as one: the queues are locked together, and the Store
// gets one batch. done is called as by [Publisher.Send], for all of it; if wait is not
// nil nothing has happened, and Commit is to be called again when it is closed. If the
// messages are refused, the transaction is aborted.
func (t *Transaction) Commit(done func(error)) (wait <-chan struct{}) {
	c := commitment{t: t, qs: t.publisher.broker.queues}
	c.lock()
	v := c.admit()
	switch {
	case v.full != nil:
		c.unlock()
		return t.publisher.waitFor(v.full, v.want)
	case v.err != nil:
		c.unlock()
		t.refuse(c.locked, v.err)
		finished(done, v.err)
	default:
		t.publisher.counters.countSent(len(t.messages))
		c.apply(done)
		c.unlock()
		t.finish(c.locked)
	}
	t.publisher.stopWaiting()
	return nil
}

// refuse aborts a transaction that queues have refused.
func (t *Transaction) refuse(queues []*queue, why error) {
	t.publisher.counters.countSent(len(t.messages))
	t.publisher.broker.stats.refused(len(t.messages), why)
	t.Abort()
	for _, q := range queues {
		t.publisher.broker.queues.vanish(q)
	}
}

// finish does the work for queues that were not locked.
func (t *Transaction) finish(queues []*queue) {
	b := t.publisher.broker
	for _, m := range t.messages {
		switch m.to.Kind {
		case destination.Topic, destination.User:
			t.publisher.deliver(t.publisher.routeOf(m.to), m)
		case destination.TempQueue:
			b.reply(m)
		}
	}
	for _, q := range queues {
		b.queues.vanish(q)
	}
	t.messages, t.claims = nil, nil
}

// claim keeps the pending delivery of that tag, and in mode client all before
// it, for a transaction, and returns their tags. The error is that of settle.
func (c *consumer) claim(tag uint64) (tags []uint64, err error) {
	c.q.mu.Lock()
	defer c.q.unlock()
	if c.q.failed != nil {
		return nil, c.q.failed
	}
	first, last := c.held.acknowledged(tag, c.ack)
	for i := first; i < last; i++ {
		if d := c.held.at(i); d.settle == pending {
			c.held.claim(d)
			tags = append(tags, d.tag)
		}
	}
	if len(tags) == 0 {
		return nil, c.held.why(tag)
	}
	c.lineUp()
	c.q.pump()
	return tags, nil
}

// unclaim makes claimed deliveries pending again, or gives them back if the
// consumer has closed since. The lock is held.
func (c *consumer) unclaim(tags []uint64) {
	for _, tag := range tags {
		if d := c.held.of(tag); c.closed {
			c.finish(d, returned)
		} else {
			c.held.unclaim(d)
		}
	}
	c.release()
}

// claimedSize is how much a claim holds, and how many bytes of it no Store keeps.
// The lock is held.
func (c *consumer) claimedSize(cl claim) (x Extent, loose int) {
	for _, tag := range cl.tags {
		d := c.held.of(tag)
		x.add(d.msg.Size())
		if !d.stored() {
			loose += d.msg.Size()
		}
	}
	return x, loose
}

// commit settles the deliveries that a transaction claimed. The lock is held.
func (c *consumer) commit(cl claim) {
	for _, tag := range cl.tags {
		c.finish(c.held.of(tag), cl.how)
	}
	c.release()
	c.lineUp()
}

// release ends a consumer that stayed only because of a transaction.
func (c *consumer) release() {
	c.held.tidy()
	if c.closed && c.held.claimed == 0 && !c.released {
		c.released = true
		c.bill.settle()
		if c.q.consumers--; c.q.consumers == 0 {
			c.q.detached()
		}
	}
}
