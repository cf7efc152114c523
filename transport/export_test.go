package transport

// TextInPieces tells whether text that comes in pieces is UTF-8; next says how
// long the next piece of n bytes is.
func TextInPieces(text []byte, next func(n int) int) bool {
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
