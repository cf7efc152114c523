package destination

import "encoding/binary"

// The record of a destination holds its kind, whether it is a pattern, the size
// of its space, its key, and its text if that differs from the key. Numbers are
// varints, and texts are preceded by their length. Stores keep these records,
// so the format must not change.

const (
	wildFlag = 1 << iota
	textFlag
	kindShift = iota
)

// AppendRecord appends the record of the destination to dst.
func (d Destination) AppendRecord(dst []byte) []byte {
	kind := byte(d.Kind) << kindShift
	if d.wild {
		kind |= wildFlag
	}
	if d.text != d.key {
		kind |= textFlag
	}
	dst = append(dst, kind)
	dst = binary.AppendUvarint(dst, uint64(d.spaceSize))
	dst = appendText(dst, d.key)
	if d.text != d.key {
		dst = appendText(dst, d.text)
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// CutRecord decodes the record at the start of b and returns the rest of b. ok
// is false if b does not begin with a record. The destination shares no memory
// with b.
func CutRecord(b []byte) (d Destination, rest []byte, ok bool) {
	if len(b) == 0 {
		return d, nil, false
	}
	kind := b[0]
	space, b, ok := cutNumber(b[1:])
	if !ok {
		return d, nil, false
	}
	key, b, ok := cutText(b)
	if !ok || space > uint64(len(key)) {
		return d, nil, false
	}
	d = Destination{Kind: Kind(kind >> kindShift), key: key, text: key, spaceSize: int(space), wild: kind&wildFlag != 0}
	if kind&textFlag != 0 {
		if d.text, b, ok = cutText(b); !ok {
			return Destination{}, nil, false
		}
	}
	if d.Kind < Topic || d.Kind > Durable {
		return Destination{}, nil, false
	}
	return d, b, true
}

func cutNumber(b []byte) (n uint64, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil, false
	}
	return n, b[size:], true
}

func cutText(b []byte) (s string, rest []byte, ok bool) {
	n, b, ok := cutNumber(b)
	if !ok || n > uint64(len(b)) {
		return "", nil, false
	}
	return string(b[:n]), b[n:], true
}
