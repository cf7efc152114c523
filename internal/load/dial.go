package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// sourceConnections is how many connections leave from one loopback address
// before the next is used: fewer than the 28,232 ports that Linux gives out.
const sourceConnections = 20000

// Dialer opens connections to one broker. It may be used by several goroutines.
type Dialer struct {
	target  *target
	buffers *buffers
	mask    string
	token   string        // sent with the WebSocket handshake, may be ""
	timeout time.Duration // for the handshakes, and for each write
}

// Dial opens a connection and does the TLS and WebSocket handshakes. index is
// the number of the connection in this run: on loopback it chooses the source
// address, so that there are ports enough.
func (d *Dialer) Dial(ctx context.Context, index int) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	plain, err := d.source(index).DialContext(ctx, "tcp", d.target.address)
	if err != nil {
		return nil, err
	}
	c := &Conn{net: plain, buffers: d.buffers, timeout: d.timeout, framer: newFramer(d.target.websocket, d.mask)}
	if err := c.open(ctx, d); err != nil {
		_ = plain.Close() // the first error is the one to tell
		return nil, err
	}
	return c, nil
}

// source returns a dialer bound to the source address for a connection.
func (d *Dialer) source(index int) *net.Dialer {
	dialer := &net.Dialer{}
	host, _, _ := net.SplitHostPort(d.target.address)
	ip := net.ParseIP(host).To4()
	if n := index / sourceConnections; n > 0 && ip != nil && ip.IsLoopback() {
		dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, byte(n>>8), byte(n)+1)}
	}
	return dialer
}

// open does the handshakes on a fresh TCP connection.
func (c *Conn) open(ctx context.Context, d *Dialer) error {
	deadline, _ := ctx.Deadline()
	if err := c.net.SetDeadline(deadline); err != nil {
		return err
	}
	if d.target.tls == nil {
		raw, err := socketOf(c.net)
		if err != nil {
			return err
		}
		c.raw = raw
	} else {
		secured := tls.Client(c.net, d.target.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			return err
		}
		c.net = secured
	}
	if d.target.websocket {
		c.decoder.websocket = true
		c.decoder.pong = c.pong
		early, err := upgrade(c.net, d.target, d.token)
		if err != nil {
			return fmt.Errorf("WebSocket handshake: %w", err)
		}
		c.carry = early
	}
	return c.net.SetDeadline(time.Time{})
}
