package broker

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Kind is what a destination's prefix makes of it.
type Kind uint8

// The kinds of destination.
const (
	Topic     Kind = iota + 1 // every subscriber gets a copy
	Queue                     // one consumer gets each message
	TempQueue                 // a queue of one connection, gone with it
	User                      // a topic of one user's connections
	Durable                   // the queue of a durable subscription to a topic
)

// Prefixes that mean the same in every broker; topics and queues have theirs
// from the configuration.
const (
	TempPrefix  = "/temp-queue/"
	ReplyPrefix = "/reply-queue/"
	UserPrefix  = "/user/"
)

// maxSegments bounds how many segments a name has. What a message costs that
// matches patterns with several ** grows with the product of the two lengths.
const maxSegments = 32

// maxName bounds a destination's text, in bytes. RabbitMQ stops at 255;
// JMS-style names with two user ids in them are longer.
const maxName = 1024

// A Destination says where a message goes or comes from. Compare keys: the
// same one may be spelt differently.
//
// A name is a list of segments, between which a dot or a slash stands; the two
// mean the same, so /topic/a.b and /topic/a/b are one topic. In a pattern, a
// segment * stands for any one segment and ** for none or more.
type Destination struct {
	Kind Kind
	// key is a space and a name. The space is what a name is unique in: a
	// prefix, or a user's or a connection's part of one. The name has dots
	// between its segments, and ** for # and >.
	key       string
	spaceSize int
	// wild says that the name is a pattern with a wildcard.
	wild bool
	// text is the destination as it was written. It shares no memory with the
	// frame that it comes from, which may be long and is not to be kept.
	text string
}

// Key identifies the destination: equal keys, equal destinations.
func (d Destination) Key() string { return d.key }

func (d Destination) space() string { return d.key[:d.spaceSize] }
func (d Destination) name() string  { return d.key[d.spaceSize:] }

// Wild tells whether the destination is a pattern.
func (d Destination) Wild() bool { return d.wild }

// A DestinationError says why a text names no destination.
type DestinationError struct {
	// Unknown is set if the prefix is not known, and not set if the name
	// behind it cannot be used.
	Unknown bool
	Text    string
}

// Error implements error.
func (e *DestinationError) Error() string { return e.Text }

// A Namespace holds the prefixes that mean topics and queues. Each begins and
// ends with a slash and none is the beginning of another.
type Namespace struct {
	Topics []string
	Queues []string
}

// DefaultNamespace is that of STOMP brokers everywhere.
func DefaultNamespace() Namespace {
	return Namespace{Topics: []string{"/topic/"}, Queues: []string{"/queue/"}}
}

// Owner is on whose behalf a destination is read.
type Owner struct {
	User       string // whom /user/queue/x and /user/topic/x belong to
	Connection string // a secret of the connection, which /temp-queue/x belongs to
}

// ForSend reads the destination of a SEND. It may not be a pattern.
func (n Namespace) ForSend(text string, o Owner) (Destination, error) {
	limit := maxName
	if strings.HasPrefix(text, ReplyPrefix) {
		limit *= 2 // room for what ReplyTo puts in front of the longest name
	}
	if err := checkText(text, limit); err != nil {
		return Destination{}, err
	}
	switch {
	case strings.HasPrefix(text, UserPrefix):
		return n.sendToUser(text)
	case strings.HasPrefix(text, ReplyPrefix):
		owner, name, ok := strings.Cut(text[len(ReplyPrefix):], ".")
		if !ok {
			return Destination{}, unusable("%q is not a reply destination that this broker made.", text)
		}
		return finish(TempQueue, tempSpace(owner), name, text, noPattern)
	}
	return n.common(text, o, false)
}

// ForSubscribe reads the destination of a SUBSCRIBE, or UNSUBSCRIBE; of a
// topic it may be a pattern.
func (n Namespace) ForSubscribe(text string, o Owner) (Destination, error) {
	if err := checkText(text, maxName); err != nil {
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
	return n.common(text, o, true)
}

// DurableSubscription is the destination of a durable subscription's queue. A
// user's subscriptions are told apart by the client-id of the connection,
// which may be empty, and their name; another user cannot have the same one.
func DurableSubscription(user, clientID, name string) Destination {
	space := durableSpace + user + "\x00" + clientID + "\x00"
	return Destination{Kind: Durable, key: space + name, spaceSize: len(space), text: name}
}

const durableSpace = "/subscription/"

// Subscriber is whom a durable subscription belongs to, and its name.
func (d Destination) Subscriber() (user, clientID, name string) {
	user, clientID, _ = strings.Cut(strings.TrimPrefix(d.space(), durableSpace), "\x00")
	return user, strings.TrimSuffix(clientID, "\x00"), d.name()
}

// String is the destination as it was written; of a durable subscription, a
// name for people.
func (d Destination) String() string {
	if d.Kind == Durable {
		return strings.ReplaceAll(d.key, "\x00", "/")
	}
	return d.text
}

// ReplyTo is what stands in the reply-to header of a message whose sender
// wrote /temp-queue/NAME: a name that anybody who was told it may SEND to.
func ReplyTo(d Destination) string {
	owner := strings.TrimSuffix(strings.TrimPrefix(d.space(), TempPrefix), "\x00")
	return ReplyPrefix + owner + "." + d.name()
}

// userKinds are what may follow a user's name; both are fan-out to all of the
// user's connections, and they are independent.
var userKinds = [...]string{"queue/", "topic/"}

// The NUL, which no frame's header can hold, keeps names of clients' making
// out of the part that is not theirs.
func userSpace(user, kind string) string { return UserPrefix + user + "\x00/" + kind }
func tempSpace(connection string) string { return TempPrefix + connection + "\x00" }

func (n Namespace) sendToUser(text string) (Destination, error) {
	rest := text[len(UserPrefix):]
	user, rest, _ := strings.Cut(rest, "/")
	for _, kind := range userKinds {
		if name, ok := strings.CutPrefix(rest, kind); ok {
			// Spring writes a slash in a user's name so.
			user = strings.ReplaceAll(user, "%2F", "/")
			return finish(User, userSpace(user, kind), name, text, noPattern)
		}
	}
	return Destination{}, unusable("A SEND to %q reaches nobody; send to /user/{user}/queue/NAME or /user/{user}/topic/NAME.", text)
}

func (n Namespace) common(text string, o Owner, pattern bool) (Destination, error) {
	if pattern {
		return n.named(text, o, subscribePattern, noPattern)
	}
	return n.named(text, o, noPattern, noPattern)
}

// wildcards are what a name may have.
type wildcards uint8

const (
	noPattern        wildcards = iota
	subscribePattern           // whole segments
	policyPattern              // parts of segments, too
)

// named reads a name behind a prefix, with such wildcards in that of a topic,
// and of a queue.
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
	return Destination{}, &DestinationError{Unknown: true, Text: fmt.Sprintf("%q begins with no prefix that is known here; known are %s.", text, n.known())}
}

func (n Namespace) known() string {
	all := append(append([]string{}, n.Topics...), n.Queues...)
	return strings.Join(append(all, TempPrefix, UserPrefix), ", ")
}

func checkText(text string, limit int) error {
	switch {
	case text == "":
		return unusable("The destination header is missing or empty.")
	case len(text) > limit:
		return unusable("The destination is longer than %d bytes.", limit)
	case strings.ContainsFunc(text, control):
		return unusable("The destination %q holds a control character.", text)
	}
	return nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }

// finish makes a Destination of a name in its canonical form.
func finish(kind Kind, space, name, text string, may wildcards) (Destination, error) {
	d := Destination{Kind: kind, spaceSize: len(space)}
	if name == "" {
		return d, unusable("The destination %q has no name behind its prefix.", text)
	}
	name = strings.ReplaceAll(name, "/", ".")
	if strings.Count(name, ".") >= maxSegments {
		return d, unusable("The destination %q has more than %d segments.", text, maxSegments)
	}
	if strings.ContainsAny(name, "*#>") {
		var err error
		if name, d.wild, err = canonical(name, text, may); err != nil {
			return d, err
		}
	}
	if d.wild && may == noPattern {
		return d, unusable("The destination %q holds a wildcard; wildcards are for SUBSCRIBE to topics.", text)
	}
	d.text = strings.Clone(text)
	if d.key = d.text; len(text) != len(space)+len(name) || text[:len(space)] != space || text[len(space):] != name {
		d.key = space + name
	}
	return d, nil
}

// canonical gives a name that may have wildcards with one spelling for each.
func canonical(name, text string, may wildcards) (_ string, wild bool, err error) {
	segments := strings.Split(name, ".")
	for i, s := range segments {
		switch {
		case s == "#" || s == ">":
			segments[i], wild = "**", true
		case s == "*" || s == "**" || may == policyPattern && strings.Contains(s, "*"):
			wild = true
		case strings.Contains(s, "*"):
			return "", false, unusable("In the destination %q a * is part of a segment; a wildcard is a whole segment: * for one, ** for any number.", text)
		}
	}
	return strings.Join(segments, "."), wild, nil
}

func unusable(format string, a ...any) *DestinationError {
	return &DestinationError{Text: fmt.Sprintf(format, a...)}
}
