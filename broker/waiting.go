package broker

import "container/list"

// A waitingLine has the senders that wait for room in a queue with overflow
// block, in the order in which they came. The queue's lock guards it and its
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

// mayEnter reports whether p may put so much into a queue that blocks
// senders: there is room, and it is p's turn. An application out of turn
// needs none. The lock is held.
func (q *queue) mayEnter(p *Publisher, want Extent, outOfTurn bool) bool {
	if q.over(q.count+want.Count, q.size+want.Size) {
		return false
	}
	l := q.waiting
	if l == nil || outOfTurn || p.waits != nil && p.waits.q == q && p.waits.called {
		return true
	}
	// All waiting senders are called, and there is room besides theirs. A
	// sender that had to stand in line here would be called at once, and
	// perhaps leave the line of another queue for that, which then calls it
	// at once, and so on.
	return l.list.Len() == 0 && !q.over(q.count+l.room.Count+want.Count, q.size+l.room.Size+want.Size)
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
	l := q.waiting
	switch {
	case w == nil:
		w = &waiter{q: q, want: want, ready: make(chan struct{})}
		w.place = l.list.PushBack(w)
	case w.called: // others that needed no turn took the room
		l.uncall(w)
		w.ready = make(chan struct{})
		w.place = l.list.PushFront(w)
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
	if l := w.q.waiting; w.called {
		l.uncall(w)
	} else {
		l.list.Remove(w.place)
	}
}

func (l *waitingLine) call(w *waiter) {
	l.list.Remove(w.place)
	w.place, w.called = nil, true
	l.called++
	l.room.Count += w.want.Count
	l.room.Size += w.want.Size
	close(w.ready)
}

func (l *waitingLine) uncall(w *waiter) {
	w.called = false
	l.called--
	l.room.Count -= w.want.Count
	l.room.Size -= w.want.Size
}

// announceRoom calls the next senders, or all if there is nothing to wait for
// any more. The lock is held.
func (q *queue) announceRoom() {
	l := q.waiting
	if l == nil {
		return
	}
	ended := q.gone || q.failed != nil || q.policy.Overflow != BlockSender
	for e := l.list.Front(); e != nil; e = l.list.Front() {
		w := e.Value.(*waiter)
		want := Extent{w.want.Count + l.room.Count, w.want.Size + l.room.Size}
		if !ended && !q.over(w.want.Count, w.want.Size) && q.over(q.count+want.Count, q.size+want.Size) {
			return
		}
		l.call(w)
	}
	if l.called == 0 {
		q.waiting = nil
	}
}
