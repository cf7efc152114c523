package session

import (
	"errors"
	"strconv"
	"strings"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/broker"
	"hoofbeat/frames"
)

// ack handles ACK and NACK (STOMP 1.2, ACK and NACK).
func (s *Session) ack(f frames.Inbound) error {
	id, err := s.ackID(f)
	if err != nil {
		return err
	}
	tx, err := s.transactionOf(f)
	if err != nil {
		return err
	}
	requeue, err := requeues(f)
	if err != nil {
		return err
	}
	sub, tag, err := s.delivery(f, id)
	if tx != nil {
		return s.ackInTransaction(tx, f, sub, tag, requeue, err)
	}
	if err == nil {
		err = s.settle(f, sub, tag, requeue)
	}
	if errors.Is(err, broker.ErrLateDelivery) {
		s.late(f)
		return nil
	}
	return ackFault(err, f.Command)
}

// ackID reads which delivery an ACK or NACK names: STOMP 1.2 has the MESSAGE's
// ack header in id, earlier versions have its message-id. Some clients write id
// in all versions. Spring's StompSession.acknowledge(headers, ...) sends the
// headers of the MESSAGE back as they are, the ack header among them.
func (s *Session) ackID(f frames.Inbound) (string, error) {
	names := [...]string{frame.MessageId, frame.Id}
	if s.version == frames.V12 {
		names = [...]string{frame.Id, frame.Ack}
	}
	for _, name := range names {
		if id := f.Header.Get(name); id != "" {
			return id, nil
		}
	}
	return "", missing(names[0], f.Command)
}

// delivery finds the delivery of a message id. The error is ErrLateDelivery
// if the subscription belongs to another session or has ended, and
// ErrUnknownDelivery if no broker has made the id.
func (s *Session) delivery(f frames.Inbound, id string) (sub *subscription, tag uint64, err error) {
	session, number, tag, ok := s.parseMessageID(id)
	switch {
	case !ok:
		return s.deliveryOf(id)
	case session != s.id:
		return nil, 0, broker.ErrLateDelivery
	}
	s.mu.Lock()
	sub = s.byNumber[number]
	numbers := s.numbers
	s.mu.Unlock()
	switch {
	case number > numbers:
		return nil, 0, broker.ErrUnknownDelivery
	case sub == nil || sub.taken.Load():
		return nil, 0, broker.ErrLateDelivery
	case !s.names(f, sub):
		return nil, 0, broker.ErrUnknownDelivery
	}
	return sub, tag, nil
}

// deliveryOf finds a delivery by its message-id, which some clients write into ACKs of
// STOMP 1.2, too.
func (s *Session) deliveryOf(id string) (sub *subscription, tag uint64, err error) {
	parts := strings.Split(id, "-")
	if s.version != frames.V12 || len(parts) != 3 || !strings.HasPrefix(id, "M") {
		return nil, 0, broker.ErrUnknownDelivery
	}
	queue, ok1 := parseNumber(parts[1])
	seq, ok2 := parseNumber(parts[2])
	if !ok1 || !ok2 {
		return nil, 0, broker.ErrUnknownDelivery
	}
	from := parts[0][1:]
	arrived, err := strconv.ParseInt(from, 36, 64) // 0: an early version has stored it
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.byNumber {
		when := arrived
		switch {
		case sub.handle.QueueID() != broker.QueueID(queue) || sub.auto:
			continue
		case sub.shared && (err != nil || when < 0), !sub.shared && from != s.id:
			continue // the id is of another process
		case !sub.shared:
			when = -1
		}
		if tag, ok := sub.handle.TagOf(seq, when); ok {
			return sub, tag, nil
		}
	}
	return nil, 0, broker.ErrLateDelivery
}

// settle handles an ACK or NACK outside of transactions.
func (s *Session) settle(f frames.Inbound, sub *subscription, tag uint64, requeue bool) (err error) {
	done, receipt := s.ackDone, 0
	if f.Header.Get(frame.Receipt) != "" {
		id := f.Wire(frame.Receipt)
		done, receipt = s.whenAcked(id), receiptSize(id)
	}
	s.begun(receipt)
	if f.Command == frame.ACK {
		err = sub.handle.Ack(tag, done)
	} else {
		err = sub.handle.Nack(tag, requeue, done)
	}
	if err != nil {
		s.finish()
	}
	return err
}

// late answers a frame that came too late to change anything: the client did
// nothing wrong, and a new connection would only make its next ones late.
func (s *Session) late(f frames.Inbound) {
	s.counts.countLate(f.Command)
	if id := f.Wire(frame.Receipt); id != "" {
		s.out.Control(lateReceiptFrame(id))
	}
}

// whenAcked returns a callback, which any goroutine may call, for the moment
// when the broker has finished an ACK or NACK. The receipt, in its form on
// the wire, may be empty.
func (s *Session) whenAcked(receipt string) func(error) {
	return func(err error) {
		if err != nil {
			s.fail(fault(StorageFailed, "The acknowledgement could not be stored, so the message may be delivered again. "+
				"The broker's log has the cause."), receipt, err)
		} else {
			s.done(receipt)
		}
		s.finish()
	}
}

// requeues reports whether a NACK gives its message back, by RabbitMQ's header;
// without it, it does.
func requeues(f frames.Inbound) (bool, error) {
	v := f.Header.Get(requeueHeader)
	if f.Command == frame.ACK || v == "" {
		return true, nil
	}
	requeue, ok := readBool(v)
	if !ok {
		return false, invalidHeader(requeueHeader, f.Command, booleans)
	}
	return requeue, nil
}

const requeueHeader = "requeue"

// ackFault is the ERROR for an ACK or NACK that failed.
func ackFault(err error, command string) error {
	if !errors.Is(err, broker.ErrUnknownDelivery) {
		return err
	}
	return fault(UnknownAck, "%s names no message that this connection was given to acknowledge: the broker has not made this id, "+
		"the subscription header is another subscription's, or the subscription's mode is auto.", command)
}

// names reports whether an ACK's subscription header, if it has one, is the
// subscription that its id belongs to.
func (s *Session) names(f frames.Inbound, sub *subscription) bool {
	id := f.Header.Get(frame.Subscription)
	return id == "" || id == sub.key || f.Wire(frame.Subscription) == sub.wireID
}
