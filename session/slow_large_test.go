package session_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"hoofbeat/broker"
	"hoofbeat/session"
	"hoofbeat/session/outbox"
)

// A message may be longer than the outbox: the frames behind it, such as the
// RECEIPT of its own SEND, and some more messages, make nobody a slow
// consumer.
func TestLargeMessageIsNoFault(t *testing.T) {
	for name, policy := range map[string]outbox.Policy{"disconnect": outbox.Disconnect, "drop-newest": outbox.DropNewest, "drop-oldest": outbox.DropOldest} {
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

// A client may have read a large message, and answer with another, while the
// writer has not come back from writing it. A third one is too much.
func TestLargeMessageWhileAnotherIsWritten(t *testing.T) {
	for name, tc := range map[string]struct {
		policy outbox.Policy
		third  []string
	}{
		"disconnect":  {outbox.Disconnect, nil},
		"drop-newest": {outbox.DropNewest, []string{"1", "2", "3", "4", "6"}},
		"drop-oldest": {outbox.DropOldest, []string{"1", "5", "6"}},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				slowReader(t, s)
				publish := func(i, size int) {
					s.pub.Send(message("/topic/a", strings.Repeat(string(rune('0'+i)), size)), nil)
					synctest.Wait()
				}
				came := func() (firsts []string) {
					for _, b := range s.bodies("t") {
						firsts = append(firsts, b[:1])
					}
					return firsts
				}
				rounds := func() {
					publish(1, 9000) // which the writer takes
					publish(2, 10)
					publish(3, 9000)
					publish(4, 10)
				}
				rounds()
				s.conn.read(true)
				if got := came(); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
					t.Fatalf("got %q, want all four", got)
				}
				s.skip(t, 4)
				s.conn.read(false)
				rounds()
				publish(5, 9000)
				publish(6, 10)
				s.conn.read(true)
				if tc.third == nil {
					s.wantEnd(t, "slow-consumer", session.ClosePolicy)
					return
				}
				if got := came(); !slices.Equal(got, tc.third) {
					t.Errorf("got %q, want %q", got, tc.third)
				}
			}, bounded(4000, tc.policy))
		})
	}
}
