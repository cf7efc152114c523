package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"hoofbeat/admin"
	"hoofbeat/broker"
	"hoofbeat/config"
)

// An adminServer is the listener for operators. It answers until clients have
// been drained, so that it can tell that they are.
type adminServer struct {
	listener net.Listener
	server   *http.Server
	ended    chan error // has what Serve returned
	draining atomic.Bool
}

// newAdminServer makes one that does not listen yet. backup is nil if nothing
// is on disk.
func newAdminServer(c *config.Config, b *broker.Broker, store *diskStore, a *access, log, record *slog.Logger) *adminServer {
	s := &adminServer{ended: make(chan error, 1)}
	s.server = &http.Server{
		Handler: admin.New(admin.Options{
			Queues: b, Namespace: namespace(c), Backup: store.backup(), Log: log, Audit: record,
			Checks: []admin.Check{{Name: "storage", Ready: store.ready}, {Name: "keys", Ready: a.ready}, {Name: "draining", Ready: s.ready}},
		}),
		// Requests are short, and so are answers but for what the handler knows
		// to take long.
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, // as clients cannot log in, there is nothing long to send
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s
}

func (s *adminServer) ready() error {
	if s.draining.Load() {
		return errors.New("the broker stops")
	}
	return nil
}

// listen begins to accept; with an empty address it does nothing.
func (s *adminServer) listen(address string) error {
	if address == "" {
		return nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen.admin: %w", err)
	}
	s.listener = l
	go func() { s.ended <- s.server.Serve(l) }()
	return nil
}

// url is where it listens; "" if it does not.
func (s *adminServer) url() string {
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String()
}

// close lets the requests under way end, until the context does.
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
