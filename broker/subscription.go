package broker

import (
	"errors"
	"sync/atomic"

	"hoofbeat/destination"
	"hoofbeat/internal/memory"
)

// AckMode says how a subscriber acknowledges (STOMP 1.2, SUBSCRIBE ack Header).
type AckMode uint8

// The modes there are.
const (
	// AckAuto: a message is acknowledged when the sink says that it was
	// written, by [Subscription.Written].
	AckAuto AckMode = iota
	// AckClient: an ACK or NACK means all messages up to the one it names.
	AckClient
	// AckClientIndividual: an ACK or NACK means the one it names.
	AckClientIndividual
)

// ParseAckMode reads the ack header of a SUBSCRIBE; none means auto.
func ParseAckMode(s string) (AckMode, bool) {
	switch s {
	case "", "auto":
		return AckAuto, true
	case "client":
		return AckClient, true
	case "client-individual":
		return AckClientIndividual, true
	}
	return 0, false
}

// String is the inverse of ParseAckMode.
func (m AckMode) String() string {
	return [...]string{"auto", "client", "client-individual"}[m]
}

// A Sink is where a subscription's messages go. Its methods are called with
// the broker's locks held, by any goroutine: they never block and never call
// the broker back.
type Sink interface {
	// TakeCredit takes credit for one message of a queue, of so many bytes. Deliver
	// follows at once, before the queue's lock is released. False says that there
	// is none: the queue keeps the message, and gives nothing more to this sink
	// until [Subscription.Resume]. Messages of topics need no credit.
	TakeCredit(size int) bool

	// Deliver hands over a message. It may still be called for a moment after
	// Unsubscribe has returned, by a publisher that was under way.
	Deliver(d Delivery)

	// Overrun reports that the subscription's own backlog is full, and asks
	// for the fate of the newest message.
	Overrun() Overflow
}

// A Delivery is a message on its way to a Sink.
type Delivery struct {
	Message *Message
	// Tag identifies the delivery among those of the subscription and grows from
	// one to the next; 0: nothing is to be acknowledged.
	Tag uint64
	// Attempt counts the deliveries of this message, this one included.
	Attempt int
	// Seq is the message's number in its queue, the same at each delivery; 0: it
	// comes from a topic.
	Seq uint64
}

// Overflow decides about messages for which there is no room.
type Overflow uint8

// The ways there are.
const (
	Disconnect Overflow = iota // the sink ends; its backlog is lost
	DropNewest
	DropOldest
)

var (
	// ErrUnknownDelivery: the subscription has never had a delivery of that tag,
	// or acknowledges nothing because its mode is auto.
	ErrUnknownDelivery = errors.New("the subscription has had no such delivery")
	// ErrLateDelivery: the delivery is settled, went back to its queue, or is
	// claimed by an open transaction. Nothing has changed.
	ErrLateDelivery = errors.New("the delivery does not wait for an acknowledgement any more")
)

// SubscribeOptions select the destination and the kind of a subscription.
type SubscribeOptions struct {
	Destination destination.Destination
	Ack         AckMode
	// Prefetch is how many messages may be delivered and neither acknowledged
	// nor, with AckAuto, written. At least 1. Topics with AckAuto have none.
	Prefetch int
	// Durable names the durable subscription (Kind Durable) to which the
	// subscriber attaches, and which is made if there is none; the zero value:
	// none. Several may attach to one and share its messages.
	Durable destination.Destination
	// TakenOver, if it is not nil, makes the subscriber the only one of the
	// durable subscription, unless its policy allows sharing: all others are
	// ended, and their unacknowledged messages go to this one. It is called
	// when another subscriber does that; like a Sink's methods, with the
	// broker's locks held. The subscription has ended then.
	TakenOver func()
	// User owns the queue if it has to be made; "": nobody does.
	User string
	// Backlog bounds, in bytes, the private queue of a subscriber that
	// acknowledges messages of a topic. 0 means no bound.
	Backlog int
	// Account is charged for the subscriber's messages in memory; nil: nobody
	// is.
	Account *memory.Account
	Sink    Sink
}

// A Subscription is a subscriber's handle. Its methods may be called from any
// goroutine that holds no lock which its Sink takes.
type Subscription struct {
	broker *Broker
	dest   destination.Destination
	sink   Sink
	closed atomic.Bool

	topic    *topic    // if it is subscribed to a topic; set by topics.add
	left     bool      // it does not count for topic any more; guarded by the registry's lock
	consumer *consumer // if it takes from a queue, a private one of a topic included
	// durable is set in a durable subscription's entry in a topic: it has no
	// sink, and messages go to that queue.
	durable *queue
}

// take receives a message from a topic, for a subscription that is not durable.
// It returns false if a queue has it first.
func (s *Subscription) take(m *Message) bool {
	if s.consumer == nil {
		s.sink.Deliver(Delivery{Message: m, Attempt: 1})
		return true
	}
	s.consumer.q.push(m)
	return false
}

// Unsubscribe ends the subscription. Messages that were delivered and not
// acknowledged go back to the head of their queue in their order; those that
// an open transaction acknowledged stay with it. A durable subscription goes on
// without its subscriber. It may be called repeatedly.
func (s *Subscription) Unsubscribe() { s.end(false) }

// ConnectionLost is Unsubscribe for a subscriber that was lost and did not leave: the
// oldest of its unacknowledged messages counts as failed.
func (s *Subscription) ConnectionLost() { s.end(true) }

func (s *Subscription) end(lost bool) {
	if s.closed.Swap(true) {
		return
	}
	s.broker.stats.Subscriptions.Add(-1)
	if s.topic != nil {
		s.broker.topics.remove(s)
	}
	if s.consumer != nil {
		s.consumer.close(lost)
		s.broker.queues.vanish(s.consumer.q)
	}
}

// QueueID is that of the queue that messages come from; 0: they come from a topic.
func (s *Subscription) QueueID() QueueID {
	if s.consumer == nil {
		return 0
	}
	return s.consumer.q.id
}

// TagOf finds the pending delivery of a message by its number in the queue and,
// unless that is negative, by when it arrived, as a queue that begins anew numbers anew;
// false: there is none. Others have the queue between any thousand of them.
func (s *Subscription) TagOf(seq uint64, arrived int64) (tag uint64, ok bool) {
	c := s.consumer
	if c == nil {
		return 0, false
	}
	const atATime = 1000
	for more := true; more; {
		c.q.mu.Lock()
		i := c.held.from(tag)
		end := min(c.held.len(), i+atATime)
		for ; i < end; i++ {
			d := c.held.at(i)
			if tag = d.tag; d.number() == seq && d.settle == pending && (arrived < 0 || d.msg.arrived == arrived) {
				c.q.mu.Unlock()
				return tag, true
			}
		}
		more = end < c.held.len()
		c.q.mu.Unlock()
		tag++
	}
	return 0, false
}

// Pending is the number of deliveries that wait for an acknowledgement; those
// acknowledged in an open transaction do not count.
func (s *Subscription) Pending() int {
	c := s.consumer
	if c == nil {
		return 0
	}
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	return c.held.pending
}

// Adjust changes how the subscriber acknowledges, and its prefetch. It does not
// lead from AckAuto to another mode, nor back. False: nothing has changed, for
// deliveries wait for an acknowledgement, which would come to mean something
// else.
func (s *Subscription) Adjust(ack AckMode, prefetch int) bool {
	c := s.consumer
	if c == nil {
		return true // nothing is acknowledged
	}
	c.q.mu.Lock()
	defer c.q.unlock()
	if c.auto != (ack == AckAuto) || !c.auto && c.held.pending > 0 {
		return false
	}
	c.ack, c.prefetch = ack, max(1, prefetch)
	c.lineUp()
	c.q.pump()
	return true
}

// Resume says that the sink has room again after it refused a message.
func (s *Subscription) Resume() {
	if s.consumer != nil {
		s.consumer.resume()
	}
}

// Written says that all deliveries up to and with tag were written to the
// subscriber. Mode auto acknowledges them by that; in other modes, messages that
// the Store keeps need not stay in memory.
func (s *Subscription) Written(tag uint64) {
	switch c := s.consumer; {
	case c == nil:
	case c.auto:
		_ = c.settle(tag, acknowledged, nil) // messages that have gone back since are no fault
	default:
		c.wrote(tag)
	}
}

// Ack acknowledges a delivery, and in mode client all before it. The error is
// ErrUnknownDelivery or ErrLateDelivery if it is not pending; else done, if it
// is not nil, is called as by [Publisher.Send] when it is certain that the
// message will not come again.
func (s *Subscription) Ack(tag uint64, done func(error)) error {
	return s.settle(tag, acknowledged, done)
}

// Nack refuses a delivery, and in mode client all before it: it is delivered
// again as its queue's policy says, or, if requeue is false, dead at once.
// Error and done are those of Ack.
func (s *Subscription) Nack(tag uint64, requeue bool, done func(error)) error {
	return s.settle(tag, nacked(requeue), done)
}

func nacked(requeue bool) outcome {
	if requeue {
		return refused
	}
	return rejected
}

func (s *Subscription) settle(tag uint64, how outcome, done func(error)) error {
	c := s.consumer
	if c == nil || c.auto {
		return ErrUnknownDelivery
	}
	return c.settle(tag, how, done)
}
