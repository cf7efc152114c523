package transport

import (
	"context"
	"math/rand/v2"
	"time"

	"hoofbeat/session"
)

// dismissal is how long after one another clients are dismissed, so that not
// all of them are back at the same moment.
const dismissal = time.Millisecond

// Shutdown stops accepting and lets every client go: queues give it nothing
// more, it may acknowledge what it has, and is told that the server goes away,
// after what was queued for it. Shutdown waits until all connections have
// ended, or the context has. Shortly before its deadline, clients that have
// not finished are told too, and their messages are given back; what is left
// when it has passed is cut off.
func (s *Server) Shutdown(ctx context.Context) error {
	sessions := s.close()
	for ses := range sessions {
		ses.Drain(s.retryAfter())
	}
	s.cancel() // handshakes are cut short: nothing was said yet
	done := make(chan struct{})
	go func() {
		s.wait.Wait()
		close(done)
	}()
	d := s.drainOf(ctx, len(sessions))
	d.dismiss(sessions, done)
	if d.patience(done) {
		return nil
	}
	for ses := range s.close() {
		ses.Shutdown(d.grace)
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	for ses, c := range s.close() {
		ses.Kill()
		c.cut()
	}
	<-done
	return ctx.Err()
}

// retryAfter is when one client is told to come back: whole seconds, at least
// one, or 0 for never.
func (s *Server) retryAfter() time.Duration {
	most := int(s.options.RetryAfter / time.Second)
	if most < 1 {
		return 0
	}
	return time.Duration(1+rand.IntN(most)) * time.Second
}

// A drain is the time that a shutdown has.
type drain struct {
	spread time.Duration   // for dismissing
	until  <-chan struct{} // when those that have not finished have to
	grace  time.Duration   // for what they are told then
}

// drainOf divides the time of a shutdown with n sessions.
func (s *Server) drainOf(ctx context.Context, n int) drain {
	d := drain{spread: time.Duration(n) * dismissal, until: ctx.Done(), grace: s.options.Session.CloseTimeout}
	end, ok := ctx.Deadline()
	if !ok {
		return d
	}
	left := time.Until(end)
	d.spread = min(d.spread, left/2)
	d.grace = min(d.grace, left/4)
	early, cancel := context.WithDeadline(ctx, end.Add(-d.grace))
	context.AfterFunc(early, cancel)
	d.until = early.Done()
	return d
}

// dismiss lets the sessions go one after the other, in no order.
func (d drain) dismiss(sessions map[*session.Session]conn, done <-chan struct{}) {
	const steps = 50
	size := max(1, len(sessions)/steps)
	pace := time.NewTicker(max(d.spread/steps, time.Nanosecond))
	defer pace.Stop()
	dismissed := 0
	for ses := range sessions {
		if dismissed > 0 && dismissed%size == 0 {
			select {
			case <-pace.C:
			case <-done:
			case <-d.until:
				return
			}
		}
		ses.Dismiss()
		dismissed++
	}
}

// patience waits for all to have finished, and tells whether they have.
func (d drain) patience(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-d.until:
		return false
	}
}
