// Package connections keeps the connections of a server and their sessions: it
// counts and admits them, runs them, applies changed rights to them, and drains
// them when the server stops.
package connections

import (
	"context"
	"iter"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"hoofbeat/frames"
	"hoofbeat/session"
)

// Options configure [New].
type Options struct {
	// Session are the options of every session.
	Session session.Options
	Limits  Limits
	// TrustedProxies are the proxies whose clients count in their place: those of
	// a PROXY or X-Forwarded-For header.
	TrustedProxies []netip.Prefix
	// RetryAfter is the longest time after which clients are told to reconnect
	// when the server stops; each client gets its own. Below a second: no hint.
	RetryAfter time.Duration
	Log        *slog.Logger // nil: Session.Log
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

// A Registry has the connections of a server. Its methods may be called from any
// goroutine.
type Registry struct {
	options Options
	gate    *gate
	ids     *session.IDs
	context context.Context // done when the server stops
	cancel  context.CancelFunc
	wait    sync.WaitGroup // counts every connection

	mu        sync.Mutex // guards the fields below
	closed    bool
	listeners map[net.Listener]struct{}
	sessions  map[*session.Session]Conn
}

// A Conn is a session's connection. Transports make them.
type Conn interface {
	session.Conn
	// Cut ends the connection at once.
	Cut()
	// Measure sets the counters of frames and bytes, before the first read and
	// write. Measured counts the last frames read, after the last read.
	Measure(c *session.Counters)
	Measured()
	// ChargeTo sets the function that is told how many bytes a partial frame
	// holds, before the first read.
	ChargeTo(partial func(int))
	// Watch sets the function that is told of a frame that has begun and does not
	// go on, before the first read. Unwatch is called after the last read.
	Watch(tell func(frames.Partial))
	Unwatch()
}

// A holder is a Conn whose client sends requests, which are charged until the
// session has read them.
type holder interface {
	ChargeRequestsTo(hold func(int))
}

// New returns a Registry. The caller ends it with [Registry.Shutdown].
func New(o Options) *Registry {
	ctx, cancel := context.WithCancel(context.Background())
	if o.Log == nil {
		o.Log = o.Session.Log
	}
	if o.Session.Counters == nil {
		o.Session.Counters = new(session.Counters)
	}
	return &Registry{
		options: o, gate: newGate(o.Limits), ids: session.NewIDs(), context: ctx, cancel: cancel,
		listeners: make(map[net.Listener]struct{}), sessions: make(map[*session.Session]Conn),
	}
}

// Session returns the options of every session. They do not change.
func (r *Registry) Session() *session.Options { return &r.options.Session }

// Log returns the log.
func (r *Registry) Log() *slog.Logger { return r.options.Log }

// Context returns a context that is done when the server stops.
func (r *Registry) Context() context.Context { return r.context }

// Run runs a session on a connection until it ends.
func (r *Registry) Run(c Conn) {
	c.Measure(r.Counters())
	id := r.ids.Next()
	c.Watch(func(p frames.Partial) {
		info := c.Info()
		r.options.Log.Info("frame stalled", "session", id, "remote", info.Remote, "transport", info.Transport, "detail", p.String())
	})
	defer c.Unwatch()
	s := session.New(c, r.Session(), id)
	c.ChargeTo(s.Partial)
	if h, ok := c.(holder); ok {
		h.ChargeRequestsTo(s.Hold)
	}
	if !r.add(s, c) {
		s.Shutdown(r.options.Session.CloseTimeout)
	}
	defer r.remove(s)
	s.Run()
	c.Measured()
}

// Start calls serve in a goroutine that Shutdown waits for. After Shutdown it
// closes the connection instead.
func (r *Registry) Start(c net.Conn, serve func()) {
	if !r.Begin() {
		_ = c.Close() // nothing was sent on it
		return
	}
	go func() {
		defer r.End()
		serve()
	}()
}

// Begin counts a connection that Shutdown must wait for; the caller calls End when
// it ends. It returns false after Shutdown.
func (r *Registry) Begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false // wait.Add after wait.Wait would be missed
	}
	r.wait.Add(1)
	return true
}

// End undoes Begin.
func (r *Registry) End() { r.wait.Done() }

// Reauthorize applies changed rules, users or revocations to every session. It
// returns when all sessions have applied them.
func (r *Registry) Reauthorize() {
	r.mu.Lock()
	all := maps.Clone(r.sessions)
	r.mu.Unlock()
	for s := range all {
		s.Reauthorize()
	}
}

// Refused counts and logs a connection that gets no session.
func (r *Registry) Refused(remote, reason, detail string) {
	r.Counters().Reject(reason)
	r.options.Log.Warn("connection refused", "remote", remote, "reason", reason, "detail", detail)
	r.options.Session.Audit.Info("connection refused", "remote", remote, "reason", reason, "detail", detail)
}

// Counters returns the counters of connections and sessions.
func (r *Registry) Counters() *session.Counters { return r.options.Session.Counters }

// Sessions returns the number of sessions.
func (r *Registry) Sessions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions)
}

// AllSessions iterates over a snapshot of the sessions, taken when the
// iteration begins, in no particular order.
func (r *Registry) AllSessions() iter.Seq[*session.Session] {
	return func(yield func(*session.Session) bool) {
		r.mu.Lock()
		all := slices.AppendSeq(make([]*session.Session, 0, len(r.sessions)), maps.Keys(r.sessions))
		r.mu.Unlock()
		for _, s := range all {
			if !yield(s) {
				return
			}
		}
	}
}

// close closes the listeners and returns the sessions.
func (r *Registry) close() map[*session.Session]Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for l := range r.listeners {
		// The error goes to the goroutine in Accept.
		_ = l.Close()
	}
	return maps.Clone(r.sessions)
}

// Closing reports whether Shutdown was called.
func (r *Registry) Closing() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

func (r *Registry) add(s *session.Session, c Conn) (open bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions[s] = c
	return !r.closed
}

func (r *Registry) remove(s *session.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, s)
}
