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
	if f.Command == frame.ACK {
		err = sub.handle.Ack(tag)
	} else {
		err = sub.handle.Nack(tag, requeues(f))
	}
	if err != nil {
		return unknownAck(f.Command)
	}
	s.receipt(f)
	return nil
}

// requeues tells whether a NACK gives its message back: unless RabbitMQ's
// header says that it does not.
func requeues(f frames.Inbound) bool { return f.Header.Get("requeue") != "false" }

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
