package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/transport"
)

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the broker until SIGINT or SIGTERM",
		Args:  cobra.NoArgs,
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
	log := newLogger(c.Log, errout)
	record, audit, err := openAudit(c.Log.Audit, errout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, audit.Close()) }()
	a, err := newAccess(ctx, c, log)
	if err != nil {
		return err
	}
	defer a.authenticator.Close()
	b, err := broker.New(broker.Options{})
	if err != nil {
		return err
	}
	options := transportOptions(c, b, log)
	defer options.Session.Timers.Close()
	restrict(&options.Session, c, a, record)
	s := transport.NewServer(options)
	r.access, r.server, r.audit, r.log, r.record = a, s, audit, log, record
	return run(ctx, c, s, r, out, log)
}

// run opens the listeners, serves them until the context ends, and drains the
// server.
func run(ctx context.Context, c *config.Config, s *transport.Server, r *reloader, out io.Writer, log *slog.Logger) error {
	listeners, err := openListeners(c, s, log)
	if err == nil {
		for _, w := range c.Warnings() {
			if c.File == "" {
				w = "there is no configuration file: " + w
			}
			log.Warn(w)
		}
		err = announce(out, listeners)
	}
	if err != nil {
		for _, l := range listeners {
			err = errors.Join(err, l.Close())
		}
		return err
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
	err = wait(ctx, c, s, ended, len(listeners), log)
	stop()
	<-watched
	return err
}

func announce(out io.Writer, listeners []listener) error {
	for _, l := range listeners {
		if _, err := fmt.Fprintf(out, "hoofbeat accepts STOMP on %s\n", l.url); err != nil {
			return err
		}
	}
	return nil
}

// wait waits for the end of the context, or of a listener that fails, and
// drains the server.
func wait(ctx context.Context, c *config.Config, s *transport.Server, ended <-chan error, n int, log *slog.Logger) error {
	var failed error
	select {
	case <-ctx.Done():
		log.Info("stopping", "sessions", s.Sessions(), "drainTimeout", c.Limits.DrainTimeout)
	case failed = <-ended:
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
	log.Info("stopped")
	return failed
}

func newLogger(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	// The configuration has checked that it is one of slog's names.
	_ = level.UnmarshalText([]byte(c.Level))
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
