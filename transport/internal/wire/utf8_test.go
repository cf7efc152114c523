package wire

import (
	"math/rand/v2"
	"testing"
	"unicode/utf8"
)

// The check does not depend on the pieces that text comes in.
func TestTextInPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	parts := []string{"a", "ü", "€", "🐴", "\xc3", "\x80", "\xf0\x9f", "\xed\xa0\x80", "\xc0", "\xff", "\xef\xbf\xbf"}
	for range 20_000 {
		text := ""
		for range r.IntN(6) {
			text += parts[r.IntN(len(parts)-r.IntN(7))]
		}
		if got := validInPieces([]byte(text), func(n int) int { return 1 + r.IntN(n) }); got != utf8.ValidString(text) {
			t.Fatalf("%q: valid is %v", text, got)
		}
	}
}

// validInPieces checks text piece by piece. next returns the length of the next
// piece, given that n bytes are left.
func validInPieces(text []byte, next func(n int) int) bool {
	var c textCheck
	for len(text) > 0 {
		n := next(len(text))
		if !c.add(text[:n]) {
			return false
		}
		text = text[n:]
	}
	return c.end()
}
