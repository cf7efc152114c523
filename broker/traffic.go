package broker

import "sync/atomic"

// A Flow counts the messages that have gone through a queue since it was
// made, or since the start if that was later; or through all queues, since
// the start.
type Flow struct {
	Enqueued    int64 // messages, or copies of a topic's, that it was given
	Delivered   int64 // deliveries to consumers
	Redelivered int64 // of these, those that were not the message's first
	Acked       int64
}

// A TopicFlow counts the messages of a topic, or of a pattern of topics,
// since its first subscription.
type TopicFlow struct {
	Messages   int64 // that were sent to it, or to a topic that the pattern matches
	Deliveries int64 // of these, but for those that go through a queue: of durable subscriptions, and with acknowledgement
}

// counterShards is the number of parts of those counters that every message counts
// in, so that processors do not wait for each other: that costs more than all
// other work for a message in a queue.
const counterShards = 16

// counters count for some of the queues and Publishers.
type counters struct {
	sent, published                         atomic.Int64 // see Stats
	enqueued, delivered, redelivered, acked atomic.Int64 // see Flow
	_                                       [64]byte     // another one is not in the same cache line
}

// Sent is how many messages came, those that were refused included.
func (s *Stats) Sent() (n int64) {
	for i := range s.shards {
		n += s.shards[i].sent.Load()
	}
	return n
}

// Published is how many deliveries there were from topics, but for those that
// go through a queue.
func (s *Stats) Published() (n int64) {
	for i := range s.shards {
		n += s.shards[i].published.Load()
	}
	return n
}

// Flow counts the messages that have gone through all queues.
func (s *Stats) Flow() (f Flow) {
	for i := range s.shards {
		t := &s.shards[i]
		f.Acked += t.acked.Load() // first, so that none was acknowledged before it was delivered
		f.Redelivered += t.redelivered.Load()
		f.Delivered += t.delivered.Load()
		f.Enqueued += t.enqueued.Load()
	}
	return f
}

// nextCounters returns the counters of a new Publisher.
func (s *Stats) nextCounters() *counters { return &s.shards[s.turn.Add(1)%counterShards] }

// countSent is called before anybody sees the messages: a sender with a
// receipt finds them counted. Nil counters count nothing.
func (t *counters) countSent(n int) {
	if t != nil {
		t.sent.Add(int64(n))
	}
}

// counters are those of a queue.
func (q *queue) counters() *counters { return &q.set.stats.shards[q.id%counterShards] }

// countEnqueued and the others count in the queue and in all; its lock is held.
func (q *queue) countEnqueued() {
	q.flow.Enqueued++
	q.counters().enqueued.Add(1)
}

func (q *queue) countDelivered(again bool) {
	t := q.counters()
	q.flow.Delivered++
	t.delivered.Add(1)
	if again {
		q.flow.Redelivered++
		t.redelivered.Add(1)
	}
}

func (q *queue) countAcked() {
	q.flow.Acked++
	q.counters().acked.Add(1)
}
