package hoofbeat

import (
	"context"
	"errors"
	"time"

	"hoofbeat/transport"
)

// operatorsTimeout is the time that a shutdown waits for requests of operators
// after the clients have gone.
const operatorsTimeout = 5 * time.Second

// Serve accepts clients and operators, and applies changes of the configuration
// file. When ctx ends, or Shutdown is called, or an operator drains the broker,
// it drains the clients for at most limits.drain_timeout, closes everything and
// returns nil. It returns an error if a listener or the store fails. It may be
// called once.
func (s *Server) Serve(ctx context.Context) error {
	if !s.start() {
		return ErrServerClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.draining, cancel)()
	s.operators.serve()
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.reloader.run(watching)
	}()
	ended := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		go func() { ended <- l.serve() }()
	}
	s.options.OnReady()
	err := s.wait(ctx, ended, len(s.listeners))
	stop()
	<-watched
	return errors.Join(err, s.finish())
}

// Shutdown makes Serve drain the clients and waits until it has. When ctx ends
// first, clients are cut off and its error is returned. If Serve was not
// called, Shutdown drains the clients of Handler itself.
func (s *Server) Shutdown(ctx context.Context) error {
	defer context.AfterFunc(ctx, s.cut)()
	s.drain()
	if s.start() {
		s.operators.draining.Store(true)
		s.disconnect(ctx)
		return errors.Join(s.finish(), ctx.Err())
	}
	<-s.done
	return ctx.Err()
}

// start reports whether the caller is the one that must call finish.
func (s *Server) start() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return false
	}
	s.started = true
	return true
}

// finish releases everything.
func (s *Server) finish() error {
	defer close(s.done)
	s.reloader.close()
	return s.release()
}

// wait waits for the end of the context, or for a listener that fails, and
// drains the server.
func (s *Server) wait(ctx context.Context, ended <-chan error, n int) error {
	var failed error
	select {
	case <-ctx.Done():
		s.operators.draining.Store(true)
		s.options.OnDrain()
		limits := s.config.Limits
		s.log.Info("stopping", "sessions", s.connections.Sessions(), "drainDelay", limits.DrainDelay, "drainTimeout", limits.DrainTimeout)
		if failed = s.linger(limits.DrainDelay, ended); failed != nil {
			n--
		}
	case failed = <-ended:
		s.operators.draining.Store(true)
		n--
	}
	s.disconnect(s.closing)
	for range n {
		if err := <-ended; !errors.Is(err, transport.ErrServerClosed) { // it stopped before it served
			failed = errors.Join(failed, err)
		}
	}
	last, cancel := context.WithTimeout(s.closing, operatorsTimeout)
	defer cancel()
	if err := s.operators.close(last); err != nil {
		s.log.Warn("operators were cut off", "error", err)
	}
	s.log.Info("stopped")
	return failed
}

// disconnect drains the clients until the context ends, for at most
// limits.drain_timeout.
func (s *Server) disconnect(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Limits.DrainTimeout)
	defer cancel()
	if err := s.connections.Shutdown(ctx); err != nil {
		s.log.Warn("clients were cut off: limits.drain_timeout has passed", "error", err)
	}
}

// linger goes on serving for a while, or until a listener fails or Shutdown has
// no more time.
func (s *Server) linger(d time.Duration, ended <-chan error) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.closing.Done():
		return nil
	case err := <-ended:
		return err
	}
}
