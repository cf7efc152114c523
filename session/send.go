package session

import (
	"strings"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/auth"
	"hoofbeat/broker"
	"hoofbeat/frames"
)

// sendHeaders are those headers of a SEND that the broker looks at.
type sendHeaders struct {
	destination, replyTo        string
	inTransaction, wantsReceipt bool
}

// readSend reads the headers in one pass; the first of repeated ones counts.
func readSend(h *frame.Header) (out sendHeaders, err error) {
	var hasDestination, hasReplyTo bool
	for i := range h.Len() {
		k, v := h.GetAt(i)
		switch k {
		case frame.Destination:
			first(&out.destination, &hasDestination, v)
		case "reply-to":
			first(&out.replyTo, &hasReplyTo, v)
		case frame.Transaction:
			out.inTransaction = true
		case frame.Receipt:
			out.wantsReceipt = out.wantsReceipt || v != ""
		case "expires", "ttl", "expiration", "AMQ_SCHEDULED_DELAY", "AMQ_SCHEDULED_TIME":
			if v != "" && v != "0" {
				return out, notSupported(k, frame.SEND)
			}
		}
	}
	return out, nil
}

func first(dst *string, has *bool, v string) {
	if !*has {
		*dst, *has = v, true
	}
}

// notSupported refuses a header that would otherwise be ignored, against what
// its sender expects.
func notSupported(header, command string) *Fault {
	return fault(NotSupported, "The header %q of %s is not supported by this version.", header, command)
}

// sendCache remembers the destination of the last SEND, which most often is
// that of the next.
type sendCache struct {
	text        string
	dest        broker.Destination
	permissions *auth.Permissions // that allowed it
}

// send handles a SEND (STOMP 1.2, SEND).
func (s *Session) send(f frames.Inbound) error {
	h, err := readSend(f.Header)
	if err != nil {
		return err
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
	replyTo, err := s.replyTo(h.replyTo)
	if err != nil {
		return err
	}
	m := broker.NewMessage(to, f, replyTo)
	if h.inTransaction {
		return s.sendInTransaction(m, f)
	}
	done := s.sendDone
	if h.wantsReceipt {
		done = s.receiptWhenDone(f.Wire(frame.Receipt))
	}
	s.unfinished.Add(1)
	s.publisher.Send(m, done)
	return nil
}

// receiptWhenDone returns a function that answers a frame once the broker has
// done what it wanted, from whatever goroutine that is.
func (s *Session) receiptWhenDone(receipt string) func(error) {
	return func(err error) {
		if err != nil {
			s.storageFailed(receipt, err)
		} else {
			s.out.control(receiptFrame(receipt))
		}
		s.finish()
	}
}

func (s *Session) destination(text string) (broker.Destination, error) {
	if text != "" && text == s.sendTo.text && s.sendTo.permissions == s.permissions.Load() {
		return s.sendTo.dest, nil
	}
	if text == "" {
		return broker.Destination{}, missing(frame.Destination, frame.SEND)
	}
	d, err := s.options.Namespace.ForSend(text, s.ownerOf(text))
	if err != nil {
		return d, err
	}
	allowedBy := s.permissions.Load()
	if err := s.may(auth.Send, text); err != nil {
		return d, err
	}
	s.sendTo = sendCache{text: strings.Clone(text), dest: d, permissions: allowedBy}
	return d, nil
}

// replyTo gives what a reply-to header of /temp-queue/NAME becomes; empty if
// the header is to stay as it is. If the client has no subscription to that
// queue it gets one, with the destination as its id, as RabbitMQ does it.
func (s *Session) replyTo(text string) (string, error) {
	if err := s.mayReplyTo(text); err != nil || !strings.HasPrefix(text, broker.TempPrefix) {
		return "", err
	}
	d, err := s.options.Namespace.ForSubscribe(text, s.ownerOf(text))
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hasSubscription(d) {
		text := strings.Clone(text)
		// The key is one that no client's subscription can have.
		sub := &subscription{key: "\x00reply " + text, text: text, wireID: text, wireDestination: text, hasID: true, dest: d, prefetch: autoPrefetch, implicit: true}
		if err := s.checkStart(sub); err != nil {
			return "", err
		}
		s.out.hold()
		defer s.out.release()
		s.start(sub)
	}
	return broker.ReplyTo(d), nil
}

func missing(header, command string) *Fault {
	return fault(MissingHeader, "The header %q of %s is missing or empty.", header, command)
}
