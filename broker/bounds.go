package broker

// makeRoom reports whether m may be put into a private queue, whose backlog is
// bounded. The lock is held.
func (q *queue) makeRoom(m *Message) bool {
	for q.backlog > 0 && q.size > 0 && q.size+m.Size() > q.backlog {
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

// turnAway counts a message that a private queue was given and has no room for.
func (q *queue) turnAway() {
	q.countEnqueued()
	q.set.stats.drop(DropNoRoom, 1)
}

// admit tells whether so many messages of so many bytes may come in. It changes
// nothing, so that others can be asked as well. The lock is held.
func (q *queue) admit(count, size int, keep bool) verdict {
	if keep {
		if err := q.set.store.Ready(); err != nil {
			return verdict{err: err}
		}
	}
	p := q.policy
	if !p.over(q.count+count, q.size+size) {
		return verdict{}
	}
	if p.over(count, size) {
		return verdict{err: ErrQueueFull} // they would never fit
	}
	switch p.Overflow {
	case DropHead:
		return verdict{} // append makes room
	case BlockSender:
		if q.room == nil {
			q.room, q.wanting = make(chan struct{}), Extent{count, size}
		}
		q.wanting = Extent{min(q.wanting.Count, count), min(q.wanting.Size, size)}
		return verdict{wait: q.room}
	}
	return verdict{err: ErrQueueFull}
}

// over tells whether a queue that holds so much is beyond its limits.
func (p *Policy) over(count, size int) bool {
	return p.MaxMessages > 0 && count > p.MaxMessages || p.MaxBytes > 0 && size > p.MaxBytes
}

// dropHead gives up the oldest messages of the lowest priority until so much
// more fits, but not more of them than come in: what a new policy finds in a
// queue stays there. What is with consumers stays as well, and what is on its
// way from the disk is given up when it is there.
func (q *queue) dropHead(count, size int) {
	dropped := Extent{}
	for q.policy.over(q.count+count, q.size+size) && (dropped.Count < count || dropped.Size < size) {
		l := q.last()
		if l == nil {
			return
		}
		if l.window.len() == 0 {
			q.fill(l)
			q.debt.Count += count - dropped.Count
			q.debt.Size += size - dropped.Size
			return
		}
		e := l.pop()
		dropped.add(e.msg.Size())
		q.die(e, reasonOverflow)
		q.fill(l)
	}
}

// settleDebt gives up what dropHead could not.
func (q *queue) settleDebt() {
	if d := q.debt; d != (Extent{}) {
		q.debt = Extent{}
		if q.policy.over(q.count, q.size) {
			q.dropHead(d.Count, d.Size)
		}
	}
}

// last is the lane of the lowest priority that has messages, nil if none.
func (q *queue) last() *lane {
	for i := len(q.lanes) - 1; i >= 0; i-- {
		if !q.lanes[i].idle() {
			return q.lanes[i]
		}
	}
	return nil
}

// announceRoom wakes the senders that wait, when there is room for the least
// that one of them wants, or nothing to wait for any more. The lock is held.
func (q *queue) announceRoom() {
	if q.room == nil {
		return
	}
	w := q.wanting
	if q.gone || q.policy.Overflow != BlockSender || q.policy.over(w.Count, w.Size) || !q.policy.over(q.count+w.Count, q.size+w.Size) {
		close(q.room)
		q.room = nil
	}
}
