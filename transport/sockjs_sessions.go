package transport

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// sockSessions are the SockJS sessions whose messages go by HTTP requests, by
// whom they belong to.
type sockSessions struct {
	mu      sync.Mutex // guards what follows; a leaf
	byKey   map[sockKey]*xhrConn
	running int       // of them, those that have not ended
	ended   sync.Cond // running has become less
}

// A sockKey is what requests have in common that belong to one session. Its id
// is the client's invention, and in URLs, which are logged here and there. So a
// request from another network, or of another page's, is of another session,
// whatever its id. The network and not the address: those who cannot use
// WebSocket are behind proxies, which may have several.
type sockKey struct {
	id, origin string
	network    netip.Prefix
}

const (
	networkBits4, networkBits6 = 24, 64
	// maxEnded bounds the sessions that have ended and are kept for a moment,
	// to tell clients why.
	maxEnded = 4096
)

func newSockSessions() *sockSessions {
	s := &sockSessions{byKey: make(map[sockKey]*xhrConn)}
	s.ended.L = &s.mu
	return s
}

func (s *Server) sockKey(r *http.Request, id string) sockKey {
	ip := ipOf(addr(s.remoteOf(r)))
	bits := networkBits6
	if ip.Is4() {
		bits = networkBits4
	}
	network, _ := ip.Prefix(bits) // the zero Prefix where there is no IP address
	return sockKey{id: id, origin: r.Header.Get("Origin"), network: network}
}

func (s *sockSessions) find(k sockKey) *xhrConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byKey[k]
}

// add enters a session, unless there is one with that key: then it returns it.
func (s *sockSessions) add(c *xhrConn) (other *xhrConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other = s.byKey[c.key]; other != nil {
		return other
	}
	s.byKey[c.key] = c
	s.running++
	return nil
}

// end says that a session has ended. It stays until it is removed, which
// happens at once and false is returned if there are too many such.
func (s *sockSessions) end(c *xhrConn) (stays bool) {
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

func (s *sockSessions) remove(c *xhrConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byKey, c.key)
}

// wait waits until all have ended, and tells whether there was one.
func (s *sockSessions) wait() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := len(s.byKey) > 0
	for s.running > 0 {
		s.ended.Wait()
	}
	return had
}

// findOrOpen gives the session that a receiving request belongs to, or opens
// it. It answers the request and returns nil if there can be none.
func (s *Server) findOrOpen(w http.ResponseWriter, r *http.Request, id string) *xhrConn {
	key := s.sockKey(r, id)
	if !s.holdUp(w, r, key.network) {
		return nil
	}
	if c := s.sockJS.find(key); c != nil {
		return s.proven(w, r, c)
	}
	s.guesses.count(key.network, 1, time.Now())
	if !s.begin() {
		refuseHTTP(w, http.StatusServiceUnavailable, stopping)
		return nil
	}
	remote := s.remoteOf(r)
	release := s.place(w, remote)
	if release == nil {
		s.wait.Done()
		return nil
	}
	c := newXHRConn(&s.options, key, s.infoOf(r, remote, "sockjs-http"))
	c.owner = &owner{shown: s.credentialsOf(r)}
	c.accepted = func() { s.guesses.count(key.network, -1, time.Now()) }
	c.timer = s.options.Session.Timers.Add(time.Now().Add(c.options.disconnectDelay()), c.tick)
	if other := s.sockJS.add(c); other != nil {
		c.timer.Stop()
		release()
		s.wait.Done()
		return s.proven(w, r, other)
	}
	go func() {
		defer s.wait.Done()
		s.run(c)
		release()
		s.bury(c)
	}()
	return c
}

// proven gives a session to a request that may use it, or answers as if there
// was none.
func (s *Server) proven(w http.ResponseWriter, r *http.Request, c *xhrConn) *xhrConn {
	if s.owns(r, c.owner) {
		return c
	}
	s.guesses.count(c.key.network, 1, time.Now())
	http.NotFound(w, r)
	return nil
}

// bury keeps what is left of a session for a moment: until then, its client is
// told why it ended.
func (s *Server) bury(c *xhrConn) {
	if !s.sockJS.end(c) {
		return
	}
	c.forget(func() { s.sockJS.remove(c) })
}
