package wire

import "encoding/binary"

// maxFrameHeader is the longest header of a server's frame, which has no mask.
const maxFrameHeader = 10

// appendFrameHeader appends the header of a WebSocket frame that contains a
// whole message (RFC 6455, 5.2).
func appendFrameHeader(dst []byte, text bool, n int) []byte {
	const fin, opText, opBinary = 0x80, 0x1, 0x2
	op := byte(fin | opBinary)
	if text {
		op = fin | opText
	}
	switch {
	case n < 126:
		return append(dst, op, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, op, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, op, 127), uint64(n))
}
