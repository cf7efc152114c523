package destination

import "strings"

// Kind is the kind of a destination, which its prefix says.
type Kind uint8

// The kinds of destination.
const (
	Topic     Kind = iota + 1 // every subscriber gets a copy
	Queue                     // one consumer gets each message
	TempQueue                 // a queue of one connection, gone with it
	User                      // a topic of one user's connections
	Durable                   // the queue of a durable subscription to a topic
)

// A Destination is where a message goes or comes from: a name, or, for
// subscriptions and policies, a pattern. The zero value is none.
//
// Compare destinations by their keys: the same one may be spelt in several
// ways.
type Destination struct {
	Kind Kind
	// key is a space and a name. A name is unique in its space: a prefix, or
	// a user's or a connection's part of one. The name has dots between its
	// segments, and ** for # and >.
	key       string
	spaceSize int
	// wild is true for a pattern with a wildcard.
	wild bool
	// text is the destination as the client wrote it. It shares no memory with
	// the frame that it comes from.
	text string
}

// Key identifies the destination: equal keys, equal destinations.
func (d Destination) Key() string { return d.key }

// Space is the part of the key in which names are unique.
func (d Destination) Space() string { return d.key[:d.spaceSize] }

// Name is the part of the key behind its Space, with dots between segments.
func (d Destination) Name() string { return d.key[d.spaceSize:] }

// Wild reports whether the destination is a pattern.
func (d Destination) Wild() bool { return d.wild }

// String is the destination as the client wrote it. A durable subscription has
// a readable name that no client writes.
func (d Destination) String() string {
	if d.Kind == Durable {
		return strings.ReplaceAll(d.key, "\x00", "/")
	}
	return d.text
}

// Text is the destination as the client wrote it; of a durable subscription,
// its name.
func (d Destination) Text() string { return d.text }

// finish makes a Destination of a name in its canonical form.
func finish(kind Kind, space, name, text string, may wildcards) (Destination, error) {
	d := Destination{Kind: kind, spaceSize: len(space)}
	if name == "" {
		return d, unusable("The destination %q has no name behind its prefix.", text)
	}
	name = strings.ReplaceAll(name, "/", ".")
	if strings.Count(name, ".") >= MaxSegments {
		return d, unusable("The destination %q has more than %d segments.", text, MaxSegments)
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

// canonical gives each wildcard of a name one spelling.
func canonical(name, text string, may wildcards) (_ string, wild bool, err error) {
	segments := strings.Split(name, ".")
	for i, s := range segments {
		switch kind, ok := WildcardOf(s); {
		case !ok && may != policyPattern:
			return "", false, unusable("In the destination %q a * is part of a segment; a wildcard is a whole segment: * for one, ** for any number.", text)
		case kind == Many:
			segments[i] = "**"
			wild = true
		case kind == One || !ok:
			wild = true
		}
	}
	return strings.Join(segments, "."), wild, nil
}
