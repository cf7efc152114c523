package session

import (
	"errors"
	"strings"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/auth/acl"
	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/frames"
)

// sendHeaders are those headers of a SEND that the broker looks at.
type sendHeaders struct {
	destination                 string
	inTransaction, wantsReceipt bool
	replyTos
	properties
}

// readSend reads the headers in one pass; the first of repeated ones counts.
func readSend(h *frame.Header) (out sendHeaders, err error) {
	out.Priority = broker.DefaultPriority
	var transaction, receipt string
	var hasDestination, hasTransaction, hasReceipt bool
	for i := range h.Len() {
		k, v := h.GetAt(i)
		switch k {
		case frame.Destination:
			first(&out.destination, &hasDestination, v)
		case replyToHeader:
			out.replyTos.add(v)
		case frame.Transaction:
			first(&transaction, &hasTransaction, v)
		case frame.Receipt:
			first(&receipt, &hasReceipt, v)
		case frame.ContentType, frame.ContentLength:
		default:
			if err := out.properties.read(k, v); err != nil {
				return out, err
			}
			if mayBeReplyTo(k) {
				out.addLike(k, v)
			}
		}
	}
	out.inTransaction, out.wantsReceipt = transaction != "", receipt != ""
	return out, nil
}

func first(dst *string, has *bool, v string) {
	if !*has {
		*dst, *has = v, true
	}
}

// sendCache remembers the destination of the last SEND, which most often is
// that of the next.
type sendCache struct {
	text        string
	dest        destination.Destination
	permissions *acl.Permissions // that allowed it
	done        func(error)      // of a SEND to it that wants no receipt
}

// send handles a SEND (STOMP 1.2, SEND).
func (s *Session) send(f frames.Inbound) error {
	if s.options.Tracer != nil {
		return s.sendTraced(f)
	}
	return s.sendAs(f, nil)
}

// sendAs is send; the trace is that of the message, nil if it has none.
func (s *Session) sendAs(f frames.Inbound, trace Trace) error {
	h, err := readSend(f.Header)
	if err != nil {
		return err
	}
	if f.MayHoldCR() {
		h.addHidden(f.Header)
	}
	if r := &s.rate; r.n > 0 && !r.take(time.Now()) {
		return fault(RateLimited, "More than %d SEND frames came within %v (limits.send_rate_per_connection).",
			s.options.Limits.SendRate, s.options.Limits.SendRatePer)
	}
	if h.destination == TokenDestination {
		return s.refresh(f)
	}
	to, err := s.destination(h.destination)
	if err != nil {
		return err
	}
	if err := h.checkDelay(to); err != nil {
		return err
	}
	if err := checkType(destinationTypeHeader, frame.SEND, h.destinationType, to); err != nil {
		return err
	}
	if h.ReplyTo, err = s.replyTo(h.replyTos); err != nil {
		return err
	}
	if trace != nil {
		trace.To(to)
		h.Trace = trace
	}
	if s.account.Pressed() {
		s.awaitMemory()
	}
	m := broker.NewMessage(to, broker.Content{Header: f.Header, Body: f.Body, Plain: f.Plain()}, h.Properties)
	if h.inTransaction {
		return s.sendInTransaction(m, to, h.replyTos, f)
	}
	done, receipt := s.sendTo.done, 0
	if h.wantsReceipt {
		id := f.Wire(frame.Receipt)
		done, receipt = s.whenSent(to, id), receiptSize(id)
	}
	if trace != nil {
		trace.Offered()
		done = whenTraced(trace, to, done)
	}
	return s.publish(m, &h, receipt, done)
}

// publish gives a message to the broker; receipt is the memory of its receipt
// meanwhile. If the queue makes senders wait, publish waits.
func (s *Session) publish(m *broker.Message, h *sendHeaders, receipt int, done func(error)) error {
	s.begun(m.Size() + receipt)
	for wait := s.publisher.Send(m, done); wait != nil; wait = s.publisher.Send(m, done) {
		if !s.waitFor(wait) {
			s.finish()
			leaveWaiting(m)
			return nil
		}
		if err := s.stillMay(h); err != nil {
			s.finish()
			return err
		}
		if t := traceOf(m); t != nil {
			t.Offered()
		}
	}
	return nil
}

// stillMay decides about a SEND that has waited once more: the rules may have
// changed.
func (s *Session) stillMay(h *sendHeaders) error {
	if _, err := s.destination(h.destination); err != nil {
		return err
	}
	return s.mayReplyTos(h.replyTos)
}

// whenSent returns a callback, which any goroutine may call, for the moment
// when the broker has finished a SEND. The receipt, in its form on the wire,
// may be empty.
func (s *Session) whenSent(to destination.Destination, receipt string) func(error) {
	text, isQueue := to.String(), to.Kind == destination.Queue
	return func(err error) {
		if err != nil {
			s.fail(sendFault(text, isQueue, err), receipt, err)
		} else {
			s.done(receipt)
		}
		s.finish()
	}
}

// sendFault is why a message was not taken.
func sendFault(to string, isQueue bool, err error) *Fault {
	if f := quotaFault(to, err); f != nil {
		return f
	}
	if errors.Is(err, broker.ErrTooLarge) {
		return fault(StorageFailed, "The broker did not take the message to %q: it is larger than the storage can keep. Send it in parts, or with persistent:false.", to)
	}
	if errors.Is(err, broker.ErrNoMemory) {
		return fault(OutOfMemory, "The broker did not take the message to %q: this user's messages in memory already use as much as limits.memory allows. "+
			"Send it again later, or to a queue that is on disk (storage.directory, destinations[].durable, no persistent:false).", to)
	}
	if !errors.Is(err, broker.ErrQueueFull) {
		return fault(StorageFailed, "The message to %q could not be stored and may be lost. Send it again later; the broker's log has the cause.", to)
	}
	what := "The queue"
	if !isQueue {
		what = "A durable subscription to"
	}
	return fault(QueueFull, "%s %q is full (destinations[].max_messages, destinations[].max_bytes), "+
		"so the broker did not take the message. Send it again later; destinations[].overflow chooses another behaviour.", what, to)
}

func (s *Session) destination(text string) (destination.Destination, error) {
	if text != "" && text == s.sendTo.text && s.sendTo.permissions == s.permissions.Load() {
		return s.sendTo.dest, nil
	}
	if text == "" {
		return destination.Destination{}, missing(frame.Destination, frame.SEND)
	}
	d, err := s.options.Namespace.ForSend(text, s.ownerOf(text))
	if err != nil {
		return d, err
	}
	allowedBy := s.permissions.Load()
	if err := s.may(acl.Send, text); err != nil {
		return d, err
	}
	s.sendTo = sendCache{text: strings.Clone(text), dest: d, permissions: allowedBy, done: s.whenSent(d, "")}
	return d, nil
}
