package broker

import (
	"errors"
	"fmt"

	"hoofbeat/destination"
)

// A durable subscription is a queue of Kind Durable that subscribes to a
// topic and stores its messages, with or without consumers. Its subscribers
// attach to it as consumers. It exists until it is deleted.

var (
	// ErrOtherTopic: a durable subscription of that name is to another topic.
	ErrOtherTopic = errors.New("a durable subscription of that name is to another topic")
	// ErrNoSubscription: there is no durable subscription of that name.
	ErrNoSubscription = errors.New("there is no durable subscription of that name")
	// ErrQueueInUse: a queue or durable subscription has consumers.
	ErrQueueInUse = errors.New("it has subscribers")
)

// MakeDurable makes a durable subscription of that name to a topic, which may
// be a pattern, if there is none. Errors are ErrOtherTopic and a QuotaError; else done, if it
// is not nil, is called as by [Publisher.Send] when the subscription is as
// safe as its policy promises.
func (b *Broker) MakeDurable(d, topic destination.Destination, done func(error)) error {
	for {
		q, err := b.durable(d, topic)
		if err != nil {
			return err
		}
		if q.topic.Key() != topic.Key() {
			return fmt.Errorf("%w: %s", ErrOtherTopic, q.topic)
		}
		if q.confirm(done) {
			return nil
		}
	}
}

// confirm calls done when the Store knows the queue, and reports whether it still
// exists: one that was deleted meanwhile must not be described again, or a restart
// would find it.
func (q *queue) confirm(done func(error)) bool {
	q.mu.Lock()
	defer q.unlock()
	if q.gone {
		return false
	}
	if q.described {
		q.redescribe() // so that done comes after the queue's description
	}
	q.flush(done)
	return true
}

// attach subscribes s to a durable subscription, which is made if there is
// none.
func (b *Broker) attach(s *Subscription, o SubscribeOptions) error {
	for {
		q, err := b.durable(o.Durable, o.Destination)
		if err != nil {
			return err
		}
		if q.topic.Key() != o.Destination.Key() {
			return fmt.Errorf("%w: %s", ErrOtherTopic, q.topic)
		}
		if b.consume(s, q, o) {
			return nil
		}
	}
}

// durable returns the queue of a durable subscription, and makes it if there is none.
// The error is a QuotaError.
func (b *Broker) durable(d, topic destination.Destination) (*queue, error) {
	qs := b.queues
	if q := qs.lookup(d.Key()); q != nil {
		return q, nil
	}
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if q := qs.byKey[d.Key()]; q != nil {
		return q, nil
	}
	user, _, _ := d.Subscriber()
	if err := qs.book.admit(destination.Durable, user); err != nil {
		return nil, err
	}
	q := qs.make(d)
	q.maker = user
	q.topic, q.policy = topic, qs.policies.Load().For(topic)
	q.abandoned = qs.now()
	if qs.store != nil && q.policy.Durable {
		q.describe()
		q.flush(nil)
	}
	b.bind(q)
	qs.enter(q)
	return q, nil
}

// bind subscribes a durable subscription's queue, which nobody else knows
// yet, to its topic.
func (b *Broker) bind(q *queue) {
	q.broker = b
	q.binding = &Subscription{broker: b, dest: q.topic, durable: q}
	b.topics.add(q.binding)
}

// DurableTopic is the topic of a durable subscription; false: there is none.
func (b *Broker) DurableTopic(d destination.Destination) (topic destination.Destination, ok bool) {
	q := b.queues.lookup(d.Key())
	if q == nil || d.Kind != destination.Durable {
		return destination.Destination{}, false
	}
	return q.topic, true
}

// DeleteDurable ends a durable subscription, with all that it holds. Errors
// are ErrNoSubscription, and ErrQueueInUse while somebody is attached to it;
// else done, if it is not nil, is called when it will not come back.
func (b *Broker) DeleteDurable(d destination.Destination, done func(error)) error {
	q := b.queues.lookup(d.Key())
	if q == nil || d.Kind != destination.Durable {
		return ErrNoSubscription
	}
	if !b.unbind(q, func() bool { return q.consumers == 0 }, done) {
		return ErrQueueInUse
	}
	return nil
}

// unbind removes a durable subscription if it may go, which is asked with its
// lock held.
func (b *Broker) unbind(q *queue, may func() bool, done func(error)) bool {
	qs := b.queues
	qs.mu.Lock()
	q.mu.Lock()
	ok := !q.gone && may()
	if ok {
		qs.remove(q, done)
	}
	q.mu.Unlock()
	qs.mu.Unlock()
	if ok && q.binding != nil && !q.binding.closed.Swap(true) {
		b.topics.remove(q.binding)
	}
	return ok
}

// expireSubscription deletes a durable subscription that nobody came back to.
func (qs *queues) expireSubscription(q *queue) {
	expired := func() bool {
		return q.consumers == 0 && q.abandoned != 0 && q.abandoned+q.policy.SubscriptionExpiry.Milliseconds() <= qs.now()
	}
	if q.broker.unbind(q, expired, nil) {
		qs.log.Info("a durable subscription without subscriber was deleted", "subscription", q.dest.String(), "topic", q.topic.String())
	}
}

// attached is called with the lock held when a consumer has come.
func (q *queue) attached() {
	q.look = false
	q.abandon(0)
}

// detached is called with the lock held when the last consumer has gone.
func (q *queue) detached() {
	if q.topic.Kind != 0 {
		q.abandon(q.set.now())
	}
	if q.passing() {
		q.pass()
		return
	}
	q.rest()
}

func (q *queue) abandon(at int64) {
	if q.abandoned == at {
		return
	}
	if q.abandoned = at; q.described {
		q.redescribe()
	}
}

// publishDurably publishes a message that durable subscriptions keep. If one
// of them cannot, nobody gets it: the sender is told, and tries again. A
// subscription whose owner is at the quota of stored bytes goes without it
// instead.
func (p *Publisher) publishDurably(r *route, m *Message, done func(error)) (full *queue) {
	m.arrived = p.broker.queues.now()
	var v verdict
	if len(r.durable) == 1 {
		v = p.pushOne(r.durable[0], m, done)
	} else {
		v = p.fanOut(r.durable, m, done)
	}
	switch {
	case v.full != nil:
		return v.full
	case v.err != nil:
		p.refuse(v.err, done)
		return nil
	}
	p.deliver(r, m)
	return nil
}

// pushOne gives a message to one durable subscription, if it may come in.
func (p *Publisher) pushOne(q *queue, m *Message, done func(error)) verdict {
	q.mu.Lock()
	if q.gone { // it was deleted meanwhile
		q.mu.Unlock()
		p.counters.countSent(1)
		finished(done, nil)
		return verdict{}
	}
	defer q.unlock()
	if q.lacks(m) {
		p.counters.countSent(1)
		q.passOver(1)
		q.flush(done)
		return verdict{}
	}
	if v := q.admit(q.applies(m, p)); v != (verdict{}) {
		return v
	}
	p.counters.countSent(1)
	q.append(m, State{})
	q.pump()
	q.flush(done)
	return verdict{}
}
