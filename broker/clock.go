package broker

import (
	"container/heap"
	"time"
)

// This file is what a queue does because time has passed. All of it is called
// with the queue's lock held, but for tick.

// readAgainAfter is how long a queue waits after a page could not be read.
const readAgainAfter = time.Second

// expires is when m expires in this queue; 0: never.
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
	if !q.wanted() {
		q.earliest = sooner(q.earliest, q.expires(m))
	}
}

// sooner is the earlier of two times, of which 0 means never.
func sooner(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// mayExpire tells whether it may have messages that expire.
func (q *queue) mayExpire() bool { return q.count > 0 && (q.expiring || q.hasTTL()) }

// hasTTL tells whether its policy lets messages expire. Like limits, that is for
// what clients share.
func (q *queue) hasTTL() bool { return q.policy.TTL > 0 && !q.private }

// nextExpiry is when the first of the heads expires, as far as they are in
// memory; else now.
func (q *queue) nextExpiry() (at int64) {
	if !q.mayExpire() {
		return 0
	}
	for _, l := range q.lanes {
		switch {
		case l.window.len() > 0:
			at = sooner(at, q.expires(l.window.at(0).msg))
		case l.behind.Count > 0 && !l.reading && !l.failed:
			return q.set.now()
		}
	}
	for i := range q.returned {
		at = sooner(at, q.expires(q.returned[i].msg))
	}
	return at
}

// expireHeads lets go of the messages at the heads that have expired.
func (q *queue) expireHeads() {
	if !q.mayExpire() {
		return
	}
	for _, l := range q.lanes {
		for l.window.len() > 0 && q.expired(l.window.at(0)) {
			q.die(l.pop(), reasonExpired)
			q.fill(l)
		}
	}
	kept := q.returned[:0]
	for _, e := range q.returned {
		if q.expired(&e) {
			q.die(e, reasonExpired)
		} else {
			kept = append(kept, e)
		}
	}
	clear(q.returned[len(kept):])
	q.returned = kept
	heap.Init(&q.returned)
}

// promote makes those visible whose time has come, as many as memory is for.
func (q *queue) promote() {
	if most := q.set.window().Count; len(q.returned) < most && len(q.delayed.soon) > 0 {
		now := q.set.now()
		for len(q.returned) < most {
			e, ok := q.delayed.due(now)
			if !ok {
				break
			}
			q.giveBack(e)
		}
	}
	q.fillSchedule()
}

// nextWake is when something is to be done; 0: nothing.
func (q *queue) nextWake() (at int64) {
	if q.mayExpire() {
		if q.wanted() {
			at = q.nextExpiry()
		} else {
			at = q.earliest
		}
	}
	if q.consumers > 0 && len(q.delayed.soon) > 0 && len(q.returned) < q.set.window().Count {
		at = sooner(at, q.delayed.soon[0].at)
	}
	if q.abandoned != 0 && q.policy.SubscriptionExpiry > 0 {
		at = sooner(at, q.abandoned+q.policy.SubscriptionExpiry.Milliseconds())
	}
	if q.anyFailed() {
		at = sooner(at, q.set.now()+readAgainAfter.Milliseconds())
	}
	return at
}

func (q *queue) anyFailed() bool {
	for _, l := range q.lanes {
		if l.failed {
			return true
		}
	}
	return q.delayed.failed
}

// setWake makes sure that tick comes when it is needed.
func (q *queue) setWake() {
	at := q.nextWake()
	if at == 0 || q.gone {
		return // one that comes for nothing does no harm
	}
	if q.wakesAt != 0 && q.wakesAt <= at {
		return
	}
	q.wakesAt = at
	when := time.Now().Add(time.Duration(at-q.set.now()) * time.Millisecond)
	if q.wake == nil {
		q.wake = q.set.timers.Add(when, func(time.Time) time.Time { q.tick(); return time.Time{} })
	} else {
		q.wake.Reset(when)
	}
}

// tick does what is due.
func (q *queue) tick() {
	q.mu.Lock()
	q.wakesAt = 0
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
	if !q.wanted() && q.mayExpire() && q.earliest != 0 && q.earliest <= q.set.now() {
		q.look, q.earliest = true, 0
	}
	if q.mayExpire() && q.wanted() {
		for _, l := range q.lanes {
			q.fill(l)
		}
	}
	q.expireHeads()
	q.pump()
	q.rest()
}

// tryAgain asks once more for what could not be read.
func (q *queue) tryAgain() {
	for _, l := range q.lanes {
		l.failed = false
		q.fill(l)
	}
	q.delayed.failed = false
	if q.consumers > 0 {
		q.promote()
	}
}
