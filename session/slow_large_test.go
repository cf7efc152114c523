package session_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"hoofbeat/broker"
	"hoofbeat/session"
)

// A message may be longer than what may wait: what follows it, such as the
// RECEIPT of its own SEND, makes nobody a slow consumer, and neither do some
// more messages.
func TestLargeMessageIsNoFault(t *testing.T) {
	for name, policy := range map[string]session.SlowPolicy{"disconnect": session.Disconnect, "drop-newest": session.DropNewest, "drop-oldest": session.DropOldest} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, broker.Options{}, bounded(4000, policy))
				defer w.end()
				c := w.connect()
				c.Send("SUBSCRIBE", "id:1", "destination:/topic/a")
				c.Barrier()
				large := strings.Repeat("x", 9000)
				for range 3 {
					c.Send("SEND", "destination:/topic/a", "receipt:r", "", large)
					c.Send("SEND", "destination:/topic/a", "", "small")
					c.Want("MESSAGE", "", large)
					c.AwaitReceipt("r")
					c.Want("MESSAGE", "", "small")
				}
			})
		})
	}
}
