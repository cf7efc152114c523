package sockjs

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"hoofbeat/connections"
)

// sessionTable are the SockJS sessions over plain HTTP requests, by key.
type sessionTable struct {
	mu      sync.Mutex // guards the fields below; a leaf
	byKey   map[sessionKey]*xhrConn
	running int       // sessions that have not ended
	ended   sync.Cond // signalled when running decreases
}

// A sessionKey identifies the session of a request. Clients choose the id, and
// URLs with it end up in logs, so a request from another network or page
// belongs to another session even with the same id. The key has the network
// instead of the address because clients without WebSocket are often behind
// proxies that use several addresses.
type sessionKey struct {
	id, origin string
	network    netip.Prefix
}

const (
	networkBits4, networkBits6 = 24, 64
	// maxEnded limits the ended sessions that are kept for a moment to tell
	// their clients the reason.
	maxEnded = 4096
)

func newSessionTable() *sessionTable {
	s := &sessionTable{byKey: make(map[sessionKey]*xhrConn)}
	s.ended.L = &s.mu
	return s
}

func (e *Endpoint) keyOf(r *http.Request, id string) sessionKey {
	ip := connections.ParseIP(e.host.RemoteOf(r))
	bits := networkBits6
	if ip.Is4() {
		bits = networkBits4
	}
	network, _ := ip.Prefix(bits) // the zero Prefix without an IP address
	return sessionKey{id: id, origin: r.Header.Get("Origin"), network: network}
}

func (s *sessionTable) find(k sessionKey) *xhrConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byKey[k]
}

// add registers a session. If the key is taken, it returns that session
// instead.
func (s *sessionTable) add(c *xhrConn) (other *xhrConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other = s.byKey[c.key]; other != nil {
		return other
	}
	s.byKey[c.key] = c
	s.running++
	return nil
}

// end marks a session as ended. It stays registered until remove, or is removed
// at once (false) if too many ended sessions are kept.
func (s *sessionTable) end(c *xhrConn) (stays bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	s.ended.Broadcast()
	if len(s.byKey)-s.running > maxEnded {
		delete(s.byKey, c.key)
		return false
	}
	return true
}

func (s *sessionTable) remove(c *xhrConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byKey, c.key)
}

// wait waits until all sessions have ended. It reports whether there was one.
func (s *sessionTable) wait() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := len(s.byKey) > 0
	for s.running > 0 {
		s.ended.Wait()
	}
	return had
}

// findOrOpen returns the session of a receiving request, opening it if there is
// none. It returns nil if it has answered the request with an error.
func (e *Endpoint) findOrOpen(w http.ResponseWriter, r *http.Request, id string) *xhrConn {
	key := e.keyOf(r, id)
	if !e.holdUp(w, r, key.network) {
		return nil
	}
	if c := e.sessions.find(key); c != nil {
		return e.proven(w, r, c)
	}
	e.guesses.count(key.network, 1, time.Now())
	remote := e.host.RemoteOf(r)
	leave := e.host.Enter(w, remote)
	if leave == nil {
		return nil
	}
	c := newXHRConn(e, key, e.host.Info(r, remote, "sockjs-http"))
	c.owner = &owner{shown: credentialsOf(e.host.Info(r, "", ""))}
	c.accepted = func() { e.guesses.count(key.network, -1, time.Now()) }
	c.timer = e.session.Timers.Add(time.Now().Add(c.options.disconnectDelay()), c.tick)
	if other := e.sessions.add(c); other != nil {
		c.timer.Stop()
		leave()
		return e.proven(w, r, other)
	}
	go func() {
		defer leave()
		e.conns.Run(c)
		e.linger(c)
	}()
	return c
}

// proven returns the session if the request may use it. Otherwise it answers as
// if there were none.
func (e *Endpoint) proven(w http.ResponseWriter, r *http.Request, c *xhrConn) *xhrConn {
	if e.owns(r, c.owner) {
		return c
	}
	e.guesses.count(c.key.network, 1, time.Now())
	http.NotFound(w, r)
	return nil
}

// linger keeps an ended session for a moment, so that its client can be told why
// it ended.
func (e *Endpoint) linger(c *xhrConn) {
	if !e.sessions.end(c) {
		return
	}
	c.forget(func() { e.sessions.remove(c) })
}
