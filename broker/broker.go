package broker

import (
	"sync/atomic"
)

// Options for [New].
type Options struct {
	// Store keeps the messages of queues; nil: they are gone with the Broker.
	Store Store
}

// A Broker routes messages between its callers.
type Broker struct {
	topics *topics
	queues *queues
	stats  Stats
}

// Stats counts since the start. Each counter may be read at any time.
type Stats struct {
	Sent       atomic.Int64 // messages accepted
	Delivered  atomic.Int64 // deliveries from queues
	Published  atomic.Int64 // deliveries from topics
	Acked      atomic.Int64
	Requeued   atomic.Int64 // given back to their queue
	Dropped    atomic.Int64 // rejected by a consumer, or without room
	Unroutable atomic.Int64 // to a reply destination that is gone
}

// New returns a Broker that holds what its store kept. The error is the
// store's.
func New(o Options) (*Broker, error) {
	b := &Broker{topics: newTopics()}
	b.queues = &queues{store: o.Store, stats: &b.stats, byKey: make(map[string]*queue)}
	if o.Store == nil {
		return b, nil
	}
	return b, o.Store.Load(b.queues.restore)
}

// Stats returns the broker's counters.
func (b *Broker) Stats() *Stats { return &b.stats }

// A Publisher is what one goroutine sends through: it remembers where the
// messages to the last destinations go. It is not safe for concurrent use.
type Publisher struct {
	broker *Broker
	key    string
	route  route
}

// NewPublisher returns a Publisher of b.
func (b *Broker) NewPublisher() *Publisher { return &Publisher{broker: b} }

// Send routes a message. To a topic it goes to all who subscribe at this
// moment; to a queue, it is kept until a consumer has acknowledged it. Then
// done, if it is not nil, is called once: with nil when the message is as safe
// as its destination promises, else with the reason. That may be before Send
// returns, or later from another goroutine; done may take such locks as a Sink.
func (p *Publisher) Send(m *Message, done func(error)) {
	p.broker.stats.Sent.Add(1)
	switch m.to.Kind {
	case Topic, User:
		p.publish(m)
		finished(done, nil)
	case TempQueue:
		p.broker.reply(m)
		finished(done, nil)
	default:
		for !p.broker.queues.get(m.to).pushDurably(m, done) {
		}
	}
}

func (p *Publisher) publish(m *Message) {
	if key := m.to.Key(); key != p.key || !p.broker.topics.current(p.route) {
		p.key, p.route = key, p.broker.topics.resolve(m.to)
	}
	if n := p.route.publish(m); n > 0 {
		p.broker.stats.Published.Add(int64(n))
	}
}

// reply puts m into a connection's queue if it still exists. If it does not,
// who asked has gone, which is no fault of who answers.
func (b *Broker) reply(m *Message) {
	if q := b.queues.lookup(m.to.Key()); q == nil || !q.push(m) {
		b.stats.Unroutable.Add(1)
	}
}

// Subscribe starts a subscription; messages may be delivered before it
// returns. The caller ends it with Unsubscribe.
func (b *Broker) Subscribe(o SubscribeOptions) *Subscription {
	s := &Subscription{broker: b, dest: o.Destination, sink: o.Sink}
	switch o.Destination.Kind {
	case Topic, User:
		if o.Ack != AckAuto {
			q := b.queues.make(o.Destination)
			q.private, q.backlog = true, o.Backlog
			b.consume(s, q, o)
		}
		b.topics.add(s)
	default:
		for !b.consume(s, b.queues.get(o.Destination), o) {
		}
	}
	return s
}

func (b *Broker) consume(s *Subscription, q *queue, o SubscribeOptions) bool {
	s.consumer = &consumer{q: q, sub: s, ack: o.Ack, prefetch: max(1, o.Prefetch)}
	return s.consumer.open()
}

// MakeTemporary makes the temporary queue of that name, which keeps at most
// backlog bytes (0: any number) and exists until [Broker.DropTemporary]. It reports whether
// there was none.
func (b *Broker) MakeTemporary(d Destination, backlog int) bool {
	return b.queues.makeTemporary(d, backlog)
}

// DropTemporary removes a temporary queue with all that it holds.
func (b *Broker) DropTemporary(d Destination) { b.queues.drop(d.Key()) }

// Depth tells how many messages a queue holds; ok is false if it does not
// exist.
func (b *Broker) Depth(d Destination) (depth Depth, ok bool) {
	if q := b.queues.lookup(d.Key()); q != nil {
		return q.depth(), true
	}
	return Depth{}, false
}

// Size is how many destinations exist; those that nobody uses do not.
func (b *Broker) Size() (topics, queues int) {
	return b.topics.len(), b.queues.len()
}
