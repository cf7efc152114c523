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

// Options configure [NewServer].
type Options struct {
	// Session are the options of every session.
	Session session.Options
	// Origins are the pages that may connect, besides those of the broker's own
	// host: patterns like https://*.example.com, http://localhost:*, null, or *
	// for all.
	Origins []string
	// GuardHosts reports whether pages must address the broker by a known host:
	// a loopback name, an address of this machine, or one of Hosts (names
	// without ports). Pages that match Origins may use any host. nil: every
	// page may.
	GuardHosts func() bool
	Hosts      []string
	// Compression offers permessage-deflate to WebSocket clients. Frames of fewer
	// bytes than CompressionThreshold are sent as they are.
	Compression          bool
	CompressionThreshold int
	// TrustedProxies are the proxies whose X-Forwarded-For header is believed.
	TrustedProxies []netip.Prefix
	Credentials    Credentials
	SockJS         SockJS
	Limits         Limits
	// RetryAfter is the longest time after which clients are told to reconnect
	// when the server stops; each client gets its own. Below a second: no hint.
	RetryAfter time.Duration
	// Elsewhere serves the WebSocket listener's paths other than the endpoint;
	// nil: 404.
	Elsewhere http.Handler
	Log       *slog.Logger // nil: Session.Log
}

// Credentials say where a WebSocket handshake may carry a token.
type Credentials struct {
	HTTPAuthorization bool   // the Authorization header
	QueryParameter    string // a parameter of the URL; empty: none
	Cookie            string // empty: none
}

// Limits bound the connections that a server accepts; 0 means no limit.
// Connections of its listeners count from Accept on, even if no session comes
// of them; sessions are counted separately, against the same limits.
type Limits struct {
	Connections    int
	PerAddress     int           // of one IP address; behind trusted proxies, of one client
	ConnectRate    int           // of one IP address within ConnectRatePer
	ConnectRatePer time.Duration // 0: a second
}

// A Server runs sessions on connections. It does not listen by itself: callers
// pass listeners to its Serve methods, or requests to its Handler.
type Server struct {
	options Options
	origins origins
	gate    *gate
	ids     *session.IDs
	sockJS  *sockSessions
	guesses *guesses
	context context.Context // done when the server stops
	cancel  context.CancelFunc
	// compression is that of connections that do not limit the window.
	compression *compression
	wait        sync.WaitGroup // counts every connection

	handshakes atomic.Int64 // WebSocket handshakes under way

	mu        sync.Mutex // guards the fields below
	closed    bool
	listeners map[net.Listener]struct{}
	sessions  map[*session.Session]conn
}

// A conn is a session's connection that the server can cut off.
type conn interface {
	session.Conn
	cut()
	measure(c *session.Counters)
	measured()
	chargeTo(func(int))
	watch(tell func(frames.Partial))
	unwatch()
}

// NewServer returns a Server. The caller ends it with [Server.Shutdown].
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
		sockJS: newSockSessions(), guesses: newGuesses(), compression: &compression{new(deflater), maxWindow, o.CompressionThreshold},
		listeners: make(map[net.Listener]struct{}), sessions: make(map[*session.Session]conn),
	}
}

// run serves one connection until it ends.
func (s *Server) run(c conn) {
	c.measure(s.options.Session.Counters)
	id := s.ids.Next()
	c.watch(func(p frames.Partial) {
		info := c.Info()
		s.options.Log.Info("frame stalled", "session", id, "remote", info.Remote, "transport", info.Transport, "detail", p.String())
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

// Serve runs a session on one stream, for example an end of a net.Pipe, and
// returns at once. The session closes c when it ends.
func (s *Server) Serve(c net.Conn, info session.Info) {
	s.start(c, func() { s.run(newTCPConn(c, s.options.Session.Limits.Limits, info)) })
}

// start calls serve in a goroutine that Shutdown waits for. After Shutdown it
// closes the connection instead.
func (s *Server) start(c net.Conn, serve func()) {
	if !s.begin() {
		_ = c.Close() // nothing was sent on it
		return
	}
	go func() {
		defer s.wait.Done()
		serve()
	}()
}

// begin counts a connection that Shutdown must wait for; the caller calls
// wait.Done when it ends. It returns false if the server is closed, since
// wait.Add after wait.Wait would be missed.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wait.Add(1)
	return true
}

// Reauthorize applies changed rules, users or revocations to every session. It
// returns when all sessions have applied them.
func (s *Server) Reauthorize() {
	s.mu.Lock()
	all := maps.Clone(s.sessions)
	s.mu.Unlock()
	for ses := range all {
		ses.Reauthorize()
	}
}

// refused counts and logs a connection that gets no session.
func (s *Server) refused(remote, reason, detail string) {
	s.options.Session.Counters.Reject(reason)
	s.options.Log.Warn("connection refused", "remote", remote, "reason", reason, "detail", detail)
	s.options.Session.Audit.Info("connection refused", "remote", remote, "reason", reason, "detail", detail)
}

// Counters returns the counters of the server's connections and sessions.
func (s *Server) Counters() *session.Counters { return s.options.Session.Counters }

// Sessions returns the number of sessions.
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
		// The error goes to the goroutine in Accept.
		_ = l.Close()
	}
	return maps.Clone(s.sessions)
}

func (s *Server) closing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// pause sleeps for d, or until the server stops.
func (s *Server) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.context.Done():
	}
}

// addListener registers a listener for Shutdown. It returns false after
// Shutdown, and closes the listener.
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
