package broker

import (
	"context"
	"hoofbeat/destination"
)

// This file lets operators move messages to another destination.

// Move moves waiting messages from one queue to the end of another, at most
// limit (0: all that are there now), and returns their number. Each is in one
// of the two at any time. They keep their headers; deliveries are counted
// anew. Errors are ErrUnknownQueue, ErrQueueFull of the other queue, the
// context's and the Store's; messages that were moved before the error stay
// moved.
func (b *Broker) Move(ctx context.Context, from, to destination.Destination, limit int) (n int, err error) {
	q := b.queues.lookup(from.Key())
	if q == nil || to.Kind != destination.Queue || from.Key() == to.Key() {
		return 0, ErrUnknownQueue
	}
	q.mu.Lock()
	q.takers++
	if ready := q.count - q.held - q.backlog.delayed.count; limit <= 0 || limit > ready {
		limit = ready
	}
	q.unlock()
	for n < limit && err == nil {
		var moved int
		if moved, err = b.moveSome(ctx, q, to, limit-n); moved == 0 {
			break
		}
		n += moved
	}
	q.mu.Lock()
	q.takers--
	q.rest()
	q.unlock()
	b.queues.vanish(q)
	return n, err
}

// moveSome moves the messages in memory, or waits until there are some.
func (b *Broker) moveSome(ctx context.Context, q *queue, to destination.Destination, limit int) (int, error) {
	some, err := q.take(ctx, min(limit, windowMessages))
	if len(some) == 0 {
		return 0, err
	}
	done := make(chan error, 1)
	n, err := q.transfer(some, b.queues, to, func(err error) { done <- err })
	if n == 0 {
		return 0, err
	}
	return n, await(ctx, done)
}

// take takes messages from the head, counted by taken; none if there are none.
func (q *queue) take(ctx context.Context, limit int) (some []entry, err error) {
	for {
		q.mu.Lock()
		if err := q.failed; err != nil {
			q.mu.Unlock()
			return nil, err
		}
		for len(some) < limit {
			e, ok := q.next()
			if !ok {
				break
			}
			some = append(some, e)
		}
		q.taken += len(some)
		var page <-chan struct{}
		again := len(some) == 0 && q.tired()
		if len(some) == 0 && !again && q.backlog.reading() {
			if q.paged == nil {
				q.paged = make(chan struct{})
			}
			page = q.paged
		}
		q.unlock()
		if again {
			continue
		}
		if page == nil {
			return some, nil
		}
		select {
		case <-page:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// transfer puts taken messages into another queue, and those that do not fit
// there back. If none fits, the error is the reason; else done is called.
func (q *queue) transfer(some []entry, qs *queues, to destination.Destination, done func(error)) (n int, err error) {
	var other *queue
	for {
		other = qs.get(to)
		other.mu.Lock()
		if other.gone {
			other.mu.Unlock()
			continue
		}
		n, err = other.fits(some)
		for i := range some[:n] {
			e := &some[i]
			m := e.msg.redirected(to, e.msg.Header())
			m.arrived = qs.now()
			other.moveIn(m, e, q.id)
		}
		other.pump()
		other.flush(done)
		other.unlock()
		break
	}
	qs.stats.Moved.Add(int64(n))
	q.untake(some, n)
	qs.vanish(other) // if it was made for the messages that it refuses
	return n, err
}

// untake ends the work of take: the first n have moved, the others come back,
// or are dropped if the queue was deleted meanwhile.
func (q *queue) untake(some []entry, n int) {
	q.mu.Lock()
	defer q.unlock()
	q.taken -= len(some)
	for i := range some[:n] {
		q.went(&some[i])
	}
	for _, e := range some[n:] {
		if q.gone {
			q.discard(e, q.ending())
			continue
		}
		q.giveBack(e)
	}
	q.pump()
}

// fits tells how many of some the queue takes, and why not one more. The lock is
// held.
func (q *queue) fits(some []entry) (n int, err error) {
	for size := 0; n < len(some); n++ {
		one := some[n].msg
		size += one.Size()
		if v := q.admit(application{Extent: Extent{n + 1, size}, largest: one.Size(), keep: q.keeps(one), outOfTurn: true}); v.err != nil {
			return n, v.err
		}
	}
	return n, nil
}
