package load

import "encoding/binary"

// stampSize is the length in bytes of the stamp at the start of every body: 8
// hexadecimal digits of the publisher's number, 8 of the sequence number (which
// wraps around at 2^32) and 16 of the time of sending in ns on the run's clock.
// It is text, because browsers send text; hexadecimal, because eight digits are
// decoded in a handful of instructions.
const stampSize = 32

// putStamp writes sequence number and time into a body that already has the
// publisher's digits.
func putStamp(body []byte, sequence uint32, at int64) {
	putHex(body[8:16], sequence)
	putHex(body[16:24], uint32(uint64(at)>>32))
	putHex(body[24:32], uint32(uint64(at)))
}

// stampTime returns the time of sending in a stamped body, which must have
// digits.
func stampTime(body []byte) int64 {
	return int64(uint64(unhex(body[16:24]))<<32 | uint64(unhex(body[24:32])))
}

// putHex writes n as eight lower-case hexadecimal digits.
func putHex(b []byte, n uint32) {
	// Spread the eight nibbles over the bytes of a word, then turn each into a
	// digit: '0'+nibble, and 39 more ('a'-'9'-1) where it is above 9.
	x := uint64(n)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x&0x0000ff000000ff00)<<8 | x&0x000000ff000000ff
	x = (x&0x00f000f000f000f0)<<4 | x&0x000f000f000f000f
	over := (x + 0x0606060606060606) >> 4 & 0x0101010101010101
	binary.BigEndian.PutUint64(b, x+0x3030303030303030+over*39)
}

// unhex decodes eight hexadecimal digits. Other bytes give an arbitrary number,
// which is out of range or out of sequence.
func unhex(b []byte) uint32 {
	x := binary.BigEndian.Uint64(b)
	x = x&0x0f0f0f0f0f0f0f0f + (x>>6&0x0101010101010101)*9
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}
