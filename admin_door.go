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

// An adminDoor is the listener for operators. It holds so many connections,
// from Accept on. When they are all taken, the oldest one on which nobody has
// proven anything makes room: who holds connections open keeps no operator out.
type adminDoor struct {
	net.Listener
	most int
	log  *slog.Logger

	mu     sync.Mutex // guards what follows; a leaf
	open   int
	nobody *list.List // of *adminConn, the oldest first: those that have proven nothing
	told   time.Time  // when the log told that there are too many
}

// adminFullEvery is how often the log tells that there are too many
// connections.
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
		_ = c.Close() // everybody in there has proven who he is
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

// enter takes a place; nil if there is none.
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
	// place is in door.nobody; nil if it is in there no more. left says that it
	// has given its place back. door.mu guards both.
	place *list.Element
	left  bool
}

// proven keeps the connection.
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

// leave gives the place back.
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

// adminConnKey is where a request's context has its adminConn.
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

// keepOperator is told of requests whose sender has proven who he is.
func keepOperator(r *http.Request) {
	if a, _ := r.Context().Value(adminConnKey{}).(*adminConn); a != nil {
		a.proven()
	}
}

// leaveToSession lets a connection go that became a client's: sessions are
// counted elsewhere.
func leaveToSession(c net.Conn, state http.ConnState) {
	if a := adminConnOf(c); a != nil && state == http.StateHijacked {
		a.leave()
	}
}
