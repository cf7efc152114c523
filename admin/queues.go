package admin

import (
	"cmp"
	"iter"
	"math"
	"strings"
	"time"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

// A Queue is an operator's view of a queue or durable subscription.
type Queue struct {
	Name string `json:"name"`
	// Topic is the topic of a durable subscription.
	Topic   string `json:"topic,omitempty"`
	Durable bool   `json:"durable"`
	// Ready messages wait for a consumer, Unacked ones for an ACK, and Delayed
	// ones for their time.
	Ready     int `json:"ready"`
	Unacked   int `json:"unacked"`
	Delayed   int `json:"delayed"`
	Consumers int `json:"consumers"`
	// OverLimits reports that the queue holds more than its policy allows, for
	// example after a reload.
	OverLimits bool `json:"over_limits,omitempty"`
	Bytes      int  `json:"bytes"`
	// Totals count since the queue was created, or since the start if that was
	// later; a rate is the difference of two responses.
	Totals QueueTotals `json:"totals"`
	// Oldest is when the head message arrived; in a list, it is set only if
	// that message is in memory. Abandoned is when a durable subscription lost
	// its subscriber.
	Oldest    *time.Time `json:"oldest,omitempty"`
	Abandoned *time.Time `json:"abandoned,omitempty"`
	// Owner is the user whose quota includes the queue.
	Owner string `json:"owner,omitempty"`
	// Policy is set only in the response for a single queue.
	Policy *Policy `json:"policy,omitempty"`
}

// QueueTotals count the messages of a queue; see [broker.Flow].
type QueueTotals struct {
	Enqueued    int64 `json:"enqueued"`
	Delivered   int64 `json:"delivered"`
	Redelivered int64 `json:"redelivered"`
	Acked       int64 `json:"acked"`
}

// A Policy is the queue's policy in the words of the configuration. Unlimited
// values are omitted.
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
	DurableSharing     bool    `json:"durable_sharing,omitempty"`
}

// QueueList is the response of /api/v1/queues.
type QueueList struct {
	Queues []Queue `json:"queues"`
	Page
}

func (s *server) queues(c *call) error {
	given, p, err := listParameters(c, "queues", "q", "sort", "order")
	if err != nil {
		return err
	}
	sort, order := cmp.Or(given["sort"], "name"), cmp.Or(given["order"], "asc")
	by, known := queueOrders[sort]
	if !known || order != "asc" && order != "desc" {
		return badRequest("expected sort to be name, ready or oldest, and order to be asc or desc")
	}
	p.list, p.down = "queues/"+sort+"/"+order, order == "desc"
	if err := p.from(given); err != nil {
		return err
	}
	items, next, total := pick(&p, s.queuePlaces(given["q"], by, p.down, sort == "oldest"))
	describeOne := func(d destination.Destination) (Queue, bool) {
		q, there := s.o.Queues.Queue(d)
		return describe(q), there
	}
	return answer(c.w, QueueList{described(items, describeOne), Page{next, total}})
}

// queuePlaces yields all queues whose name contains text, with their place in
// an order. If the order needs only names, the queues are not inspected. heads
// requests the arrival times of the head messages.
func (s *server) queuePlaces(text string, by queueOrder, down, heads bool) iter.Seq2[place, destination.Destination] {
	wanted := func(d destination.Destination) bool { return text == "" || strings.Contains(Name(d), text) }
	if by == nil {
		return func(yield func(place, destination.Destination) bool) {
			for d := range s.o.Queues.QueueNames() {
				if wanted(d) && !yield(place{text: d.Key()}, d) {
					return
				}
			}
		}
	}
	return func(yield func(place, destination.Destination) bool) {
		for q := range s.o.Queues.Sketches(heads) {
			if wanted(q.Destination) && !yield(place{by(q, down), q.Destination.Key()}, q.Destination) {
				return
			}
		}
	}
}

// A queueOrder returns a number by which queues are ordered before their names.
type queueOrder func(q broker.QueueSketch, down bool) int64

// queueOrders are the supported orders; nil: by name only.
var queueOrders = map[string]queueOrder{
	"name":  nil,
	"ready": func(q broker.QueueSketch, _ bool) int64 { return int64(q.Ready) },
	"oldest": func(q broker.QueueSketch, down bool) int64 {
		if q.Oldest == 0 && !down {
			return math.MaxInt64 // queues without a known time come last in both directions
		}
		return q.Oldest
	},
}

func (s *server) queue(c *call) error {
	given, err := parameters(c.r, "name")
	if err != nil {
		return err
	}
	d, err := s.queueNamed(given["name"])
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
		head, err := s.o.Queues.Browse(c.r.Context(), d, 0, 1)
		if err != nil {
			return err
		}
		for _, b := range head {
			out.Oldest = moment(b.Message.Arrived())
		}
	}
	return answer(c.w, out)
}

func describe(q broker.QueueInfo) Queue {
	out := Queue{
		Name: Name(q.Destination), Durable: q.Durable, Ready: q.Ready, Unacked: q.Unacked, Delayed: q.Delayed, Consumers: q.Consumers,
		OverLimits: q.OverLimits(), Bytes: q.Bytes, Oldest: moment(q.Oldest), Abandoned: moment(q.Abandoned), Owner: q.Owner,
		Totals: QueueTotals(q.Flow),
	}
	if q.Topic.Kind != 0 {
		out.Topic = q.Topic.String()
	}
	return out
}

// moment converts a time in ms since the epoch; 0: nil.
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
		DurableSharing: p.DurableSharing,
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
