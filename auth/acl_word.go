package auth

import (
	"math/bits"
	"strings"
)

// maxWord bounds a destination that is decided upon: its places, one more than
// it has segments, are bits of a uint64. The broker's own bound is lower.
const maxWord = 62

// A word is a destination as a client wrote it, with wildcards or without.
//
// Sets of places in it are bit masks: bit i stands before segment i, and the
// last one behind the last segment. A segment of a rule leads from the places
// that are reached before it to those that are reached behind it, in one of
// two ways.
//
// Overlap: does some name match the rule and the word? The word is an automaton
// that may take, for each segment of the rule, any segment that both match.
//
// Coverage: does the rule match every name that the word matches? The word's
// wildcards stand for segments that no rule names, as those are the hardest to
// match; so a literal of the rule matches a literal of the word alone. A ** of
// the word may be no segment or many, so it may only be taken where the rule
// does not count: in a run of wildcards that says "at least n" (the normal form
// of patterns has soft segments and a ** there). That covers every name: put
// any segments there, the run still is long enough. And it refuses none that is
// covered: if a ** of the word falls between segments that the rule counts,
// then making it longer, or none at all, gives a name that the rule misses.
type word struct {
	n    int
	text [maxWord]string
	// Which places stand before a literal, a *, and a **. There are no two **
	// in a row, and none before a *.
	literal, one, many uint64
}

// end is the place behind the last segment.
func (w *word) end() uint64 { return 1 << w.n }

// wild tells whether the destination has wildcards.
func (w *word) wild() bool { return w.one|w.many != 0 }

// name appends a segment that is no wildcard, whatever is in it.
func (w *word) name(text string) reason {
	if w.n == maxWord {
		return tooLong
	}
	w.text[w.n] = text
	w.literal |= 1 << w.n
	w.n++
	return undecided
}

// segment appends a segment that may be a wildcard.
func (w *word) segment(text string) reason {
	kind, ok := wildcard(text)
	switch {
	case !ok:
		return badWildcard
	case kind == literalSegment:
		return w.name(text)
	}
	last := uint64(1) << w.n >> 1
	behindMany := w.many&last != 0
	if kind == manySegment && behindMany {
		return undecided
	}
	if w.n == maxWord {
		return tooLong
	}
	switch next := uint64(1) << w.n; {
	case behindMany:
		w.one |= last
		w.many ^= last | next
	case kind == oneSegment:
		w.one |= next
	default:
		w.many |= next
	}
	w.n++
	return undecided
}

// segments appends all segments of a text.
func (w *word) segments(text string) reason {
	for more := true; more; {
		var t string
		t, text, more = cutName(text)
		if why := w.segment(t); why != undecided {
			return why
		}
	}
	return undecided
}

// cutName takes the first segment off a name.
func cutName(name string) (segment, rest string, more bool) {
	if i := strings.IndexAny(name, "./"); i >= 0 {
		return name[:i], name[i+1:], true
	}
	return name, "", false
}

// same returns the places before literals of a text.
func (w *word) same(text string) uint64 {
	var same uint64
	for rest := w.literal; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		if w.text[i] == text {
			same |= 1 << i
		}
	}
	return same
}

// first is the text at the first of some places, each before a literal.
func (w *word) first(s uint64) string { return w.text[bits.TrailingZeros64(s)] }

// start is where a rule begins: before the first segment.
func (w *word) start(cover bool) uint64 {
	if cover {
		return 1
	}
	return w.skip(1)
}

// skip adds the places that are reached by taking a ** for nothing.
func (w *word) skip(s uint64) uint64 { return s | s&w.many<<1 }

// overLiteral follows a rule's literal, in terms of overlap or coverage.
func (w *word) overLiteral(s uint64, text string, cover bool) uint64 {
	if cover {
		return s & w.same(text) << 1
	}
	return w.skip(s&(w.same(text)|w.one)<<1 | s&w.many)
}

// overOne follows a rule's *; soft if the rule has a ** next to it.
func (w *word) overOne(s uint64, soft, cover bool) uint64 {
	if !cover {
		return w.skip(s&(w.literal|w.one)<<1 | s&w.many)
	}
	if soft {
		s = w.skip(s)
	}
	return s & (w.literal | w.one) << 1
}

// overMany follows a rule's **: all places from the first on.
func (w *word) overMany(s uint64) uint64 {
	return -(s & -s) & (w.end()<<1 - 1)
}

// A reading is a destination taken apart. What is under /user/ has two names:
// first the one with the user's name, as in SEND, then the one without, as in
// SUBSCRIBE. All else has one.
type reading struct {
	words [2]word
}

// names are all names of the destination. A rule that denies one denies it.
func (r *reading) names() []word {
	if r.words[1].n == 0 {
		return r.words[:1]
	}
	return r.words[:]
}

// granting are the names by which the destination may be allowed.
func (r *reading) granting(action Action) []word {
	if action == Subscribe {
		return r.names()
	}
	return r.words[:1]
}

// wild tells whether the destination has wildcards.
func (r *reading) wild() bool { return r.words[0].wild() }

// read takes a destination apart as the broker does for the action; user is
// whom /user/queue/ belongs to.
func (r *reading) read(action Action, destination, user string) reason {
	if !strings.HasPrefix(destination, "/") {
		return noSlash
	}
	full, plain := &r.words[0], &r.words[1]
	rest, ok := strings.CutPrefix(destination, userPrefix)
	if !ok {
		return full.segments(destination[1:])
	}
	owner, name, ok := strings.Cut(rest, "/")
	switch {
	case !ok, action == Subscribe && owner != "queue" && owner != "topic":
		// The broker knows nothing of this form.
		return full.segments(destination[1:])
	case action == Subscribe:
		owner, name = user, rest
	default:
		owner = decodeUser(owner)
	}
	// There is room for the first segments.
	_, _ = full.name("user"), plain.name("user")
	kind, _ := wildcard(owner)
	if action.admin() && kind != literalSegment {
		_ = full.segment(owner)
	} else {
		// A client means a user of this name, be it "*".
		_ = full.name(owner)
	}
	if why := full.segments(name); why != undecided {
		return why
	}
	return plain.segments(name)
}
