package broker

import (
	"sync/atomic"

	"hoofbeat/internal/memory"
)

// A consumer takes messages from one queue. Its fields below are guarded by
// the queue's lock.
type consumer struct {
	q        *queue
	sub      *Subscription
	auto     bool    // ack is AckAuto; does not change
	ack      AckMode // see Adjust
	prefetch int
	// bytes are those of the deliveries that are in memory only because they are
	// delivered, as the Store keeps them as well. They are charged to account.
	bytes   int
	account *memory.Account
	bill    bill
	// Deliveries up to lean have no body any more where it is worth it; see
	// lighten. Those up to written were written to the client, in other modes than
	// auto, and heavy asks to be told of that.
	lean    uint64
	written atomic.Uint64
	heavy   atomic.Bool
	// takenOver is that of SubscribeOptions.
	takenOver func()

	// held are its deliveries. Acknowledgements in a transaction make room at once,
	// or a transaction longer than prefetch could never be committed.
	held leases

	blocked  bool // the sink has no credit
	starving bool // its account had no room when it had something
	inLine   bool // it stands in q.turns
	closed   bool
	// released says that the queue does not count it any more: it is closed
	// and no transaction holds anything of it.
	released bool
}

// An outcome is the end of a delivery.
type outcome uint8

const (
	acknowledged outcome = iota
	refused              // NACK: to be delivered again, by the policy
	rejected             // NACK with requeue:false: dead
	returned             // its consumer ended
	lost                 // its consumer was lost, and may have failed because of it
)

// open registers the consumer and delivers waiting messages to it.
func (c *consumer) open() bool {
	q := c.q
	q.mu.Lock()
	if q.gone {
		q.mu.Unlock()
		return false
	}
	defer q.unlock()
	q.consumers++ // first, so that a queue which is taken over is never without one
	if c.takenOver != nil {
		q.takeOver()
	}
	q.enroll(c)
	q.owner = c
	q.attached()
	c.lineUp()
	q.pump()
	return true
}

// ready reports whether it may have a message.
func (c *consumer) ready() bool { return !c.closed && !c.blocked && !c.hungry() && !c.sated() }

// lineUp puts it at the end of the line, if it may have a message.
func (c *consumer) lineUp() { c.q.turns.join(c) }

// deliver gives a message to the consumer, if its account and its sink have room.
func (c *consumer) deliver(e entry) bool {
	switch {
	case c.starves(&e):
		c.starving = true // until resume
		return false
	case !c.sub.sink.TakeCredit(e.msg.Size()):
		c.blocked = true // until resume
		return false
	}
	c.sub.sink.Deliver(Delivery{Message: e.msg, Tag: c.held.newest + 1, Attempt: int(e.state().Attempts) + 1, Seq: e.number()})
	c.held.grant(e)
	c.hold(&e)
	c.q.held++
	c.q.countDelivered(e.state().Attempts > 0)
	return true
}

func (c *consumer) resume() {
	c.q.mu.Lock()
	defer c.q.unlock()
	c.blocked, c.starving = false, false
	c.lineUp()
	c.q.pump()
}

// close ends the consumer; pending messages go back. If a consumer that
// acknowledges was lost, the oldest of them may be the cause: clients work in
// order, and messages that they have not begun with are not to blame.
func (c *consumer) close(gone bool) {
	q := c.q
	q.mu.Lock()
	defer q.unlock()
	if c.closed {
		return // it was taken over
	}
	how := returned
	if gone && !c.auto {
		how = lost
	}
	c.leave(how)
	q.pump()
}

// leave is close with the lock held; how is the outcome of the oldest pending
// delivery.
func (c *consumer) leave(how outcome) {
	q := c.q
	c.closed = true
	q.turns.leave(c)
	delete(q.members, c)
	if q.owner == c {
		q.owner = nil
	}
	for i := range c.held.len() {
		if d := c.held.at(i); d.settle == pending {
			c.finish(d, how)
			how = returned
		}
	}
	c.release()
}

// settle gives the pending delivery with that tag its outcome, and but for mode
// client-individual all pending ones before it. If the one that was named is not
// pending, nothing changes, and the error says why. Without an error, done is
// called when the outcome is as safe as it gets.
func (c *consumer) settle(tag uint64, how outcome, done func(error)) error {
	q := c.q
	q.mu.Lock()
	if err := q.failed; err != nil {
		q.mu.Unlock()
		return err
	}
	if c.settleLocked(tag, how) == 0 {
		err := c.held.why(tag)
		q.unlock()
		return err
	}
	if len(q.dead) == 0 {
		q.flush(done)
		q.unlock()
		return nil
	}
	q.moveDead(q.settleUp(), done)
	return nil
}

func (c *consumer) settleLocked(tag uint64, how outcome) int {
	n := 0
	first, last := c.held.acknowledged(tag, c.ack)
	for i := first; i < last; i++ {
		if d := c.held.at(i); d.settle == pending {
			c.finish(d, how)
			n++
		}
	}
	if n > 0 {
		c.held.tidy()
		c.lineUp()
		c.q.pump()
	}
	return n
}

// finish settles one delivery. The lock is held; the caller tidies up.
func (c *consumer) finish(d *delivery, how outcome) {
	c.unhold(d)
	c.q.held--
	e := c.held.settle(d)
	e.attempted()
	if how == refused || how == rejected {
		c.q.set.stats.Nacked.Add(1)
	}
	switch how {
	case acknowledged:
		c.q.acknowledge(e)
	case rejected:
		c.q.die(e, reasonRejected)
	default:
		c.q.requeue(e, how)
	}
}

// acknowledge forgets a message that was consumed.
func (q *queue) acknowledge(e entry) {
	q.went(&e)
	q.countAcked()
	q.remove(&e)
}

// requeue takes a message back, by the policy.
func (q *queue) requeue(e entry, how outcome) {
	q.set.stats.Requeued.Add(1)
	if q.gone {
		q.discard(e, q.ending())
		return
	}
	if how != returned {
		e.failed()
		if most := q.policy.MaxDeliveries; most > 0 && q.failed == nil && int(e.state().Failures) >= most {
			q.die(e, reasonMaxDeliveries)
			return
		}
	}
	if how == refused {
		if d := q.policy.redeliveryDelay(int(e.state().Failures)); d > 0 {
			q.postpone(e, q.set.now()+d.Milliseconds())
			return
		}
	}
	q.note(&e)
	q.giveBack(e)
}
