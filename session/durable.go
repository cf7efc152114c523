package session

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/frames"
)

// The headers of a durable topic subscription. RabbitMQ's make the id its
// name; the others name it themselves.
const (
	clientIDHeader   = "client-id" // of CONNECT
	durableHeader    = "durable"
	autoDeleteHeader = "auto-delete"
)

var (
	durableByID   = [...]string{durableHeader, persistentHeader}
	durableByName = [...]string{"activemq.subscriptionName", "durable-subscription-name", "durable-subscriber-name"}
)

// longestDurableName bounds, in bytes, the name of a durable subscription, and
// the client-id.
const longestDurableName = 256

// clientID reads the client-id of a CONNECT, which may be empty.
func clientID(h *frame.Header) (string, error) {
	id := h.Get(clientIDHeader)
	if err := checkDurableName(id, clientIDHeader, frame.CONNECT); err != nil {
		return "", err
	}
	return strings.Clone(id), nil
}

func checkDurableName(name, header, command string) error {
	control := func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }
	if len(name) > longestDurableName || strings.ContainsFunc(name, control) {
		return fault(InvalidHeader, "The header %q of %s must have at most %d bytes and no control characters.", header, command, longestDurableName)
	}
	return nil
}

// durableName reads the name of a durable subscription from a SUBSCRIBE or
// UNSUBSCRIBE; empty: the frame names none.
func durableName(f frames.Inbound) (string, error) {
	byID, err := durableWithID(f)
	if err != nil {
		return "", err
	}
	name, from := "", ""
	for _, header := range durableByName {
		v, ok := f.Header.Contains(header)
		switch {
		case !ok:
			continue
		case v == "":
			return "", missing(header, f.Command)
		case name != "" && v != name:
			return "", fault(InvalidHeader, "The headers %q and %q of %s give the durable subscription two names.", from, header, f.Command)
		}
		name, from = v, header
	}
	switch {
	case name == "" && byID == "":
		return "", nil
	case name == "":
		if name, from = f.Header.Get(frame.Id), frame.Id; name == "" {
			return "", fault(MissingHeader, "The header %q of %s is missing or empty: it is the name of a subscription with %q.", frame.Id, f.Command, byID)
		}
	}
	return strings.Clone(name), checkDurableName(name, from, f.Command)
}

// isNamed reports whether a header names a durable subscription; the id alone may do
// that, too.
func isNamed(f frames.Inbound) bool {
	return slices.ContainsFunc(durableByName[:], func(header string) bool {
		_, ok := f.Header.Contains(header)
		return ok
	})
}

// durableWithID gives the header, if there is one, that makes the id the name of
// a durable subscription.
func durableWithID(f frames.Inbound) (header string, err error) {
	for _, name := range durableByID {
		switch is, ok := readBool(f.Header.Get(name)); {
		case !ok:
			return "", invalidHeader(name, f.Command, booleans)
		case is:
			header = name
		}
	}
	return header, nil
}

// durableOf is a durable subscription of this client's.
func (s *Session) durableOf(name string) destination.Destination {
	return destination.DurableSubscription(s.user(), s.clientID, name)
}

// durableByIDOf is the durable subscription to a topic that an id alone names.
// Some clients number their ids, so that one id comes to mean several topics: the
// first of them has the id as its name, as one with a name of its own would, and
// each other one has its topic in the name as well.
func (s *Session) durableByIDOf(id string, topic destination.Destination) destination.Destination {
	own := s.durableOf(id + "@" + topic.Key())
	if _, ok := s.options.Broker.DurableTopic(own); ok {
		return own
	}
	d := s.durableOf(id)
	if other, ok := s.options.Broker.DurableTopic(d); ok && other.Key() != topic.Key() {
		return own
	}
	return d
}

// readDurable gives the durable subscription that a SUBSCRIBE to d means, the
// zero value if none.
func (s *Session) readDurable(f frames.Inbound, d destination.Destination) (destination.Destination, error) {
	if d.Kind == destination.Queue && !isNamed(f) {
		// It keeps its messages anyway, as its policy says.
		_, err := durableWithID(f)
		return destination.Destination{}, err
	}
	name, err := durableName(f)
	if err != nil || name == "" {
		return destination.Destination{}, err
	}
	switch d.Kind {
	case destination.Topic:
	case destination.Queue:
		return destination.Destination{}, fault(InvalidHeader, "A durable subscription is one to a topic; %q is a queue, "+
			"which keeps its messages as its policy says. Leave the header %q away.", d, durableBy(f))
	default:
		return destination.Destination{}, fault(NotSupported, "The header %q of SUBSCRIBE is not supported for %q: a durable subscription is one to a topic.", durableBy(f), d)
	}
	if !isNo(f.Header.Get(autoDeleteHeader)) {
		return destination.Destination{}, fault(InvalidHeader, "The header %q of SUBSCRIBE must be false with %q: a durable subscription stays until it is deleted.",
			autoDeleteHeader, durableBy(f))
	}
	if !isNamed(f) {
		return s.durableByIDOf(name, d), nil
	}
	return s.durableOf(name), nil
}

// durableBy is the first header that makes a subscription durable.
func durableBy(f frames.Inbound) string {
	for _, header := range durableByName {
		if f.Header.Get(header) != "" {
			return header
		}
	}
	header, _ := durableWithID(f)
	return header
}

// prepareDurable makes a durable subscription, if there is none, and waits until
// it is as safe as it gets. False says that the session is at its end. All
// that SUBSCRIBE is refused for is looked at before.
func (s *Session) prepareDurable(sub *subscription, f frames.Inbound) (goOn bool, err error) {
	s.mu.Lock()
	there, err := s.checkSubscribe(sub)
	s.mu.Unlock()
	if err != nil || there {
		return err == nil, s.softly(err, f)
	}
	made, failed := make(chan struct{}), error(nil)
	err = s.options.Broker.MakeDurable(sub.durable, sub.dest, func(err error) {
		failed = err
		close(made)
	})
	switch {
	case err != nil:
		return false, durableFault(sub.durable, err)
	case !s.waitFor(made):
		return false, nil
	case failed != nil:
		s.options.Log.Error("the store failed", "session", s.id, "error", failed)
		return false, fault(StorageFailed, "The durable subscription could not be stored. Try again later; the broker's log has the cause.")
	}
	return true, nil
}

// attached is the subscription that is attached to d, if there is one. The lock
// is held.
func (s *Session) attached(d destination.Destination) *subscription {
	if d.Kind == 0 {
		return nil
	}
	return s.unlessTaken(s.durables[d.Key()])
}

// deleted gives the durable subscription that an UNSUBSCRIBE deletes, the zero
// value if none. Where the id alone names it, it is the one that this connection
// has by that id, or else the one to the destination, if there is that header.
func (s *Session) deleted(f frames.Inbound) (destination.Destination, error) {
	name, err := durableName(f)
	switch {
	case err != nil || name == "":
		return destination.Destination{}, err
	case isNamed(f):
		return s.durableOf(name), nil
	}
	s.mu.Lock()
	sub := s.subscriptionOf(name)
	s.mu.Unlock()
	switch {
	case sub != nil && sub.dest.Kind == destination.Queue: // which SUBSCRIBE may have called durable
		return destination.Destination{}, nil
	case sub != nil && sub.byID:
		return sub.durable, nil
	}
	text := f.Header.Get(frame.Destination)
	if text == "" {
		return s.durableOf(name), nil
	}
	topic, err := s.options.Namespace.ForSubscribe(text, s.ownerOf(text))
	if err != nil || topic.Kind == destination.Queue {
		return destination.Destination{}, err
	}
	return s.durableByIDOf(name, topic), nil
}

// unsubscribeDurable handles an UNSUBSCRIBE that names a durable subscription:
// it is deleted, whether the connection is attached to it or not.
func (s *Session) unsubscribeDurable(f frames.Inbound, d destination.Destination) error {
	if err := s.detach(f, d); err != nil {
		return err
	}
	receipt := f.Wire(frame.Receipt)
	done := s.whenDeleted(receipt)
	s.begun(receiptSize(receipt))
	remove := s.options.Broker.DeleteDurable
	if s.clientID != "" {
		remove = s.options.Broker.ReclaimDurable
	}
	err := remove(d, done)
	if err != nil {
		s.finish()
	}
	if errors.Is(err, broker.ErrNoSubscription) {
		s.late(f) // it was deleted before: a client that lost the RECEIPT asks again
		return nil
	}
	return durableFault(d, err)
}

// detach ends this connection's attachment to a durable subscription that is
// to be deleted. An id, if there is one, must be that of the attachment.
func (s *Session) detach(f frames.Inbound, d destination.Destination) error {
	s.awaitSettled(s.options.CloseTimeout)
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.attached(d)
	if id := f.Header.Get(frame.Id); id != "" {
		if other := s.subscriptionOf(id); other != nil && other != sub {
			return fault(UnknownSubscription, "The id of UNSUBSCRIBE is that of another subscription than the durable one that it names.")
		}
	}
	if sub != nil {
		s.stop(sub)
	}
	return nil
}

// whenDeleted returns a callback, which any goroutine may call, for the
// moment when a durable subscription is deleted. The receipt, in its form on
// the wire, may be empty.
func (s *Session) whenDeleted(receipt string) func(error) {
	return func(err error) {
		if err != nil {
			s.fail(fault(StorageFailed, "The deletion of the durable subscription could not be stored, so it may come back. "+
				"The broker's log has the cause."), receipt, err)
		} else {
			s.done(receipt)
		}
		s.finish()
	}
}

// durableFault is why a durable subscription could not be used.
func durableFault(d destination.Destination, err error) error {
	_, _, name := d.Subscriber()
	if f := quotaFault("the durable subscription "+name, err); f != nil {
		return f
	}
	switch {
	case errors.Is(err, broker.ErrOtherTopic):
		return fault(InvalidHeader, "The durable subscription %q is to another topic than this destination. Give this one another name, "+
			"or delete that one first, by UNSUBSCRIBE with the headers that make it durable.", name)
	case errors.Is(err, broker.ErrQueueInUse):
		return fault(SubscriptionInUse, "The durable subscription %q cannot be deleted: another connection is attached to it, "+
			"or a transaction that is open has acknowledged messages of it.", name)
	}
	return err
}
