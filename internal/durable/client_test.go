package durable

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
)

// A client is a plain STOMP client that writes without waiting and hands each
// frame that comes to a function, on one goroutine. All errors mean the same
// to it: the broker is gone.
type client struct {
	conn net.Conn
	out  *bufio.Writer
	mu   sync.Mutex // guards out
	done chan struct{}
}

// connect connects; handle is called for every frame behind CONNECTED.
func connect(address string, handle func(*client, frames.Inbound)) (*client, error) {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, out: bufio.NewWriterSize(conn, 64<<10), done: make(chan struct{})}
	c.send("CONNECT\naccept-version:1.2\nhost:localhost\n\n\x00")
	go func() {
		defer close(c.done)
		c.read(handle)
	}()
	return c, nil
}

func (c *client) read(handle func(*client, frames.Inbound)) {
	d := frames.NewServerDecoder(frames.Limits{HeaderBytes: 1 << 16, Headers: 100, BodyBytes: 1 << 20, BytesBeforeConnect: 1 << 16}, frames.V12)
	for {
		f, err := d.Next()
		switch {
		case err != nil:
			return
		case f.Frame == nil:
			n, err := c.conn.Read(d.Space())
			if err != nil {
				return
			}
			d.Commit(n)
		case f.Command != frame.CONNECTED:
			handle(c, f)
		}
	}
}

// send writes frames; that the broker is gone shows elsewhere.
func (c *client) send(format string, a ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = fmt.Fprintf(c.out, format, a...)
	_ = c.out.Flush()
}

// close ends the connection and waits for the reader.
func (c *client) close() {
	_ = c.conn.Close()
	<-c.done
}
