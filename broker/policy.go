package broker

import (
	"math"
	"strings"
	"time"
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
	RedeliveryDelay Backoff
	// DeadLetter is the queue that dead messages move to; none (Kind 0): they
	// are dropped.
	DeadLetter Destination
	// TTL is after what time in the queue a message expires, if its sender did
	// not set less. 0: never.
	TTL time.Duration
	// MaxMessages and MaxBytes bound what the queue holds, delivered messages
	// included; bytes are those of Message.Size. 0: no bound.
	MaxMessages, MaxBytes int
	// Overflow is what happens to a message beyond the bounds.
	Overflow FullPolicy
	// Prefetch is how many messages a subscription that asks for no number may
	// have unacknowledged. 0: as the session's options say.
	Prefetch int
	// SubscriptionExpiry is after what time without a subscriber a durable
	// subscription is deleted. 0: never.
	SubscriptionExpiry time.Duration
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

// FullPolicy is what a full queue does with one more message.
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
	Match  Destination
	Policy Policy
}

// Policies are rules of which the first that matches counts.
type Policies struct {
	Rules   []PolicyRule
	Default Policy
}

// For is the policy of a queue, or of a topic's durable subscriptions.
func (p *Policies) For(d Destination) *Policy {
	for i := range p.Rules {
		if p.Rules[i].Match.Covers(d) {
			return &p.Rules[i].Policy
		}
	}
	return &p.Default
}

// Covers tells whether a destination is one of those that the pattern d means.
// Wildcards of o are names like others, so that a pattern that is covered
// need not mean less.
func (d Destination) Covers(o Destination) bool {
	if d.Kind != o.Kind || d.space() != o.space() {
		return false
	}
	if !d.wild {
		return d.name() == o.name()
	}
	return covers(strings.Split(d.name(), "."), strings.Split(o.name(), "."))
}

// covers matches segments. The work is bounded by the product of the lengths:
// after a **, only the last one is ever tried again.
func covers(pattern, name []string) bool {
	p, n := 0, 0
	again, from := -1, 0 // where the last ** is, and what it has to leave
	for n < len(name) || p < len(pattern) {
		switch {
		case p < len(pattern) && pattern[p] == "**":
			again, from = p, n
			p++
			continue
		case p < len(pattern) && n < len(name) && glob(pattern[p], name[n]):
			p, n = p+1, n+1
			continue
		case again < 0 || from >= len(name):
			return false
		}
		from++
		p, n = again+1, from
	}
	return true
}

// glob matches one segment; a * in it stands for any text without a separator.
func glob(pattern, text string) bool {
	head, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	if !strings.HasPrefix(text, head) {
		return false
	}
	text = text[len(head):]
	for {
		var part string
		if part, rest, wild = strings.Cut(rest, "*"); !wild {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
}

// ForPolicy reads the pattern of a policy: of queues or topics, with wildcards
// as in SUBSCRIBE, and also within a segment: /queue/*-user* are the queues that
// Spring makes for the sessions of its users.
func (n Namespace) ForPolicy(text string) (Destination, error) {
	if err := checkText(text, maxName); err != nil {
		return Destination{}, err
	}
	d, err := n.named(text, Owner{}, policyPattern, policyPattern)
	if err == nil && d.Kind != Topic && d.Kind != Queue {
		err = unusable("%q is the name of no topic and no queue, which policies are for.", text)
	}
	return d, err
}
