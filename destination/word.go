package destination

import (
	"errors"
	"math/bits"
)

// maxPlaces limits the length of a Word: its places, one more than its
// segments, are the bits of a uint64.
const maxPlaces = 62

// Errors of Add and its variants.
var (
	ErrTooLong     = errors.New("too many segments")
	ErrBadWildcard = errors.New("a wildcard is part of a segment")
)

// A Word is a destination, with or without wildcards, prepared for comparison
// with patterns segment by segment. The zero value is an empty word; Add
// appends to it.
//
// Bit i of a set of [Places] is the place before segment i; the last bit is the
// place after the last segment. Each segment of a pattern leads from the places
// reached before it to those reached after it, in one of two ways.
//
// Overlap: does some name match both the pattern and the word? The word is an
// automaton that takes, for each segment of the pattern, any segment that both
// match.
//
// Coverage: does the pattern match every name that the word matches? The word's
// wildcards stand for segments that occur in no pattern, because those are the
// hardest to match; so a literal of the pattern matches only a literal of the
// word. A ** of the word stands for any number of segments, so it may be taken
// only where the pattern does not count segments: in a run of wildcards that
// matches n or more, which [Pattern.Normal] writes as soft segments and a **.
// This accepts only covered words: with any segments in that place, the run is
// still long enough. And it accepts every covered word: if a ** of the word
// falls between segments that the pattern counts, then the pattern misses
// either a longer name or the one without a segment there.
type Word struct {
	n    int
	text [maxPlaces]string
	// The places before a literal, a *, and a **. Two ** never follow each
	// other, and a ** never precedes a *.
	literal, one, many Places
}

// Places is a set of places in a Word.
type Places uint64

// Len returns the number of segments.
func (w *Word) Len() int { return w.n }

// Wild reports whether the word has wildcards.
func (w *Word) Wild() bool { return w.one|w.many != 0 }

// AddLiteral appends a segment as a literal, even if it looks like a wildcard.
// The error is ErrTooLong.
func (w *Word) AddLiteral(text string) error {
	if w.n == maxPlaces {
		return ErrTooLong
	}
	w.text[w.n] = text
	w.literal |= 1 << w.n
	w.n++
	return nil
}

// Add appends a segment, which may be a wildcard. The error is ErrTooLong or
// ErrBadWildcard.
func (w *Word) Add(segment string) error {
	kind, ok := WildcardOf(segment)
	switch {
	case !ok:
		return ErrBadWildcard
	case kind == Literal:
		return w.AddLiteral(segment)
	}
	last := Places(1) << w.n >> 1
	behindMany := w.many&last != 0
	if kind == Many && behindMany {
		return nil
	}
	if w.n == maxPlaces {
		return ErrTooLong
	}
	switch next := Places(1) << w.n; {
	case behindMany:
		w.one |= last
		w.many ^= last | next
	case kind == One:
		w.one |= next
	default:
		w.many |= next
	}
	w.n++
	return nil
}

// AddAll appends all segments of a name or pattern. The errors are those of
// Add.
func (w *Word) AddAll(name string) error {
	for more := true; more; {
		var segment string
		segment, name, more = CutSegment(name)
		if err := w.Add(segment); err != nil {
			return err
		}
	}
	return nil
}

// Start returns the places where a pattern begins.
func (w *Word) Start(cover bool) Places {
	if cover {
		return 1
	}
	return w.skip(1)
}

// End returns the place after the last segment. A pattern that reaches it
// overlaps, or covers, the word.
func (w *Word) End() Places { return 1 << w.n }

// Literals returns the places before a literal.
func (w *Word) Literals() Places { return w.literal }

// Wildcards returns the places before a wildcard.
func (w *Word) Wildcards() Places { return w.one | w.many }

// FirstText returns the text at the first of some places, all of which are
// before literals.
func (w *Word) FirstText(s Places) string { return w.text[bits.TrailingZeros64(uint64(s))] }

// Same returns the places before literals with this text.
func (w *Word) Same(text string) Places {
	return w.matching(func(s string) bool { return s == text })
}

// matching returns the places before literals for which f is true.
func (w *Word) matching(f func(string) bool) Places {
	var same Places
	for rest := w.literal; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(uint64(rest))
		if f(w.text[i]) {
			same |= 1 << i
		}
	}
	return same
}

// skip adds the places reached when each ** stands for no segment.
func (w *Word) skip(s Places) Places { return s | s&w.many<<1 }

// OverLiteral returns the places after a literal of the pattern.
func (w *Word) OverLiteral(s Places, text string, cover bool) Places {
	return w.over(s, w.Same(text), cover)
}

// over returns the places after a segment of the pattern that matches the
// literals at the places matched, and no unknown segment.
func (w *Word) over(s, matched Places, cover bool) Places {
	if cover {
		return s & matched << 1
	}
	return w.skip(s&(matched|w.one)<<1 | s&w.many)
}

// OverOne returns the places after a * of the pattern. soft marks one next to a
// **.
func (w *Word) OverOne(s Places, soft, cover bool) Places {
	if !cover {
		return w.skip(s&(w.literal|w.one)<<1 | s&w.many)
	}
	if soft {
		s = w.skip(s)
	}
	return s & (w.literal | w.one) << 1
}

// OverMany returns the places after a ** of the pattern: all from the first on.
func (w *Word) OverMany(s Places) Places {
	return -(s & -s) & (w.End()<<1 - 1)
}
