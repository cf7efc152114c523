package session_test

import (
	"testing"
	"time"

	"hoofbeat/session"
)

// After a last frame the client may close the connection; otherwise the
// session does, after a moment.
func TestCloseGrace(t *testing.T) {
	const grace = 200 * time.Millisecond
	giveGrace := func(o *session.Options) { o.CloseGrace = grace }
	for name, tt := range map[string]struct {
		frame []string
		want  string
		after time.Duration
	}{
		"receipt": {[]string{"DISCONNECT", "receipt:bye"}, "RECEIPT", grace},
		"error":   {[]string{"SEND", "destination:nowhere"}, "ERROR", grace},
		"nothing": {[]string{"DISCONNECT"}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			// leave performs and expects the steps of tt, and returns the
			// time of the end.
			leave := func(w *world) (*client, time.Time) {
				c := w.connect()
				start := time.Now()
				c.Send(tt.frame[0], tt.frame[1:]...)
				if tt.want != "" {
					c.Want(tt.want)
				}
				return c, start
			}
			converse(t, func(t *testing.T, w *world) {
				c, start := leave(w)
				c.WantClosed()
				if took := time.Since(start); took != tt.after {
					t.Errorf("it was closed after %v", took)
				}
			}, giveGrace)
			converse(t, func(t *testing.T, w *world) {
				c, start := leave(w)
				c.Close()
				_ = w.server.Shutdown(t.Context())
				if took := time.Since(start); took != 0 {
					t.Errorf("the session ended %v after its client", took)
				}
			}, giveGrace)
		})
	}
}
