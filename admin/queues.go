package admin

import (
	"net/http"
	"time"

	"hoofbeat/broker"
)

// A Queue is what operators see of a queue, or of a durable subscription.
type Queue struct {
	Name string `json:"name"`
	// Topic is what a durable subscription is subscribed to.
	Topic   string `json:"topic,omitempty"`
	Durable bool   `json:"durable"`
	// Ready messages wait for a consumer, Unacked ones for the consumer's
	// ACK, and Delayed ones for their time.
	Ready     int `json:"ready"`
	Unacked   int `json:"unacked"`
	Delayed   int `json:"delayed"`
	Consumers int `json:"consumers"`
	// OverLimits says that the queue holds more than its policy would let in,
	// as it may after a reload.
	OverLimits bool `json:"over_limits,omitempty"`
	Bytes      int  `json:"bytes"`
	// Oldest is when the message at the head came; in a list, only if it is in
	// memory. Abandoned is since when a durable subscription has no subscriber.
	Oldest    *time.Time `json:"oldest,omitempty"`
	Abandoned *time.Time `json:"abandoned,omitempty"`
	// Policy is only told when one queue is asked for.
	Policy *Policy `json:"policy,omitempty"`
}

// A Policy is what the queue's policy says, in the words of the
// configuration. What it does not limit is left out.
type Policy struct {
	Durable            bool    `json:"durable"`
	MaxDeliveries      int     `json:"max_deliveries,omitempty"`
	RedeliveryDelay    string  `json:"redelivery_delay,omitempty"`
	DelayMultiplier    float64 `json:"redelivery_delay_multiplier,omitempty"`
	MaxDelay           string  `json:"redelivery_delay_max,omitempty"`
	DeadLetter         string  `json:"dead_letter,omitempty"`
	TTL                string  `json:"ttl,omitempty"`
	MaxMessages        int     `json:"max_messages,omitempty"`
	MaxBytes           int     `json:"max_bytes,omitempty"`
	Overflow           string  `json:"overflow,omitempty"`
	Prefetch           int     `json:"prefetch,omitempty"`
	SubscriptionExpiry string  `json:"subscription_expiry,omitempty"`
}

// QueueList is the answer of /api/v1/queues.
type QueueList struct {
	Queues []Queue `json:"queues"`
}

func (s *server) list(w http.ResponseWriter, r *http.Request) error {
	if _, err := parameters(r); err != nil {
		return err
	}
	all := QueueList{Queues: []Queue{}}
	for _, q := range s.o.Queues.Queues() {
		all.Queues = append(all.Queues, describe(q))
	}
	return answer(w, all)
}

func (s *server) show(w http.ResponseWriter, r *http.Request) error {
	given, err := parameters(r, "name")
	if err != nil {
		return err
	}
	d, err := s.queue(given["name"])
	if err != nil {
		return err
	}
	q, there := s.o.Queues.Queue(d)
	if !there {
		return broker.ErrUnknownQueue
	}
	out := describe(q)
	out.Policy = describePolicy(q.Policy)
	if out.Oldest == nil && out.Ready > 0 {
		head, err := s.o.Queues.Browse(r.Context(), d, 0, 1)
		if err != nil {
			return err
		}
		for _, b := range head {
			out.Oldest = moment(b.Message.Arrived())
		}
	}
	return answer(w, out)
}

func describe(q broker.QueueInfo) Queue {
	out := Queue{
		Name: Name(q.Destination), Durable: q.Durable, Ready: q.Ready, Unacked: q.Unacked, Delayed: q.Delayed, Consumers: q.Consumers,
		OverLimits: q.OverLimits(), Bytes: q.Bytes, Oldest: moment(q.Oldest), Abandoned: moment(q.Abandoned),
	}
	if q.Topic.Kind != 0 {
		out.Topic = q.Topic.String()
	}
	return out
}

// moment is a time in ms since the epoch; 0: none.
func moment(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	return new(time.UnixMilli(ms).UTC())
}

func describePolicy(p broker.Policy) *Policy {
	out := &Policy{
		Durable: p.Durable, MaxDeliveries: p.MaxDeliveries, RedeliveryDelay: span(p.RedeliveryDelay.Initial), TTL: span(p.TTL),
		MaxMessages: p.MaxMessages, MaxBytes: p.MaxBytes, Prefetch: p.Prefetch, SubscriptionExpiry: span(p.SubscriptionExpiry),
	}
	if p.RedeliveryDelay.Initial > 0 && p.RedeliveryDelay.Multiplier > 1 {
		out.DelayMultiplier, out.MaxDelay = p.RedeliveryDelay.Multiplier, span(p.RedeliveryDelay.Max)
	}
	if p.DeadLetter.Kind != 0 {
		out.DeadLetter = p.DeadLetter.String()
	}
	if p.MaxMessages > 0 || p.MaxBytes > 0 {
		out.Overflow = overflow(p.Overflow)
	}
	return out
}

func span(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func overflow(p broker.FullPolicy) string {
	switch p {
	case broker.DropHead:
		return "drop-oldest"
	case broker.BlockSender:
		return "block"
	}
	return "reject"
}
