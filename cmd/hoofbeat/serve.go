package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/internal/logs"
	"hoofbeat/internal/timers"
	"hoofbeat/transport"
)

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the broker until SIGINT or SIGTERM",
		Long: `Runs the broker in the foreground. Without a configuration file it listens on loopback only, everybody may do everything, and
nothing is kept on disk.

Each key of the configuration is a flag, not only those below: --limits-connections for limits.connections. Lists of maps, such
as --acl, take JSON. ` + "`hoofbeat config default`" + ` prints all keys.`,
		Example: `  hoofbeat serve --listen-tcp-address 127.0.0.1:61613
  hoofbeat serve --config /etc/hoofbeat/hoofbeat.yaml --log-level debug`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hangup, stop := catchHangups()
			defer stop()
			c, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			again := func() (*config.Config, error) { return readConfig(cmd) }
			return serve(cmd.Context(), &reloader{load: again, current: c, known: fingerprint(c.Files()), hangup: hangup}, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	config.Flags(cmd.Flags())
	return cmd
}

// serve runs the broker until the context ends, and then drains it. The URLs
// to connect to go to out, the log to errout; the reloader, which serve
// completes, knows the configuration and reads it again when it changes.
func serve(ctx context.Context, r *reloader, out, errout io.Writer) (err error) {
	c := r.current
	ctx, drain := context.WithCancel(ctx)
	defer drain()
	level := levelOf(c.Log)
	calm := logs.NewCalm(newLogger(c.Log, level, errout).Handler())
	defer calm.Close()
	log := slog.New(calm)
	a, err := newAccess(ctx, c, log)
	if err != nil {
		return err
	}
	defer a.authenticator.Close()
	open, err := openSockets(c.Listen, log)
	if err != nil {
		return err
	}
	defer open.close()
	record, audit, err := openAudit(c.Log.Audit, errout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, audit.Close()) }()
	store, err := openStorage(c.Storage, "storage.directory", log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.close()) }()
	clock := timers.New()
	defer clock.Close()
	b, err := newBroker(c, store, log)
	if err != nil {
		return err
	}
	defer b.Close()
	budget, stop := startMemory(c.Limits, log)
	defer stop()
	options := transportOptions(c, b, log)
	options.Session.Memory = budget
	options.Session.Timers = clock
	if options.Elsewhere, err = page(c); err != nil {
		return err
	}
	restrict(&options.Session, c, a, record)
	options.Limits.Connections = reachable(c, maxDescriptors(), log)
	options.GuardHosts, options.Hosts = a.open.Load, c.Listen.WebSocket.Hosts
	tracer, err := newTracer(c.Tracing, b, log)
	if err != nil {
		return err
	}
	if tracer != nil {
		defer tracer.Close()
		options.Session.Tracer = tracer
	}
	s := transport.NewServer(options)
	reauthorize := s.Reauthorize
	a.reauthorize.Store(&reauthorize)
	r.started, r.access, r.broker, r.server, r.audit, r.log, r.record = c, a, b, s, audit, log, record
	r.settle(c)
	r.counts.started()
	operators := newAdminServer(adminParts{
		metrics: newMetrics(b, s, budget, store, a, tracer, r, log),
		config:  c, broker: b, store: store, access: a, sessions: s,
		settings: r.settings, level: level, drain: drain, log: log, record: record,
	})
	return run(ctx, c, s, open, operators, r, out, log)
}

// newBroker makes a broker of what is on disk.
func newBroker(c *config.Config, store *diskStore, log *slog.Logger) (*broker.Broker, error) {
	policies, err := compilePolicies(c)
	if err != nil {
		return nil, err
	}
	b, err := broker.New(broker.Options{Store: store.store(), Policies: policies, Quotas: quotas(c), Log: log})
	if err != nil {
		return nil, fmt.Errorf("storage.directory: %w", err)
	}
	warnOfLimits(b, log)
	if store != nil {
		debug.FreeOSMemory() // reading many queues leaves as much garbage as they take
	}
	return b, nil
}

// run serves the listeners until the context ends, and drains the server.
// Operators are served until then.
func run(ctx context.Context, c *config.Config, s *transport.Server, open *sockets, operators *adminServer, r *reloader, out io.Writer, log *slog.Logger) error {
	operators.serve(open.admin, c.Listen.Admin.Connections, log)
	listeners := clientListeners(c, s, open)
	for _, w := range c.Warnings() {
		if c.File == "" {
			w = "there is no configuration file: " + w
		}
		log.Warn(w)
	}
	operators.show(listeners)
	if err := announce(out, listeners, operators.url()); err != nil {
		return errors.Join(err, operators.close(ctx))
	}
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		r.run(watching)
	}()
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- l.serve() }()
	}
	tellSupervisor(supervisedReady, log)
	err := wait(ctx, c, s, operators, ended, len(listeners), log)
	stop()
	<-watched
	return err
}

func announce(out io.Writer, listeners []listener, operators string) error {
	for _, l := range listeners {
		if _, err := fmt.Fprintf(out, "hoofbeat accepts STOMP on %s\n", l.url); err != nil {
			return err
		}
	}
	if operators != "" {
		if _, err := fmt.Fprintf(out, "hoofbeat answers operators on %s\n", operators); err != nil {
			return err
		}
	}
	for _, l := range listeners {
		if l.page == "" {
			continue
		}
		if _, err := fmt.Fprintf(out, "Open %s in a browser to try it.\n", l.page); err != nil {
			return err
		}
	}
	return nil
}

// wait waits for the end of the context, or of a listener that fails, and
// drains the server.
func wait(ctx context.Context, c *config.Config, s *transport.Server, operators *adminServer, ended <-chan error, n int, log *slog.Logger) error {
	var failed error
	select {
	case <-ctx.Done():
		operators.draining.Store(true)
		tellSupervisor(supervisedEnds, log)
		log.Info("stopping", "sessions", s.Sessions(), "drainDelay", c.Limits.DrainDelay, "drainTimeout", c.Limits.DrainTimeout)
		if failed = linger(c.Limits.DrainDelay, ended); failed != nil {
			n--
		}
	case failed = <-ended:
		operators.draining.Store(true)
		n--
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Limits.DrainTimeout)
	defer cancel()
	if err := s.Shutdown(drain); err != nil {
		log.Warn("clients were cut off: limits.drain_timeout has passed", "error", err)
	}
	for range n {
		if err := <-ended; !errors.Is(err, transport.ErrServerClosed) { // it stopped before it served
			failed = errors.Join(failed, err)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), operatorsPatience)
	defer cancel()
	if err := operators.close(last); err != nil {
		log.Warn("operators were cut off", "error", err)
	}
	log.Info("stopped")
	return failed
}

// linger goes on serving for a while, or until a listener fails.
func linger(d time.Duration, ended <-chan error) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case err := <-ended:
		return err
	}
}

// operatorsPatience is how long a shutdown waits for what operators have asked
// for, when clients have gone.
const operatorsPatience = 5 * time.Second

// levelOf is the level of the configuration, which can be changed.
func levelOf(c config.Log) *slog.LevelVar {
	level := new(slog.LevelVar)
	// The configuration has checked that it is one of slog's names.
	_ = level.UnmarshalText([]byte(c.Level))
	return level
}

func newLogger(c config.Log, level slog.Leveler, w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: logs.Mask}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
