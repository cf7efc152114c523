package broker

import (
	"slices"
	"strconv"
	"sync"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/destination"
	"hoofbeat/frames"
)

// A reason is why a message is dead, as its death-reason header says.
type reason string

const (
	reasonRejected      reason = "rejected"
	reasonMaxDeliveries reason = "max-deliveries"
	reasonExpired       reason = "expired"
	reasonOverflow      reason = "overflow"
)

// A deadLetter is a message on its way to a dead letter queue. The Store has it
// in its old queue until it is in the new one.
//
// It may also be one that was refused and waits for its body before it is
// delayed until some time (until). That one is counted by taken, not by moving.
type deadLetter struct {
	entry
	reason reason
	to     *destination.Destination // by the policy when it died; nil: it is delayed
	until  int64
}

// target identifies the queue to which a dead letter goes.
func (d *deadLetter) target() string {
	if d.to == nil {
		return ""
	}
	return d.to.Key()
}

// die ends a message that is in no list of the queue's any more: it moves to
// the dead letter queue when the lock is let go, or is dropped if there is
// none. The lock is held.
func (q *queue) die(e entry, why reason) {
	q.went(&e)
	q.set.stats.died(why)
	if q.policy.DeadLetter.Kind == 0 {
		q.set.stats.dropDead(why)
		q.remove(&e)
		return
	}
	q.moving++
	q.dead = append(q.dead, deadLetter{entry: e, reason: why, to: &q.policy.DeadLetter})
}

// discard drops a message that is in no list of the queue's any more.
func (q *queue) discard(e entry, why DropReason) {
	q.went(&e)
	q.set.stats.drop(why, 1)
	q.remove(&e)
}

// moveDead moves dead messages, whose number moving counts, to their dead letter
// queues: mostly to one, but a reload may have changed it meanwhile. Each
// queue gets one batch. Nothing is locked. done is called when all of that is
// as safe as it gets; bodies that only the Store has are read first.
func (q *queue) moveDead(dead []deadLetter, done func(error)) {
	dead, later := split(dead)
	groups := byTarget(dead)
	parts := len(groups)
	if len(later) > 0 {
		parts++
	}
	done = join(parts, done)
	moved := 0
	for _, some := range groups {
		if some[0].to == nil {
			q.delay(some, done)
		} else {
			moved += len(some) - q.moveDeadTo(*some[0].to, some, done)
		}
	}
	q.mu.Lock()
	q.moving -= moved
	q.rest()
	q.unlock()
	q.set.vanish(q)
	if len(later) > 0 {
		q.readDead(later, done)
	}
}

// split separates dead messages that can move at once. Those behind a stub wait with
// it, for the sake of order, but for those that only memory has.
func split(dead []deadLetter) (now, later []deadLetter) {
	n := slices.IndexFunc(dead, func(d deadLetter) bool { return d.msg.bodiless() })
	if n < 0 {
		return dead, nil
	}
	now = slices.Clone(dead[:n])
	for _, d := range dead[n:] {
		if d.stored() {
			later = append(later, d)
		} else {
			now = append(now, d)
		}
	}
	return now, later
}

// byTarget splits dead messages where the next one goes to another queue.
func byTarget(dead []deadLetter) (groups [][]deadLetter) {
	for len(dead) > 0 {
		n := 1
		for n < len(dead) && dead[n].target() == dead[0].target() {
			n++
		}
		groups, dead = append(groups, dead[:n]), dead[n:]
	}
	return groups
}

// join returns a function that calls done, if it is not nil, when it was called n
// times, with the first error.
func join(n int, done func(error)) func(error) {
	if done == nil || n == 1 {
		return done
	}
	if n == 0 {
		done(nil)
		return nil
	}
	var mu sync.Mutex
	var first error
	return func(err error) {
		mu.Lock()
		if n--; first == nil {
			first = err
		}
		last, err := n == 0, first
		mu.Unlock()
		if last {
			done(err)
		}
	}
}

// moveDeadTo moves dead messages to one queue. If that has failed, they stay where the
// Store has them until a restart: they are on their way until then, and their
// number is returned. The Store would refuse the move, and fail their queue as well.
func (q *queue) moveDeadTo(to destination.Destination, dead []deadLetter, done func(error)) (stay int) {
	for {
		target := q.set.get(to)
		target.mu.Lock()
		if target.gone {
			target.mu.Unlock()
			continue
		}
		if err := target.failed; err != nil {
			target.mu.Unlock()
			finished(done, err)
			return len(dead)
		}
		q.putDead(dead, target)
		target.pump()
		target.flush(done)
		target.unlock()
		return 0
	}
}

// deathSize returns the most that moving a message to its dead letter queue, or to the
// schedule, takes in a batch.
func (e *entry) deathSize() int {
	const headers = 3*headerOverhead + len(originalDestination+deathReason+deathCount) + 64
	return e.msg.Size() + headers + 2*len(e.msg.Destination()) + 4*opSize
}

// putDead puts dead messages into their new queue, whose lock is held, as part
// of its batch. Limits do not apply: they are for senders.
func (q *queue) putDead(dead []deadLetter, target *queue) {
	for i := range dead {
		e := &dead[i]
		m := e.msg.dead(target.dest, q.dest, e.reason)
		m.arrived = q.set.now()
		target.moveIn(m, &e.entry, q.id)
	}
	q.set.stats.DeadLettered.Add(int64(len(dead)))
}

// moveIn puts a message at the end; it was e in another queue. For the Store
// that is one step: drops that make room for the message must not come
// between, or a crash would find it in neither queue.
func (q *queue) moveIn(m *Message, e *entry, from QueueID) {
	if !e.stored() {
		q.append(m, State{})
		return
	}
	q.fit(2*m.Size() + 4*opSize) // deletions of others take less than a message
	q.do(e.deletion(from))
	q.writes.whole(func() { q.append(m, State{}) })
}

// dead returns the message for a dead letter queue: without expiry and delay,
// and with its original destination and the reason.
func (m *Message) dead(to, from destination.Destination, why reason) *Message {
	h := m.Header()
	deaths, err := strconv.ParseUint(h.Get(deathCount), 10, 31)
	if err != nil {
		deaths = 0
	}
	if deaths == 0 {
		h.Set(originalDestination, m.Destination())
	}
	h.Set(deathReason, string(why))
	h.Set(deathCount, strconv.FormatUint(deaths+1, 10))
	d := m.redirected(to, h)
	d.setTimes(0, 0)
	return d
}

// redirected returns the message with another destination and header.
func (m *Message) redirected(to destination.Destination, h *frame.Header) *Message {
	d := newMessage(to, h, m.Body(), !frames.NeedsEscape(h))
	d.priority, d.transient, d.arrived, d.restored = m.priority, m.transient, m.arrived, m.restored
	d.owner = m.owner
	d.setTimes(m.rarely().expires, m.rarely().due)
	d.setTrace(m.Trace())
	return d
}

// Header returns a copy of the sender's headers, without those that the server sets.
func (m *Message) Header() *frame.Header {
	if h := m.rarely().header; h != nil {
		return h.Clone()
	}
	h, ok := frames.ParseHeader(string(m.tail.Bytes[:len(m.tail.Bytes)-1-m.bodyLen]))
	if !ok {
		return &frame.Header{} // it was written by newMessage: this does not happen
	}
	h.Del(frame.ContentLength)
	return h
}
