package broker

import "hoofbeat/destination"

// This file is the queue's side of its Store. All of it runs with the queue's
// lock held, except the callbacks with pages.

func (q *queue) do(op Op)               { q.writes.add(&q.set.batcher, op) }
func (q *queue) fit(size int)           { q.writes.fit(&q.set.batcher, size) }
func (q *queue) flush(done func(error)) { q.writes.flush(&q.set.batcher, done) }

// describe makes the queue known to the Store.
func (q *queue) describe() {
	if !q.described {
		q.described = true
		q.redescribe()
	}
}

func (q *queue) redescribe() {
	meta := QueueMeta{Destination: q.dest, Topic: q.topic, Abandoned: q.abandoned, Expiring: q.expiring, Kept: q.kept, Owner: q.owned()}
	op := Op{Kind: Describe, Queue: q.id, Meta: &meta}
	q.fit(op.size())
	q.do(op)
}

// owned is the owner to store: that of a durable subscription is in its name.
func (q *queue) owned() string {
	if q.dest.Kind == destination.Durable {
		return ""
	}
	return q.maker
}

// remove makes the Store forget a message that has left the queue.
func (q *queue) remove(e *entry) {
	if e.stored() {
		q.fit(opSize)
		q.do(e.deletion(q.id))
	}
}

func (e *entry) deletion(id QueueID) Op {
	op := Op{Kind: Delete, Queue: id, At: e.position(), Size: e.msg.Size(), Shared: e.msg.shared}
	if e.noted() {
		op.State = e.state()
	}
	return op
}

// note makes the Store remember how often a message was delivered.
func (q *queue) note(e *entry) {
	if e.stored() {
		e.flags |= notedMark
		q.fit(opSize)
		q.do(Op{Kind: Note, Queue: q.id, At: e.position(), State: e.state()})
	}
}

// postpone moves a message to the schedule, at once or when its body was read.
func (q *queue) postpone(e entry, at int64) {
	if e.msg.bodiless() {
		q.taken++
		q.dead = append(q.dead, deadLetter{entry: e, until: at})
		return
	}
	q.fit(e.msg.Size() + 2*opSize) // one step on disk
	q.remove(&e)
	e.at = at
	e.flags &^= notedMark
	if e.stored() {
		q.put(&e)
	}
	q.schedule(e)
}

// put makes the Store keep a message, at the place that it has.
func (q *queue) put(e *entry) {
	q.do(Op{Kind: Put, Queue: q.id, At: e.position(), Message: e.msg, Size: e.msg.Size(), Shared: e.msg.shared, State: e.state()})
}

// fill asks for the next messages of a lane if few are in memory.
func (q *queue) fill(l *lane) {
	if l.behind.Count == 0 || l.reading || l.failed || !q.wanted() {
		return
	}
	w := q.set.window()
	if l.window.len() > w.Count/2 || l.loaded > w.Size/2 {
		return
	}
	l.reading = true
	round, expected := l.round, l.behind
	r := Range{Queue: q.id, After: Position{Lane: LaneOf(l.priority), Seq: l.after}, Messages: (w.Count + 1) / 2, Size: w.Size / 2}
	r.Messages = q.pageFor(r.Messages)
	q.writes.ask(r, func(p Page) {
		q.page(&l.pageReader, round, p, func() Extent { return l.load(p, expected) })
	})
}

// pageFor is the number of messages to read at a time: one if the queue only
// looks at them, until some turn out to have expired.
func (q *queue) pageFor(messages int) int {
	if q.look && !q.sweeping {
		return 1
	}
	return messages
}

// fillSchedule asks for the next messages that wait for their time.
func (q *queue) fillSchedule() {
	s := &q.backlog.delayed
	w := q.set.window()
	if !s.wants(w) || !q.wanted() {
		return
	}
	s.reading = true
	round, expected := s.round, s.behind
	after := s.horizon
	after.Lane = Delayed
	r := Range{Queue: q.id, After: after, Messages: q.pageFor((w.Count + 1) / 2), Size: w.Size / 2}
	q.writes.ask(r, func(p Page) {
		q.page(&s.pageReader, round, p, func() Extent { return q.backlog.loadSchedule(p, expected, q.expires) })
	})
}

// page takes over a page that was read, and goes on with it.
func (q *queue) page(r *pageReader, round uint64, p Page, load func() (missing Extent)) {
	q.mu.Lock()
	defer q.set.vanish(q)
	defer q.unlock()
	if q.paged != nil {
		close(q.paged)
		q.paged = nil
	}
	if q.gone || r.round != round {
		return
	}
	r.reading = false
	q.sound() // a count that is wrong is not to be taken for messages that are missing
	if missing := load(); missing.Count > 0 {
		q.miss(missing)
	}
	if p.Err != nil {
		r.failed = true
		q.set.stats.ReadErrors.Add(1)
		q.set.log.Error("messages could not be read; it is tried again", "queue", q.dest.String(), "error", p.Err, "after", readAgainAfter)
	}
	q.settleDebt()
	q.expireHeads()
	q.pump()
	q.rest()
}

// miss counts messages that the Store was thought to have and does not have.
// A queue that counts none now may vanish, but not from the Store if that
// counts any.
func (q *queue) miss(x Extent) {
	q.count -= x.Count
	q.size -= x.Size
	q.addStored(-x.Size)
	q.set.stats.drop(DropMissing, x.Count)
	q.set.log.Error("messages are missing from the store", "queue", q.dest.String(), "messages", x.Count)
}

// rest leaves everything to the Store again if nobody needs it in memory, or
// it was read for a look only.
func (q *queue) rest() {
	if !q.described || q.held > 0 || q.moving > 0 || q.taken > 0 || q.steadilyWanted() {
		return
	}
	if q.backlog.reading() {
		return
	}
	q.forget()
}

// forget leaves stored messages to the Store. No message is with a consumer.
func (q *queue) forget() {
	q.earliest = q.nextExpiry()
	if q.backlog.failed() {
		q.earliest = sooner(q.earliest, q.set.now()+readAgainAfter.Milliseconds())
	}
	q.look, q.sweeping = false, false
	q.settleStored()
	q.backlog.forget()
}
