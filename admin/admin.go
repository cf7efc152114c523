package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"hoofbeat/broker"
)

// Queues are what the handler looks into and changes; a *broker.Broker.
type Queues interface {
	Queues() []broker.QueueInfo
	Queue(d broker.Destination) (broker.QueueInfo, bool)
	Browse(ctx context.Context, d broker.Destination, skip, limit int) ([]broker.Browsed, error)
	Purge(ctx context.Context, d broker.Destination) (int, error)
	Move(ctx context.Context, from, to broker.Destination, limit int) (int, error)
	DeleteQueue(ctx context.Context, d broker.Destination) (int, error)
}

// Options for [New].
type Options struct {
	Queues Queues
	// Namespace reads the names of queues.
	Namespace broker.Namespace
	// Backup copies what is on disk into a directory that does not exist yet,
	// or is empty; nil: nothing is on disk.
	Backup func(directory string) error
	// Checks tell whether the broker is ready for clients.
	Checks []Check
	// Log gets faults, and Audit a record of each change; nil: nobody does.
	Log, Audit *slog.Logger
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
	routes map[string]route
	busy   chan struct{} // has an element for each request under way that may take memory and time
}

// maxBusy bounds such requests: a page of messages can be 100 of the largest.
const maxBusy = 4

// A route is what one path does.
type route struct {
	method string // GET, which means HEAD as well, or POST
	handle func(w http.ResponseWriter, r *http.Request) error
}

// New returns the handler. It is safe for concurrent use.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Audit == nil {
		o.Audit = slog.New(slog.DiscardHandler)
	}
	s := &server{o: o, busy: make(chan struct{}, maxBusy)}
	s.routes = map[string]route{
		"/healthz":               {http.MethodGet, s.health},
		"/readyz":                {http.MethodGet, s.ready},
		"/api/v1/queues":         {http.MethodGet, s.list},
		"/api/v1/queue":          {http.MethodGet, s.show},
		"/api/v1/queue/messages": {http.MethodGet, s.browse},
		"/api/v1/queue/purge":    {http.MethodPost, s.purge},
		"/api/v1/queue/move":     {http.MethodPost, s.move},
		"/api/v1/queue/delete":   {http.MethodPost, s.remove},
		"/api/v1/store/backup":   {http.MethodPost, s.backup},
	}
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
	if err := s.serve(w, r); err != nil {
		s.refuse(w, r, err)
	}
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) error {
	if err := fromHere(r); err != nil {
		return err
	}
	to, known := s.routes[r.URL.Path]
	if !known {
		return &refusal{http.StatusNotFound, "unknown-path", "there is nothing at this path"}
	}
	if r.Method != to.method && !(r.Method == http.MethodHead && to.method == http.MethodGet) {
		allow := to.method
		if allow == http.MethodGet {
			allow = "GET, HEAD"
		}
		w.Header().Set("Allow", allow)
		return &refusal{http.StatusMethodNotAllowed, "wrong-method", "this path takes " + allow}
	}
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		return to.handle(w, r) // who asks for health gets an answer at once
	}
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
		return to.handle(w, r)
	default:
		w.Header().Set("Retry-After", "1")
		return &refusal{http.StatusServiceUnavailable, "busy", fmt.Sprintf("%d requests of operators are under way; try again later", maxBusy)}
	}
}
