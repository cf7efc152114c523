package wire

import (
	"io"
	"net"
	"sync"
	"time"

	"hoofbeat/frames"
	"hoofbeat/session"
)

// A TCP carries STOMP on a stream: TCP, TLS, or any other net.Conn. It
// implements session.Conn.
type TCP struct {
	link
	once sync.Once

	// small receives the first bytes of a frame, so that an idle connection
	// needs no larger buffer.
	small [256]byte
}

// NewTCP returns the connection on a stream.
func NewTCP(c net.Conn, l frames.Limits, info session.Info) *TCP {
	info.Mute = true
	t := &TCP{link: link{newGatherer(c, nil), NewFrameReader(l), info}}
	t.ReadFrom(t.readMore)
	return t
}

func (c *TCP) readMore() error {
	// An error that comes together with bytes (TLS does that) is returned again
	// by the next Read, without bytes.
	if c.decoder.Buffered() > 0 {
		n, err := c.Read(c.decoder.Space())
		if c.decoder.Commit(n); n > 0 {
			return nil
		}
		return err
	}
	n, err := c.Read(c.small[:])
	if n > 0 {
		c.Feed(c.small[:n])
		return nil
	}
	return err
}

// WriteFrame implements session.Conn. A LF follows each frame: ActiveMQ's Java
// client waits for it, and other clients take it for a heart-beat (STOMP 1.2,
// Augmented BNF).
func (c *TCP) WriteFrame(p []byte, tail *frames.Tail, _ bool) error {
	c.CountWritten(p, tail)
	if len(p) == 1 { // a heart-beat
		_, err := c.Write(p)
		return err
	}
	return c.writeLine(p, tail.Span())
}

const (
	// Linger is how long a peer has to read the last frames. Closing a socket
	// with unread bytes resets the connection, and the peer loses them.
	Linger = 2 * time.Second
	// lingerBytes bounds the bytes that are discarded meanwhile.
	lingerBytes = 1 << 20
)

// Close implements session.Conn. TCP cannot transmit the reason.
func (c *TCP) Close(session.CloseCode, string) {
	c.once.Do(func() {
		// The first steps fail if the peer has gone, and need no handling: the
		// last one frees the socket in any case.
		_ = c.Conn.SetReadDeadline(time.Now().Add(Linger))
		CloseGently(c.Conn)
	})
}

// CloseGently half-closes the connection and reads until the peer closes it,
// too, or the read deadline passes. Then it closes it.
func CloseGently(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, c, lingerBytes)
	}
	_ = c.Close()
}
