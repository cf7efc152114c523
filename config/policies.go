package config

import (
	"fmt"
	"time"

	"hoofbeat/destination"
)

// Policy configures a queue, or the durable subscriptions to a topic. If
// several policies match, only the first applies.
type Policy struct {
	// Match begins with a prefix. A segment after it may be * for any one
	// segment, or **, # or > for any number.
	Match string
	// Durable stores messages on disk, which needs a Storage.Directory; nil: if
	// there is one. See Config.KeepsOnDisk.
	Durable *bool
	// MaxDeliveries is the number of failed deliveries after which a message
	// becomes a dead letter; at most 65535; 0: no limit.
	MaxDeliveries   int
	RedeliveryDelay Delay
	DeadLetter      string        // a queue; "": dead letters are dropped
	TTL             time.Duration // at least 1ms; 0: messages expire only if their sender says so
	MaxMessages     int           // 0: no limit
	MaxBytes        int           // 0: no limit
	Overflow        string        // reject, drop-oldest or block; "" means reject
	Prefetch        int           // 1 to 65535; 0: Limits.Prefetch
	// SubscriptionExpiry is 0 (never) unless Match is a topic's.
	SubscriptionExpiry time.Duration
	// DurableSharing is false unless Match is a topic's.
	DurableSharing bool
}

// Delay begins with Initial and is multiplied by Multiplier each time, up to
// Max. Without a delay, Initial is 0.
type Delay struct {
	Initial    time.Duration
	Multiplier float64       // 1 to 1000
	Max        time.Duration // at least Initial; 0: no limit
}

// destinationsExample is the example in the default file, commented out.
const destinationsExample = `destinations:
  - match: /queue/dead.**         # first: what is below would send its dead letters to itself
    ttl: 720h
  - match: /queue/orders.**
    durable: true                 # the default, as long as storage.directory is not empty
    max_deliveries: 5             # then it is a dead letter
    redelivery_delay: { initial: 1s, multiplier: 2, max: 1m }   # or only 1s, the same each time
    dead_letter: /queue/dead.orders
    ttl: 24h
    max_messages: 1000000
    max_bytes: 1GiB
    overflow: reject              # or drop-oldest, or block: the sender waits
    prefetch: 100                 # of subscriptions that ask for no number
  - match: /topic/prices.**       # of durable subscriptions, and those that acknowledge
    subscription_expiry: 168h     # without a subscriber for so long, it is deleted
    durable_sharing: false        # true: connections of one client-id share it, else the newest takes it over
`

func policyKind() recordsKind[Policy] {
	return recordsKind[Policy]{
		example: `{"match": "/queue/orders.**", "max_deliveries": 5, "dead_letter": "/queue/dead"}`,
		form:    func(p Policy) any { return p.form() },
		parts: []part[Policy]{
			{name: "match", kind: textKind{}, doc: "the destinations that it is for; * is one segment or a part of one, ** any number of segments", check: single(checkMatch), field: func(p *Policy) any { return &p.Match }},
			{name: "durable", kind: boolKind{}, doc: "keep messages on disk; default: if there is a storage.directory", field: func(p *Policy) any { return &p.Durable }},
			{name: "max_deliveries", kind: countKind{}, doc: "how often a message may fail before it is dead; 0: as often as it takes", check: within(0, maxDeliveries), field: func(p *Policy) any { return &p.MaxDeliveries }},
			{name: "redelivery_delay", kind: delayKind{}, doc: "how long a message that failed waits; a duration, or a map", field: func(p *Policy) any { return &p.RedeliveryDelay }},
			{name: "dead_letter", kind: textKind{}, doc: "the queue for dead messages; none: they are dropped", check: single(checkQueue), field: func(p *Policy) any { return &p.DeadLetter }},
			{name: "ttl", kind: durationKind{}, doc: "how long a message may wait, unless its sender says less; 0: for ever", check: noneOrAtLeast(time.Millisecond), field: func(p *Policy) any { return &p.TTL }},
			{name: "max_messages", kind: countKind{}, doc: "how many messages a queue holds; 0: no limit", field: func(p *Policy) any { return &p.MaxMessages }},
			{name: "max_bytes", kind: sizeKind{}, doc: "how many bytes of messages a queue holds; 0: no limit", field: func(p *Policy) any { return &p.MaxBytes }},
			{name: "overflow", kind: choiceKind{"reject", "drop-oldest", "block"}, doc: "what happens to a message for a full queue: reject, drop-oldest or block; default reject", field: func(p *Policy) any { return &p.Overflow }},
			{name: "prefetch", kind: countKind{}, doc: "for subscriptions that ask for no number; default limits.prefetch", check: within(1, maxPrefetch), field: func(p *Policy) any { return &p.Prefetch }},
			{name: "subscription_expiry", kind: durationKind{}, doc: "how long a durable subscription exists without a subscriber; 0: for ever", check: noneOrAtLeast(time.Second), field: func(p *Policy) any { return &p.SubscriptionExpiry }},
			{name: "durable_sharing", kind: boolKind{}, doc: "connections of one client-id share a durable subscription; else a new one takes it over", field: func(p *Policy) any { return &p.DurableSharing }},
		},
		needs: []need[Policy]{
			{parts: []string{"match"}, met: func(p *Policy) bool { return p.Match != "" },
				expected: "expected match with the destinations that it is for, such as /queue/orders.**"},
			{parts: []string{"overflow", "max_messages", "max_bytes"},
				met:      func(p *Policy) bool { return p.Overflow == "" || p.MaxMessages > 0 || p.MaxBytes > 0 },
				expected: "expected max_messages or max_bytes beside overflow, as nothing overflows without a limit"},
			{parts: []string{"redelivery_delay", "max_deliveries"},
				met:      func(p *Policy) bool { return p.RedeliveryDelay.Initial == 0 || p.MaxDeliveries != 1 },
				expected: "expected max_deliveries of at least 2 beside redelivery_delay, as with 1 nothing is delivered again"},
		},
	}
}

// maxDeliveries is the limit of the broker's count.
const maxDeliveries = 65535

// maxPrefetch is AMQP's limit, and more than any client needs.
const maxPrefetch = 65535

// delayKind is a map, or a duration for a constant delay. Its values are of
// type Delay.
type delayKind struct{}

const delayExample = `{"initial": "1s", "multiplier": 2, "max": "1m"}`

func (delayKind) name() string                { return "json" }
func (delayKind) expected() string            { return "a duration such as 1s, or a map such as " + delayExample }
func (delayKind) format(value any) string     { return toJSON(value.(Delay).form()) }
func (delayKind) show(raw any) string         { return show(raw) }
func (delayKind) showText(text string) string { return show(text) }

func (k delayKind) typed(raw any) (any, bool) {
	value, found := k.read(raw)
	return value, len(found) == 0
}

func (k delayKind) text(s string) (any, bool) {
	value, found := k.decode(s)
	return value, len(found) == 0
}

func (k delayKind) decode(text string) (any, []complaint) {
	if list, wrong := jsonList("[" + text + "]"); wrong == "" && len(list) == 1 {
		return k.read(list[0])
	}
	return k.read(text)
}

func (k delayKind) read(raw any) (any, []complaint) {
	delay := Delay{Multiplier: 1}
	if _, isMap := section(raw); isMap {
		found := delayParts().readRecord(&delay, raw)
		return delay, found
	}
	value, ok := durationKind{}.typed(raw)
	if !ok {
		return nil, []complaint{{expected: "expected " + k.expected()}}
	}
	delay.Initial = value.(time.Duration)
	return delay, noneOrAtLeast(time.Millisecond)(value)
}

func delayParts() recordsKind[Delay] {
	return recordsKind[Delay]{
		example: delayExample,
		parts: []part[Delay]{
			{name: "initial", kind: durationKind{}, doc: "after the first failure", check: atLeast(time.Millisecond), field: func(d *Delay) any { return &d.Initial }},
			{name: "multiplier", kind: decimalKind{}, doc: "how much longer each time, 1 to 1000; default 1", check: checkMultiplier, field: func(d *Delay) any { return &d.Multiplier }},
			{name: "max", kind: durationKind{}, doc: "never longer than this", check: atLeast(time.Millisecond), field: func(d *Delay) any { return &d.Max }},
		},
		needs: []need[Delay]{
			{parts: []string{"initial"}, met: func(d *Delay) bool { return d.Initial > 0 },
				expected: "expected initial with the delay after the first failure"},
			{parts: []string{"max", "initial"}, met: func(d *Delay) bool { return d.Max == 0 || d.Max >= d.Initial },
				expected: "expected max to be at least initial"},
			{parts: []string{"multiplier", "max", "initial"}, met: func(d *Delay) bool { return d.Max <= d.Initial || d.Multiplier > 1 },
				expected: "expected a multiplier above 1 beside max, as the delay does not grow without"},
		},
	}
}

func checkMultiplier(value any) []complaint {
	if m := value.(float64); m < 1 || m > 1000 {
		return []complaint{{expected: "expected a number from 1 to 1000"}}
	}
	return nil
}

// policyForm is the JSON form of a Policy.
type policyForm struct {
	Match              string     `json:"match"`
	Durable            *bool      `json:"durable,omitempty"`
	MaxDeliveries      int        `json:"max_deliveries,omitempty"`
	RedeliveryDelay    *delayForm `json:"redelivery_delay,omitempty"`
	DeadLetter         string     `json:"dead_letter,omitempty"`
	TTL                string     `json:"ttl,omitempty"`
	MaxMessages        int        `json:"max_messages,omitempty"`
	MaxBytes           string     `json:"max_bytes,omitempty"`
	Overflow           string     `json:"overflow,omitempty"`
	Prefetch           int        `json:"prefetch,omitempty"`
	SubscriptionExpiry string     `json:"subscription_expiry,omitempty"`
	DurableSharing     bool       `json:"durable_sharing,omitempty"`
}

type delayForm struct {
	Initial    string  `json:"initial"`
	Multiplier float64 `json:"multiplier,omitempty"`
	Max        string  `json:"max,omitempty"`
}

func (p Policy) form() policyForm {
	f := policyForm{
		Match: p.Match, Durable: p.Durable, MaxDeliveries: p.MaxDeliveries, DeadLetter: p.DeadLetter, TTL: durationForm(p.TTL),
		MaxMessages: p.MaxMessages, Overflow: p.Overflow, Prefetch: p.Prefetch, SubscriptionExpiry: durationForm(p.SubscriptionExpiry),
		DurableSharing: p.DurableSharing,
	}
	if p.RedeliveryDelay.Initial > 0 {
		delay := p.RedeliveryDelay.form()
		f.RedeliveryDelay = &delay
	}
	if p.MaxBytes > 0 {
		f.MaxBytes = formatSize(p.MaxBytes)
	}
	return f
}

func (d Delay) form() delayForm {
	return delayForm{Initial: formatDuration(d.Initial), Multiplier: d.Multiplier, Max: durationForm(d.Max)}
}

// durationForm returns "" for zero.
func durationForm(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return formatDuration(d)
}

// checkMatch does not check the prefix; checkPolicies does.
func checkMatch(pattern string) string {
	_, err := destination.ParsePolicy(pattern)
	return errorText(err)
}

// checkQueue requires a single queue. checkPolicies checks the prefix.
func checkQueue(name string) string {
	p, err := destination.ParsePolicy(name)
	switch {
	case err != nil:
		return err.Error()
	case p.Wild():
		return "expected one queue, without wildcards"
	}
	return ""
}

// KeepsOnDisk reports whether the messages of a policy's destinations are
// stored on disk, unless their sender requests otherwise.
func (c *Config) KeepsOnDisk(p Policy) bool {
	if p.Durable != nil {
		return *p.Durable
	}
	return c.Storage.Directory != ""
}

// topicOverflow describes the effect of one full durable subscription on others
// than its subscriber; "" if none.
func topicOverflow(p Policy) string {
	switch {
	case p.MaxMessages == 0 && p.MaxBytes == 0 || p.Overflow == "drop-oldest":
		return ""
	case p.Overflow == "block":
		return "makes everybody wait who sends to its topic"
	}
	return "makes its topic refuse messages for all subscribers"
}

// policyWarnings reports single policies.
func (c *Config) policyWarnings() []string {
	var all []string
	add := func(i int, text string) {
		all = append(all, fmt.Sprintf("destinations[%d] (%s): %s", i, c.Destinations[i].Match, text))
	}
	for i, p := range c.Destinations {
		if p.MaxDeliveries > 0 && p.DeadLetter == "" {
			add(i, "max_deliveries without dead_letter: messages that have failed so often are dropped")
		}
		if d := p.RedeliveryDelay; d.Multiplier > 1 && d.Max == 0 && p.MaxDeliveries == 0 {
			add(i, "redelivery_delay grows to a year in the end, as there is neither max nor max_deliveries")
		}
		if full := topicOverflow(p); full != "" && hasPrefix(p.Match, c.Prefixes.Topic) {
			add(i, "a durable subscription that is full "+full+"; with overflow: drop-oldest it would lose its own oldest messages only")
		}
		if at := policyOf(p.DeadLetter, c.Destinations); at >= 0 && c.KeepsOnDisk(p) && !c.KeepsOnDisk(c.Destinations[at]) {
			add(i, fmt.Sprintf("its dead letters are lost when the broker stops, as %s is not durable by destinations[%d]", p.DeadLetter, at))
		}
	}
	return all
}
