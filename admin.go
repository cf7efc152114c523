package hoofbeat

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"hoofbeat/admin"
	"hoofbeat/admin/console"
	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/connections"
	"hoofbeat/internal/memory"
	"hoofbeat/internal/setup"
	"hoofbeat/transport"
)

// An adminServer is the admin listener. It answers until all clients have been
// drained, so that operators can watch that.
type adminServer struct {
	listener net.Listener
	tls      bool
	server   *http.Server
	ended    chan error // receives the result of Serve
	draining atomic.Bool
	places   atomic.Pointer[[]admin.Listener] // open listeners; nil until they are known
}

// adminStomp is the path of the WebSocket endpoint on the admin listener, for
// the console.
const adminStomp = "/ws"

// adminParts are the parts of the broker that operators see and change.
type adminParts struct {
	config      *config.Config
	version     string
	commit      string
	broker      *broker.Broker
	store       *setup.Store // nil: nothing is on disk
	budget      *memory.Budget
	access      *access
	connections *connections.Registry
	transport   *transport.Server
	settings    func() []admin.Setting
	level       *slog.LevelVar
	drain       func() // begins the shutdown
	metrics     http.Handler
	log, record *slog.Logger
}

// newAdminServer returns a server that does not listen yet.
func newAdminServer(p adminParts) *adminServer {
	s := &adminServer{ended: make(chan error, 1)}
	s.server = &http.Server{
		Handler: admin.New(s.options(p)), ConnContext: withAdminConn, ConnState: leaveToSession,
		// Requests and answers are short; the handler extends the time of those
		// that are not.
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		MaxHeaderBytes: 32 << 10, // the longest token, and more
		ErrorLog:       slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	return s
}

func (s *adminServer) options(p adminParts) admin.Options {
	c := p.config
	l := c.Listen.Admin
	return admin.Options{
		Queues: p.broker, Namespace: setup.Namespace(c), Connections: connectionsOf(p.connections), Access: p.access, Remote: p.transport.RemoteOf,
		LoopbackWithoutToken: l.LoopbackWithoutToken, MetricsWithoutToken: l.MetricsWithoutToken, Hosts: l.Hosts,
		Backup: p.store.Backup(), About: s.about(p), Holdings: p.holdings, Memory: p.memory, Settings: p.settings, Level: p.level, Drain: s.drainer(p.drain),
		Checks: []admin.Check{
			{Name: "listeners", Ready: s.listening}, {Name: "storage", Ready: p.store.Ready}, {Name: "keys", Ready: p.access.ready}, {Name: "draining", Ready: s.ready},
		},
		Proven: keepOperator, Console: console.Handler(), Metrics: p.metrics, STOMP: p.transport.Handler(), StompPath: adminStomp, Log: p.log, Audit: p.record,
	}
}

// holdings returns the sums of a user beside the quotas in force.
func (p adminParts) holdings(user string) admin.Holdings {
	has, limit := p.broker.Owned(user), p.broker.Quotas()
	return admin.Holdings{
		Queues:               admin.Usage{Used: has.Queues, Limit: limit.QueuesPerUser},
		DurableSubscriptions: admin.Usage{Used: has.Subscriptions, Limit: limit.SubscriptionsPerUser},
		TemporaryQueues:      admin.Usage{Used: has.TempQueues, Limit: limit.TempQueuesPerUser},
		StoredBytes:          admin.Usage{Used: has.Stored, Limit: limit.StoredPerUser},
		MessageBytes:         p.budget.UsedBy(user),
	}
}

// memory returns the memory of all clients beside limits.memory.
func (p adminParts) memory() admin.Usage {
	m := p.budget.Stats()
	return admin.Usage{Used: int(m.Used), Limit: int(m.Limit)}
}

func (s *adminServer) about(p adminParts) admin.About {
	c := p.config
	return admin.About{
		Version: p.version, Commit: p.commit, Started: time.Now(), OnDisk: c.Storage.Directory != "", Sync: c.Storage.Sync,
		Listeners: func() []admin.Listener {
			if all := s.places.Load(); all != nil {
				return *all
			}
			return nil
		},
		Draining: s.draining.Load,
	}
}

// drainer returns a drain that first makes /readyz fail.
func (s *adminServer) drainer(drain func()) func() {
	return func() {
		s.draining.Store(true)
		drain()
	}
}

// connectionsOf returns the sessions as the admin API lists them.
func connectionsOf(r *connections.Registry) func() iter.Seq[admin.Connection] {
	return func() iter.Seq[admin.Connection] {
		return func(yield func(admin.Connection) bool) {
			for ses := range r.AllSessions() {
				if !yield(ses) {
					return
				}
			}
		}
	}
}

// listening returns nil once all listeners are open. A listener that fails
// later ends Serve.
func (s *adminServer) listening() error {
	if s.places.Load() == nil {
		return errors.New("they are not open yet")
	}
	return nil
}

func (s *adminServer) ready() error {
	if s.draining.Load() {
		return errors.New("the broker stops")
	}
	return nil
}

// listen takes over the socket, unless it is off.
func (s *adminServer) listen(open socket, most int, log *slog.Logger) {
	l := open.Listener
	if l == nil {
		return
	}
	l = newAdminDoor(l, most, log)
	s.listener, s.tls = l, open.tls != nil
	if s.tls {
		s.listener = tls.NewListener(l, open.tls)
	}
}

// serve begins to accept connections if there is a listener.
func (s *adminServer) serve() {
	if s.listener != nil {
		go func() { s.ended <- s.server.Serve(s.listener) }()
	}
}

// url returns the URL of the listener, or "".
func (s *adminServer) url() string {
	if s.listener == nil {
		return ""
	}
	if s.tls {
		return "https://" + s.listener.Addr().String()
	}
	return "http://" + s.listener.Addr().String()
}

// show publishes the listeners to operators.
func (s *adminServer) show(all []listener) {
	var places []admin.Listener
	for _, l := range all {
		places = append(places, admin.Listener{Kind: l.kind(), URL: l.url})
	}
	if url := s.url(); url != "" {
		places = append(places, admin.Listener{Kind: "admin", URL: url})
	}
	s.places.Store(&places)
}

// close waits for requests in progress until the context ends.
func (s *adminServer) close(ctx context.Context) error {
	if s.listener == nil {
		return nil
	}
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	if ended := <-s.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("listen.admin: %w", ended))
	}
	return err
}
