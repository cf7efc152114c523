package session

import (
	"cmp"
	"slices"
	"time"

	"hoofbeat/auth"
	"hoofbeat/broker"
	"hoofbeat/destination"
)

// This file is the view of operators on a session. All of it may be called at
// any time, from any goroutine that holds no lock.

// A Description describes a session to operators.
type Description struct {
	ID        string
	Remote    string
	Transport string
	Version   string // empty before CONNECT was accepted
	ClientID  string // as the client said; often empty
	// Identity is the client's identity, nil before CONNECT was accepted.
	// Read only.
	Identity      *auth.Identity
	Started       time.Time
	Subscriptions int
	Received      int64 // frames of the client
	Delivered     int64 // MESSAGE frames to it
	Unacked       int   // messages that it has not acknowledged
	Outbound      int   // bytes that wait to be written
	State         State
}

// A State is how far a session has come.
type State string

// The states there are.
const (
	Connecting State = "connecting" // CONNECT was not accepted yet
	Connected  State = "connected"
	Closing    State = "closing"
)

// A SubscriptionInfo describes a subscription to operators.
type SubscriptionInfo struct {
	Number      uint64 // tells it from all others of the session, and grows
	ID          string // the client's; empty where 1.0 has none
	Destination string
	Ack         string
	Prefetch    int // 0: there is none, as nothing is acknowledged
	Unacked     int
	Durable     bool // attached to a durable subscription
}

// ID is the name of the session in logs and in CONNECTED.
func (s *Session) ID() string { return s.id }

// Remote is the client's address.
func (s *Session) Remote() string { return s.info.Remote }

// Transport is how the client is connected; see [Info].
func (s *Session) Transport() string { return s.info.Transport }

// Identity is the client's identity, nil before CONNECT was accepted. It must
// not be changed.
func (s *Session) Identity() *auth.Identity { return s.identity.Load() }

// Describe tells all of the session but its subscriptions.
func (s *Session) Describe() Description {
	d := Description{
		ID: s.id, Remote: s.info.Remote, Transport: s.info.Transport, Identity: s.identity.Load(), Started: s.started,
		Received: s.received.Load(), State: s.state(),
	}
	if s.life.connected() { // before, they are being set
		d.Version, d.ClientID = s.version.String(), s.clientID
	}
	d.Delivered, d.Outbound = s.out.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	d.Subscriptions = len(s.byNumber)
	for _, sub := range s.byNumber {
		d.Unacked += sub.unacked()
	}
	return d
}

// Load is how many subscriptions the session has, and how many bytes wait to
// be written to its client.
func (s *Session) Load() (subscriptions, outbound int) {
	_, outbound = s.out.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byNumber), outbound
}

// Outbound is how many bytes wait to be written to the client.
func (s *Session) Outbound() int {
	_, bytes := s.out.Load()
	return bytes
}

func (s *Session) state() State {
	switch now := s.life.state(); {
	case now.closes():
		return Closing
	case now == connecting:
		return Connecting
	}
	return Connected
}

// Subscriptions describes the subscriptions to wanted destinations, in the
// order in which they began.
func (s *Session) Subscriptions(wanted func(destination string) bool) []SubscriptionInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []SubscriptionInfo
	for _, sub := range s.byNumber {
		if wanted(sub.text) {
			all = append(all, sub.describe())
		}
	}
	slices.SortFunc(all, func(a, b SubscriptionInfo) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

// describe is called with the session's lock held.
func (sub *subscription) describe() SubscriptionInfo {
	i := SubscriptionInfo{
		Number: sub.number, Destination: sub.text, Ack: sub.ack.String(), Prefetch: sub.prefetch, Unacked: sub.unacked(), Durable: sub.durable.Kind != 0,
	}
	if sub.hasID {
		i.ID = sub.key
	}
	if sub.ack == broker.AckAuto && (sub.dest.Kind == destination.Topic || sub.dest.Kind == destination.User) {
		i.Prefetch = 0
	}
	return i
}

// unacked is called with the session's lock held.
func (sub *subscription) unacked() int {
	if sub.handle == nil {
		return 0
	}
	return sub.handle.Pending()
}

// Close ends the session because an operator wants that, and stops deliveries
// at once. The reason is for the client.
func (s *Session) Close(reason string) {
	s.mu.Lock()
	s.silence()
	s.mu.Unlock()
	s.audit("closed by an operator", "user", s.user(), "reason", reason)
	s.End(fault(ClosedByOperator, "%s", reason))
}
