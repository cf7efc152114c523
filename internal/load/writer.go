package load

import (
	"encoding/binary"
	"math/rand/v2"
)

// framer encodes STOMP frames for the wire: each as a masked WebSocket text
// message, or unchanged for TCP. It is owned by one goroutine.
type framer struct {
	websocket bool
	random    *rand.PCG // nil: the masking key is zero, so masking costs nothing
}

// newFramer returns a framer. mask is "zero" or "random".
func newFramer(websocket bool, mask string) framer {
	f := framer{websocket: websocket}
	if websocket && mask == MaskRandom {
		f.random = rand.NewPCG(rand.Uint64(), rand.Uint64())
	}
	return f
}

// open appends the WebSocket header of a message of size bytes to dst, with a
// zero masking key.
func (f *framer) open(dst []byte, op byte, size int) []byte {
	if !f.websocket {
		return dst
	}
	dst = append(dst, 0x80|op)
	switch {
	case size < 126:
		dst = append(dst, 0x80|byte(size))
	case size < 1<<16:
		dst = append(dst, 0x80|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(size))
	default:
		dst = append(dst, 0x80|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(size))
	}
	return append(dst, 0, 0, 0, 0)
}

// seal masks the message whose payload starts at payload and whose key is in
// the four bytes before it.
func (f *framer) seal(dst []byte, payload int) {
	if f.random == nil {
		return
	}
	key := uint32(f.random.Uint64())
	binary.LittleEndian.PutUint32(dst[payload-4:], key)
	maskBytes(dst[payload:], key)
}

// message appends payload as one message.
func (f *framer) message(dst []byte, op byte, payload []byte) []byte {
	dst = f.open(dst, op, len(payload))
	start := len(dst)
	dst = append(dst, payload...)
	f.seal(dst, start)
	return dst
}

// ack appends an ACK frame for the ack id of a message (STOMP 1.2, ACK).
func (f *framer) ack(dst, id []byte) []byte {
	const head, tail = "ACK\nid:", "\n\n\x00"
	dst = f.open(dst, opText, len(head)+len(id)+len(tail))
	start := len(dst)
	dst = append(dst, head...)
	dst = append(dst, id...)
	dst = append(dst, tail...)
	f.seal(dst, start)
	return dst
}

// maskBytes applies a masking key to b (RFC 6455 section 5.3). The key's first
// byte is the lowest.
func maskBytes(b []byte, key uint32) {
	wide := uint64(key)<<32 | uint64(key)
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(key >> (8 * i & 31))
	}
}
