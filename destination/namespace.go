package destination

import (
	"fmt"
	"strings"
)

// Prefixes that every broker has. The prefixes of topics and queues are
// configured by a Namespace.
const (
	TempPrefix  = "/temp-queue/"
	ReplyPrefix = "/reply-queue/"
	UserPrefix  = "/user/"
)

// A Namespace holds the prefixes of topics and queues. Each prefix begins and
// ends with a slash, and none is a prefix of another.
type Namespace struct {
	Topics []string
	Queues []string
}

// DefaultNamespace returns the prefixes common to STOMP brokers: /topic/ and
// /queue/.
func DefaultNamespace() Namespace {
	return Namespace{Topics: []string{"/topic/"}, Queues: []string{"/queue/"}}
}

// An Owner identifies the client whose own destinations a text may refer to.
type Owner struct {
	User       string // owner of /user/queue/NAME and /user/topic/NAME
	Connection string // a secret of the connection; owner of /temp-queue/NAME
}

// ForSend parses the destination of a SEND, which may not be a pattern. The
// error is an *Error.
func (n Namespace) ForSend(text string, o Owner) (Destination, error) {
	limit := MaxBytes
	if strings.HasPrefix(text, ReplyPrefix) {
		limit *= 2 // room for the connection's secret, which ReplyTo adds to the longest name
	}
	if err := checkText(text, limit); err != nil {
		return Destination{}, err
	}
	switch {
	case strings.HasPrefix(text, UserPrefix):
		return sendToUser(text)
	case strings.HasPrefix(text, ReplyPrefix):
		owner, name, ok := strings.Cut(text[len(ReplyPrefix):], ".")
		if !ok {
			return Destination{}, unusable("%q is not a reply destination that this broker made.", text)
		}
		return finish(TempQueue, tempSpace(owner), name, text, noPattern)
	}
	return n.named(text, o, noPattern, noPattern)
}

// ForSubscribe parses the destination of a SUBSCRIBE or UNSUBSCRIBE, which may
// be a pattern of topics. The error is an *Error.
func (n Namespace) ForSubscribe(text string, o Owner) (Destination, error) {
	if err := checkText(text, MaxBytes); err != nil {
		return Destination{}, err
	}
	if rest, ok := strings.CutPrefix(text, UserPrefix); ok {
		for _, kind := range userKinds {
			if name, ok := strings.CutPrefix(rest, kind); ok {
				return finish(User, userSpace(o.User, kind), name, text, subscribePattern)
			}
		}
		return Destination{}, unusable("%q is not a user's own destination; those are /user/queue/NAME and /user/topic/NAME.", text)
	}
	return n.named(text, o, subscribePattern, noPattern)
}

// ForPolicy parses the pattern of a policy for topics or queues. Its wildcards
// may also be a part of a segment: /queue/*-user* matches the queues that
// Spring creates for the sessions of its users. The error is an *Error.
func (n Namespace) ForPolicy(text string) (Destination, error) {
	if err := checkText(text, MaxBytes); err != nil {
		return Destination{}, err
	}
	d, err := n.named(text, Owner{}, policyPattern, policyPattern)
	if err == nil && d.Kind != Topic && d.Kind != Queue {
		err = unusable("%q is the name of no topic and no queue, which policies are for.", text)
	}
	return d, err
}

// wildcards are the wildcards that a name may contain.
type wildcards uint8

const (
	noPattern        wildcards = iota
	subscribePattern           // whole segments
	policyPattern              // parts of segments, too
)

// named parses a name with a prefix of the namespace. Topics and queues may
// allow different wildcards.
func (n Namespace) named(text string, o Owner, topics, queues wildcards) (Destination, error) {
	for _, p := range n.Topics {
		if name, ok := strings.CutPrefix(text, p); ok {
			return finish(Topic, p, name, text, topics)
		}
	}
	for _, p := range n.Queues {
		if name, ok := strings.CutPrefix(text, p); ok {
			return finish(Queue, p, name, text, queues)
		}
	}
	if name, ok := strings.CutPrefix(text, TempPrefix); ok {
		return finish(TempQueue, tempSpace(o.Connection), name, text, noPattern)
	}
	return Destination{}, &Error{Unknown: true, Text: fmt.Sprintf("%q begins with no prefix that is known here; known are %s.", text, n.known())}
}

func (n Namespace) known() string {
	all := append(append([]string{}, n.Topics...), n.Queues...)
	return strings.Join(append(all, TempPrefix, UserPrefix), ", ")
}
