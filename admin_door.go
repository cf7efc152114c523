package hoofbeat

import (
	"container/list"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// An adminDoor limits the connections of the admin listener, from Accept on. At
// the limit, the oldest unauthenticated connection is closed to make room, so
// that idle connections cannot keep operators out.
type adminDoor struct {
	net.Listener
	most int
	log  *slog.Logger

	mu     sync.Mutex // guards the fields below; a leaf
	open   int
	nobody *list.List // of *adminConn, oldest first: the unauthenticated ones
	told   time.Time  // time of the last warning
}

// adminFullEvery is the shortest time between two warnings about the limit.
const adminFullEvery = 10 * time.Second

func newAdminDoor(l net.Listener, most int, log *slog.Logger) *adminDoor {
	return &adminDoor{Listener: l, most: most, log: log, nobody: list.New()}
}

// Accept implements net.Listener.
func (d *adminDoor) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		for d.full() {
			victim := d.oldest()
			if victim == nil {
				break
			}
			_ = victim.Close() // which makes room
		}
		if a := d.enter(c); a != nil {
			return a, nil
		}
		_ = c.Close() // all others are authenticated
	}
}

func (d *adminDoor) full() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open < d.most {
		return false
	}
	if now := time.Now(); now.Sub(d.told) >= adminFullEvery {
		d.told = now
		d.log.Warn("operators' connections are all taken: the oldest without a proof makes room", "limit", "listen.admin.connections", "connections", d.open)
	}
	return true
}

func (d *adminDoor) oldest() *adminConn {
	d.mu.Lock()
	defer d.mu.Unlock()
	if first := d.nobody.Front(); first != nil {
		return first.Value.(*adminConn)
	}
	return nil
}

// enter counts a connection; it returns nil at the limit.
func (d *adminDoor) enter(c net.Conn) *adminConn {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open >= d.most {
		return nil
	}
	d.open++
	a := &adminConn{Conn: c, door: d}
	a.place = d.nobody.PushBack(a)
	return a
}

// adminConn is one connection of an adminDoor.
type adminConn struct {
	net.Conn
	door *adminDoor
	// place is the element of door.nobody; nil if authenticated or closed. left
	// reports that the connection no longer counts. door.mu guards both.
	place *list.Element
	left  bool
}

// proven marks the connection as authenticated.
func (a *adminConn) proven() {
	a.door.mu.Lock()
	defer a.door.mu.Unlock()
	a.unlist()
}

func (a *adminConn) unlist() {
	if a.place != nil {
		a.door.nobody.Remove(a.place)
		a.place = nil
	}
}

// leave stops counting the connection.
func (a *adminConn) leave() {
	a.door.mu.Lock()
	defer a.door.mu.Unlock()
	a.unlist()
	if !a.left {
		a.left = true
		a.door.open--
	}
}

// Close implements net.Conn.
func (a *adminConn) Close() error {
	a.leave()
	return a.Conn.Close()
}

// adminConnKey is the context key of a request's adminConn.
type adminConnKey struct{}

func withAdminConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, adminConnKey{}, adminConnOf(c))
}

func adminConnOf(c net.Conn) *adminConn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	a, _ := c.(*adminConn)
	return a
}

// keepOperator is called for each authenticated request.
func keepOperator(r *http.Request) {
	if a, _ := r.Context().Value(adminConnKey{}).(*adminConn); a != nil {
		a.proven()
	}
}

// leaveToSession stops counting a connection that became a WebSocket: sessions
// are counted by the transport.
func leaveToSession(c net.Conn, state http.ConnState) {
	if a := adminConnOf(c); a != nil && state == http.StateHijacked {
		a.leave()
	}
}
