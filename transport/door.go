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

// A door is a listener whose connections are counted from Accept until Close:
// before a TLS handshake, a PROXY header or a request is complete, and between
// two requests of HTTP. Sessions are counted besides (gate.enter).
//
// It stays open when the process runs out of file descriptors.
type door struct {
	net.Listener
	server *Server
	// Owned by the goroutine that accepts.
	wait   time.Duration // after the next failure
	failed int           // failures that no log tells of yet
	told   time.Time     // when the log told of one
}

const (
	shortestWait, longestWait = 5 * time.Millisecond, time.Second
	// tellEvery is how often the log tells that nothing can be accepted.
	tellEvery = 10 * time.Second
	// maxTurning bounds the connections over a limit that are told so at a time.
	// Others are closed at once.
	maxTurning = 64
	// turningTime is how long one of them may take to listen.
	turningTime = 5 * time.Second
)

// Accept implements net.Listener. A connection over a limit that may be told
// so has a refusal.
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

// backOff waits for some connection to end. Each listener waits by itself.
func (d *door) backOff(err error) {
	d.failed++
	if now := time.Now(); now.Sub(d.told) >= tellEvery {
		d.server.options.Log.Error("connections cannot be accepted; they wait", "listener", d.Addr().String(), "error", err, "times", d.failed)
		d.failed, d.told = 0, now
	}
	d.wait = min(max(2*d.wait, shortestWait), longestWait)
	d.server.pause(d.wait)
}

// letIn counts a connection in. It returns nil if it had to close it.
func (s *Server) letIn(c net.Conn) *counted {
	v := &counted{Conn: c, gate: s.gate}
	peer := c.RemoteAddr
	if proxied, ok := c.(interface{ Raw() net.Conn }); ok {
		v.proxied = true
		peer = proxied.Raw().RemoteAddr // without waiting for the PROXY header
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

// counted is a connection that the gate counts until it is closed.
type counted struct {
	net.Conn
	gate    *gate
	proxied bool           // it begins with a PROXY header
	refusal *session.Fault // why it is to be turned away; nil: it is not
	late    *time.Timer    // closes one that is turned away
	once    sync.Once

	mu     sync.Mutex // guards what follows; a leaf
	site   netip.Addr // that it is counted for; the zero Addr for a proxy's
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

// CloseWrite half closes the connection, if it can be.
func (c *counted) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// claim counts the connection for the client that a PROXY header has named, or
// says why that may have no more.
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

// countedKey is where net/http's contexts have the counted connection.
type countedKey struct{}

func withCounted(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, countedKey{}, c)
}
