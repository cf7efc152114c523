package destination

import "strings"

// Kind is the kind of a destination, given by its prefix.
type Kind uint8

// The kinds of destination.
const (
	Topic     Kind = iota + 1 // every subscriber gets a copy
	Queue                     // one consumer gets each message
	TempQueue                 // a queue of one connection, gone with it
	User                      // a topic of one user's connections
	Durable                   // the queue of a durable subscription to a topic
)

// A Destination is the name of a topic or queue, or, for subscriptions and
// policies, a pattern. The zero value is no destination.
//
// Compare destinations by Key: one destination may have several spellings.
type Destination struct {
	Kind Kind
	// key is a space followed by a name, which is unique within the space: a
	// prefix, or the part of a prefix that belongs to one user or connection.
	// In the name, segments are separated by dots, and # and > are written as
	// **.
	key       string
	spaceSize int
	// wild marks a pattern with a wildcard.
	wild bool
	// text is the client's spelling. It is a copy, so it does not keep the
	// frame's memory alive.
	text string
}

// Key identifies the destination: two destinations are the same if their keys
// are equal.
func (d Destination) Key() string { return d.key }

// Space returns the part of the key within which names are unique.
func (d Destination) Space() string { return d.key[:d.spaceSize] }

// Name returns the part of the key after its Space, with dots between segments.
func (d Destination) Name() string { return d.key[d.spaceSize:] }

// Wild reports whether the destination is a pattern.
func (d Destination) Wild() bool { return d.wild }

// String returns the client's spelling. For a durable subscription it returns a
// readable name, which clients cannot use.
func (d Destination) String() string {
	if d.Kind == Durable {
		return strings.ReplaceAll(d.key, "\x00", "/")
	}
	return d.text
}

// Text returns the client's spelling, or the name of a durable subscription.
func (d Destination) Text() string { return d.text }

// finish builds a Destination from a name and brings it into canonical form.
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

// canonical writes each wildcard of a name in one spelling.
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
