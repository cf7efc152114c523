package session

import (
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/auth/acl"
	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/frames"
	"hoofbeat/session/outbox"
)

// A subscription is one SUBSCRIBE of a client, and the broker.Sink of its
// messages. Run owns its fields, except those of the outbox; after start they
// do not change.
type subscription struct {
	session         *Session
	number          uint64
	key             string // in Session.subs
	hasID           bool
	wireID          string // the id as the client wrote it
	wireDestination string
	text            string // the destination, unescaped
	dest            destination.Destination
	auto            bool                    // ack is broker.AckAuto; for the writer
	ack             broker.AckMode          // guarded by Session.mu, as SUBSCRIBE again may change it
	prefetch        int                     // likewise
	asked           int                     // the prefetch that SUBSCRIBE asked for; 0: none
	implicit        bool                    // made by a reply-to, not by SUBSCRIBE
	durable         destination.Destination // its durable subscription; the zero value: none
	byID            bool                    // the id alone names it

	// before is the subscription that this one replaced, while messages of it may
	// still wait to be written.
	before *subscription

	handle Subscription
	// head is the beginning of each MESSAGE, up to the number of the
	// delivery; the message's id begins at idAt.
	head []byte
	idAt int
	// numbered is the common part of message-ids that are the same at each
	// delivery, empty if they are not; shared: they outlive the session.
	numbered []byte
	shared   bool

	ended atomic.Bool
	taken atomic.Bool // its durable subscription was taken over
	// answered is set when a message was written that came to a reply-to.
	answered atomic.Bool
	source   outbox.Source // what the outbox knows of it
	sent     uint64        // numbers messages that need no ack; owned by the writer
}

const (
	// autoPrefetch is how many messages of a queue may be on their way to a
	// client that acknowledges none: written ones count no longer.
	autoPrefetch = 1000
	// maxPrefetch bounds the prefetch of a client, as in RabbitMQ.
	maxPrefetch = 65535
)

// subscribe handles SUBSCRIBE (STOMP 1.2, SUBSCRIBE).
func (s *Session) subscribe(f frames.Inbound) error {
	sub, err := s.readSubscribe(f)
	if err != nil {
		return err
	}
	if sub.durable.Kind != 0 {
		if goOn, err := s.prepareDurable(sub, f); !goOn || err != nil {
			return err
		}
	}
	if s.givesBack(sub) {
		s.awaitSettled(s.options.CloseTimeout)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	there, err := s.checkSubscribe(sub)
	if err != nil {
		return s.softly(err, f)
	}
	// The RECEIPT comes before the first MESSAGE, and is not written before
	// the subscription is in force.
	s.out.Hold()
	defer s.out.Release()
	if there {
		return s.change(s.subs[sub.key], sub, f)
	}
	s.receipt(f)
	return s.start(sub)
}

// checkSubscribe reports whether a subscription may begin, and whether it exists
// already. The lock is held.
func (s *Session) checkSubscribe(sub *subscription) (there bool, err error) {
	if err := s.may(acl.Subscribe, sub.text); err != nil {
		return false, err
	}
	if other := s.subscriptionOf(sub.key); other != nil {
		switch {
		case other.text != sub.text:
			return false, fault(DuplicateSubscription, "The connection has a subscription of the same id to another destination.")
		case other.durable != sub.durable:
			return false, fault(DuplicateSubscription, "The connection has a subscription of the same id that is not the same durable one.")
		}
		return true, nil
	}
	if other := s.attached(sub.durable); other != nil {
		return false, fault(DuplicateSubscription, "The connection is attached to this durable subscription already, by a SUBSCRIBE with another id.")
	}
	return false, s.checkStart(sub)
}

func (s *Session) readSubscribe(f frames.Inbound) (*subscription, error) {
	if err := refuseWishes(f.Header); err != nil {
		return nil, err
	}
	// Copies, because these strings are parts of the header block, which would stay in
	// memory with them.
	sub := &subscription{
		text: strings.Clone(f.Header.Get(frame.Destination)), wireID: strings.Clone(f.Wire(frame.Id)),
		wireDestination: strings.Clone(f.Wire(frame.Destination)),
	}
	if sub.text == "" {
		return nil, missing(frame.Destination, frame.SUBSCRIBE)
	}
	var err error
	if sub.key, sub.hasID, err = s.subscriptionKey(f); err != nil {
		return nil, err
	}
	if sub.dest, err = s.options.Namespace.ForSubscribe(sub.text, s.ownerOf(sub.text)); err != nil {
		return nil, err
	}
	if err := checkType("subscription-type", frame.SUBSCRIBE, f.Header.Get("subscription-type"), sub.dest); err != nil {
		return nil, err
	}
	if sub.durable, err = s.readDurable(f, sub.dest); err != nil {
		return nil, err
	}
	sub.byID = sub.durable.Kind != 0 && !isNamed(f)
	ok := false
	if sub.ack, ok = broker.ParseAckMode(f.Header.Get(frame.Ack)); !ok {
		return nil, fault(InvalidHeader, "The ack header of SUBSCRIBE must be auto, client or client-individual.")
	}
	sub.auto = sub.ack == broker.AckAuto
	sub.asked, err = askedPrefetch(f.Header)
	sub.prefetch = s.prefetch(sub)
	return sub, err
}

// subscriptionKey returns the client's name of a subscription: its id or, as STOMP 1.0
// allows, its destination.
func (s *Session) subscriptionKey(f frames.Inbound) (key string, hasID bool, err error) {
	if id := f.Header.Get(frame.Id); id != "" {
		return strings.Clone(id), true, nil
	}
	if s.version != frames.V10 {
		return "", false, missing(frame.Id, f.Command)
	}
	d := f.Header.Get(frame.Destination)
	if d == "" {
		return "", false, missing(frame.Destination, f.Command)
	}
	return "\x00" + d, false, nil
}

// askedPrefetch reads the prefetch from RabbitMQ's or ActiveMQ's header; 0: the client
// sends neither. A client's 0 means the highest prefetch.
func askedPrefetch(h *frame.Header) (int, error) {
	for _, name := range [...]string{"prefetch-count", "activemq.prefetchSize"} {
		v := h.Get(name)
		if v == "" {
			continue
		}
		n, err := strconv.ParseUint(v, 10, 31)
		if err != nil {
			return 0, fault(InvalidHeader, "The header %q of SUBSCRIBE must be a number of messages.", name)
		}
		if n == 0 {
			return maxPrefetch, nil
		}
		return min(int(n), maxPrefetch), nil
	}
	return 0, nil
}

// prefetch is the limit of unacknowledged messages: the client's, or else
// that of the destination's policy.
func (s *Session) prefetch(sub *subscription) int {
	switch {
	case sub.asked > 0:
		return sub.asked
	case sub.auto:
		return autoPrefetch
	}
	if n := s.options.Broker.Prefetch(sub.dest); n > 0 {
		return min(n, maxPrefetch)
	}
	return s.options.Limits.Prefetch
}

// checkStart reports whether the connection may have one more subscription. If it has
// too many, an idle temporary queue is removed.
func (s *Session) checkStart(sub *subscription) error {
	limit := s.options.Limits.Subscriptions
	if len(s.byNumber) >= limit && !s.makeRoom(true) {
		return fault(TooManySubscriptions, "The connection has %d subscriptions, which is the most it may have (limits.subscriptions_per_connection).", limit)
	}
	if sub.dest.Kind == destination.TempQueue && s.temporary.find(sub.dest) == nil && len(s.temporary.byKey) >= limit && !s.makeRoom(false) {
		return fault(TooManySubscriptions, "The connection has %d temporary queues, which is the most it may have (limits.subscriptions_per_connection).", limit)
	}
	if err := s.options.Broker.Admit(sub.dest, s.user()); err != nil {
		return quotaFault(sub.text, err)
	}
	return s.afford(sub.bytes())
}

// bytes estimates the memory of the subscription.
func (sub *subscription) bytes() int {
	const overhead = 1 << 10
	return overhead + 2*(len(sub.wireID)+len(sub.wireDestination)) + len(sub.key) + len(sub.text) + len(sub.dest.Key())
}

// start registers a subscription with the session and the broker, after checkStart.
// The lock and the outbox are held, so nothing is written for the subscription before
// its handle is set.
func (s *Session) start(sub *subscription) error {
	s.numbers++
	sub.session, sub.number = s, s.numbers
	sub.makeHead()
	if s.subs == nil {
		s.subs, s.byNumber, s.durables = make(map[string]*subscription), make(map[uint64]*subscription), make(map[string]*subscription)
	}
	if sub.dest.Kind == destination.TempQueue {
		if err := s.occupy(sub); err != nil {
			return err
		}
	}
	s.subs[sub.key], s.byNumber[sub.number] = sub, sub
	s.account.Add(sub.bytes())
	if sub.durable.Kind != 0 {
		s.durables[sub.durable.Key()] = sub
	}
	sub.source.Owner = sub
	handle, err := s.options.Broker.Subscribe(broker.SubscribeOptions{
		Destination: sub.dest, Ack: sub.ack, Prefetch: sub.prefetch, Durable: sub.durable, TakenOver: sub.whenTakenOver(),
		Backlog: s.options.Limits.Outbound, User: s.user(), Account: s.account, Sink: sub,
	})
	sub.handle = handle
	if err != nil { // a quota, or a durable subscription was made anew meanwhile, to another topic
		s.stop(sub)
		if f := quotaFault(sub.text, err); f != nil {
			return f
		}
		return durableFault(sub.durable, err)
	}
	sub.makeNumbered()
	return nil
}

func (s *Session) stop(sub *subscription) {
	delete(s.subs, sub.key)
	delete(s.byNumber, sub.number)
	s.account.Add(-sub.bytes())
	if sub.durable.Kind != 0 {
		delete(s.durables, sub.durable.Key())
	}
	sub.end(false)
	if sub.dest.Kind == destination.TempQueue {
		s.vacate(sub)
	}
}

// unsubscribe handles UNSUBSCRIBE (STOMP 1.2, UNSUBSCRIBE).
func (s *Session) unsubscribe(f frames.Inbound) error {
	d, err := s.deleted(f)
	if err != nil {
		return err
	}
	if d.Kind != 0 {
		return s.unsubscribeDurable(f, d)
	}
	key, _, err := s.subscriptionKey(f)
	if err != nil {
		return err
	}
	s.awaitSettled(s.options.CloseTimeout)
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subscriptionOf(key)
	switch {
	case sub != nil:
		s.stop(sub)
	case s.giveBack(key):
	default:
		// The subscription has ended already or was refused, so the client has what it
		// wants.
		s.late(f)
		return nil
	}
	s.receipt(f)
	return nil
}

// silence stops deliveries at once, those included that wait to be written.
func (sub *subscription) silence() {
	for ; sub != nil; sub = sub.before {
		sub.ended.Store(true)
	}
}

// end stops deliveries and returns unacknowledged messages to the queue. lost means
// that the connection was lost.
func (sub *subscription) end(lost bool) {
	sub.silence()
	switch {
	case sub.handle == nil: // the broker failed to subscribe, and said so
	case lost:
		sub.handle.ConnectionLost()
	default:
		sub.handle.Unsubscribe()
	}
}
