package broker

import (
	"cmp"
	"slices"
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

// Begin starts a transaction, whose messages will be in the order of all that
// is sent through p.
func (p *Publisher) Begin() *Transaction { return &Transaction{publisher: p} }

// Send adds a message to the transaction.
func (t *Transaction) Send(m *Message) { t.messages = append(t.messages, m) }

// Len is how many steps the transaction has.
func (t *Transaction) Len() int { return len(t.messages) + len(t.claims) }

// Ack acknowledges a delivery as [Subscription.Ack] does, once the transaction
// commits; until then nobody else can.
func (t *Transaction) Ack(s *Subscription, tag uint64) error {
	return t.claim(s, tag, acknowledged)
}

// Nack gives a delivery back as [Subscription.Nack] does, once the
// transaction commits.
func (t *Transaction) Nack(s *Subscription, tag uint64, requeue bool) error {
	if requeue {
		return t.claim(s, tag, requeued)
	}
	return t.claim(s, tag, rejected)
}

func (t *Transaction) claim(s *Subscription, tag uint64, how outcome) error {
	c := s.consumer
	if c == nil || c.ack == AckAuto {
		return ErrUnknownDelivery
	}
	tags := c.claim(tag)
	if len(tags) == 0 {
		return ErrUnknownDelivery
	}
	t.claims = append(t.claims, claim{consumer: c, tags: tags, how: how})
	return nil
}

// Abort drops the messages; what was acknowledged is pending again, with the
// consumer that has it.
func (t *Transaction) Abort() {
	t.messages = nil
	queues, _ := t.queues()
	lockAll(queues) // none has vanished: it has what was claimed
	for _, c := range t.claims {
		c.consumer.unclaim(c.tags)
	}
	// Only now, so that what goes back to a queue leaves it in order.
	for _, q := range queues {
		q.pump()
		q.mu.Unlock()
	}
	t.finish(queues)
}

// Commit makes all of it happen. Nobody sees a part: the queues are locked
// together, and a Store gets one batch. done is called as by
// [Publisher.Send], for all of it.
func (t *Transaction) Commit(done func(error)) {
	var queues, targets []*queue
	locked := false
	for !locked {
		queues, targets = t.queues()
		locked = lockAll(queues)
	}
	var batch Batch
	for i, m := range t.messages {
		if q := targets[i]; q != nil {
			batch = q.commit(m, batch)
		}
	}
	for _, c := range t.claims {
		batch = c.consumer.commit(c, batch)
	}
	if len(batch) > 0 {
		t.publisher.broker.queues.store.Apply(batch, done)
	}
	for _, q := range queues {
		q.pump()
		q.mu.Unlock()
	}
	t.finish(queues)
	if len(batch) == 0 {
		finished(done, nil)
	}
}

// finish does what concerns no queue that was locked.
func (t *Transaction) finish(queues []*queue) {
	b := t.publisher.broker
	for _, m := range t.messages {
		switch m.to.Kind {
		case Queue:
			b.stats.Sent.Add(1)
		default:
			t.publisher.Send(m, nil)
		}
	}
	for _, q := range queues {
		b.queues.vanish(q)
	}
	t.messages, t.claims = nil, nil
}

// queues gives those that the transaction changes, each once, in the order in
// which they are locked; and for each message the one it goes to, nil if it
// goes to a topic or as a reply.
func (t *Transaction) queues() (qs, targets []*queue) {
	targets = make([]*queue, len(t.messages))
	for i, m := range t.messages {
		if m.to.Kind == Queue {
			targets[i] = t.publisher.broker.queues.get(m.to)
			qs = append(qs, targets[i])
		}
	}
	for _, c := range t.claims {
		qs = append(qs, c.consumer.q)
	}
	slices.SortFunc(qs, func(a, b *queue) int { return cmp.Compare(a.id, b.id) })
	return slices.Compact(qs), targets
}

// lockAll locks queues in their order; false, and none locked, if one that
// is named by its destination has vanished meanwhile.
func lockAll(queues []*queue) bool {
	for i, q := range queues {
		q.mu.Lock()
		if q.gone && q.dest.Kind == Queue && !q.private {
			for _, q := range queues[:i+1] {
				q.mu.Unlock()
			}
			return false
		}
	}
	return true
}

// commit puts a message in as part of a batch. The lock is held.
func (q *queue) commit(m *Message, batch Batch) Batch {
	q.append(m)
	if q.store == nil {
		return batch
	}
	return append(batch, Op{Kind: Put, Queue: q.dest.Key(), Seq: q.seq, Message: m})
}

// claim keeps the pending delivery of that tag, and in mode client all before
// it, for a transaction, and returns their tags.
func (c *consumer) claim(tag uint64) []uint64 {
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	var tags []uint64
	first, last := c.find(tag, c.ack == AckClient)
	for i := first; i < last; i++ {
		if d := c.held.at(i); d.state == pending {
			d.state = claimed
			c.outstanding--
			c.claimed++
			tags = append(tags, d.tag)
		}
	}
	c.lineUp()
	c.q.pump()
	return tags
}

// unclaim makes claimed deliveries pending again, or gives them back if the
// consumer has closed since. The lock is held.
func (c *consumer) unclaim(tags []uint64) {
	for _, tag := range tags {
		i := c.search(tag)
		d := c.held.at(i)
		if c.closed {
			c.finish(d, requeued)
			continue
		}
		d.state = pending
		c.claimed--
		c.outstanding++
	}
	c.release()
}

// commit settles what a transaction claimed. The lock is held.
func (c *consumer) commit(cl claim, batch Batch) Batch {
	for _, tag := range cl.tags {
		d := c.held.at(c.search(tag))
		if c.q.store != nil && cl.how != requeued {
			batch = append(batch, Op{Kind: Delete, Queue: c.q.dest.Key(), Seq: d.seq})
		}
		c.finish(d, cl.how)
	}
	c.release()
	c.lineUp()
	return batch
}

// release ends a consumer that stayed only because of a transaction.
func (c *consumer) release() {
	c.tidy()
	if c.closed && c.claimed == 0 && !c.released {
		c.released = true
		c.q.consumers--
	}
}
