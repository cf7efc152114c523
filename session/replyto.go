package session

import (
	"slices"
	"strings"
	"unicode"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/auth/acl"
	"hoofbeat/destination"
	"hoofbeat/frames"
)

// replyToHeader names where the answer to a message goes. Responders send
// there with rights of their own, so it is checked as if its sender had sent
// there, in each way in which a responder may read it.
const replyToHeader = "reply-to"

// replyTos are the headers of a SEND that some reader takes for its reply-to.
type replyTos struct {
	first string // of reply-to, the one that counts
	has   bool
	// others are values of repeated ones, and of headers that only some readers
	// take for it; nearly no SEND has any.
	others []string
}

func (r *replyTos) add(value string) {
	if !r.has {
		r.first, r.has = value, true
		return
	}
	r.others = append(r.others, value)
}

func (r replyTos) equal(o replyTos) bool {
	return r.first == o.first && slices.Equal(r.others, o.others)
}

// stringSize is that of a string without its bytes.
const stringSize = 16

// size is about the memory of a clone.
func (r replyTos) size() int {
	n := len(r.first)
	for _, text := range r.others {
		n += len(text) + stringSize
	}
	return n
}

// clone is a copy that shares no memory with the frame.
func (r replyTos) clone() replyTos {
	c := replyTos{first: strings.Clone(r.first), has: r.has}
	for _, text := range r.others {
		c.others = append(c.others, strings.Clone(text))
	}
	return c
}

// mayBeReplyTo reports whether a header of another name is to be looked at: 1.0
// readers trim names, HTTP's and .NET's collections ignore their case, and JMS names
// it JMSReplyTo. It is on the way of each SEND.
func mayBeReplyTo(name string) bool {
	if len(name) < len(replyToHeader) {
		return false
	}
	c := name[0] | 0x20
	return c == 'r' || c == 'j' || c < 'a' || c > 'z'
}

func (r *replyTos) addLike(name, value string) {
	head, tail, hasColon := strings.Cut(name, ":") // readers without escapes split there
	if head = strings.TrimFunc(head, blank); !strings.EqualFold(head, replyToHeader) && !strings.EqualFold(head, "JMSReplyTo") {
		return
	}
	if hasColon {
		value = tail + ":" + value
	}
	r.others = append(r.others, value)
}

// addHidden adds headers behind a CR, which some readers take for the end of
// a line: Java's readLine and .NET's do so, and a MESSAGE of STOMP 1.1 has a
// CR unescaped, in names and in values.
func (r *replyTos) addHidden(h *frame.Header) {
	for i := range h.Len() {
		name, value := h.GetAt(i)
		if strings.IndexByte(name, '\r') < 0 && strings.IndexByte(value, '\r') < 0 {
			continue
		}
		line := name + ":" + value
		for rest := line[strings.IndexAny(line, "\r\n"):]; rest != ""; {
			rest = rest[1:]
			end := strings.IndexAny(rest, "\r\n")
			if end < 0 {
				end = len(rest)
			}
			if name, v, ok := strings.Cut(rest[:end], ":"); ok {
				r.addLike(name, v)
			}
			rest = rest[end:]
		}
	}
}

// blank has the characters that readers trim. No destination begins or ends
// with one.
func blank(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\ufeff' }

// replyTo checks the reply-to headers of a SEND. It returns the public form
// of /temp-queue/NAME, or "" if the header is to stay as it is.
func (s *Session) replyTo(r replyTos) (string, error) {
	if err := s.mayReplyTos(r); err != nil || !strings.HasPrefix(r.first, destination.TempPrefix) {
		return "", err
	}
	return s.replyQueue(r.first)
}

// mayReplyTos is mayReplyTo for all of a SEND.
func (s *Session) mayReplyTos(r replyTos) error {
	for _, text := range r.others {
		if err := s.mayReplyTo(text); err != nil {
			return err
		}
	}
	return s.mayReplyTo(r.first)
}

// mayReplyTo refuses a reply-to that names no destination, or one that its
// sender may neither send to nor read, in any reading.
func (s *Session) mayReplyTo(text string) error {
	if text == "" {
		return nil
	}
	if err := s.mayAnswer(text); err != nil {
		return err
	}
	if trimmed := strings.TrimFunc(text, blank); trimmed != text {
		return s.mayReplyTo(trimmed)
	}
	if strings.IndexByte(text, '\\') < 0 {
		return nil
	}
	// Readers of 1.0 that unescape all the same, and senders that do not
	// escape.
	plain, ok := unescaped(text)
	if !ok {
		return fault(InvalidDestination, "The reply-to header of SEND holds a backslash that clients may take for an escape.")
	}
	return s.mayReplyTo(plain)
}

// unescaped is a value on the wire as readers of STOMP 1.2 read it.
func unescaped(text string) (string, bool) {
	h, ok := frames.ParseHeader(replyToHeader + ":" + text + "\n")
	if !ok {
		return "", false
	}
	return h.Get(replyToHeader), true
}

// mayAnswer is about one reading of a reply-to.
func (s *Session) mayAnswer(text string) error {
	if text == TokenDestination {
		return fault(InvalidDestination, "The reply-to header of SEND must be a destination; %q takes tokens.", text)
	}
	if _, err := s.options.Namespace.ForSend(text, destination.Owner{}); err != nil {
		f, ok := asFault(err)
		if !ok {
			return err
		}
		return fault(f.Word, "The reply-to header of SEND must be a destination that an answer can be sent to. %s", f.Text)
	}
	p := s.permissions.Load()
	if p == nil {
		return nil
	}
	if strings.HasPrefix(text, destination.TempPrefix) {
		return s.may(acl.Subscribe, text)
	}
	if s.decide(p, acl.Subscribe, text).Allowed {
		return nil
	}
	return s.may(acl.Send, text)
}

// replyQueue gives the name that others know a temporary queue by. If the
// client has no subscription to that queue it gets one, with the destination as
// its id, as RabbitMQ does it.
func (s *Session) replyQueue(text string) (string, error) {
	d, err := s.options.Namespace.ForSubscribe(text, s.ownerOf(text))
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.temporary.find(d); t == nil || t.subs == 0 {
		text := strings.Clone(text)
		sub := &subscription{key: replyKey(text), text: text, wireID: text, wireDestination: text, hasID: true, dest: d, auto: true, prefetch: autoPrefetch, implicit: true}
		if err := s.checkStart(sub); err != nil {
			return "", err
		}
		s.out.Hold()
		defer s.out.Release()
		if err := s.start(sub); err != nil {
			return "", err
		}
	} else {
		s.temporary.nameAgain(t)
	}
	return destination.ReplyTo(d), nil
}
