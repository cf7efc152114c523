package broker

import (
	"strings"
	"unicode/utf8"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
)

// A Message is what a SEND left behind. It does not change after [NewMessage],
// and all subscribers share it.
type Message struct {
	to Destination

	// tail is what every MESSAGE of it ends with, from the first of the
	// sender's headers to the NUL, as STOMP 1.2 writes it. header is kept if
	// other versions write it differently, else nil.
	tail   []byte
	header *frame.Header
	// headerSize is about what header takes.
	headerSize int
	// bodyLen tells where in tail the body is.
	bodyLen int
	utf8    bool
}

// NewMessage makes a message out of a SEND: its destination, as read, its
// headers and its body. Headers that are the server's to set are left out, and
// a reply-to that is not empty takes the place of the sender's. The frame is
// not kept, and not changed.
func NewMessage(to Destination, f frames.Inbound, replyTo string) *Message {
	m := &Message{to: to, bodyLen: len(f.Body), utf8: utf8.Valid(f.Body)}
	h, plain := f.Header, f.Plain()
	if replyTo != "" {
		h = h.Clone()
		h.Set("reply-to", replyTo)
	}
	size, all := len("content-length:16777216\n\n\x00")+len(f.Body), 0
	for i := range h.Len() {
		k, v := h.GetAt(i)
		n := len(k) + len(v) + len(":\n")
		all += n
		if !reserved(k) {
			size += n
		}
	}
	m.tail = appendTail(make([]byte, 0, size), h, f.Body, frames.V12, plain)
	if !plain {
		m.header = h.Clone()
		m.headerSize = all + h.Len()*headerOverhead
	}
	return m
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

// AppendTail appends all of the MESSAGE frame that does not depend on the
// subscription: the sender's headers, content-length, the body and the NUL.
func (m *Message) AppendTail(dst []byte, v frames.Version) []byte {
	if m.header == nil || v == frames.V12 {
		return append(dst, m.tail...)
	}
	return appendTail(dst, m.header, m.Body(), v, false)
}

// Body is the message's body; it is not to be changed.
func (m *Message) Body() []byte { return m.tail[len(m.tail)-1-m.bodyLen : len(m.tail)-1] }

// Destination is where the message was sent, in the sender's spelling, but
// for names under /user/, which only tell what the user's own name for it is.
func (m *Message) Destination() string {
	if m.to.Kind == User {
		_, own, _ := strings.Cut(m.to.space(), "\x00/")
		return UserPrefix + own + m.to.name()
	}
	return m.to.text
}

// Text tells whether the message is valid UTF-8 and may travel as text.
func (m *Message) Text() bool { return m.utf8 }

// Size is what the message counts as, in bytes, wherever bytes are limited:
// what it takes on the wire, and about what it takes in memory.
func (m *Message) Size() int { return len(m.tail) + m.headerSize + messageOverhead }

// messageOverhead covers the MESSAGE line, the server's headers and the
// places in queues that a message takes.
const messageOverhead = 128

// headerOverhead is the size of the two strings of a header.
const headerOverhead = 32
