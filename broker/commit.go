package broker

import (
	"fmt"

	"hoofbeat/destination"
)

// A commitment is a COMMIT under way, with the queues that it changes locked.
type commitment struct {
	t  *Transaction
	qs *queues
	// targets has for each message the queues that it goes to: its own, or
	// those of durable subscriptions.
	targets          [][]*queue
	deadLetterQueues map[*queue]*queue // where the dead of a queue go, if they go anywhere
	locked           []*queue          // in their order
	err              error             // why a message has no queue to go to
	missed           []*queue          // durable subscriptions, once for each message that they go without
	// dying has the callbacks for the moment when those dead messages of a
	// queue have moved that are not part of the batch.
	dying map[*queue]func(error)
}

// lock finds and locks the queues. One may have vanished between the two; then
// it is done again with the registry's lock held, which keeps all of them.
func (c *commitment) lock() {
	c.find(c.qs.getFor)
	if c.lockFound() {
		return
	}
	c.qs.mu.Lock()
	defer c.qs.mu.Unlock()
	c.find(c.qs.gotFor)
	c.lockFound()
}

// lockFound locks the queues; false, and none locked, if one has vanished that
// messages go to.
func (c *commitment) lockFound() bool {
	for i, q := range c.locked {
		q.mu.Lock()
		if q.gone && q.dest.Kind == destination.Queue {
			for _, q := range c.locked[:i+1] {
				q.mu.Unlock()
			}
			return false
		}
	}
	return true
}

// find gathers the queues. get gives those with names.
func (c *commitment) find(get func(d destination.Destination, user string) (*queue, error)) {
	c.err = nil
	c.targets, c.deadLetterQueues, c.locked = make([][]*queue, len(c.t.messages)), make(map[*queue]*queue), nil
	now := c.qs.now()
	for i, m := range c.t.messages {
		switch m.to.Kind {
		case destination.Queue:
			q, err := get(m.to, c.t.publisher.user)
			if err != nil {
				c.err = err
				continue
			}
			c.targets[i] = []*queue{q}
		case destination.Topic, destination.User:
			if c.targets[i] = c.t.publisher.routeOf(m.to).durable; len(c.targets[i]) > 1 {
				c.qs.share(m)
			}
		}
		if len(c.targets[i]) > 0 {
			m.arrived = now
		}
		c.locked = append(c.locked, c.targets[i]...)
	}
	for _, cl := range c.t.claims {
		q := cl.consumer.q
		c.locked = append(c.locked, q)
		if cl.how != acknowledged {
			if to := q.deadLetters(); to.Kind != 0 {
				c.deadLetterQueues[q], _ = get(to, "")
				c.locked = append(c.locked, c.deadLetterQueues[q])
			}
		}
	}
	c.locked = distinct(c.locked)
}

// deadLetters returns the queue's dead letter queue. Nothing is locked.
func (q *queue) deadLetters() destination.Destination {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.policy.DeadLetter
}

// admit asks the queues whether the messages may come in.
func (c *commitment) admit() verdict {
	if c.err != nil {
		return verdict{err: c.err}
	}
	if err := c.spend(); err != nil {
		return verdict{err: err}
	}
	wants := c.wants()
	if err := c.tooLarge(); err != nil {
		return verdict{err: err}
	}
	for _, q := range c.locked {
		if q.failed != nil {
			return verdict{err: q.failed}
		}
		if a := wants[q]; a != nil && !q.gone {
			if v := q.admit(*a); v != (verdict{}) {
				return v
			}
		}
	}
	return verdict{}
}

// tooLarge returns an error if the batch may exceed the Store's limit. That must be
// known before anything changes.
func (c *commitment) tooLarge() error {
	if c.qs.store == nil {
		return nil
	}
	size := 0
	for i, m := range c.t.messages {
		body := m.Size()
		for _, q := range c.targets[i] {
			if q.keeps(m) {
				size += body + 2*opSize + describing(q) // and perhaps the drops that make room for it
				if m.shared != 0 {
					body = 0 // it is kept once
				}
			}
		}
	}
	for _, cl := range c.t.claims {
		size += cl.consumer.claimCost(cl)
	}
	if size > c.qs.maxBatch {
		return fmt.Errorf("%w: it may take %d bytes, and %d are the most", ErrTooLarge, size, c.qs.maxBatch)
	}
	return nil
}

// describing returns the extra cost of a queue's first message.
func describing(q *queue) int {
	if q.described {
		return 0
	}
	return 2*opSize + len(AppendQueueMeta(nil, QueueMeta{Destination: q.dest, Topic: q.topic}))
}

// claimCost returns the most that settling a claim takes in a batch. The lock is held.
func (c *consumer) claimCost(cl claim) (n int) {
	for _, tag := range cl.tags {
		d := c.held.of(tag)
		switch {
		case !d.stored():
		case cl.how == acknowledged:
			n += opSize
		default:
			n += d.deathSize()
		}
	}
	return n
}

// wants returns what the transaction adds to each queue, less what it acknowledges
// there.
func (c *commitment) wants() map[*queue]*application {
	wants := make(map[*queue]*application)
	for i, m := range c.t.messages {
		for _, q := range c.targets[i] {
			a := wants[q]
			if a == nil {
				a = &application{p: c.t.publisher}
				wants[q] = a
			}
			a.add(m.Size())
			if q.keeps(m) {
				a.keep, a.largest = true, max(a.largest, m.Size())
			} else {
				a.loose += m.Size()
			}
		}
	}
	for _, cl := range c.t.claims {
		if a := wants[cl.consumer.q]; a != nil && cl.how == acknowledged {
			freed, loose := cl.consumer.claimedSize(cl)
			a.Count -= freed.Count
			a.Size -= freed.Size
			a.loose -= loose
			a.outOfTurn = true
		}
	}
	return wants
}

// apply changes the queues, and the Store by one batch.
func (c *commitment) apply(done func(error)) {
	if len(c.locked) == 0 {
		finished(done, nil)
		return
	}
	for _, q := range c.missed {
		q.passOver(1)
	}
	// Earlier steps for the same queue come first.
	for _, q := range c.locked {
		q.flush(nil)
	}
	batch := c.qs.batcher.get()
	batch.whole = true
	for _, q := range c.locked {
		q.writes.join(batch)
	}
	// ACKs that make room come first, or messages would be given up for
	// nothing.
	for _, cl := range c.t.claims {
		cl.consumer.commit(cl)
	}
	for i, m := range c.t.messages {
		for _, q := range c.targets[i] {
			if !q.gone {
				q.append(m, State{})
			}
		}
	}
	c.deadLetter(batch)
	for _, q := range c.locked {
		q.writes.leave()
	}
	done = c.awaitDead(done)
	c.qs.batcher.apply(batch, done)
}

// awaitDead makes done wait for the dead letters that unlock moves.
func (c *commitment) awaitDead(done func(error)) func(error) {
	var dying []*queue
	for _, q := range c.locked {
		if len(q.dead) > 0 {
			dying = append(dying, q)
		}
	}
	if len(dying) == 0 {
		return done
	}
	done = join(1+len(dying), done)
	c.dying = make(map[*queue]func(error))
	for _, q := range dying {
		c.dying[q] = done
	}
	return done
}

// deadLetter moves claimed messages that have died. Others are moved by unlock:
// if a reload came between find and lock, the dead letter queue is not
// locked; and the drops that make room for the messages may not fit into the
// batch.
func (c *commitment) deadLetter(batch *gathering) {
	for q, target := range c.deadLetterQueues {
		var here, elsewhere []deadLetter
		size := batch.size
		for _, d := range q.dead {
			one := d.deathSize()
			if !d.msg.bodiless() && d.to.Key() == target.dest.Key() && size+one <= c.qs.maxBatch {
				here = append(here, d)
				size += one
			} else {
				elsewhere = append(elsewhere, d)
			}
		}
		q.dead = elsewhere
		q.putDead(here, target)
		q.moving -= len(here)
	}
}

// unlock unlocks the queues, which go on with their work.
func (c *commitment) unlock() { goOn(c.locked, c.dying) }
