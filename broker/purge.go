package broker

import (
	"context"
	"hoofbeat/destination"
)

// This file lets operators remove messages and queues.

// Purge drops all waiting messages of a queue, the delayed ones included, and
// returns their number when they will not come back. Messages that consumers
// hold stay. Errors are ErrUnknownQueue, the context's, and the Store's.
func (b *Broker) Purge(ctx context.Context, d destination.Destination) (n int, err error) {
	q := b.queues.lookup(d.Key())
	if q == nil {
		return 0, ErrUnknownQueue
	}
	done := make(chan error, 1)
	q.mu.Lock()
	n = q.purge()
	q.flush(func(err error) { done <- err })
	q.unlock()
	b.queues.vanish(q)
	return n, await(ctx, done)
}

func await(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// purge drops the waiting messages. The lock is held.
func (q *queue) purge() int {
	before := q.count
	for _, l := range q.backlog.lanes {
		l.stop()
		q.clearBehind(&l.behind, Position{Lane: LaneOf(l.priority), Seq: l.after})
		for from := l.head(); from != nowhere; from = l.head() {
			q.discard(l.pop(from), DropPurged)
		}
	}
	s := &q.backlog.delayed
	for it := s.soon.first(); it != nil; it = s.soon.first() {
		q.discard(q.backlog.pick(it), DropPurged)
	}
	after := s.horizon
	after.Lane = Delayed
	q.clearBehind(&s.behind, after)
	s.stop()
	*s = schedule{pageReader: s.pageReader, horizon: s.left, left: s.left}
	q.debt, q.debtLater = Extent{}, Extent{}
	return before - q.count
}

// clearBehind drops the messages that only the Store has.
func (q *queue) clearBehind(behind *Extent, after Position) {
	x := *behind
	if x.Count == 0 {
		return
	}
	*behind = Extent{}
	q.count -= x.Count
	q.size -= x.Size
	q.addStored(-x.Size)
	q.set.stats.drop(DropPurged, x.Count)
	q.fit(opSize)
	q.do(Op{Kind: Clear, Queue: q.id, At: after, Count: x.Count, Size: x.Size})
}

// DeleteQueue removes a queue, or a durable subscription, with all that it
// holds, and returns how many messages that were. Errors are ErrUnknownQueue,
// ErrQueueInUse, the context's, and the Store's.
func (b *Broker) DeleteQueue(ctx context.Context, d destination.Destination) (n int, err error) {
	q := b.queues.lookup(d.Key())
	if q == nil {
		return 0, ErrUnknownQueue
	}
	done := make(chan error, 1)
	may := func() bool { n = q.count; return q.consumers == 0 && q.moving == 0 && q.taken == 0 }
	if !b.unbind(q, may, func(err error) { done <- err }) {
		return 0, ErrQueueInUse
	}
	return n, await(ctx, done)
}
