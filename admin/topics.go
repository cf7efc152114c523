package admin

import (
	"strings"

	"hoofbeat/destination"
)

// A Topic is a subscribed destination: a topic, a pattern, or a user's own
// /user/NAME/....
type Topic struct {
	Name string `json:"name"`
	// Subscribers counts the subscriptions to exactly this destination,
	// including durable ones without a connected subscriber.
	Subscribers int         `json:"subscribers"`
	Totals      TopicTotals `json:"totals"`
}

// TopicTotals count since the destination was subscribed; a rate is the
// difference of two responses. See [broker.TopicFlow].
type TopicTotals struct {
	Messages   int64 `json:"messages"`   // sent to it
	Deliveries int64 `json:"deliveries"` // to subscribers without a queue
}

// TopicList is the response of /api/v1/topics.
type TopicList struct {
	Topics []Topic `json:"topics"`
	Page
}

func (s *server) topics(c *call) error {
	given, p, err := listParameters(c, "topics", "q")
	if err != nil {
		return err
	}
	if err := p.from(given); err != nil {
		return err
	}
	q := given["q"]
	items, next, total := pick(&p, func(yield func(place, destination.Destination) bool) {
		for d := range s.o.Queues.TopicNames() {
			if (q == "" || strings.Contains(topicName(d), q)) && !yield(place{text: d.Key()}, d) {
				return
			}
		}
	})
	describe := func(d destination.Destination) (Topic, bool) {
		t, there := s.o.Queues.Topic(d)
		return Topic{topicName(d), t.Subscribers, TopicTotals(t.TopicFlow)}, there
	}
	return answer(c.w, TopicList{described(items, describe), Page{next, total}})
}
