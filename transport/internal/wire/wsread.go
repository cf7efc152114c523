package wire

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"unicode/utf8"

	"hoofbeat/session"
)

// The opcodes of WebSocket frames (RFC 6455, 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

const (
	finBit  = 0x80
	rsvBits = 0x70
	// compressedBit marks a compressed message (RFC 7692, section 6).
	compressedBit = 0x40
	maskBit       = 0x80

	maxClientHeader = 14  // two bytes, eight of length, four of key
	maxControl      = 125 // RFC 6455, 5.5
)

// A wsDecoder decodes a client's frames (RFC 6455, 5) without extensions. It
// does no I/O: bytes go in as they arrive, and unmasked payload comes out. It
// allocates nothing for announced lengths.
type wsDecoder struct {
	header  [maxClientHeader]byte // the first have bytes of a header
	have    int
	inFrame bool // the header of the current frame has been read

	opcode byte
	fin    bool
	key    uint32 // rotated: its lowest byte applies to the next byte of payload
	left   uint64 // missing bytes of payload

	inMessage bool   // a message has begun and not ended
	control   []byte // the payload of a control frame that has arrived
}

// A wsEvent is the reason why wsDecoder.next returned.
type wsEvent int

const (
	wsMore  wsEvent = iota // in is used up, or space is full
	wsBegin                // a message begins; opcode is its type
	wsEnd                  // a message ends
	wsPing                 // control must be sent back
	wsClose                // control is a valid code and reason, or empty
)

// A violation is a breach of RFC 6455, with the close code to send.
type violation struct {
	code session.CloseCode
	text string
}

func (v *violation) Error() string { return v.text }

func breach(text string) error { return &violation{session.CloseProtocol, text} }

// next decodes bytes from in and writes payload to space, until one is used up
// or an event occurs. high is the union of all bytes written. next must not be
// called after an error.
func (d *wsDecoder) next(in, space []byte) (used, n int, high uint64, e wsEvent, err error) {
	for {
		if !d.inFrame {
			k, done, err := d.readHeader(in[used:])
			if used += k; err != nil || !done {
				return used, n, high, wsMore, err
			}
			if d.opcode == opText || d.opcode == opBinary {
				d.inMessage = true
				return used, n, high, wsBegin, nil
			}
		}
		if d.opcode >= opClose {
			k, e, err := d.readControl(in[used:])
			if used += k; e != wsMore || err != nil || d.inFrame {
				return used, n, high, e, err
			}
			continue
		}
		k := int(min(d.left, uint64(len(in)-used), uint64(len(space)-n)))
		high |= unmask(space[n:n+k], in[used:used+k], d.key)
		d.key = bits.RotateLeft32(d.key, -8*(k%4))
		d.left -= uint64(k)
		used, n = used+k, n+k
		if d.left > 0 {
			return used, n, high, wsMore, nil
		}
		d.inFrame = false
		if d.fin {
			d.inMessage = false
			return used, n, high, wsEnd, nil
		}
	}
}

// readHeader reads the available part of a frame's header. done reports that it
// is complete.
func (d *wsDecoder) readHeader(in []byte) (used int, done bool, err error) {
	h := in
	if d.have > 0 || len(in) < maxClientHeader { // rare: it may be incomplete
		used = copy(d.header[d.have:], in)
		h = d.header[:d.have+used]
	}
	if len(h) < 2 {
		d.have += used
		return used, false, nil
	}
	if err := d.begin(h[0], h[1]); err != nil {
		return used, false, err
	}
	size := headerSize(h[1])
	if len(h) < size {
		d.have += used
		return used, false, nil
	}
	if err := d.setLength(h[:size]); err != nil {
		return used, false, err
	}
	used, d.have, d.inFrame = size-d.have, 0, true
	return used, true, nil
}

// headerSize returns the length of a header, given its second byte.
func headerSize(b byte) int {
	switch b &^ maskBit {
	case 126:
		return 2 + 2 + 4
	case 127:
		return 2 + 8 + 4
	}
	return 2 + 4
}

// begin validates the first two bytes of a frame.
func (d *wsDecoder) begin(first, second byte) error {
	d.fin, d.opcode = first&finBit != 0, first&0xf
	switch {
	case first&rsvBits != 0:
		return breach("a reserved bit of a frame is set, and no extension was negotiated")
	case second&maskBit == 0:
		return breach("a frame of a client is not masked")
	case d.opcode > opPong || d.opcode > opBinary && d.opcode < opClose:
		return breach("the opcode of a frame is reserved")
	case d.opcode >= opClose && !d.fin:
		return breach("a control frame is fragmented")
	case d.opcode >= opClose && second&^maskBit > maxControl:
		return breach("a control frame is longer than 125 bytes")
	case d.opcode == opContinuation && !d.inMessage:
		return breach("a continuation frame continues no message")
	case (d.opcode == opText || d.opcode == opBinary) && d.inMessage:
		return breach("a message begins within another")
	}
	return nil
}

// setLength reads length and key from a complete header. It accepts lengths
// that would fit in fewer bytes, as most implementations do.
func (d *wsDecoder) setLength(h []byte) error {
	d.key = binary.LittleEndian.Uint32(h[len(h)-4:])
	switch n := h[1] &^ maskBit; n {
	case 126:
		d.left = uint64(binary.BigEndian.Uint16(h[2:]))
	case 127:
		d.left = binary.BigEndian.Uint64(h[2:])
		if d.left>>63 != 0 {
			return breach("the length of a frame has its highest bit set")
		}
	default:
		d.left = uint64(n)
	}
	return nil
}

// readControl reads the available part of a control frame's payload. It returns
// wsMore while the payload is incomplete, and for pongs, which are ignored.
func (d *wsDecoder) readControl(in []byte) (used int, e wsEvent, err error) {
	k := int(min(d.left, uint64(len(in))))
	have := len(d.control)
	d.control = append(d.control, in[:k]...)
	unmask(d.control[have:], d.control[have:], d.key)
	d.key = bits.RotateLeft32(d.key, -8*(k%4))
	if d.left -= uint64(k); d.left > 0 {
		return k, wsMore, nil
	}
	d.inFrame = false
	switch d.opcode {
	case opPing:
		return k, wsPing, nil
	case opClose:
		return k, wsClose, checkClose(d.control)
	}
	d.control = d.control[:0]
	return k, wsMore, nil
}

// takeControl returns the payload of the control frame at which next has
// stopped. It is valid until the next call of next.
func (d *wsDecoder) takeControl() []byte {
	p := d.control
	d.control = p[:0]
	return p
}

// checkClose validates the payload of a close frame (RFC 6455, 5.5.1 and 7.4).
func checkClose(p []byte) error {
	switch {
	case len(p) == 0:
		return nil
	case len(p) == 1:
		return breach("a close frame has a payload of one byte; a close code takes two")
	case !validCloseCode(binary.BigEndian.Uint16(p)):
		return breach("the close code must not be sent (RFC 6455, section 7.4)")
	case !utf8.Valid(p[2:]):
		return &violation{session.CloseInvalid, "the reason of a close frame is not UTF-8"}
	}
	return nil
}

// validCloseCode reports whether a code may be sent: the codes of RFC 6455 and
// IANA's registry, and those for libraries and applications.
func validCloseCode(code uint16) bool {
	const noStatus, abnormal, last = 1005, 1006, 1014
	if code == 1004 || code == noStatus || code == abnormal {
		return false
	}
	return code >= 1000 && code <= last || code >= 3000 && code < 5000
}

// unmask removes the mask from src and writes the result to dst, which may be
// src. It returns the union of all bytes written: without the bits of notASCII,
// they are ASCII.
func unmask(dst, src []byte, key uint32) (high uint64) {
	k := uint64(key)<<32 | uint64(key)
	dst = dst[:len(src)]
	for len(src) >= 32 && len(dst) >= 32 {
		a := binary.LittleEndian.Uint64(src) ^ k
		b := binary.LittleEndian.Uint64(src[8:]) ^ k
		c := binary.LittleEndian.Uint64(src[16:]) ^ k
		d := binary.LittleEndian.Uint64(src[24:]) ^ k
		binary.LittleEndian.PutUint64(dst, a)
		binary.LittleEndian.PutUint64(dst[8:], b)
		binary.LittleEndian.PutUint64(dst[16:], c)
		binary.LittleEndian.PutUint64(dst[24:], d)
		high |= a | b | c | d
		src, dst = src[32:], dst[32:]
	}
	for len(src) >= 8 && len(dst) >= 8 {
		a := binary.LittleEndian.Uint64(src) ^ k
		binary.LittleEndian.PutUint64(dst, a)
		high |= a
		src, dst = src[8:], dst[8:]
	}
	for i := range src {
		a := src[i] ^ byte(k)
		dst[i] = a
		high |= uint64(a)
		k = bits.RotateLeft64(k, -8)
	}
	return high
}

// notASCII has the bits that are zero in ASCII.
const notASCII = 0x8080808080808080

// errPeerClosed is the read error after a valid close frame.
var errPeerClosed = errors.New("the client closed the WebSocket")
