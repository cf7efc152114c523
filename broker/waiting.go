package broker

import "container/list"

// A waitingLine has the senders that wait for room in a queue with overflow
// block, in the order in which they came. It does not know what a queue holds:
// callers say whether so much more fits. The queue's lock guards it and its
// waiters.
//
// The first is called when its message fits, and keeps that room until it has
// sent again, or gives up. Nobody overtakes: a large message gets its turn.
type waitingLine struct {
	list   list.List // of *waiter, that are not called
	called int
	room   Extent // room for the called ones
}

// A waiter is the place of one Publisher in one line.
type waiter struct {
	q      *queue
	want   Extent
	ready  chan struct{} // closed when it is to send again
	called bool
	place  *list.Element // nil once it is called
}

// lets reports whether a sender that is not called may use room for want, although
// others wait: all of them are called, and there is room besides theirs. A sender that
// had to stand in line here would be called at once, and perhaps leave the line of
// another queue for that, which then calls it at once, and so on.
func (l *waitingLine) lets(want Extent, fits func(more Extent) bool) bool {
	return l.list.Len() == 0 && fits(l.room.plus(want))
}

// enter gives a sender a place: at the end, or at the front if it was called and
// others, which needed no turn, took its room.
func (l *waitingLine) enter(w *waiter) {
	if w.called {
		l.uncall(w)
		w.place = l.list.PushFront(w)
	} else {
		w.place = l.list.PushBack(w)
	}
	w.ready = make(chan struct{})
}

// leave gives up a place.
func (l *waitingLine) leave(w *waiter) {
	if w.called {
		l.uncall(w)
	} else {
		l.list.Remove(w.place)
	}
}

// callAll calls all senders: there is nothing to wait for any more.
func (l *waitingLine) callAll() {
	for e := l.list.Front(); e != nil; e = l.list.Front() {
		l.call(e.Value.(*waiter))
	}
}

// callNext calls the next senders, as many as fit, and those whose messages will never
// fit, which are refused when they send again.
func (l *waitingLine) callNext(fits, ever func(more Extent) bool) {
	for e := l.list.Front(); e != nil; e = l.list.Front() {
		w := e.Value.(*waiter)
		if ever(w.want) && !fits(l.room.plus(w.want)) {
			return
		}
		l.call(w)
	}
}

// empty reports whether nobody stands in line, nor is called.
func (l *waitingLine) empty() bool { return l.called == 0 && l.list.Len() == 0 }

func (l *waitingLine) call(w *waiter) {
	l.list.Remove(w.place)
	w.place, w.called = nil, true
	l.called++
	l.room = l.room.plus(w.want)
	close(w.ready)
}

func (l *waitingLine) uncall(w *waiter) {
	w.called = false
	l.called--
	l.room.Count -= w.want.Count
	l.room.Size -= w.want.Size
}

// plus returns the sum of two extents.
func (x Extent) plus(y Extent) Extent { return Extent{x.Count + y.Count, x.Size + y.Size} }

// roomFor reports whether so much more is within the queue's limits, and everFits whether
// it is in an empty queue. The lock is held.
func (q *queue) roomFor(more Extent) bool { return !q.over(q.count+more.Count, q.size+more.Size) }

func (q *queue) everFits(x Extent) bool { return !q.over(x.Count, x.Size) }

// mayEnter reports whether p may put so much into a queue that blocks
// senders: there is room, and it is p's turn. An application out of turn
// needs none. The lock is held.
func (q *queue) mayEnter(p *Publisher, want Extent, outOfTurn bool) bool {
	if !q.roomFor(want) {
		return false
	}
	if q.waiting == nil || outOfTurn || p.waits != nil && p.waits.q == q && p.waits.called {
		return true
	}
	return q.waiting.lets(want, q.roomFor)
}

// waitFor gives p a place in the queue's line, and returns a channel that is
// closed when p must send again. Nothing is locked. A Publisher has one
// place, so that no two keep room for which the other waits.
func (p *Publisher) waitFor(q *queue, want Extent) <-chan struct{} {
	w := p.waits
	if w != nil && (w.q != q || w.want != want) {
		p.stopWaiting()
		w = nil
	}
	q.mu.Lock()
	defer q.unlock() // which calls it at once if there is room by now
	if q.waiting == nil {
		q.waiting = &waitingLine{}
	}
	if w == nil {
		w = &waiter{q: q, want: want}
		q.waiting.enter(w)
	} else if w.called {
		q.waiting.enter(w)
	}
	p.waits = w
	return w.ready
}

// stopWaiting gives up p's place in a line. Nothing is locked.
func (p *Publisher) stopWaiting() {
	w := p.waits
	if w == nil {
		return
	}
	p.waits = nil
	w.q.mu.Lock()
	defer w.q.unlock()
	w.q.waiting.leave(w)
}

// announceRoom calls the next senders, or all if there is nothing to wait for
// any more. The lock is held.
func (q *queue) announceRoom() {
	l := q.waiting
	if l == nil {
		return
	}
	if q.gone || q.failed != nil || q.policy.Overflow != BlockSender {
		l.callAll()
	} else {
		l.callNext(q.roomFor, q.everFits)
	}
	if l.empty() {
		q.waiting = nil
	}
}
