package proctest

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"time"

	"hoofbeat/frames"
)

// A Client is a plain STOMP client that writes without waiting and passes each
// received frame to a function, on one goroutine. It treats every error in the
// same way: the broker is gone.
type Client struct {
	// Done is closed when no more frames come.
	Done <-chan struct{}

	conn net.Conn
	mu   sync.Mutex // guards out
	out  *bufio.Writer
}

// Connect connects over TCP. handle is called for every frame, including
// CONNECTED. Each line of headers ends in a line feed.
func Connect(address, headers string, handle func(*Client, frames.Inbound)) (*Client, error) {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return NewClient(conn, headers, handle), nil
}

// NewClient is Connect on an existing connection.
func NewClient(conn net.Conn, headers string, handle func(*Client, frames.Inbound)) *Client {
	done := make(chan struct{})
	c := &Client{Done: done, conn: conn, out: bufio.NewWriter(conn)}
	c.Send("CONNECT\naccept-version:1.2\nhost:localhost\n%s\n\x00", headers)
	go func() {
		defer close(done)
		c.read(handle)
	}()
	return c
}

func (c *Client) read(handle func(*Client, frames.Inbound)) {
	d := frames.NewServerDecoder(frames.Limits{HeaderBytes: 1 << 16, Headers: 100, BodyBytes: 1 << 20, BytesBeforeConnect: 1 << 16}, frames.V12)
	defer d.Release()
	for {
		f, err := d.Next()
		switch {
		case err != nil:
			return
		case f.Frame == nil:
			n, err := c.conn.Read(d.Space())
			d.Commit(n)
			if err != nil && n == 0 {
				return
			}
		default:
			handle(c, f)
		}
	}
}

// Send writes frames in one write. Errors are ignored; Done tells when the
// broker is gone.
func (c *Client) Send(format string, a ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = fmt.Fprintf(c.out, format, a...)
	_ = c.out.Flush()
}

// Close ends the connection and waits for the reader. The handle function must
// not call it.
func (c *Client) Close() {
	_ = c.conn.Close()
	<-c.Done
}
