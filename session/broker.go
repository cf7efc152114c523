package session

import (
	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/internal/memory"
)

// This file names what a session uses of a broker. A broker of one node has it, see
// [Local], and so may one of several nodes. Messages, policies and errors are those
// of package broker.

// A Broker routes messages. Its methods may be called from any goroutine, also with
// Session.mu held. done functions may be called from any goroutine and before the
// method returns; their error says that the change is not kept.
type Broker interface {
	// NewPublisher returns a publisher for one session.
	NewPublisher() Publisher

	// Subscribe starts a subscription. Messages may be delivered before it
	// returns. The error is broker.ErrOtherTopic or a *broker.QuotaError. A
	// subscription that comes with an error must be ended like any other; it may
	// be nil.
	Subscribe(o broker.SubscribeOptions) (Subscription, error)

	// Admit reports whether a user may use a queue, which may have to be made.
	// The error is a *broker.QuotaError.
	Admit(d destination.Destination, user string) error

	// Prefetch returns how many messages a subscription to d may have
	// unacknowledged by the policy; 0: the policy does not say.
	Prefetch(d destination.Destination) int

	// Depth returns how many messages a queue holds; false: there is no such
	// queue.
	Depth(d destination.Destination) (broker.Depth, bool)

	// MakeDurable makes a durable subscription d to a topic, which may be a
	// pattern, unless it exists. The error is broker.ErrOtherTopic or a
	// *broker.QuotaError; else done, if not nil, is called when the subscription
	// is as safe as its policy promises.
	MakeDurable(d, topic destination.Destination, done func(error)) error

	// DurableTopic returns the topic of a durable subscription; false: there is
	// none.
	DurableTopic(d destination.Destination) (topic destination.Destination, ok bool)

	// DeleteDurable deletes a durable subscription with its messages. The error
	// is broker.ErrNoSubscription, or broker.ErrQueueInUse while it has a
	// subscriber. ReclaimDurable takes it away from that subscriber, unless the
	// policy lets several share it: then its error is broker.ErrQueueInUse too.
	// done, if not nil, is called when it will not come back.
	DeleteDurable(d destination.Destination, done func(error)) error
	ReclaimDurable(d destination.Destination, done func(error)) error

	// MakeTemporary makes a temporary queue, which keeps at most backlog bytes (0:
	// any number), charged to a, and counts for the user's quotas. It exists
	// until DropTemporary. The error is a *broker.QuotaError.
	MakeTemporary(d destination.Destination, user string, backlog int, a *memory.Account) error
	DropTemporary(d destination.Destination)
}

// A Publisher sends the messages of one session, in order. The session's reader
// calls it.
type Publisher interface {
	// ActFor sets the user for whose quotas new queues count, and ChargeTo the
	// account for messages that queues keep in memory only.
	ActFor(user string)
	ChargeTo(user *memory.Account)

	// Send routes a message. done, if not nil, is called when the message is as
	// safe as its policies promise, or with an error if it was not taken: a
	// *broker.QuotaError, a *broker.StoredError, broker.ErrQueueFull,
	// broker.ErrNoMemory, broker.ErrTooLarge, broker.ErrQueueFailed, or one of the
	// store. If wait is not nil, the message was not taken and done will not be called: the
	// session sends it again when wait is closed.
	Send(m *broker.Message, done func(error)) (wait <-chan struct{})

	// Begin starts a transaction.
	Begin() Transaction

	// Close gives up the publisher's place among senders that wait. It is the last
	// call.
	Close()
}

// A Subscription receives messages of one destination. Its methods may be called
// from any goroutine that does not hold the lock of an outbox.
type Subscription interface {
	// QueueID returns the queue that messages come from; 0: they come from a
	// topic.
	QueueID() broker.QueueID

	// Pending returns the number of deliveries that wait for an acknowledgement.
	Pending() int

	// TagOf finds the pending delivery of a message by its number in the queue
	// and, unless that is negative, the time at which it arrived.
	TagOf(seq uint64, arrived int64) (tag uint64, ok bool)

	// Ack acknowledges a delivery, and in mode client all before it. Nack refuses
	// it: it is redelivered as the policy says or, if requeue is false, dead. The
	// error is broker.ErrUnknownDelivery or broker.ErrLateDelivery; else done, if
	// not nil, is called when the outcome is certain.
	Ack(tag uint64, done func(error)) error
	Nack(tag uint64, requeue bool, done func(error)) error

	// Adjust changes the mode and the prefetch. False: deliveries wait for an
	// acknowledgement, which would come to mean something else.
	Adjust(ack broker.AckMode, prefetch int) bool

	// Resume says that there is credit again after it was refused, and
	// Written that all deliveries up to tag were written to the client.
	Resume()
	Written(tag uint64)

	// Unsubscribe ends the subscription, and ConnectionLost ends that of a client
	// which was lost: its oldest delivery counts as failed. Unacknowledged
	// messages go back to their queue.
	Unsubscribe()
	ConnectionLost()
}

// A Transaction gathers sends and acknowledgements that happen together. The
// session's reader calls it.
type Transaction interface {
	Send(m *broker.Message)
	// Ack and Nack claim a delivery of a subscription of the same broker: nobody
	// else can acknowledge it until the transaction ends. Errors are those of
	// [Subscription].
	Ack(s Subscription, tag uint64) error
	Nack(s Subscription, tag uint64, requeue bool) error
	// Len returns the number of steps.
	Len() int
	// Commit makes all of it happen, or nothing; done and wait are those of
	// Publisher.Send.
	Commit(done func(error)) (wait <-chan struct{})
	// Abort drops the messages, and makes claimed deliveries pending again.
	Abort()
}

// Local returns a broker of this process for sessions.
func Local(b *broker.Broker) Broker { return local{b} }

type local struct{ *broker.Broker }

// NewPublisher implements Broker.
func (l local) NewPublisher() Publisher { return localPublisher{l.Broker.NewPublisher()} }

// Subscribe implements Broker.
func (l local) Subscribe(o broker.SubscribeOptions) (Subscription, error) {
	s, err := l.Broker.Subscribe(o)
	if s == nil {
		return nil, err // not a nil pointer in an interface
	}
	return s, err
}

type localPublisher struct{ *broker.Publisher }

// Begin implements Publisher.
func (p localPublisher) Begin() Transaction { return localTransaction{p.Publisher.Begin()} }

type localTransaction struct{ *broker.Transaction }

// Ack implements Transaction.
func (t localTransaction) Ack(s Subscription, tag uint64) error {
	return t.Transaction.Ack(s.(*broker.Subscription), tag)
}

// Nack implements Transaction.
func (t localTransaction) Nack(s Subscription, tag uint64, requeue bool) error {
	return t.Transaction.Nack(s.(*broker.Subscription), tag, requeue)
}
