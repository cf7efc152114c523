package session

import (
	"strconv"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/frames"
	"hoofbeat/session/outbox"
)

// TakeCredit implements broker.Sink.
func (sub *subscription) TakeCredit(size int) bool {
	return !sub.ended.Load() && sub.session.out.TakeCredit(&sub.source, size)
}

// Deliver implements broker.Sink.
func (sub *subscription) Deliver(d broker.Delivery) {
	it := outbox.Item{From: &sub.source, Message: d.Message, Tag: d.Tag, Attempt: d.Attempt, Seq: d.Seq}
	if sub.ended.Load() && d.Tag == 0 {
		sub.session.out.CountLost(it)
		return
	}
	sub.session.out.Deliver(it)
}

// Overrun implements broker.Sink: the backlog of a subscription with a queue
// of its own is full, which the slow-consumer policy decides as well, unless
// the connection or the process has no memory left.
func (sub *subscription) Overrun() broker.Overflow {
	s := sub.session
	if s.account.Full() {
		s.endFull()
		return broker.Disconnect
	}
	switch s.options.Limits.SlowConsumer {
	case outbox.DropNewest:
		return broker.DropNewest
	case outbox.DropOldest:
		return broker.DropOldest
	}
	s.out.Overrun(&sub.source, func(refused bool) outbox.Ending { return s.slowEnding(sub.overrunFault(refused)) })
	return broker.Disconnect
}

// overrunFault is why the backlog is full: either the outbox has no room, as the
// client does not read, or the client has as many messages as it may have
// without acknowledging one.
func (sub *subscription) overrunFault(refused bool) *Fault {
	if refused {
		return sub.session.slowFault()
	}
	f := fault(SlowConsumer, "The client reads but does not acknowledge: more than %d bytes wait for the subscription to %q (limits.outbound_bytes_per_connection), "+
		"whose mode is %s, and as many messages as it may have are unacknowledged (prefetch-count, here %d). "+
		"Send an ACK for each message, or for the last of several in mode client, or subscribe with ack:auto, or to a queue or with durable:true, which keep their messages.",
		sub.session.options.Limits.Outbound, sub.text, sub.ack, sub.prefetch)
	f.Subscription = sub.wireID
	return f
}

// Resume implements outbox.Owner: it tells the broker that there is room again.
func (sub *subscription) Resume() {
	sub.handle.Resume()
}

// Written implements outbox.Owner: it tells the broker that everything up to a delivery
// was written.
func (sub *subscription) Written(tag uint64) {
	sub.handle.Written(tag)
	if sub.implicit {
		sub.answered.Store(true)
	}
}

// makeHead encodes the common beginning of all MESSAGEs of the subscription.
// The client reads its own spelling of the destination; for a pattern, that
// of the SEND.
func (sub *subscription) makeHead() {
	dst := []byte(frame.MESSAGE + "\n")
	if sub.hasID {
		dst = frames.AppendRawHeader(dst, frame.Subscription, sub.wireID)
	}
	if !sub.dest.Wild() {
		dst = frames.AppendRawHeader(dst, frame.Destination, sub.wireDestination)
	}
	dst = append(dst, frame.MessageId+":"...)
	sub.idAt = len(dst)
	sub.head = append(dst, sub.session.messageID(sub.number)...)
}

// makeNumbered makes the common beginning of message-ids that stay the same
// at each delivery of a queue's message: in STOMP 1.2, which acknowledges by
// another header. No ACK can take such an id for its own.
func (sub *subscription) makeNumbered() {
	queue := sub.handle.QueueID()
	if queue == 0 || sub.session.version != frames.V12 {
		return
	}
	sub.shared = sub.dest.Kind == destination.Queue || sub.durable.Kind != 0
	if !sub.shared { // it ends with the session
		sub.numbered = append(sub.numbered, sub.session.id...)
	}
	sub.numbered = append(sub.numbered, '-')
	sub.numbered = strconv.AppendUint(sub.numbered, uint64(queue), 36)
	sub.numbered = append(sub.numbered, '-')
}

// appendMessageID appends the message-id of a queue's message: when it came, to
// tell it from those of other processes and of a queue that begins anew, its
// queue, and its number there.
func (sub *subscription) appendMessageID(dst []byte, it *outbox.Item) []byte {
	dst = append(dst, 'M')
	if sub.shared {
		dst = strconv.AppendUint(dst, uint64(it.Message.Arrived()), 36)
	}
	dst = append(dst, sub.numbered...)
	return strconv.AppendUint(dst, it.Seq, 36)
}

// appendDelivery appends the header that acknowledges a delivery.
func (sub *subscription) appendDelivery(dst []byte, it *outbox.Item) []byte {
	dst = append(dst, sub.head[sub.idAt:]...)
	if it.Tag != 0 {
		return strconv.AppendUint(dst, it.Tag, 36)
	}
	sub.sent++
	return strconv.AppendUint(dst, sub.sent, 36)
}

// encodeItem appends the MESSAGE of an item to dst (STOMP 1.2, MESSAGE), but for
// the part that it shares with those of others. It appends nothing if the
// subscription has ended meanwhile.
func (s *Session) encodeItem(dst []byte, it *outbox.Item) (_ []byte, tail *frames.Tail, text bool) {
	sub := it.From.Owner.(*subscription)
	if sub.ended.Load() {
		return dst, nil, true
	}
	dst = append(dst, sub.head[:sub.idAt]...)
	if it.Seq != 0 && len(sub.numbered) > 0 {
		dst = sub.appendMessageID(dst, it)
	} else {
		dst = sub.appendDelivery(dst, it)
	}
	dst = append(dst, '\n')
	if !sub.auto {
		dst = append(dst, frame.Ack+":"...)
		dst = sub.appendDelivery(dst, it)
		dst = append(dst, '\n')
	}
	if sub.dest.Wild() {
		dst = frames.AppendHeader(dst, frame.Destination, it.Message.Destination(), s.version)
	}
	if it.Attempt > 1 {
		dst = append(dst, "redelivered:true\ndelivery-count:"...)
		dst = strconv.AppendInt(dst, int64(it.Attempt), 10)
		dst = append(dst, '\n')
	}
	if tail = it.Message.Tail(s.version); tail == nil {
		dst = it.Message.AppendTail(dst, s.version)
	}
	return dst, tail, it.Message.Text()
}
