package broker

import "hoofbeat/destination"

// One subscriber at a time reads the durable subscription of a client with a
// name of its own, unless its policy allows sharing: a client that comes back
// on another connection takes it over from the connection that the broker
// still believes in.

// enroll remembers an open consumer of a durable subscription. The lock is held.
func (q *queue) enroll(c *consumer) {
	if q.dest.Kind != destination.Durable {
		return
	}
	if q.members == nil {
		q.members = make(map[*consumer]struct{})
	}
	q.members[c] = struct{}{}
}

// takeOver ends all consumers of a durable subscription, unless its policy
// allows sharing. Their unacknowledged messages go back, and count as no
// failure; messages claimed by open transactions stay with them. The lock is
// held, and the caller pumps.
func (q *queue) takeOver() {
	if q.policy.DurableSharing {
		return
	}
	for c := range q.members {
		if c.takenOver != nil {
			c.takenOver() // first: it delivers nothing more
		}
		if !c.sub.closed.Swap(true) {
			q.set.stats.Subscriptions.Add(-1)
		}
		c.leave(returned)
	}
}

// ReclaimDurable is DeleteDurable for a client that may take the subscription
// over: subscribers that are attached to it are ended first, unless its policy
// allows sharing.
func (b *Broker) ReclaimDurable(d destination.Destination, done func(error)) error {
	if q := b.queues.lookup(d.Key()); q != nil && d.Kind == destination.Durable {
		q.mu.Lock()
		q.takeOver()
		q.pump()
		q.unlock()
	}
	return b.DeleteDurable(d, done)
}
