package frames

import "fmt"

// Partial describes an incomplete frame.
type Partial struct {
	// Command is empty while the header is not complete.
	Command string
	// Length is the value of content-length; -1 if there is none or it is
	// ignored.
	Length int
	// Came is the number of bytes that have arrived: of the body, or else of
	// the header.
	Came int
}

// Partial describes the incomplete frame; ok is false between frames.
func (d *Decoder) Partial() (p Partial, ok bool) {
	switch {
	case d.cur.Frame != nil && hasBody(d.cur.Command):
		return Partial{Command: d.cur.Command, Length: d.need, Came: len(d.body)}, true
	case d.cur.Frame != nil:
		return Partial{Command: d.cur.Command, Length: -1}, true
	}
	return Partial{Length: -1, Came: d.w - d.r}, d.w > d.r
}

// String describes in prose the bytes that have arrived and the missing ones.
func (p Partial) String() string {
	switch {
	case p.Command == "":
		return fmt.Sprintf("A frame has begun with %d bytes, and the blank line that ends its headers has not come.", p.Came)
	case p.Length > p.Came:
		return fmt.Sprintf("%s has content-length:%d, and only %d bytes of its body have come. content-length counts bytes, not characters; is it too large?",
			p.Command, p.Length, p.Came)
	case p.Length >= 0:
		return fmt.Sprintf("%s has content-length:%d, and the NUL behind its body has not come.", p.Command, p.Length)
	case p.Came > 0:
		return fmt.Sprintf("%s has no content-length, and the NUL behind its body has not come after %d bytes.", p.Command, p.Came)
	}
	return fmt.Sprintf("The NUL that ends %s has not come.", p.Command)
}
