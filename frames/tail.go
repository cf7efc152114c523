package frames

import "sync/atomic"

// A Tail is the end of a MESSAGE: the part that is the same for all subscribers,
// from the first of the sender's headers to the NUL. Its bytes do not change.
type Tail struct {
	Bytes []byte
	// Deflated is for transports, which keep the compressed bytes here as long as
	// they need them; nil: they do not have them.
	Deflated atomic.Pointer[[]byte]
}

// Len returns the number of bytes; a nil Tail has none.
func (t *Tail) Len() int {
	if t == nil {
		return 0
	}
	return len(t.Bytes)
}

// Span returns the bytes; a nil Tail has none.
func (t *Tail) Span() []byte {
	if t == nil {
		return nil
	}
	return t.Bytes
}
