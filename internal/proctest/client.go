package proctest

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"time"

	"hoofbeat/frames"
)

// A Client is a plain STOMP client that writes without waiting and hands each
// frame that comes to a function, on one goroutine. All errors mean the same
// to it: the broker is gone.
type Client struct {
	// Done is closed when nothing comes any more.
	Done <-chan struct{}

	conn net.Conn
	mu   sync.Mutex // guards out
	out  *bufio.Writer
}

// Connect connects over TCP; handle is called for every frame, CONNECTED
// included. Each of the headers ends in a line feed.
func Connect(address, headers string, handle func(*Client, frames.Inbound)) (*Client, error) {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return NewClient(conn, headers, handle), nil
}

// NewClient is Connect over a connection that there is.
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

// Send writes frames, all at once; that the broker is gone shows elsewhere.
func (c *Client) Send(format string, a ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = fmt.Fprintf(c.out, format, a...)
	_ = c.out.Flush()
}

// Close ends the connection and waits for the reader. It is not called from
// the function that frames are handed to.
func (c *Client) Close() {
	_ = c.conn.Close()
	<-c.Done
}
