package broker

import (
	"strings"
	"unicode/utf8"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/destination"
	"hoofbeat/frames"
	"hoofbeat/internal/memory"
)

// A Message has the content of a SEND. It does not change after [NewMessage],
// and all subscribers share it.
type Message struct {
	to destination.Destination

	// tail is the common end of its MESSAGEs, from the first of the sender's
	// headers to the NUL, in the form of STOMP 1.2.
	tail frames.Tail
	// bodyLen tells where in tail the body is.
	bodyLen int
	size    int // see Size
	// rare has fields that few messages need; nil: all are zero.
	rare *rarities
	// arrived is when a queue took it that others can look at, in ms since the
	// epoch, which is set before others see it; 0: none did.
	arrived int64

	owner *memory.Account // see ChargeTo
	share int             // see Share; 0: all of it
	// shared is the id under which a Store keeps it once for all queues that it
	// is put into; 0: each keeps its own. Set before others see the message.
	shared uint64

	utf8      bool
	priority  uint8
	transient bool
	restored  bool // ParseMessage has made it, or its source
}

// rarities are the fields that few messages need.
type rarities struct {
	// header is kept if other versions write it differently than 1.2 does,
	// and headerSize is about the memory that it takes.
	header     *frame.Header
	headerSize int
	// expires and due are the sender's, in ms since the epoch; 0: none.
	expires, due int64
	trace        any // that of Properties; no Store keeps it
}

// rarely returns the optional fields, zero if there are none.
func (m *Message) rarely() rarities {
	if m.rare == nil {
		return rarities{}
	}
	return *m.rare
}

// setTimes sets when the message expires and when it is due.
func (m *Message) setTimes(expires, due int64) {
	if expires != 0 || due != 0 || m.rare != nil {
		m.change().expires = expires
		m.change().due = due
	}
}

// setTrace sets the value of Trace.
func (m *Message) setTrace(trace any) {
	if trace != nil {
		m.change().trace = trace
	}
}

// change returns the optional fields, to set some of them.
func (m *Message) change() *rarities {
	if m.rare == nil {
		m.rare = &rarities{}
	}
	return m.rare
}

// Properties are what a sender's headers ask of the broker.
type Properties struct {
	// ReplyTo takes the place of the sender's reply-to, if it is not empty.
	ReplyTo string
	// Priority is from 0 to MaxPriority; a queue delivers higher ones first.
	Priority uint8
	// Expires is when the message is worthless, and Due when it may be
	// delivered at the earliest, in ms since the epoch; 0: never, and at once.
	Expires, Due int64
	// Transient says that the message need not survive the process.
	Transient bool
	// Trace is a value that the sender attaches to the message, to find it
	// again at each delivery, as long as the message is in memory; nil: none.
	// It means nothing to the broker.
	Trace any
}

// The priorities there are; as in JMS, most messages have 4.
const (
	MaxPriority     = 9
	DefaultPriority = 4
)

// Content is what a sender puts into a message.
type Content struct {
	Header *frame.Header // nil: none
	Body   []byte
	// Plain says that every version of STOMP writes the header in the same way. If
	// it is false, NewMessage looks.
	Plain bool
}

// NewMessage makes a message for a destination. It leaves out headers that only the
// server may set. It neither keeps nor changes the content.
func NewMessage(to destination.Destination, c Content, p Properties) *Message {
	h := c.Header
	if h == nil {
		h = &frame.Header{}
	}
	if p.ReplyTo != "" {
		h = h.Clone()
		h.Set("reply-to", p.ReplyTo)
	}
	m := newMessage(to, withoutDeaths(h), c.Body, c.Plain || !frames.NeedsEscape(h))
	m.priority, m.transient = min(p.Priority, MaxPriority), p.Transient
	m.setTimes(p.Expires, p.Due)
	m.setTrace(p.Trace)
	return m
}

// newMessage encodes a header and a body; plain says that the header is
// written alike in all versions.
func newMessage(to destination.Destination, h *frame.Header, body []byte, plain bool) *Message {
	m := &Message{to: to, bodyLen: len(body), utf8: utf8.Valid(body), priority: DefaultPriority}
	size := len("content-length:16777216\n\n\x00") + len(body)
	for i := range h.Len() {
		if k, v := h.GetAt(i); !reserved(k) {
			size += len(k) + len(v) + len(":\n")
		}
	}
	m.tail.Bytes = appendTail(make([]byte, 0, size), h, body, frames.V12, plain)
	if !plain {
		kept := &frame.Header{}
		for i := range h.Len() {
			if k, v := h.GetAt(i); !reserved(k) {
				kept.Add(k, v)
			}
		}
		m.setHeader(kept)
	}
	m.measure()
	return m
}

// setHeader keeps a header, which belongs to m from now on.
func (m *Message) setHeader(h *frame.Header) {
	size := h.Len() * headerOverhead
	for i := range h.Len() {
		k, v := h.GetAt(i)
		size += len(k) + len(v)
	}
	r := m.change()
	r.header, r.headerSize = h, size
}

func appendTail(dst []byte, h *frame.Header, body []byte, v frames.Version, plain bool) []byte {
	for i := range h.Len() {
		k, val := h.GetAt(i)
		switch {
		case reserved(k):
		case plain:
			dst = frames.AppendRawHeader(dst, k, val)
		default:
			dst = frames.AppendHeader(dst, k, val, v)
		}
	}
	return frames.AppendBody(dst, body)
}

// reserved tells of the headers that a MESSAGE has from the server, so that no
// sender can forge them, and of those that meant the SEND only.
func reserved(name string) bool {
	switch name {
	case "destination", "content-length", // written anew
		"message-id", "subscription", "ack", "redelivered", "delivery-count", "receipt", "transaction", "user":
		return true
	}
	return false
}

// Headers that a dead letter has from the server.
const (
	originalDestination = "original-destination"
	deathReason         = "death-reason"
	deathCount          = "death-count"
)

// withoutDeaths is a sender's header without a past that it may have made up.
func withoutDeaths(h *frame.Header) *frame.Header {
	mine := func(name string) bool {
		return name == originalDestination || name == deathReason || name == deathCount
	}
	for i := range h.Len() {
		if k, _ := h.GetAt(i); mine(k) {
			kept := &frame.Header{}
			for i := range h.Len() {
				if k, v := h.GetAt(i); !mine(k) {
					kept.Add(k, v)
				}
			}
			return kept
		}
	}
	return h
}

// AppendTail appends all of the MESSAGE frame that does not depend on the
// subscription: the sender's headers, content-length, the body and the NUL.
func (m *Message) AppendTail(dst []byte, v frames.Version) []byte {
	if tail := m.Tail(v); tail != nil {
		return append(dst, tail.Bytes...)
	}
	return appendTail(dst, m.rare.header, m.Body(), v, false)
}

// Tail returns all of the MESSAGE frame that does not depend on the subscription,
// if the message has it in the form of that version already; else nil.
func (m *Message) Tail(v frames.Version) *frames.Tail {
	if v == frames.V12 || m.rare == nil || m.rare.header == nil {
		return &m.tail
	}
	return nil
}

// Body is the message's body; it is not to be changed.
func (m *Message) Body() []byte {
	return m.tail.Bytes[len(m.tail.Bytes)-1-m.bodyLen : len(m.tail.Bytes)-1]
}

// Destination is that of the SEND, in the sender's spelling. For names under
// /user/ it is the user's own name of the destination.
func (m *Message) Destination() string {
	if m.to.Kind == destination.User {
		_, own, _ := strings.Cut(m.to.Space(), "\x00/")
		return destination.UserPrefix + own + m.to.Name()
	}
	return m.to.Text()
}

// To is where the message was sent, as it was read.
func (m *Message) To() destination.Destination { return m.to }

// ShareAs gives the message an id, which is not 0 and no other message ever had:
// a Store keeps it once, in however many queues it is. It is called before
// others see the message.
func (m *Message) ShareAs(id uint64) { m.shared = id }

// Shared is the id that ShareAs gave, 0 if it did not.
func (m *Message) Shared() uint64 { return m.shared }

// Trace is that of its Properties. A message that was read from a Store has
// none, which Restored tells.
func (m *Message) Trace() any {
	if m.rare == nil {
		return nil
	}
	return m.rare.trace
}

// Restored is described at Trace.
func (m *Message) Restored() bool { return m.restored }

// Priority is from 0 to MaxPriority.
func (m *Message) Priority() int { return int(m.priority) }

// Expires is when the sender wants the message to expire, and Arrived when a
// queue took it, in ms since the epoch; 0: never, and no queue that keeps it or
// lets it expire.
func (m *Message) Expires() int64 { return m.rarely().expires }

// Arrived is described at Expires.
func (m *Message) Arrived() int64 { return m.arrived }

// Text reports whether the message is valid UTF-8 and may travel as text.
func (m *Message) Text() bool { return m.utf8 }

// Size is the size of the message in bytes for all limits: its size on the
// wire, and about its size in memory.
func (m *Message) Size() int { return m.size }

// measure sets the size of a message whose tail and header are complete.
func (m *Message) measure() { m.size = len(m.tail.Bytes) + m.rarely().headerSize + messageOverhead }

// messageOverhead covers the MESSAGE line, the server's headers and the
// places in queues that a message takes.
const messageOverhead = 128

// headerOverhead is the size of the two strings of a header.
const headerOverhead = 32
