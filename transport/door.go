package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"hoofbeat/session"
)

// A door is a listener that counts its connections from Accept until Close:
// also before a TLS handshake, a PROXY header or an HTTP request is complete,
// and between two HTTP requests. Sessions are counted separately (gate.enter).
//
// A door keeps listening when the process runs out of file descriptors.
type door struct {
	net.Listener
	server *Server
	// Owned by the accepting goroutine.
	wait   time.Duration // before the next attempt
	failed int           // failures since the last log line
	told   time.Time     // time of the last log line
}

const (
	shortestWait, longestWait = 5 * time.Millisecond, time.Second
	// tellEvery is the interval of log lines while Accept fails.
	tellEvery = 10 * time.Second
	// maxTurning limits how many refused connections are told the reason at the
	// same time, by an ERROR or HTTP's 503. Others are closed at once.
	maxTurning = 64
	// turningTime is how long one of them may take to read it.
	turningTime = 5 * time.Second
)

// Accept implements net.Listener. A connection over a limit is returned with
// its refusal, unless maxTurning is reached.
func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		switch {
		case err == nil:
			d.wait = 0
			if v := d.server.letIn(c); v != nil {
				return v, nil
			}
		case isTemporary(err) && !d.server.closing():
			d.backOff(err)
		default:
			return nil, err
		}
	}
}

// backOff waits in the hope that a connection ends. Each listener waits by
// itself.
func (d *door) backOff(err error) {
	d.failed++
	if now := time.Now(); now.Sub(d.told) >= tellEvery {
		d.server.options.Log.Error("accept failed, retrying", "listener", d.Addr().String(), "error", err, "times", d.failed)
		d.failed, d.told = 0, now
	}
	d.wait = min(max(2*d.wait, shortestWait), longestWait)
	d.server.pause(d.wait)
}

// letIn counts a connection. It returns nil if it had to close it.
func (s *Server) letIn(c net.Conn) *counted {
	v := &counted{Conn: c, gate: s.gate}
	peer := c.RemoteAddr
	if proxied, ok := c.(interface{ Raw() net.Conn }); ok {
		v.proxied = true
		peer = proxied.Raw().RemoteAddr // does not wait for the PROXY header
	}
	if ip := ipOf(peer()); !s.trusts(ip) {
		v.site = site(ip)
	}
	if v.refusal = s.gate.arrive(v.site); v.refusal == nil {
		return v
	}
	if !s.gate.turn(1) {
		s.refused(peer().String(), v.refusal.Word, v.refusal.Text)
		_ = c.Close()
		return nil
	}
	v.late = time.AfterFunc(turningTime, func() { _ = c.Close() })
	return v
}

// counted is a connection that the gate counts until Close.
type counted struct {
	net.Conn
	gate    *gate
	proxied bool           // it begins with a PROXY header
	refusal *session.Fault // why it is refused; nil if it is accepted
	late    *time.Timer    // closes a refused connection after turningTime
	once    sync.Once

	mu     sync.Mutex // guards the fields below; a leaf
	site   netip.Addr // the site it counts for; the zero Addr for a proxy's
	closed bool
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.once.Do(func() {
		c.mu.Lock()
		c.closed = true
		at := c.site
		c.mu.Unlock()
		if c.refusal != nil {
			c.late.Stop()
			c.gate.turn(-1)
			return
		}
		c.gate.depart(at)
	})
	return c.Conn.Close()
}

// CloseWrite half-closes the connection where it supports that.
func (c *counted) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// claim charges the connection to the client that a PROXY header named. It
// returns the refusal if that client is at its limit.
func (c *counted) claim(a net.Addr) *session.Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refusal != nil || !c.proxied || c.site.IsValid() || c.closed {
		return c.refusal
	}
	ip := site(ipOf(a))
	f := c.gate.claim(ip)
	if f == nil {
		c.site = ip
	}
	return f
}

// countedKey is the context key of a request's counted connection.
type countedKey struct{}

func withCounted(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, countedKey{}, c)
}
