package broker

import "time"

// A stored message that was written to a client and waits for its ACK is in the
// Store already. Once a consumer holds much, the broker forgets the bodies of such
// messages and keeps a stub of each: the fields that an ACK needs. If the message
// is delivered again, moved or delayed, its body is read from the Store first.
// Stubs exist in leases, in the piles of lanes, and among the dead.

// heldBytes is how many bytes of bodies a consumer may hold in memory, and
// crowdedPart the part of it that remains while its connection has used more than
// half of its account: a thousand subscriptions together stay within that.
const (
	heldBytes   = 1 << 20
	crowdedPart = 16
)

// stubBytes is how much memory a stub takes with its place in leases.
// Messages of less than twice that stay as they are.
const stubBytes = 256

// bodyBounds are heldBytes and its part, and the least size of a message that is
// reduced to a stub.
type bodyBounds struct{ most, crowded, least int }

// boundBodies returns the bounds; held, unless it is 0, takes the place of
// heldBytes, and then every message is reduced.
func boundBodies(held int) bodyBounds {
	if held == 0 {
		return bodyBounds{most: heldBytes, crowded: heldBytes / crowdedPart, least: 2 * stubBytes}
	}
	return bodyBounds{most: held, crowded: held / crowdedPart}
}

// bodiless reports whether the message is a stub. Each other message ends with a
// NUL at least.
func (m *Message) bodiless() bool { return m.tail.Bytes == nil }

// stub returns the message without its header and body.
func (m *Message) stub() *Message {
	s := &Message{to: m.to, size: m.size, arrived: m.arrived, shared: m.shared, priority: m.priority, restored: true}
	s.setTimes(m.rarely().expires, 0)
	return s
}

// mostHeld is how many bytes of bodies the consumer may hold now.
func (c *consumer) mostHeld() int {
	bounds, a := &c.q.set.bodies, c.account
	switch limit := a.Limit(); {
	case a.Crowded():
		return 0
	case limit > 0 && 2*a.Used() > limit:
		return bounds.crowded
	}
	return bounds.most
}

// lighten leaves the bodies of the oldest deliveries to the Store until the
// consumer holds no more than it may. Bodies that wait to be written stay; then
// Written calls it again. The lock is held.
func (c *consumer) lighten() {
	most := c.mostHeld()
	if c.bytes > most && !c.heavy.Load() {
		c.heavy.Store(true) // before written is read, or wrote could miss it
	}
	written := c.written.Load()
	for i := c.held.from(c.lean + 1); c.bytes > most && i < c.held.len() && c.held.at(i).tag <= written; i++ {
		c.reduce(c.held.at(i))
	}
	if c.bytes <= most {
		c.heavy.Store(false)
	}
}

// reduce leaves the body of a delivery to the Store, if it has it.
func (c *consumer) reduce(d *delivery) {
	c.lean = d.tag
	if d.settle == settled || !d.stored() || d.msg.bodiless() || d.msg.Size() < c.q.set.bodies.least {
		return
	}
	c.bytes -= d.msg.Size()
	c.bill.add(c.account, stubBytes-d.msg.Size())
	d.msg = d.msg.stub()
}

// wrote is Written in other modes than auto. It takes no lock as long as the
// consumer holds little.
func (c *consumer) wrote(tag uint64) {
	c.written.Store(tag)
	if !c.heavy.Load() {
		return
	}
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	c.lighten()
	c.bill.settle()
}

// piled is the item at the head of a lane, nil if that is not in a pile.
func (l *lane) piled(from source) *item {
	switch from {
	case inDue:
		return l.due.first()
	case inBack:
		return l.back.first()
	}
	return nil
}

// lacksBody reports whether the lane's head is a stub.
func (l *lane) lacksBody(from source) bool {
	it := l.piled(from)
	return it != nil && it.msg.bodiless()
}

// before is a position right in front of p.
func (p Position) before() Position {
	p.Seq--
	return p
}

// readAgain asks for the body of a stub, and of those behind it. The lock is held.
func (q *queue) readAgain(it *item) {
	r := &q.backlog.reread
	if r.reading {
		return
	}
	r.reading = true
	w := q.set.window()
	asked := Range{Queue: q.id, After: it.position().before(), Messages: (w.Count + 1) / 2, Size: w.Size / 2}
	q.writes.ask(asked, func(p Page) {
		q.page(r, r.round, p, func() Extent { return q.backlog.restoreBodies(it, p) })
	})
}

// readDead reads the bodies of dead messages, of which the first one is a stub,
// and goes on with moveDead. Nothing is locked, and all that was done before is
// applied.
func (q *queue) readDead(dead []deadLetter, done func(error)) {
	w := q.set.window()
	r := Range{Queue: q.id, After: dead[0].position().before(), Messages: w.Count, Size: w.Size}
	q.set.store.Read(r, func(p Page) { q.moveDeadRead(dead, p, done) })
}

// moveDeadRead goes on with those that a page has.
func (q *queue) moveDeadRead(dead []deadLetter, p Page, done func(error)) {
	bodies := make(map[Position]*Message, len(p.Messages))
	for _, s := range p.Messages {
		bodies[s.At] = s.Message
	}
	n := 0
	for ; n < len(dead); n++ {
		if d := &dead[n]; d.msg.bodiless() {
			m := bodies[d.position()]
			if m == nil {
				break
			}
			d.msg = m
		}
	}
	switch {
	case n > 0:
	case p.Err != nil:
		q.set.stats.ReadErrors.Add(1)
		q.set.log.Error("messages could not be read; it is tried again", "queue", q.dest.String(), "error", p.Err, "after", readAgainAfter)
		q.set.timers.AddWall(q.set.clock().Add(readAgainAfter), func(time.Time) time.Time { q.readDead(dead, done); return time.Time{} })
		return
	default:
		q.lose(&dead[0])
		dead = dead[1:]
	}
	q.moveDead(dead, done)
}

// lose ends a dead message that the Store has not got any more: it has lost it, or
// the queue was deleted.
func (q *queue) lose(d *deadLetter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.gone {
		q.set.log.Error("messages are missing from the store", "queue", q.dest.String(), "messages", 1)
	}
	if d.to != nil {
		q.moving--
		q.set.stats.dropDead(d.reason)
		return
	}
	q.taken--
	q.went(&d.entry)
	why := DropMissing
	if q.gone {
		why = q.ending()
	}
	q.set.stats.drop(why, 1)
}

// delay puts refused messages into the schedule once their bodies were read.
// Nothing is locked.
func (q *queue) delay(some []deadLetter, done func(error)) {
	q.mu.Lock()
	q.taken -= len(some)
	for i := range some {
		if d := &some[i]; q.gone {
			q.discard(d.entry, q.ending())
		} else {
			q.postpone(d.entry, d.until)
		}
	}
	q.pump()
	q.flush(done)
	q.unlock()
}
