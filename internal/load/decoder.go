package load

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Handler receives the frames of a connection. Its methods are called from the
// goroutine in Conn.Serve.
type Handler interface {
	// Begin is called after a read, before its frames are passed on. at is the
	// time of the read, in ns on the run's clock.
	Begin(at int64)
	// Frame receives one frame, which is valid until Frame returns. An error
	// ends Serve; errStop ends it without an error.
	Frame(f *Frame) error
	// End is called after all complete frames of a read.
	End() error
}

// errStop is returned by a handler that needs no more frames.
var errStop = errors.New("stop serving")

// errWebSocket is wrapped by errors about invalid WebSocket frames of the
// broker.
var errWebSocket = errors.New("bad WebSocket frame from the broker")

// CloseError reports a WebSocket close frame from the broker.
type CloseError struct {
	Code   int // RFC 6455 section 7.4; 1005 if the frame had none
	Reason string
}

// Error implements error.
func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("the broker closed the connection (code %d)", e.Code)
	}
	return fmt.Sprintf("the broker closed the connection (code %d: %s)", e.Code, e.Reason)
}

// Opcodes of RFC 6455 section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// decoder splits a stream of bytes into STOMP frames, with or without WebSocket
// framing. STOMP frames may be spread over WebSocket messages in any way. It is
// owned by the reading goroutine.
type decoder struct {
	websocket bool
	protocol  protocol
	alive     func() error               // answers a frame of CommandPing
	pong      func(payload []byte) error // answers a ping; may be nil without WebSocket

	plain      int    // bytes at the start of the buffer that are already unwrapped
	remain     uint64 // missing payload bytes of the current data frame
	fragmented bool   // the message continues in a continuation frame
	stopped    bool   // the handler stopped, so a complete frame may be left
	frame      Frame
}

// decode passes every complete frame in buf to h. buf begins with the bytes
// left by the previous call. decode moves incomplete input to the start of buf
// and returns its length, also together with an error.
func (d *decoder) decode(buf []byte, h Handler) (left int, err error) {
	if !d.websocket {
		used, err := d.frames(buf, h)
		return copy(buf, buf[used:]), err
	}
	// buf[from:to] is STOMP without WebSocket headers; buf[raw:] is
	// unprocessed.
	from, to, raw := 0, d.plain, d.plain
	if d.stopped {
		from, err = d.frames(buf[:to], h)
		if d.stopped = err != nil; d.stopped {
			return d.leave(buf, from, to, raw), err
		}
	}
	for raw < len(buf) {
		if d.remain == 0 {
			n, err := d.header(buf[raw:])
			if n == 0 || err != nil {
				return d.leave(buf, from, to, raw), err
			}
			raw += n
			continue
		}
		n := int(min(d.remain, uint64(len(buf)-raw)))
		if from == to {
			from, to = raw, raw
		}
		if to != raw {
			copy(buf[to:], buf[raw:raw+n])
		}
		to, raw, d.remain = to+n, raw+n, d.remain-uint64(n)
		used, err := d.frames(buf[from:to], h)
		from += used
		if err != nil {
			d.stopped = true
			return d.leave(buf, from, to, raw), err
		}
	}
	return d.leave(buf, from, to, raw), nil
}

// leave moves the rest of buf to its start and returns its length.
func (d *decoder) leave(buf []byte, from, to, raw int) int {
	d.plain = copy(buf, buf[from:to])
	return d.plain + copy(buf[d.plain:], buf[raw:])
}

// frames passes the complete STOMP frames in b to h, and returns the number of
// bytes used by them and the line ends around them.
func (d *decoder) frames(b []byte, h Handler) (used int, err error) {
	for {
		if used < len(b) && (b[used] == '\n' || b[used] == '\r') {
			used += skipEOL(b[used:])
		}
		if used == len(b) {
			return used, nil
		}
		n, err := d.protocol.parse(&d.frame, b[used:])
		if n == 0 || err != nil {
			return used, err
		}
		used += n
		if d.frame.Command == CommandPing {
			err = d.alive()
		} else {
			err = h.Frame(&d.frame)
		}
		if err != nil {
			return used, err
		}
	}
}

// header parses the WebSocket frame header at the start of b, and for control
// frames the payload. It returns the number of bytes used, or 0 if b is too
// short.
func (d *decoder) header(b []byte) (int, error) {
	if len(b) < 2 {
		return 0, nil
	}
	size, at := uint64(b[1]&0x7f), 2
	switch size {
	case 126:
		if len(b) < 4 {
			return 0, nil
		}
		size, at = uint64(binary.BigEndian.Uint16(b[2:])), 4
	case 127:
		if len(b) < 10 {
			return 0, nil
		}
		size, at = binary.BigEndian.Uint64(b[2:]), 10
	}
	if b[0]&0x70 != 0 || b[1]&0x80 != 0 || size > 1<<62 {
		return 0, fmt.Errorf("%w: header % x", errWebSocket, b[:at])
	}
	op, final := b[0]&0x0f, b[0]&0x80 != 0
	if op >= opClose {
		return d.control(op, final, size, b[at:], at)
	}
	if op > opBinary || (op == opContinuation) != d.fragmented {
		return 0, fmt.Errorf("%w: opcode %d out of place", errWebSocket, op)
	}
	d.fragmented, d.remain = !final, size
	return at, nil
}

// control handles a ping, pong or close frame with its payload at the start of
// b, after a header of at bytes.
func (d *decoder) control(op byte, final bool, size uint64, b []byte, at int) (int, error) {
	if !final || size > 125 || op > opPong {
		return 0, fmt.Errorf("%w: control opcode %d of %d bytes", errWebSocket, op, size)
	}
	if uint64(len(b)) < size {
		return 0, nil
	}
	payload := b[:size]
	switch op {
	case opClose:
		e := &CloseError{Code: 1005}
		if size >= 2 {
			e.Code, e.Reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		}
		return 0, e
	case opPing:
		if err := d.pong(payload); err != nil {
			return 0, fmt.Errorf("answering a ping: %w", err)
		}
	}
	return at + int(size), nil
}
