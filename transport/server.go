package transport

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"hoofbeat/frames"
	"hoofbeat/session"
)

// ErrServerClosed is returned by the Serve methods after Shutdown.
var ErrServerClosed = errors.New("the server is closed")

// Options for [NewServer].
type Options struct {
	// Session is what all sessions have in common.
	Session session.Options
	// Origins are the pages that may connect, besides those of the broker's
	// own host: patterns such as https://*.example.com, http://localhost:*,
	// null, or * for all.
	Origins []string
	// GuardHosts tells whether pages must ask for a host that is known: this
	// machine's loopback and addresses, and Hosts, which have no port. Pages of
	// Origins may ask for any. nil: pages may ask for any host.
	GuardHosts func() bool
	Hosts      []string
	// Compression offers permessage-deflate to WebSocket clients.
	Compression bool
	// TrustedProxies are those whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	Credentials    Credentials
	SockJS         SockJS
	Limits         Limits
	// RetryAfter is the longest time after which clients are told to come back
	// when the server stops; each is told a time of its own. Less than a
	// second: none is told.
	RetryAfter time.Duration
	// Elsewhere answers requests to the WebSocket listener for other paths
	// than the endpoint's; nil: 404.
	Elsewhere http.Handler
	Log       *slog.Logger // nil: that of Session
}

// Credentials say where in a WebSocket handshake a token may be.
type Credentials struct {
	HTTPAuthorization bool   // its Authorization header
	QueryParameter    string // of its URL; empty: none
	Cookie            string // empty: none
}

// Limits bound what connections a server accepts; 0 means no limit. Those on
// its listeners count from Accept on, whatever comes of them, and sessions
// count by the same numbers.
type Limits struct {
	Connections    int
	PerAddress     int           // of one IP address; of trusted proxies' clients, not of the proxies
	ConnectRate    int           // connections of one IP address in ConnectRatePer
	ConnectRatePer time.Duration // 0: a second
}

// A Server gives connections to sessions. It does not listen: listeners are
// given to it, or requests, through its Handler.
type Server struct {
	options Options
	origins origins
	gate    *gate
	ids     *session.IDs
	sockJS  *sockSessions
	guesses *guesses
	context context.Context // ends when the server does
	cancel  context.CancelFunc
	wait    sync.WaitGroup // for every connection

	handshakes atomic.Int64 // of WebSocket, that are under way

	mu        sync.Mutex // guards what follows
	closed    bool
	listeners map[net.Listener]struct{}
	sessions  map[*session.Session]conn
}

// A conn is a session's connection, which the server can cut off.
type conn interface {
	session.Conn
	cut()
	measure(c *session.Counters)
	measured()
	chargeTo(func(int))
	watch(tell func(frames.Partial))
	unwatch()
}

// NewServer returns a Server. [Server.Shutdown] ends it.
func NewServer(o Options) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	if o.Log == nil {
		o.Log = o.Session.Log
	}
	if o.Session.Counters == nil {
		o.Session.Counters = new(session.Counters)
	}
	return &Server{
		options: o, origins: newOrigins(o.Origins), gate: newGate(o.Limits), ids: session.NewIDs(), context: ctx, cancel: cancel,
		sockJS: newSockSessions(), guesses: newGuesses(),
		listeners: make(map[net.Listener]struct{}), sessions: make(map[*session.Session]conn),
	}
}

// run serves one connection until it has ended.
func (s *Server) run(c conn) {
	c.measure(s.options.Session.Counters)
	id := s.ids.Next()
	c.watch(func(p frames.Partial) {
		info := c.Info()
		s.options.Log.Info("a frame does not go on", "session", id, "remote", info.Remote, "transport", info.Transport, "detail", p.String())
	})
	defer c.unwatch()
	ses := session.New(c, &s.options.Session, id)
	c.chargeTo(ses.Partial)
	if x, ok := c.(*xhrConn); ok {
		x.chargeRequestsTo(ses.Hold)
	}
	if !s.addSession(ses, c) {
		ses.Shutdown(s.options.Session.CloseTimeout)
	}
	defer s.removeSession(ses)
	ses.Run()
	c.measured()
}

// Serve gives one connection that is a stream, such as one end of a net.Pipe,
// to a session, and returns at once. The connection is closed in the end.
func (s *Server) Serve(c net.Conn, info session.Info) {
	s.start(c, func() { s.run(newTCPConn(c, s.options.Session.Limits.Limits, info)) })
}

// start runs what serves a connection, and is waited for by Shutdown; after
// Shutdown, it closes the connection instead.
func (s *Server) start(c net.Conn, serve func()) {
	if !s.begin() {
		_ = c.Close() // nothing was said on it
		return
	}
	go func() {
		defer s.wait.Done()
		serve()
	}()
}

// begin counts a connection in, for which wait.Done is called in the end. It
// returns false if the server is closed: whoever waits then, waits for those
// that had begun.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wait.Add(1)
	return true
}

// Reauthorize applies a change of rules, users or revocations to every
// session. It returns when that is done.
func (s *Server) Reauthorize() {
	s.mu.Lock()
	all := maps.Clone(s.sessions)
	s.mu.Unlock()
	for ses := range all {
		ses.Reauthorize()
	}
}

// refused records a connection that gets no session.
func (s *Server) refused(remote, reason, detail string) {
	s.options.Session.Counters.Reject(reason)
	s.options.Log.Warn("connection refused", "remote", remote, "reason", reason, "detail", detail)
	s.options.Session.Audit.Info("connection refused", "remote", remote, "reason", reason, "detail", detail)
}

// Counters are what the server's connections and sessions count in.
func (s *Server) Counters() *session.Counters { return s.options.Session.Counters }

// Sessions is how many there are.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// close closes the listeners and returns the sessions.
func (s *Server) close() map[*session.Session]conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for l := range s.listeners {
		// Only Accept notices, and returns the error.
		_ = l.Close()
	}
	return maps.Clone(s.sessions)
}

func (s *Server) closing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// pause waits, or until the server is cancelled.
func (s *Server) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.context.Done():
	}
}

// addListener lets Shutdown close a listener; after Shutdown, it closes it.
func (s *Server) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = l.Close()
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) removeListener(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

func (s *Server) addSession(ses *session.Session, c conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[ses] = c
	return !s.closed
}

func (s *Server) removeSession(ses *session.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, ses)
}
