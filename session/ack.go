package session

import (
	"strconv"
	"strings"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
)

// ack handles ACK and NACK (STOMP 1.2, ACK and NACK). The delivery is named by
// the MESSAGE's ack header in the id header, or, before 1.2, by its message-id;
// hoofbeat gives both the same value.
func (s *Session) ack(f frames.Inbound) error {
	id := f.Header.Get(frame.Id)
	if id == "" || s.version != frames.V12 {
		if old := f.Header.Get(frame.MessageId); old != "" {
			id = old
		}
	}
	if id == "" {
		if s.version == frames.V12 {
			return missing(frame.Id, f.Command)
		}
		return missing(frame.MessageId, f.Command)
	}
	number, tag, ok := s.parseID(id)
	s.mu.Lock()
	sub := s.byNumber[number]
	_, lost := s.lost[number]
	s.mu.Unlock()
	if ok && lost {
		return nil // the message went back to its queue; this is no fault of the client's
	}
	if !ok || sub == nil || !s.names(f, sub) {
		return unknownAck(f.Command)
	}
	tx, err := s.transactionOf(f)
	if err != nil {
		return err
	}
	if tx != nil {
		return s.ackInTransaction(tx, f, sub, tag)
	}
	requeue, err := requeues(f)
	if err != nil {
		return err
	}
	done := s.ackDone
	if f.Header.Get(frame.Receipt) != "" {
		done = s.whenAcked(f.Wire(frame.Receipt))
	}
	s.unfinished.Add(1)
	if f.Command == frame.ACK {
		err = sub.handle.Ack(tag, done)
	} else {
		err = sub.handle.Nack(tag, requeue, done)
	}
	if err != nil {
		s.finish()
		return unknownAck(f.Command)
	}
	return nil
}

// whenAcked returns what is called, from whatever goroutine, when the broker is
// done with an ACK or NACK; the receipt, as on the wire, may be empty.
func (s *Session) whenAcked(receipt string) func(error) {
	return func(err error) {
		if err != nil {
			s.fail(fault(StorageFailed, "The acknowledgement could not be stored: the message may be delivered again. "+
				"The broker's log says what its storage lacks."), receipt, err)
		} else {
			s.done(receipt)
		}
		s.finish()
	}
}

// requeues tells whether a NACK gives its message back, by RabbitMQ's header;
// without it, it does.
func requeues(f frames.Inbound) (bool, error) {
	switch v := f.Header.Get("requeue"); {
	case f.Command == frame.ACK || v == "" || v == "true":
		return true, nil
	case v == "false":
		return false, nil
	}
	return false, invalidHeader("requeue", f.Command, "true or false")
}

func unknownAck(command string) *Fault {
	return fault(UnknownAck, "%s names no message that waits for an acknowledgement on this connection: it was acknowledged before, "+
		"its subscription has ended, or its subscription acknowledges automatically.", command)
}

// parseID reads a message id, see messageID: the number of a subscription, and
// the tag of a delivery.
func (s *Session) parseID(id string) (number, tag uint64, ok bool) {
	rest, ok := strings.CutPrefix(id, s.id+"-")
	if !ok {
		return 0, 0, false
	}
	n, t, ok := strings.Cut(rest, "-")
	number, err1 := strconv.ParseUint(n, 36, 64)
	tag, err2 := strconv.ParseUint(t, 36, 64)
	return number, tag, ok && err1 == nil && err2 == nil
}

// names tells whether an ACK's subscription header, if it has one, is the
// subscription that its id belongs to.
func (s *Session) names(f frames.Inbound, sub *subscription) bool {
	id := f.Header.Get(frame.Subscription)
	return id == "" || id == sub.key || f.Wire(frame.Subscription) == sub.wireID
}
