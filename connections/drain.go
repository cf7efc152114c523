package connections

import (
	"context"
	"math/rand/v2"
	"time"

	"hoofbeat/session"
)

// dismissal is the pause between two dismissed clients, so that they do not all
// reconnect at the same moment.
const dismissal = time.Millisecond

// Shutdown closes the listeners and drains every connection: its queues deliver
// nothing more, the client may acknowledge the messages that it holds, and it
// is told that the server stops, behind everything already queued for it: by an
// ERROR, or over WebSocket by the close code 1001. Shutdown returns when all
// connections have ended or the context is done. Shortly before the deadline,
// clients that have not finished are told as well and their unacknowledged
// messages are requeued. Connections that are still open at the deadline are
// cut off.
func (r *Registry) Shutdown(ctx context.Context) error {
	sessions := r.close()
	for ses := range sessions {
		ses.Drain(r.retryAfter())
	}
	r.cancel() // handshakes are aborted; their clients have sent nothing yet
	done := make(chan struct{})
	go func() {
		r.wait.Wait()
		close(done)
	}()
	d := r.drainOf(ctx, len(sessions))
	d.dismiss(sessions, done)
	if d.waitFinished(done) {
		return nil
	}
	for ses := range r.close() {
		ses.Shutdown(d.grace)
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	for ses, c := range r.close() {
		ses.Kill()
		c.Cut()
	}
	<-done
	return ctx.Err()
}

// retryAfter draws the time after which one client is told to reconnect: whole
// seconds, at least one, or 0 for no such hint.
func (r *Registry) retryAfter() time.Duration {
	most := int(r.options.RetryAfter / time.Second)
	if most < 1 {
		return 0
	}
	return time.Duration(1+rand.IntN(most)) * time.Second
}

// A drain divides the time that a shutdown has.
type drain struct {
	spread time.Duration   // over which sessions are dismissed
	until  <-chan struct{} // done when unfinished sessions must end
	grace  time.Duration   // for those sessions to send their last frames
}

// drainOf plans a shutdown with n sessions.
func (r *Registry) drainOf(ctx context.Context, n int) drain {
	d := drain{spread: time.Duration(n) * dismissal, until: ctx.Done(), grace: r.options.Session.CloseTimeout}
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

// dismiss dismisses the sessions one by one, in no particular order.
func (d drain) dismiss(sessions map[*session.Session]Conn, done <-chan struct{}) {
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

// waitFinished waits until all sessions have finished or time is up. It reports
// whether all have finished.
func (d drain) waitFinished(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-d.until:
		return false
	}
}
