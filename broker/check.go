package broker

import "fmt"

// This file has the invariants of a queue's fields, which hold whenever
// nobody has its lock.

// check compares the queue's counters with its lists. It takes a time of its
// lanes, not of its messages. The lock is held.
func (q *queue) check() error {
	listed := q.held + q.taken + q.backlog.listed()
	delayed := q.backlog.delayed.listed()
	switch {
	case q.gone:
		return nil // its lists have ended
	case q.count != listed:
		return fmt.Errorf("it counts %d messages, and its lists hold %d", q.count, listed)
	case q.backlog.delayed.count != delayed:
		return fmt.Errorf("it counts %d delayed messages, and its lists hold %d", q.backlog.delayed.count, delayed)
	case q.count < 0, q.size < 0, q.held < 0, q.taken < 0, q.moving < 0, q.count == 0 && q.size != 0:
		return fmt.Errorf("it counts %d messages of %d bytes, %d held, %d taken, %d moving", q.count, q.size, q.held, q.taken, q.moving)
	}
	return nil
}

// fail ends a queue after the Store has refused a batch: a restart will not
// find the queue as it is in memory. Its consumers get no more messages and
// can acknowledge none, nothing comes in, and nothing dies or moves: the
// Store would refuse that, and then fail the dead letter queue as well.
func (qs *queues) fail(id QueueID, why error) {
	for _, q := range qs.all() {
		if q.id != id {
			continue
		}
		q.mu.Lock()
		if q.failed == nil && !q.gone {
			q.failed = fmt.Errorf("%w: %w", ErrQueueFailed, why)
			qs.stats.Faults.Add(1)
			qs.log.Error("a queue has failed; start again to have what is on disk", "queue", q.dest.String(), "error", why)
		}
		q.unlock()
	}
}

// sound is check. A fault is logged and counted once for each queue, which
// stays then, with all that it holds: a wrong count deletes nothing. The lock is
// held.
func (q *queue) sound() bool {
	err := q.check()
	if err != nil && !q.faulty {
		q.faulty = true
		q.set.stats.Faults.Add(1)
		q.set.log.Error("a queue has lost count of its messages; it stays until a restart counts them again", "queue", q.dest.String(), "fault", err)
	}
	return err == nil
}
