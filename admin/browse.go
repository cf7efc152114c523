package admin

import (
	"math"
	"time"
	"unicode/utf8"

	"hoofbeat/broker"
)

// Messages is the response of /api/v1/queue/messages: the messages that wait,
// in the order of delivery. Unacknowledged messages are not included.
type Messages struct {
	Messages []Message `json:"messages"`
	// Next is the value of skip for the next page; 0: this is the last.
	Next int `json:"next,omitempty"`
}

// A Message is an operator's view of a message.
type Message struct {
	Sequence    uint64     `json:"sequence"` // grows within the queue
	Destination string     `json:"destination"`
	Headers     []Header   `json:"headers"`
	Size        int        `json:"size"` // as counted by byte limits
	Priority    int        `json:"priority"`
	Deliveries  int        `json:"deliveries"`
	Failures    int        `json:"failures"`
	Arrived     *time.Time `json:"arrived,omitempty"`
	Expires     *time.Time `json:"expires,omitempty"`
	// Visible is when the message can be delivered, if it is delayed.
	Visible *time.Time `json:"visible,omitempty"`
	// Body is the beginning of the body; Base64 is used instead if the body is
	// not text.
	Body      string `json:"body,omitempty"`
	Base64    []byte `json:"base64,omitempty"`
	BodyBytes int    `json:"body_bytes"`
	Truncated bool   `json:"truncated,omitempty"`
}

// A Header is one of the sender's headers.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Limits of one request: number of messages, and bytes of each body.
const (
	defaultPage = 20
	maxPage     = 100
	defaultBody = 1 << 10
	maxBody     = 64 << 10
)

func (s *server) browse(c *call) error {
	given, err := parameters(c.r, "name", "skip", "limit", "body")
	if err != nil {
		return err
	}
	d, err := s.queueNamed(given["name"])
	if err != nil {
		return err
	}
	skip, err := number(given, "skip", 0, 0, math.MaxInt32)
	if err != nil {
		return err
	}
	limit, err := number(given, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return err
	}
	body, err := number(given, "body", defaultBody, 0, maxBody)
	if err != nil {
		return err
	}
	found, err := s.o.Queues.Browse(c.r.Context(), d, skip, limit)
	if err != nil {
		return err
	}
	all := Messages{Messages: make([]Message, len(found))}
	for i, b := range found {
		all.Messages[i] = describeMessage(b, body)
	}
	if len(found) == limit {
		all.Next = skip + limit
	}
	return answer(c.w, all)
}

func describeMessage(b broker.Browsed, body int) Message {
	m := b.Message
	out := Message{
		Sequence: b.Seq, Destination: m.Destination(), Headers: []Header{}, Size: m.Size(), Priority: m.Priority(),
		Deliveries: int(b.State.Attempts), Failures: int(b.State.Failures),
		Arrived: moment(m.Arrived()), Expires: moment(m.Expires()), Visible: moment(b.Visible), BodyBytes: len(m.Body()),
	}
	h := m.Header()
	for i := range h.Len() {
		name, value := h.GetAt(i)
		out.Headers = append(out.Headers, Header{name, value})
	}
	out.setBody(m.Body(), body)
	return out
}

// setBody takes at most most bytes of a body. Text is cut at a character
// boundary.
func (m *Message) setBody(body []byte, most int) {
	text := utf8.Valid(body)
	if len(body) > most {
		m.Truncated = true
		for text && most > 0 && !utf8.RuneStart(body[most]) {
			most--
		}
		body = body[:most]
	}
	if text {
		m.Body = string(body)
	} else {
		m.Base64 = body
	}
}
