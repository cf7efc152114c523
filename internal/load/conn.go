package load

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// keepBytes is the largest unfinished input that a waiting connection copies
// aside in order to return its read buffer to the pool. With more, it keeps the
// buffer.
const keepBytes = 4 << 10

// buffers is a pool of large read buffers, and the clock of a run. A connection
// holds a buffer only while it has input, so that the few buffers in use stay
// in the processor's cache and idle connections need none.
type buffers struct {
	pool  sync.Pool
	start time.Time
}

// newBuffers returns a pool of buffers of size bytes and starts the clock.
func newBuffers(size int) *buffers {
	b := &buffers{start: time.Now()}
	b.pool.New = func() any {
		data := make([]byte, size)
		return &data
	}
	return b
}

// now returns the time on the run's clock, in ns.
func (b *buffers) now() int64 { return int64(time.Since(b.start)) }

// Conn is the client's end of a connection to a broker. One goroutine may be in
// Serve; any goroutine may Write.
type Conn struct {
	net     net.Conn
	raw     syscall.RawConn // nil with TLS and on Windows, where the socket is not read directly
	buffers *buffers
	timeout time.Duration
	closing atomic.Bool

	protocol protocol

	writing sync.Mutex // held during a write to net

	// Owned by the goroutine in Serve.
	decoder decoder
	framer  framer  // for pongs
	carry   []byte  // unfinished input while no buffer is kept
	kept    *[]byte // the buffer that holds unfinished input, or nil
	left    int     // length of the unfinished input in kept
}

// Write sends b, which may contain many frames, within the connection's
// timeout.
func (c *Conn) Write(b []byte) error { return c.write(b, c.timeout) }

// write is Write with its own timeout.
func (c *Conn) write(b []byte, timeout time.Duration) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.net.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	_, err := c.net.Write(b)
	return err
}

// pong answers a WebSocket ping.
func (c *Conn) pong(payload []byte) error {
	return c.Write(c.framer.message(nil, opPong, payload))
}

// alive answers a ping of the protocol.
func (c *Conn) alive() error {
	return c.Write(c.framer.message(nil, c.protocol.opcode(), c.protocol.alive()))
}

// Close closes the connection. A running Serve then returns nil.
func (c *Conn) Close() {
	c.closing.Store(true)
	_ = c.net.Close() // an error of closing is of no use here
}

// Serve reads and passes frames to h until h returns an error or the connection
// ends. It returns nil after errStop and after Close. After errStop it may be
// called again and continues with the next frame. A zero deadline means none.
func (c *Conn) Serve(h Handler, deadline time.Time) error {
	if err := c.net.SetReadDeadline(deadline); err != nil {
		return c.ended(err)
	}
	if c.raw == nil {
		return c.ended(c.serveReader(h))
	}
	return c.ended(c.serveSocket(h))
}

// ended converts the reason why Serve ends into its result.
func (c *Conn) ended(err error) error {
	switch {
	case errors.Is(err, errStop), err != nil && c.closing.Load():
		return nil
	case errors.Is(err, io.EOF):
		return errors.New("the broker closed the connection")
	case errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("the broker closed the connection: %w", err)
	}
	return err
}

// serveReader implements Serve with net.Conn's Read.
func (c *Conn) serveReader(h Handler) error {
	defer c.giveBack(c.acquire())
	if err := c.consume(0, h); err != nil {
		return err
	}
	for {
		n, err := c.net.Read((*c.kept)[c.left:])
		if n > 0 {
			if err := c.consume(n, h); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// consume passes on the frames in the kept buffer, n bytes of which are new.
func (c *Conn) consume(n int, h Handler) error {
	if n == 0 && c.left == 0 {
		return nil
	}
	buf := *c.kept
	h.Begin(c.buffers.now())
	var err error
	c.left, err = c.decoder.decode(buf[:c.left+n], h)
	if end := h.End(); err == nil {
		err = end
	}
	if err == nil && c.left == len(buf) {
		err = fmt.Errorf("%w: larger than the read buffer of %d bytes", errFrame, len(buf))
	}
	return err
}

// acquire ensures that there is a kept buffer, which starts with the unfinished
// input.
func (c *Conn) acquire() *[]byte {
	if c.kept == nil {
		c.kept = c.buffers.pool.Get().(*[]byte)
		c.left = copy(*c.kept, c.carry)
		c.carry = c.carry[:0]
	}
	return c.kept
}

// release returns the buffer to the pool unless it holds much unfinished input.
func (c *Conn) release(buf *[]byte) {
	if c.left <= keepBytes {
		c.giveBack(buf)
	}
}

// giveBack returns the buffer to the pool after copying the unfinished input
// aside.
func (c *Conn) giveBack(buf *[]byte) {
	c.carry = append(c.carry[:0], (*buf)[:c.left]...)
	c.left, c.kept = 0, nil
	c.buffers.pool.Put(buf)
}
