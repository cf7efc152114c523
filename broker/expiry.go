package broker

import "time"

// This file has the work that a queue does because time has passed. All of it
// runs with the queue's lock held, except tick.

// readAgainAfter is how long a queue waits after a page could not be read.
const readAgainAfter = time.Second

// expires returns when m expires in this queue; 0: never.
func (q *queue) expires(m *Message) int64 {
	at := m.rarely().expires
	if q.hasTTL() && m.arrived != 0 {
		if own := m.arrived + q.policy.TTL.Milliseconds(); at == 0 || own < at {
			at = own
		}
	}
	return at
}

func (q *queue) expired(e *entry) bool {
	at := q.expires(e.msg)
	return at != 0 && at <= q.set.now()
}

// mark remembers that there are messages that expire.
func (q *queue) mark(m *Message) {
	if m.rare != nil && m.rare.expires != 0 && !q.expiring {
		q.expiring = true
		if q.described {
			q.redescribe()
		}
	}
	if !q.wanted() && q.keeps(m) {
		q.earliest = sooner(q.earliest, q.expires(m))
	}
}

// sooner returns the earlier of two times; 0 means never.
func sooner(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// mayExpire reports whether it may have messages that expire.
func (q *queue) mayExpire() bool {
	return q.count > 0 && (q.expiring || q.hasTTL()) && q.failed == nil
}

// hasTTL reports whether the queue's policy lets messages expire. Like
// limits, that is for queues that clients share.
func (q *queue) hasTTL() bool { return q.policy.TTL > 0 && !q.private }

// nextExpiry returns when the first message at a head or in a pile expires. For a head
// that only the Store has, it returns when to read it.
func (q *queue) nextExpiry() (at int64) {
	if !q.mayExpire() {
		return 0
	}
	if it := q.backlog.index.expiries.first(); it != nil {
		at = it.expires
	}
	for _, l := range q.backlog.lanes {
		if l.loose.len() > 0 {
			at = sooner(at, q.expires(l.loose.at(0).msg))
		}
		if l.window.len() > 0 {
			at = sooner(at, q.expires(l.window.at(0).msg))
		} else if l.behind.Count > 0 {
			at = sooner(at, q.nextLook(&l.pageReader))
		}
	}
	if q.backlog.delayed.unread() {
		at = sooner(at, q.nextLook(&q.backlog.delayed.pageReader))
	}
	return at
}

// nextLook returns when to read a head that only the Store has.
func (q *queue) nextLook(r *pageReader) int64 {
	switch {
	case !q.wanted():
		return q.earliest
	case r.reading || r.failed:
		return 0 // a page comes, or the next try
	}
	return q.set.now()
}

// While the lock is held, at most so many messages expire or become due; the rest
// waits for the next tick.
const (
	toilMessages = 1024
	toilBytes    = 1 << 20
)

// tired reports whether that many were handled; the next tick then follows at once.
func (q *queue) tired() bool {
	if q.toil.Count < toilMessages && q.toil.Size < toilBytes {
		return false
	}
	q.hurry = true
	return true
}

// expire ends an expired message that was taken out of all lists.
func (q *queue) expire(e entry) {
	q.toil.add(e.msg.Size())
	q.sweeping = q.look
	q.die(e, reasonExpired)
}

// expireHeads ends the expired messages at the heads and in piles.
func (q *queue) expireHeads() {
	if !q.mayExpire() {
		return
	}
	now := q.set.now()
	for it := q.backlog.index.expiries.first(); it != nil && it.expires <= now && !q.tired(); it = q.backlog.index.expiries.first() {
		q.expire(q.backlog.pick(it))
	}
	over := func(d *deque[entry]) bool {
		if d.len() == 0 {
			return false
		}
		at := q.expires(d.at(0).msg)
		return at != 0 && at <= now && !q.tired()
	}
	for _, l := range q.backlog.lanes {
		for over(&l.window) {
			q.expire(l.pop(inWindow))
			q.fill(l)
		}
		for over(&l.loose) {
			q.expire(l.pop(inLoose))
		}
	}
	if q.wanted() {
		q.fillSchedule()
	}
}

// promote makes due messages visible. It returns false if the next message is unknown:
// more are due than one call handles, or only the Store has the next one.
func (q *queue) promote() bool {
	s := &q.backlog.delayed
	if it := s.soon.first(); it != nil {
		now := q.set.now()
		for ; it != nil && it.at <= now; it = s.soon.first() {
			if q.tired() {
				return false
			}
			s.leave(&it.entry)
			q.ripen(q.backlog.pick(it))
		}
	}
	q.fillSchedule()
	if !s.unread() || s.failed {
		return true
	}
	have := q.backlog.due() // enough to go on, while more are read
	return have.Count >= windowMessages/2 || have.Size >= q.set.window().Size/2
}

// ripen makes an entry visible, at the place in its lane that it has by its
// arrival. If memory has enough of those that the Store keeps, the Store gets it
// in order of arrival; where that order has passed its place, at the end. So none
// is in the way of one of a higher priority.
func (q *queue) ripen(e entry) {
	q.toil.Count++
	l := q.backlog.lane(e.msg.priority)
	have := l.due.kept()
	if !e.stored() || have.Count < windowMessages && have.Size < q.set.window().Size {
		q.backlog.ripe(l).push(e, q.expires(e.msg))
		return
	}
	q.toil.Size += e.msg.Size()
	q.fit(e.msg.Size() + 2*opSize) // one step on disk
	q.remove(&e)
	e.at = 0
	e.flags &^= notedMark
	if there := l.insert(e); !there {
		q.seq++
		e.moveTo(q.seq)
		q.enqueue(e)
	}
	q.put(&e)
}

// nextWake returns when the next work is due; 0: there is none.
func (q *queue) nextWake() (at int64) {
	if q.hurry {
		return q.set.now()
	}
	at = q.nextExpiry()
	if it := q.backlog.delayed.soon.first(); it != nil && q.consumers > 0 {
		at = sooner(at, it.at)
	}
	if q.abandoned != 0 && q.policy.SubscriptionExpiry > 0 {
		at = sooner(at, q.abandoned+q.policy.SubscriptionExpiry.Milliseconds())
	}
	if q.backlog.failed() {
		at = sooner(at, q.set.now()+readAgainAfter.Milliseconds())
	}
	return at
}

// setWake sets the timer for the next tick.
func (q *queue) setWake() {
	at := q.nextWake()
	if at == 0 || q.gone {
		return // one that comes for nothing does no harm
	}
	if q.wakesAt != 0 && q.wakesAt <= at {
		return
	}
	q.wakesAt = at
	when := time.UnixMilli(at)
	if now := q.set.clock(); when.Before(now) {
		when = now // behind those that were due before
	}
	if q.wake == nil {
		q.wake = q.set.timers.AddWall(when, func(time.Time) time.Time { q.tick(); return time.Time{} })
	} else {
		q.wake.Reset(when)
	}
}

// tick does all work that is due.
func (q *queue) tick() {
	q.mu.Lock()
	q.wakesAt, q.hurry = 0, false
	if q.gone {
		q.mu.Unlock()
		return
	}
	if expiry := q.policy.SubscriptionExpiry; q.abandoned != 0 && expiry > 0 && q.abandoned+expiry.Milliseconds() <= q.set.now() {
		q.mu.Unlock()
		q.set.expireSubscription(q)
		return
	}
	defer q.set.vanish(q)
	defer q.unlock()
	q.tryAgain()
	if !q.wanted() && q.mayExpire() && q.backlog.unread() && q.earliest != 0 && q.earliest <= q.set.now() {
		q.look, q.earliest = true, 0
	}
	if q.mayExpire() && q.wanted() {
		for _, l := range q.backlog.lanes {
			q.fill(l)
		}
	}
	q.expireHeads()
	q.pump()
	q.rest()
}

// tryAgain requests pages again that could not be read.
func (q *queue) tryAgain() {
	for _, l := range q.backlog.lanes {
		l.failed = false
		q.fill(l)
	}
	q.backlog.delayed.failed, q.backlog.reread.failed = false, false
	if q.consumers > 0 {
		q.promote()
	}
}
