package connections

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"hoofbeat/session"
)

// A Listener counts its connections from Accept until Close: also before a TLS
// handshake, a PROXY header or an HTTP request is complete, and between two HTTP
// requests. Sessions are counted separately (Registry.Admit). Shutdown closes it.
//
// It keeps listening when the process runs out of file descriptors.
type Listener struct {
	net.Listener
	registry *Registry
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

// Listen returns a Listener that counts the connections of l. After Shutdown it
// returns false, and closes l. The caller calls Release at the end.
func (r *Registry) Listen(l net.Listener) (_ *Listener, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = l.Close()
		return nil, false
	}
	r.listeners[l] = struct{}{}
	return &Listener{Listener: l, registry: r}, true
}

// Release makes Shutdown forget the listener, which stays open.
func (l *Listener) Release() {
	l.registry.mu.Lock()
	defer l.registry.mu.Unlock()
	delete(l.registry.listeners, l.Listener)
}

// Accept implements net.Listener. It returns a [Socket]. A connection over a limit
// is returned with its refusal, unless maxTurning is reached.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
			l.wait = 0
			if v := l.registry.letIn(c); v != nil {
				return v, nil
			}
		case isTemporary(err) && !l.registry.Closing():
			l.backOff(err)
		default:
			return nil, err
		}
	}
}

// backOff waits in the hope that a connection ends. Each listener waits by
// itself.
func (l *Listener) backOff(err error) {
	l.failed++
	if now := time.Now(); now.Sub(l.told) >= tellEvery {
		l.registry.options.Log.Error("accept failed, retrying", "listener", l.Addr().String(), "error", err, "times", l.failed)
		l.failed, l.told = 0, now
	}
	l.wait = min(max(2*l.wait, shortestWait), longestWait)
	l.registry.pause(l.wait)
}

// pause sleeps for d, or until the server stops.
func (r *Registry) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.context.Done():
	}
}

func isTemporary(err error) bool {
	t, ok := err.(interface{ Temporary() bool })
	return ok && t.Temporary()
}

// letIn counts a connection. It returns nil if it had to close it.
func (r *Registry) letIn(c net.Conn) *Socket {
	v := &Socket{Conn: c, gate: r.gate}
	peer := c.RemoteAddr
	if proxied, ok := c.(interface{ Raw() net.Conn }); ok {
		v.proxied = true
		peer = proxied.Raw().RemoteAddr // does not wait for the PROXY header
	}
	if ip := IPOf(peer()); !r.Trusts(ip) {
		v.site = site(ip)
	}
	if v.refusal = r.gate.arrive(v.site); v.refusal == nil {
		return v
	}
	if !r.gate.turn(1) {
		r.Refused(peer().String(), v.refusal.Word, v.refusal.Text)
		_ = c.Close()
		return nil
	}
	v.late = time.AfterFunc(turningTime, func() { _ = c.Close() })
	return v
}

// A Socket is a connection of a Listener, counted until Close.
type Socket struct {
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
func (c *Socket) Close() error {
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
func (c *Socket) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Refusal returns the reason why the connection is refused, which the transport
// tells its client before it closes it. It is nil if the connection is accepted.
func (c *Socket) Refusal() *session.Fault { return c.refusal }

// Claim charges the connection to the client that a PROXY header named. It
// returns the refusal of the connection, or of that client if it is at its limit.
func (c *Socket) Claim(a net.Addr) *session.Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refusal != nil || !c.proxied || c.site.IsValid() || c.closed {
		return c.refusal
	}
	ip := site(IPOf(a))
	f := c.gate.claim(ip)
	if f == nil {
		c.site = ip
	}
	return f
}
