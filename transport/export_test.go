package transport

// TextInPieces reports whether text is valid UTF-8 if it is checked piece by
// piece. next returns the length of the next piece, given that n bytes are
// left.
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
