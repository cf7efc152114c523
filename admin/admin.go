package admin

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"hoofbeat/auth"
	"hoofbeat/auth/acl"
	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/session"
)

// Queues is the part of a *broker.Broker that the handler inspects and changes.
type Queues interface {
	QueueNames() iter.Seq[destination.Destination]
	Sketches(heads bool) iter.Seq[broker.QueueSketch]
	Queue(d destination.Destination) (broker.QueueInfo, bool)
	Browse(ctx context.Context, d destination.Destination, skip, limit int) ([]broker.Browsed, error)
	CreateQueue(ctx context.Context, d destination.Destination) error
	Purge(ctx context.Context, d destination.Destination) (int, error)
	Move(ctx context.Context, from, to destination.Destination, limit int) (int, error)
	DeleteQueue(ctx context.Context, d destination.Destination) (int, error)
	TopicNames() iter.Seq[destination.Destination]
	Topic(d destination.Destination) (broker.TopicInfo, bool)
	Policies() *broker.Policies
	Stats() *broker.Stats
}

// A Connection is one client's connection; a *session.Session.
type Connection interface {
	ID() string
	Remote() string
	Transport() string
	Identity() *auth.Identity // nil until CONNECT is accepted
	Describe() session.Description
	Load() (subscriptions, outbound int)
	Subscriptions(wanted func(destination string) bool) []session.SubscriptionInfo
	Close(reason string)
}

// Access authenticates operators and evaluates permissions.
type Access interface {
	// Header returns the identity of an Authorization header. It delays callers
	// that have failed before. Verify does not; it is for operators who inspect a
	// token.
	Header(value string, from auth.Peer) (*auth.Identity, error)
	Verify(token string) (*auth.Identity, error)
	// For returns the permissions of an identity by the rules in force.
	For(id *auth.Identity) *acl.Permissions
	// Claimed returns the identity of a token with these claims, and UserRoles
	// the roles of a static user.
	Claimed(claims []byte) (*auth.Identity, error)
	UserRoles(name string) (roles []string, known bool)
	Revocations() iter.Seq[auth.Revocation]
	// Revoke changes the revocation file and applies it to all connected
	// clients.
	Revoke(r auth.Revocation, on bool) (changed bool, err error)
}

// Options configure [New]. Only Queues is required; requests that need another
// function that is nil are refused.
type Options struct {
	Queues Queues
	// Namespace parses the names of queues.
	Namespace destination.Namespace
	// Connections iterates over the present connections.
	Connections func() iter.Seq[Connection]
	Access      Access
	// Remote returns the address of a request's client if proxies are trusted;
	// nil: the peer's.
	Remote func(*http.Request) string
	// LoopbackWithoutToken gives full access to requests from this machine that
	// did not pass through a proxy.
	LoopbackWithoutToken bool
	MetricsWithoutToken  bool // serves Metrics without credentials
	// Hosts are the host names of valid requests, besides localhost and
	// addresses.
	Hosts []string

	// Holdings returns the sums of a user, and Memory those of all clients. They
	// may be nil.
	Holdings func(user string) Holdings
	Memory   func() Usage

	// Backup copies the store into a directory that does not exist yet or is
	// empty; nil: there is no store.
	Backup func(directory string) error
	// Checks report whether the broker is ready for clients.
	Checks []Check
	About  About
	// Settings returns the settings in force, with secrets masked.
	Settings func() []Setting
	// Level is the log level, which operators can change.
	Level *slog.LevelVar
	// Drain shuts the program down as a signal does. It returns at once.
	Drain func()

	// Proven is called for each request that is authenticated or needs no
	// credentials; nil: it is not called.
	Proven func(*http.Request)

	// Console serves / and everything below /console/, Metrics serves /metrics,
	// and STOMP the WebSocket endpoint at StompPath; nil: 404.
	Console, Metrics, STOMP http.Handler
	// StompPath begins with a slash and differs from all other paths.
	StompPath string
	// Log receives internal errors, and Audit a record of each change; nil:
	// they are discarded.
	Log, Audit *slog.Logger
}

// About describes the program.
type About struct {
	Version, Commit string
	Started         time.Time
	OnDisk          bool   // queues are stored on disk
	Sync            string // the guarantee of a RECEIPT: always, interval or never
	// Listeners returns the addresses of the program; nil: none.
	Listeners func() []Listener
	// Draining reports whether the program is shutting down; nil: it is not.
	Draining func() bool
}

// A Listener is an address that clients can connect to.
type Listener struct {
	Kind string `json:"kind"` // websocket, tcp or admin
	URL  string `json:"url"`
}

// A Check is one condition of readiness.
type Check struct {
	Name string // one word, like storage
	// Ready returns nil, or the reason why the check fails. Any goroutine may
	// call it.
	Ready func() error
}

// server is the HTTP handler.
type server struct {
	o      Options
	routes map[string]path
	// Each has an element per request under way. Reads and changes have
	// separate turns, so that readers cannot block a change: a response that is
	// not read takes a minute.
	looks, changes turns
}

// turns limit light and heavy requests separately.
type turns struct{ light, heavy chan struct{} }

func newTurns() turns { return turns{make(chan struct{}, maxLight), make(chan struct{}, maxHeavy)} }

// The numbers of concurrent requests, both for reads and for changes. A heavy
// request may take memory and time: a page of messages may contain 100 of the
// largest.
const (
	maxLight = 32
	maxHeavy = 4
)

var unknownPath = &refusal{http.StatusNotFound, "unknown-path", "there is nothing at this path"}

// New returns the handler. It is safe for concurrent use.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Audit == nil {
		o.Audit = slog.New(slog.DiscardHandler)
	}
	if o.Proven == nil {
		o.Proven = func(*http.Request) {}
	}
	if o.Remote == nil {
		o.Remote = func(r *http.Request) string { return r.RemoteAddr }
	}
	s := &server{o: o, looks: newTurns(), changes: newTurns()}
	s.routes = s.table()
	return s
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	allowTime(w, publicTimeout)
	if err := s.serve(w, r); err != nil {
		s.refuse(w, r, err)
	}
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) error {
	if err := s.fromHere(r); err != nil {
		return err
	}
	if r.URL.RawPath != "" {
		return unknownPath // proxies may interpret an unusual spelling differently
	}
	if h, needs := s.elsewhere(r.URL.Path); h != nil {
		if _, err := s.admit(w, r, needs); err != nil {
			return err
		}
		h.ServeHTTP(w, r)
		return nil
	}
	p, known := s.routes[r.URL.Path]
	if !known {
		return unknownPath
	}
	to, known := p.route(r.Method)
	if !known {
		w.Header().Set("Allow", p.allow())
		return &refusal{http.StatusMethodNotAllowed, "wrong-method", "this path takes " + p.allow()}
	}
	by, err := s.admit(w, r, to.needs)
	if err != nil {
		return err
	}
	c := &call{w: w, r: r, by: by}
	if r.Method == http.MethodPost {
		c.receive()
	}
	return s.inTurn(w, to, c)
}

// Time limits for writing responses: to everybody, and to authenticated
// operators.
const (
	publicTimeout  = 10 * time.Second
	requestTimeout = time.Minute
)

// allowTime sets the time limit of a response.
func allowTime(w http.ResponseWriter, d time.Duration) {
	// Only in tests does w not support deadlines.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d))
}

// inTurn handles a request unless too many are under way. Requests without a
// right take no turn: clients that do not read their responses could lock
// operators out.
func (s *server) inTurn(w http.ResponseWriter, to route, c *call) error {
	if to.needs == nothing {
		return to.handle(c)
	}
	all := s.looks
	if to.needs == writing {
		all = s.changes
	}
	turn := all.light
	if to.heavy {
		turn = all.heavy
	}
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
		return to.handle(c)
	default:
		w.Header().Set("Retry-After", "1")
		return &refusal{http.StatusServiceUnavailable, "busy", fmt.Sprintf("%d requests of operators are under way; try again later", cap(turn))}
	}
}

// elsewhere returns the handler of a path outside the API and the right that it
// needs; nil: there is none.
func (s *server) elsewhere(path string) (http.Handler, right) {
	switch {
	case path == "/" || strings.HasPrefix(path, "/console/"):
		return s.o.Console, nothing
	case path == "/metrics" && s.o.MetricsWithoutToken:
		return s.o.Metrics, nothing
	case path == "/metrics":
		return s.o.Metrics, reading
	case s.o.StompPath != "" && path == s.o.StompPath:
		return s.o.STOMP, nothing // clients authenticate in CONNECT
	}
	return nil, nothing
}
