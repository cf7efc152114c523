package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/internal/tlsfiles"
	"hoofbeat/session"
	"hoofbeat/transport"
)

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the broker until SIGINT or SIGTERM",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	config.Flags(cmd.Flags())
	return cmd
}

// serve runs the broker until the context ends, and then drains it. The URLs
// to connect to go to out, the log to errout.
func serve(ctx context.Context, c *config.Config, out, errout io.Writer) error {
	log := newLogger(c.Log, errout)
	b, err := broker.New(broker.Options{})
	if err != nil {
		return err
	}
	options := transportOptions(c, b, log)
	defer options.Session.Timers.Close()
	s := transport.NewServer(options)
	listeners, err := openListeners(c, s, log)
	if err == nil {
		warnAnonymous(c, log)
		err = announce(out, listeners)
	}
	if err != nil {
		for _, l := range listeners {
			err = errors.Join(err, l.Close())
		}
		return err
	}
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- l.serve() }()
	}
	return wait(ctx, c, s, ended, len(listeners), log)
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

func warnAnonymous(c *config.Config, log *slog.Logger) {
	switch {
	case c.File == "":
		log.Warn("there is no configuration file: everybody who can connect may do everything")
	case c.Auth.Anonymous:
		log.Warn("auth.anonymous is true: everybody who can connect may do everything")
	}
}

// A listener is one that is open, with how to serve it.
type listener struct {
	net.Listener
	url   string
	serve func() error
}

// openListeners opens all that the configuration names, so that a port in use
// is an error at the start.
func openListeners(c *config.Config, s *transport.Server, log *slog.Logger) ([]listener, error) {
	var all []listener
	if ws := c.Listen.WebSocket; ws.Address != "" {
		l, config, err := listen(ws.Address, ws.TLS, log)
		if err != nil {
			return all, fmt.Errorf("listen.websocket: %w", err)
		}
		all = append(all, listener{
			Listener: l, url: scheme("ws", config) + "://" + l.Addr().String() + ws.Path,
			serve: func() error { return s.ServeWebSocket(l, ws.Path, config) },
		})
	}
	if tcp := c.Listen.TCP; tcp.Address != "" {
		l, config, err := listen(tcp.Address, tcp.TLS, log)
		if err != nil {
			return all, fmt.Errorf("listen.tcp: %w", err)
		}
		all = append(all, listener{
			Listener: l, url: scheme("tcp", config) + "://" + l.Addr().String(),
			serve: func() error { return s.ServeTCP(l, config) },
		})
	}
	return all, nil
}

func listen(address string, files config.TLS, log *slog.Logger) (net.Listener, *tls.Config, error) {
	var t *tls.Config
	if files.Cert != "" {
		var err error
		if t, err = tlsfiles.New(tlsfiles.Files(files), log); err != nil {
			return nil, nil, err
		}
	}
	l, err := net.Listen("tcp", address)
	return l, t, err
}

func scheme(plain string, t *tls.Config) string {
	if t != nil {
		return plain + "s"
	}
	return plain
}

// transportOptions copies the configuration into the packages' own options.
func transportOptions(c *config.Config, b *broker.Broker, log *slog.Logger) transport.Options {
	o := session.DefaultOptions(b)
	l := c.Limits
	o.Namespace = broker.Namespace{Topics: c.Prefixes.Topic, Queues: c.Prefixes.Queue}
	o.Log = log
	o.Server = "hoofbeat/" + strings.Trim(readVersion().Version, "()")
	o.ConnectTimeout = l.ConnectTimeout
	o.HeartBeat = session.HeartBeat{Min: c.Heartbeat.Min, Server: c.Heartbeat.Server}
	o.Limits = session.Limits{
		Subscriptions:     l.SubscriptionsPerConnection,
		Transactions:      l.TransactionsPerConnection,
		TransactionFrames: l.FramesPerTransaction,
		TransactionBytes:  l.TransactionBytesPerConnection,
		Outbound:          l.OutboundBytesPerConnection,
		SlowConsumer:      slowPolicy(l.SlowConsumer),
		Prefetch:          l.Prefetch,
		SendRate:          l.SendRatePerConnection.Events,
		SendRatePer:       l.SendRatePerConnection.Per,
	}
	o.Limits.HeaderBytes, o.Limits.Headers = l.FrameHeaderBytes, l.FrameHeaders
	o.Limits.BodyBytes, o.Limits.BytesBeforeConnect = l.FrameBodyBytes, l.FrameBytesBeforeConnect
	return transport.Options{
		Session: o, Origins: c.Listen.WebSocket.Origins, Compression: c.Listen.WebSocket.Compression, Log: log,
		Limits: transport.Limits{
			Connections: l.Connections, PerAddress: l.ConnectionsPerIP,
			ConnectRate: l.ConnectRatePerIP.Events, ConnectRatePer: l.ConnectRatePerIP.Per,
		},
	}
}

func slowPolicy(s string) session.SlowPolicy {
	switch s {
	case "drop-newest":
		return session.DropNewest
	case "drop-oldest":
		return session.DropOldest
	}
	return session.Disconnect
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
