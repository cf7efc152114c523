package broker

import (
	"errors"

	"hoofbeat/internal/memory"
)

// This file charges messages that a queue has in memory. Messages of a Store
// are in memory while they are delivered, and charged to their consumer.

// came counts a message that entered the queue. The lock is held.
func (q *queue) came(e *entry) {
	q.count++
	q.size += e.msg.Size()
	q.charge(e, 1)
}

// went counts a message that left the queue. The lock is held.
func (q *queue) went(e *entry) {
	q.count--
	q.size -= e.msg.Size()
	if q.charge(e, -1); q.gone {
		q.bill.settle()
	}
}

// charge charges a message once, or takes the charge off again: to the
// connection of a private queue, and else to the user that has sent it,
// unless it is stored. A stored message is charged to the queue's owner, for
// the disk.
func (q *queue) charge(e *entry, times int) {
	switch {
	case q.private:
		q.bill.add(q.account, times*e.msg.Share())
	case !e.stored():
		q.bill.add(e.msg.owner, times*e.msg.Size())
	case !q.gone: // a queue that has ended has settled, as the Store drops it
		q.addStored(times * e.msg.Size())
	}
	if n := q.bill.n; (n >= smallBill || n <= -smallBill) && q.set.many.Load() {
		q.bill.settle()
	}
}

// A bill collects charges for an account that many share, so that the account
// is not told of each message. The zero value is ready.
type bill struct {
	account *memory.Account
	n       int
}

// billBytes is how much a bill collects before it charges the account.
const billBytes = 8 << 10

// smallBill is the same for a queue's where there are many queues: a user may have
// a little in each of them.
const smallBill = 256

func (b *bill) add(a *memory.Account, n int) {
	if b.account != a {
		b.settle()
		b.account = a
	}
	if b.n += n; b.n >= billBytes || b.n <= -billBytes {
		b.settle()
	}
}

func (b *bill) settle() {
	b.account.Add(b.n)
	b.n = 0
}

// uncharge takes off the charges of waiting messages when the queue ends. The
// lock is held.
func (q *queue) uncharge() {
	for _, l := range q.backlog.lanes {
		for i := range l.loose.len() {
			q.charge(l.loose.at(i), -1)
		}
		q.unchargePile(l.due)
		q.unchargePile(l.back)
	}
	q.unchargePile(q.backlog.delayed.soon)
	q.bill.settle()
}

func (q *queue) unchargePile(p *pile) {
	if p == nil {
		return
	}
	for _, it := range p.loose.items {
		q.charge(&it.entry, -1)
	}
}

// ErrNoMemory refuses a message that no Store keeps, because its user's messages in
// memory take as much as they may.
var ErrNoMemory = errors.New("the messages of the user take too much memory")

// affords reports whether the sender's account has room for messages that
// come into the queue and that no Store keeps.
func (q *queue) affords(a *application) bool {
	return q.private || a.p == nil || a.loose <= 0 || a.p.account.Affords(a.loose)
}

// hold charges the consumer for a stored message that is in memory because it was
// delivered. The lock is held.
func (c *consumer) hold(e *entry) {
	if !e.stored() {
		return
	}
	c.bytes += e.msg.Size()
	c.bill.add(c.account, e.msg.Size())
	if c.bytes > c.q.set.bodies.crowded && c.bytes > c.mostHeld() {
		c.lighten()
	}
}

// unhold is the opposite of hold, for a delivery that is settled.
func (c *consumer) unhold(d *delivery) {
	switch {
	case !d.stored():
	case d.msg.bodiless():
		c.bill.add(c.account, -stubBytes)
	default:
		c.bytes -= d.msg.Size()
		c.bill.add(c.account, -d.msg.Size())
	}
}

// starves reports whether the consumer must wait for memory before it gets e. It
// resumes when its account has room. One delivery is always allowed.
func (c *consumer) starves(e *entry) bool {
	if c.held.pending == 0 || !e.stored() || !c.account.Crowded() {
		return false
	}
	c.lighten()
	if c.bill.settle(); !c.account.Crowded() {
		return false
	}
	c.account.Starve(c.sub.Resume)
	return true
}

// hungry reports whether the consumer waits for memory. A consumer that holds
// no messages does not: the holders of the memory may wait for it.
func (c *consumer) hungry() bool { return c.starving && c.held.pending > 0 }

// sated reports whether the consumer has reached its prefetch.
func (c *consumer) sated() bool { return c.held.pending >= c.prefetch }

// Share returns the charge for each holder of the message: the subscribers of a topic
// share its memory.
func (m *Message) Share() int {
	if m.share > 0 {
		return m.share
	}
	return m.Size()
}

// shareOut counts among how many subscribers the message is shared. It is called
// before any of them sees it.
func (r *route) shareOut(m *Message) {
	n := 0
	for _, t := range r.topics {
		n += len(*t.subs.Load())
	}
	if n > 1 {
		m.share = m.Size()/n + messageOverhead
	}
}
