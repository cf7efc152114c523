package broker

import (
	"iter"

	"hoofbeat/destination"
)

// This file has the lists for operators. A list is a snapshot; its items are
// described lazily. All of it may be called from any goroutine that holds no
// lock.

// QueueNames gives the destinations of all queues and durable subscriptions,
// in no order.
func (b *Broker) QueueNames() iter.Seq[destination.Destination] {
	return func(yield func(destination.Destination) bool) {
		for _, q := range b.queues.all() {
			if (q.dest.Kind == destination.Queue || q.dest.Kind == destination.Durable) && !yield(q.dest) {
				return
			}
		}
	}
}

// A QueueSketch is the little of a queue that lists are ordered by.
type QueueSketch struct {
	Destination destination.Destination
	Depth
	Oldest int64 // see QueueInfo; 0 where it was not asked for
}

// Sketches gives all queues and durable subscriptions, in no order, with Oldest
// if heads says so, which takes three times as long. Each is locked by itself,
// for a moment.
func (b *Broker) Sketches(heads bool) iter.Seq[QueueSketch] {
	return func(yield func(QueueSketch) bool) {
		for _, q := range b.queues.all() {
			if (q.dest.Kind == destination.Queue || q.dest.Kind == destination.Durable) && !yield(q.sketch(heads)) {
				return
			}
		}
	}
}

func (q *queue) sketch(head bool) QueueSketch {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := QueueSketch{Destination: q.dest, Depth: q.depths()}
	if head {
		s.Oldest = q.backlog.oldest()
	}
	return s
}

// TopicNames returns the topics and patterns that have subscribers, in no
// order. Those of Kind User belong to the user that [Destination.Owner]
// names.
func (b *Broker) TopicNames() iter.Seq[destination.Destination] {
	return func(yield func(destination.Destination) bool) {
		for _, t := range b.topics.all() {
			if !yield(t.dest) {
				return
			}
		}
	}
}

// TopicInfo describes a topic, or a pattern of topics.
type TopicInfo struct {
	// Subscribers is how many subscriptions there are to exactly this, durable
	// ones included, whether somebody is attached to them or not.
	Subscribers int
	TopicFlow
}

// Topic describes one; false if nobody subscribes to it.
func (b *Broker) Topic(d destination.Destination) (TopicInfo, bool) {
	b.topics.mu.RLock()
	t := b.topics.find(d)
	b.topics.mu.RUnlock()
	if t == nil {
		return TopicInfo{}, false
	}
	i := TopicInfo{TopicFlow: TopicFlow{t.messages.Load(), t.deliveries.Load()}}
	for _, s := range *t.subs.Load() {
		if !s.closed.Load() {
			i.Subscribers++
		}
	}
	return i, i.Subscribers > 0
}

// Policies are those in force. They are not to be changed.
func (b *Broker) Policies() *Policies { return b.queues.policies.Load() }

// all are the topics that exist.
func (ts *topics) all() []*topic {
	ts.mu.RLock()
	defer ts.mu.RUnlock()
	all := make([]*topic, 0, len(ts.exact))
	for _, t := range ts.exact {
		all = append(all, t)
	}
	for _, root := range ts.spaces {
		all = root.All(all)
	}
	return all
}
