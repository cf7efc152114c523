package broker

import "fmt"

// makeRoom reports whether m may be put into a private queue. Its backlog is
// bounded, and its connection must not be over its account. The lock is held.
func (q *queue) makeRoom(m *Message) bool {
	for q.bound > 0 && q.size > 0 && q.size+m.Size() > q.bound || q.account.Full() {
		if c := q.owner; c == nil || c.closed || c.sub.sink.Overrun() != DropOldest {
			q.turnAway()
			return false
		}
		e, ok := q.pop()
		if !ok {
			q.turnAway()
			return false // all of it is with the consumer
		}
		q.discard(e, DropNoRoom)
	}
	return true
}

// turnAway counts a message for which a private queue has no room.
func (q *queue) turnAway() {
	q.countEnqueued()
	q.set.stats.drop(DropNoRoom, 1)
}

// An application asks for room in a queue.
type application struct {
	Extent
	keep bool // the Store is to keep some of it
	// loose is the bytes that it is not to keep, less those that go.
	loose int
	// largest is the size of the largest message that is to be kept.
	largest int
	p       *Publisher // the sender, which may have a place in the line; nil: it does not wait
	// outOfTurn means that it need not wait for those before it in the line,
	// as it makes room itself.
	outOfTurn bool
}

// applies returns the application of one message.
func (q *queue) applies(m *Message, p *Publisher) application {
	a := application{Extent: Extent{1, m.Size()}, largest: m.Size(), keep: q.keeps(m), p: p}
	if !a.keep {
		a.loose = m.Size()
	}
	return a
}

// admit reports whether the application may enter. It changes nothing, so several
// queues can be asked first. The lock is held.
func (q *queue) admit(a application) verdict {
	if q.failed != nil {
		return verdict{err: q.failed}
	}
	if a.keep {
		if err := q.storable(a.largest); err != nil {
			return verdict{err: err}
		}
	}
	if !q.affords(&a) {
		return verdict{err: ErrNoMemory}
	}
	blocks := q.policy.Overflow == BlockSender && !q.private
	switch {
	case a.Count <= 0 && a.Size <= 0:
		return verdict{} // the queue holds no more than before
	case blocks && q.mayEnter(a.p, a.Extent, a.outOfTurn):
		return verdict{}
	case !blocks && !q.over(q.count+a.Count, q.size+a.Size):
		return verdict{}
	case q.over(a.Count, a.Size):
		return verdict{err: ErrQueueFull} // it would never fit
	case q.dropsHead():
		return verdict{} // append makes room
	case blocks && a.p != nil:
		return verdict{full: q, want: a.Extent}
	}
	return verdict{err: ErrQueueFull}
}

// storable returns why a message of that size cannot be stored; nil: it can. It must
// fit into a batch in any queue, with the headers of a dead letter.
func (q *queue) storable(size int) error {
	if most := q.set.maxBatch / 2; size > most {
		return fmt.Errorf("%w: a message of %d bytes, and %d are the most", ErrTooLarge, size, most)
	}
	return q.set.store.Ready()
}

// over reports whether so much exceeds the limits.
func (p *Policy) over(count, size int) bool {
	return p.MaxMessages > 0 && count > p.MaxMessages || p.MaxBytes > 0 && size > p.MaxBytes
}

// over reports whether the queue would be beyond its limits with these
// additions. Limits are for queues that clients share: a private queue has
// its backlog.
func (q *queue) over(count, size int) bool { return !q.private && q.policy.over(count, size) }

// dropsHead reports whether a full queue drops its oldest messages.
func (q *queue) dropsHead() bool { return !q.private && q.policy.Overflow == DropHead }

// dropHead gives up the oldest messages of the lowest priority until the new
// ones fit, but not more than come in: messages beyond a new policy's limits
// stay. Messages of consumers stay as well, and messages on their way from
// the disk are given up when they arrive.
func (q *queue) dropHead(count, size int) {
	q.giveUp(q.popLast, Extent{count, size}, Extent{count, size})
}

// yields reports whether the new message itself is given up, as all waiting
// messages, except delayed ones, have higher priorities.
func (q *queue) yields(m *Message) bool {
	if !q.dropsHead() || !q.over(q.count+1, q.size+m.Size()) || m.rarely().due > q.set.now() {
		return false
	}
	l := q.backlog.last()
	return l != nil && m.priority < l.priority
}

// giveUp drops messages until more fits, but at most most.
func (q *queue) giveUp(pop func(owed Extent) (entry, bool), more, most Extent) {
	for q.over(q.count+more.Count, q.size+more.Size) && (most.Count > 0 || most.Size > 0) {
		e, ok := pop(most)
		if !ok {
			return
		}
		most.remove(e.msg.Size())
		q.die(e, reasonOverflow)
	}
}

// settleDebt drops the messages that dropHead could not drop yet.
func (q *queue) settleDebt() {
	now, later := q.debt, q.debtLater
	q.debt, q.debtLater = Extent{}, Extent{}
	if !q.dropsHead() {
		return // by another policy meanwhile
	}
	q.giveUp(q.popDelayed, Extent{}, later)
	q.giveUp(q.popLast, Extent{}, now)
}

// popLast takes the first waiting message of the lowest priority, or else the delayed
// message that is due next. If that must be read first, so much is dropped when it has
// come.
func (q *queue) popLast(owed Extent) (entry, bool) {
	l := q.backlog.last()
	if l == nil {
		return q.popDelayed(owed)
	}
	from := l.head()
	if from == nowhere || from == unread {
		q.debt.owe(owed)
		q.fill(l)
		return entry{}, false
	}
	e := l.pop(from)
	q.fill(l)
	return e, true
}

// popDelayed takes the delayed message that is due next.
func (q *queue) popDelayed(owed Extent) (entry, bool) {
	if it := q.backlog.delayed.soon.first(); it != nil {
		return q.backlog.pick(it), true
	}
	if q.backlog.delayed.behind.Count > 0 {
		q.debtLater.owe(owed)
		q.fillSchedule()
	}
	return entry{}, false
}

func (x *Extent) owe(more Extent) {
	x.Count += max(0, more.Count)
	x.Size += max(0, more.Size)
}
