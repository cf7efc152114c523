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
	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/session"
)

// Queues are what the handler looks into and changes; a *broker.Broker.
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

// A Connection is one client's; a *session.Session.
type Connection interface {
	ID() string
	Remote() string
	Transport() string
	Identity() *auth.Identity // nil before CONNECT was accepted
	Describe() session.Description
	Load() (subscriptions, outbound int)
	Subscriptions(wanted func(destination string) bool) []session.SubscriptionInfo
	Close(reason string)
}

// Access says who operators are, and what anybody may do.
type Access interface {
	// VerifyFrom and Login return whom a token, or a name and a passcode, prove.
	// They hold up those who have failed before. Verify does not, and is for
	// operators who look into a token.
	VerifyFrom(token string, from auth.Peer) (*auth.Identity, error)
	Login(name, passcode string, from auth.Peer) (*auth.Identity, error)
	Verify(token string) (*auth.Identity, error)
	// For is what an identity may do by the rules in force.
	For(id *auth.Identity) *auth.Permissions
	// Claimed is who a token with these claims would be, and UserRoles what a
	// static user has.
	Claimed(claims []byte) (*auth.Identity, error)
	UserRoles(name string) (roles []string, known bool)
	Revocations() iter.Seq[auth.Revocation]
	// Revoke changes the file of revocations, and puts it in force for
	// everybody who is connected.
	Revoke(r auth.Revocation, on bool) (changed bool, err error)
}

// Options for [New]. Of the seams only Queues is needed: what takes another
// that is nil is refused.
type Options struct {
	Queues Queues
	// Namespace reads the names of queues.
	Namespace destination.Namespace
	// Connections are those that there are when it is called.
	Connections func() iter.Seq[Connection]
	Access      Access
	// Remote is the address of a request's client where proxies are trusted;
	// nil: the peer's.
	Remote func(*http.Request) string
	// LoopbackWithoutToken lets who connects from this machine, and not by way
	// of a proxy, do everything.
	LoopbackWithoutToken bool
	MetricsWithoutToken  bool // shows Metrics to everybody
	// Hosts are names by which requests may ask for the handler, besides
	// localhost and addresses.
	Hosts []string

	// Backup copies what is on disk into a directory that does not exist yet,
	// or is empty; nil: nothing is on disk.
	Backup func(directory string) error
	// Checks tell whether the broker is ready for clients.
	Checks []Check
	About  About
	// Settings are those in force, with secrets masked.
	Settings func() []Setting
	// Level is that of the log, which can be changed.
	Level *slog.LevelVar
	// Drain makes the program end as a signal does; it returns at once.
	Drain func()

	// Proven is told of each request whose sender has proven who he is, or
	// needs not; nil: nobody is.
	Proven func(*http.Request)

	// Console serves / and what is below /console/, Metrics /metrics, and STOMP
	// the WebSocket endpoint at StompPath; nil: there is nothing there.
	Console, Metrics, STOMP http.Handler
	// StompPath begins with a slash, and is none of the other paths.
	StompPath string
	// Log gets faults, and Audit a record of each change; nil: nobody does.
	Log, Audit *slog.Logger
}

// About says what program it is.
type About struct {
	Version, Commit string
	Started         time.Time
	OnDisk          bool   // queues are kept on disk
	Sync            string // when a receipt promises that the disk has it
	// Listeners are where the program listens; nil: nowhere.
	Listeners func() []Listener
	// Draining tells whether the program is about to end; nil: it is not.
	Draining func() bool
}

// A Listener is a place to connect to.
type Listener struct {
	Kind string `json:"kind"` // websocket, tcp or admin
	URL  string `json:"url"`
}

// A Check is one thing that has to be well for the broker to be ready.
type Check struct {
	Name string // one word, such as storage
	// Ready is nil, or says what is not well. Any goroutine may call it.
	Ready func() error
}

// server is the handler.
type server struct {
	o      Options
	routes map[string]path
	// Each has an element for each request under way. Who may only look keeps
	// nobody from changing something: an answer that is not read takes a minute.
	looks, changes turns
}

// turns are for requests of both sizes.
type turns struct{ light, heavy chan struct{} }

func newTurns() turns { return turns{make(chan struct{}, maxLight), make(chan struct{}, maxHeavy)} }

// Bounds of requests that are under way at a time, of those that look and of
// those that change something. A heavy one may take memory
// and time: a page of messages can be 100 of the largest.
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
	allowTime(w, impatience)
	if err := s.serve(w, r); err != nil {
		s.refuse(w, r, err)
	}
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) error {
	if err := s.fromHere(r); err != nil {
		return err
	}
	if r.URL.RawPath != "" {
		return unknownPath // it is written in a way that a proxy may read as another one
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

// Answers are written within this time: what is told to everybody, and what is
// told to those who have proven who they are.
const (
	impatience = 10 * time.Second
	patience   = time.Minute
)

// allowTime gives the answer its time.
func allowTime(w http.ResponseWriter, d time.Duration) {
	// Only in tests is there nothing that could have a deadline.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d))
}

// inTurn handles a request if there are not too many under way. What everybody
// is told takes no turn: who does not read it would keep operators out.
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

// elsewhere is the handler of a path that is not the API's, with the right that
// it takes; nil: there is none.
func (s *server) elsewhere(path string) (http.Handler, right) {
	switch {
	case path == "/" || strings.HasPrefix(path, "/console/"):
		return s.o.Console, nothing
	case path == "/metrics" && s.o.MetricsWithoutToken:
		return s.o.Metrics, nothing
	case path == "/metrics":
		return s.o.Metrics, reading
	case s.o.StompPath != "" && path == s.o.StompPath:
		return s.o.STOMP, nothing // clients say who they are in CONNECT
	}
	return nil, nothing
}
