package broker

import (
	"math"
	"time"

	"hoofbeat/destination"
)

// A Policy says how a queue treats its messages. The zero value keeps them in
// memory, without bounds, and delivers them as often as it takes.
type Policy struct {
	// Durable keeps messages in the Store, unless they are transient.
	Durable bool
	// MaxDeliveries is how often a message may fail before it is dead: be
	// refused with NACK, or lose its consumer while it is the oldest that the
	// consumer has not acknowledged. 0: as often as it takes.
	MaxDeliveries int
	// RedeliveryDelay is how long a message that was refused is not visible.
	// Without, one that has failed three times waits for a second.
	RedeliveryDelay Backoff
	// DeadLetter is the queue that dead messages move to; none (Kind 0): they
	// are dropped.
	DeadLetter destination.Destination
	// TTL is the time in the queue after which a message expires, unless its
	// sender has set less. 0: never.
	TTL time.Duration
	// MaxMessages and MaxBytes bound the queue, delivered messages included;
	// bytes are those of Message.Size. 0: no bound.
	MaxMessages, MaxBytes int
	// Overflow decides about messages beyond the bounds.
	Overflow FullPolicy
	// Prefetch is how many messages a subscription that asks for no number may
	// have unacknowledged. 0: as the session's options say.
	Prefetch int
	// SubscriptionExpiry is the time without a subscriber after which a
	// durable subscription is deleted. 0: never.
	SubscriptionExpiry time.Duration
	// DurableSharing lets several subscribers share a durable subscription; else
	// a new one may take it over, see SubscribeOptions.TakenOver.
	DurableSharing bool
}

// A Backoff is a delay that grows: Initial after the first failure, times
// Multiplier after each further one, at most Max. Multiplier is at least 1, or
// 0 for 1; Max is 0 for no bound but a year.
type Backoff struct {
	Initial    time.Duration
	Multiplier float64
	Max        time.Duration
}

// After is the delay after so many failures, at least one.
func (b Backoff) After(failures int) time.Duration {
	const year = 365 * 24 * time.Hour
	most := b.Max
	if most <= 0 {
		most = year
	}
	d := float64(b.Initial)
	if b.Multiplier > 1 {
		d *= math.Pow(b.Multiplier, float64(failures-1))
	}
	return time.Duration(min(d, float64(most)))
}

// Without a delay by the policy, a message that has failed so often waits when
// it is refused: a consumer that refuses it at once would get it thousands of
// times in a second.
const (
	patientFailures = 3
	impatientDelay  = time.Second
)

// redeliveryDelay is how long a message waits that was refused, after so many
// failures.
func (p *Policy) redeliveryDelay(failures int) time.Duration {
	switch {
	case p.RedeliveryDelay.Initial > 0:
		return p.RedeliveryDelay.After(failures)
	case failures >= patientFailures:
		return impatientDelay
	}
	return 0
}

// FullPolicy is the reaction of a full queue to one more message.
type FullPolicy uint8

// The ways there are.
const (
	// RejectNewest refuses it: its sender gets ErrQueueFull.
	RejectNewest FullPolicy = iota
	// DropHead takes it and gives up the oldest ones of the lowest priority:
	// they are dead, for overflow.
	DropHead
	// BlockSender makes its sender wait until there is room.
	BlockSender
)

// A PolicyRule is a Policy for destinations that match a pattern.
type PolicyRule struct {
	// Match is a pattern as Namespace.ForPolicy reads it.
	Match  destination.Destination
	Policy Policy
}

// Policies are rules of which the first that matches counts.
type Policies struct {
	Rules   []PolicyRule
	Default Policy
}

// For is the policy of a queue, or of a topic's durable subscriptions.
func (p *Policies) For(d destination.Destination) *Policy {
	for i := range p.Rules {
		if p.Rules[i].Match.Covers(d) {
			return &p.Rules[i].Policy
		}
	}
	return &p.Default
}
