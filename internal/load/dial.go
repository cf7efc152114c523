package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// sourceConnections is the number of connections from one loopback address
// before the next one is used. It is below Linux's 28,232 ephemeral ports.
const sourceConnections = 20000

// Dialer opens connections to one broker. It is safe for concurrent use.
type Dialer struct {
	target  *target
	buffers *buffers
	mask    string
	token   string        // sent with the WebSocket handshake; may be ""
	timeout time.Duration // for all handshakes together, and for each write
}

// Dial opens a connection and performs the TLS and WebSocket handshakes. index
// is the number of the connection in the run: it selects the loopback source
// address, so that the ports suffice.
func (d *Dialer) Dial(ctx context.Context, index int) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	plain, err := d.source(index).DialContext(ctx, "tcp", d.target.address)
	if err != nil {
		return nil, err
	}
	c := &Conn{net: plain, buffers: d.buffers, timeout: d.timeout, protocol: d.target.protocol, framer: newFramer(d.target.websocket, d.mask)}
	if err := c.open(ctx, d); err != nil {
		_ = plain.Close() // the first error is the one to report
		return nil, err
	}
	return c, nil
}

// source returns a dialer that uses the source address of a connection.
func (d *Dialer) source(index int) *net.Dialer {
	dialer := &net.Dialer{}
	host, _, _ := net.SplitHostPort(d.target.address)
	ip := net.ParseIP(host).To4()
	if n := index / sourceConnections; n > 0 && ip != nil && ip.IsLoopback() {
		dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, byte(n>>8), byte(n)+1)}
	}
	return dialer
}

// open performs the handshakes on a new TCP connection.
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
	c.decoder.protocol, c.decoder.alive = c.protocol, c.alive
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
