// Package hoofbeat runs a STOMP message broker inside a Go program.
//
// [New] opens the ports and the store, [Server.Serve] accepts clients until its
// context ends, and then drains them. A program that has an HTTP server mounts
// [Server.Handler] in it.
//
// The package keeps no global state: it handles no signals, changes no settings
// of the Go runtime, and writes only to the logger that it is given, to the
// audit log, and to the storage directory. Several brokers can run in one
// process.
package hoofbeat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"

	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/connections"
	"hoofbeat/internal/logs"
	"hoofbeat/internal/memory"
	"hoofbeat/internal/setup"
	"hoofbeat/internal/timers"
	"hoofbeat/internal/tracing"
	"hoofbeat/transport"
)

// ErrServerClosed is returned by the methods of a Server that has ended.
var ErrServerClosed = errors.New("hoofbeat: the server is closed")

// A Server is a broker with its listeners and its store. Its methods may be
// called from any goroutine.
type Server struct {
	options     Options
	config      *config.Config // that of the start
	log, record *slog.Logger   // record: the audit log
	access      *access
	sockets     *sockets
	store       *setup.Store // nil: nothing is on disk
	broker      *broker.Broker
	budget      *memory.Budget
	connections *connections.Registry
	transport   *transport.Server
	operators   *adminServer
	reloader    *reloader
	listeners   []listener

	// draining ends when Shutdown is called or an operator drains the broker,
	// closing when the context of Shutdown does.
	draining, closing context.Context
	drain, cut        context.CancelFunc

	closers []func() error // called by release, the last first
	done    chan struct{}  // closed when everything has been released

	mu      sync.Mutex // guards started
	started bool       // Serve or Shutdown was called
}

// New makes a broker: it opens the ports and the store, and reads the queues on
// disk. Clients that connect wait until Serve is called. A New that fails
// leaves nothing open. The Server must be ended by Serve or Shutdown.
func New(o Options) (*Server, error) { return NewContext(context.Background(), o) }

// NewContext is New with a context that cancels the first fetch of keys from
// auth.jwt.jwks_url.
func NewContext(ctx context.Context, o Options) (_ *Server, err error) {
	o, err = o.load()
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, config: o.Config, done: make(chan struct{})}
	s.draining, s.drain = context.WithCancel(context.Background())
	s.closing, s.cut = context.WithCancel(context.Background())
	s.reloader = &reloader{load: o.Load, current: o.Config, started: o.Config, known: fingerprint(o.Config.Files())}
	for _, step := range []func(context.Context) error{s.openLogs, s.openAccess, s.openPorts, s.openAudit, s.openBroker, s.openTransport} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.release())
		}
	}
	s.warn()
	return s, nil
}

// release closes everything that was opened.
func (s *Server) release() error {
	var failed error
	for i := len(s.closers) - 1; i >= 0; i-- {
		failed = errors.Join(failed, s.closers[i]())
	}
	s.drain()
	s.cut()
	return failed
}

// onRelease adds a function to those that release calls.
func (s *Server) onRelease(f func() error) { s.closers = append(s.closers, f) }

// openLogs makes the log, in which refusals that a client repeats are counted.
func (s *Server) openLogs(context.Context) error {
	calm := logs.NewCalm(s.options.Logger.Handler())
	s.log = slog.New(calm)
	s.onRelease(func() error { calm.Close(); return nil })
	return nil
}

func (s *Server) openAccess(ctx context.Context) (err error) {
	if s.access, err = newAccess(ctx, s.config, s.log); err != nil {
		return err
	}
	s.onRelease(func() error { s.access.authenticator.Close(); return nil })
	return nil
}

// openPorts comes before the store, so that a start that fails because a port is
// in use makes no directory.
func (s *Server) openPorts(context.Context) (err error) {
	s.sockets = &sockets{}
	if !s.options.NoListeners {
		if s.sockets, err = openSockets(s.config.Listen, s.log); err != nil {
			return err
		}
	}
	s.onRelease(func() error { s.sockets.close(); return nil })
	return nil
}

func (s *Server) openAudit(context.Context) (err error) {
	var audit *auditLog
	if s.record, audit, err = openAudit(s.config.Log.Audit, s.options.AuditOutput); err != nil {
		return err
	}
	s.reloader.audit = audit
	s.onRelease(audit.Close)
	return nil
}

// openBroker makes a broker of the messages on disk.
func (s *Server) openBroker(context.Context) (err error) {
	policies, err := setup.Policies(s.config)
	if err != nil {
		return err
	}
	if s.store, err = setup.OpenStore(s.config.Storage, "storage.directory", s.log); err != nil {
		return err
	}
	s.onRelease(s.store.Close)
	s.broker, err = broker.New(broker.Options{Store: s.store.ForBroker(), Policies: policies, Quotas: setup.Quotas(s.config), Log: s.log})
	if err != nil {
		return fmt.Errorf("storage.directory: %w", err)
	}
	s.onRelease(func() error { s.broker.Close(); return nil })
	warnOfLimits(s.broker, s.log)
	return nil
}

// openTransport puts the parts together.
func (s *Server) openTransport(context.Context) error {
	o, tracer, err := s.connectionOptions()
	if err != nil {
		return err
	}
	endpoints, err := s.transportOptions()
	if err != nil {
		return err
	}
	s.connections = connections.New(o)
	s.transport = transport.NewServer(s.connections, endpoints)
	reauthorize := s.connections.Reauthorize
	s.access.reauthorize.Store(&reauthorize)
	r := s.reloader
	r.access, r.broker, r.connections, r.log, r.record = s.access, s.broker, s.connections, s.log, s.record
	r.settle(s.config)
	r.counts.started()
	s.operators = newAdminServer(adminParts{
		metrics: s.metrics(tracer), config: s.config, version: s.options.Version, commit: s.options.Commit,
		broker: s.broker, store: s.store, budget: s.budget, access: s.access, connections: s.connections, transport: s.transport,
		settings: r.settings, level: s.options.Level, drain: s.drain, log: s.log, record: s.record,
	})
	s.operators.listen(s.sockets.admin, s.config.Listen.Admin.Connections, s.log)
	s.listeners = clientListeners(s.config, s.transport, s.sockets)
	s.operators.show(s.listeners)
	return nil
}

// connectionOptions completes the options of the configuration with the parts
// that sessions use. The Tracer is nil if spans are off.
func (s *Server) connectionOptions() (o connections.Options, tracer *tracing.Tracer, err error) {
	c := s.config
	o = setup.Connections(c, s.broker, s.options.Version, s.log)
	o.Session.Timers = timers.New()
	s.onRelease(func() error { o.Session.Timers.Close(); return nil })
	s.budget = s.watchMemory()
	o.Session.Memory = s.budget
	restrict(&o.Session, c, s.access, s.record)
	o.Limits.Connections = reachable(c, maxDescriptors(), s.log)
	if tracer, err = newTracer(c.Tracing, s.broker, s.options.Version, s.log); tracer != nil {
		s.onRelease(func() error { tracer.Close(); return nil })
		o.Session.Tracer = tracer
	}
	return o, tracer, err
}

func (s *Server) transportOptions() (o transport.Options, err error) {
	o = setup.Transport(s.config)
	o.GuardHosts, o.Hosts = s.access.open.Load, s.config.Listen.WebSocket.Hosts
	o.Elsewhere, err = page(s.config)
	return o, err
}

// watchMemory makes the budget of all clients, which is watched until release.
func (s *Server) watchMemory() *memory.Budget {
	all := memory.Machine(os.DirFS("/"))
	limit := s.config.Limits.Memory.Of(all)
	budget := memory.New(limit)
	s.log.Info("memory", "machine", all, "limits.memory", limit)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		budget.Watch(ctx)
	}()
	s.onRelease(func() error {
		cancel()
		<-done
		return nil
	})
	return budget
}

// warn logs the warnings of the configuration.
func (s *Server) warn() {
	for _, w := range s.config.Warnings() {
		if s.config.File == "" {
			w = "there is no configuration file: " + w
		}
		s.log.Warn(w)
	}
}

// A Listener is a port that a Server has opened.
type Listener struct {
	Kind string // "websocket", "tcp" or "admin"
	URL  string // with the port that was chosen for port 0
	Page string // URL of the page for newcomers; empty if there is none
}

// Listeners returns the open ports, those of clients first.
func (s *Server) Listeners() []Listener {
	var all []Listener
	for _, l := range s.listeners {
		all = append(all, Listener{Kind: l.kind(), URL: l.url, Page: l.page})
	}
	if url := s.operators.url(); url != "" {
		all = append(all, Listener{Kind: "admin", URL: url})
	}
	return all
}

// URL returns the URL of the first listener of a kind: "websocket", "tcp" or
// "admin". It is empty if there is none.
func (s *Server) URL(kind string) string {
	for _, l := range s.Listeners() {
		if l.Kind == kind {
			return l.URL
		}
	}
	return ""
}

// Handler returns the WebSocket endpoint, for any path of an http.ServeMux. It
// serves clients from New until Shutdown. The names by which browsers may reach
// it are not checked here, as listen.websocket.hosts does for the Server's own
// port.
func (s *Server) Handler() http.Handler { return s.transport.Handler() }

// MemoryLimit returns limits.memory in bytes: the memory that clients may make
// the broker hold. A program that runs nothing else may pass a quarter more to
// debug.SetMemoryLimit.
func (s *Server) MemoryLimit() int { return int(s.budget.Stats().Limit) }

// Reload loads the configuration again and applies the keys that need no
// restart, as a change of the file does, and opens the file of the audit log
// anew. If the configuration has faults, nothing changes, and the error has one
// line for each.
func (s *Server) Reload(ctx context.Context) error { return s.reloader.hangup(ctx) }
