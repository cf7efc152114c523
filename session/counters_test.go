package session_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/auth/acl"
	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
	"hoofbeat/session/outbox"
)

func sum[K comparable](counts map[K]int64) (total int64) {
	for _, n := range counts {
		total += n
	}
	return total
}

// checkBooks checks that a server's counters add up when all sessions have
// ended. It runs at the end of every test.
func (w *world) checkBooks() {
	w.t.Helper()
	t := w.server.Counters().Totals()
	if len(t.Open) > 0 {
		w.t.Errorf("connections count as open: %v", t.Open)
	}
	if o, r, c := sum(t.Opened), sum(t.Refused), sum(t.Closed); o != r+c {
		w.t.Errorf("%d connections were opened, %d refused and %d closed", o, r, c)
	}
	if a, c := sum(t.Accepted), sum(t.Closed); a != c {
		w.t.Errorf("%d CONNECTs were accepted and %d sessions closed", a, c)
	}
	if p := w.broker.Stats().Published(); p != t.Written+t.Slow+t.Lost {
		w.t.Errorf("%d messages were published, %d written, %d dropped and %d lost", p, t.Written, t.Slow, t.Lost)
	}
}

// TestBooks: readers of all kinds, most of them too slow, that come and go. The
// books are checked when the world ends.
func TestBooks(t *testing.T) {
	for _, policy := range []outbox.Policy{outbox.Disconnect, outbox.DropNewest, outbox.DropOldest} {
		for seed := range uint64(3) {
			converse(t, func(t *testing.T, w *world) {
				r := rand.New(rand.NewPCG(seed, uint64(policy)))
				publisher := w.connect()
				var readers []*stomptest.Client
				read := 0
				for range 400 {
					switch n := r.IntN(10); {
					case n == 0 || len(readers) == 0:
						readers = append(readers, w.reader(r))
					case n == 1:
						i := r.IntN(len(readers))
						readers[i].Close()
						readers = append(readers[:i], readers[i+1:]...)
					case n == 2:
						_ = readers[r.IntN(len(readers))].TryWrite("UNSUBSCRIBE\nid:1\n\n\x00") // it may have been disconnected
					case n < 6:
						read += glance(readers[r.IntN(len(readers))])
					default:
						publisher.Send("SEND", "destination:/topic/"+string(rune('a'+r.IntN(2))), "", strings.Repeat("x", r.IntN(700)))
					}
				}
				publisher.Barrier()
				got := w.server.Counters().Totals()
				if read == 0 || got.Written == 0 || got.Lost == 0 || (policy == outbox.Disconnect) != (got.SlowConsumers > 0) || (policy == outbox.Disconnect) == (got.Slow > 0) {
					t.Errorf("readers got %d messages; counted are %+v", read, got)
				}
			}, bounded(3000, policy), func(o *session.Options) { o.CloseTimeout = time.Second })
		}
	}
}

// reader is a client that subscribes to a topic, as one of several kinds.
func (w *world) reader(r *rand.Rand) *stomptest.Client {
	w.socket = 1 << r.IntN(12)
	defer func() { w.socket = socketBytes }()
	c := w.connect()
	c.Send("SUBSCRIBE", "id:1", "destination:/topic/"+[]string{"a", "b", "*"}[r.IntN(3)], "receipt:1", "ack:"+[]string{"auto", "auto", "client"}[r.IntN(3)])
	c.WantReceipt("1")
	return c
}

// glance reads a few MESSAGEs that have come to a client without acknowledgement,
// and returns how many there were.
func glance(c *stomptest.Client) (n int) {
	c.Limit = time.Millisecond
	defer func() { c.Limit = stomptest.DefaultLimit }()
	for range 5 {
		f, err := c.TryNext()
		if err != nil {
			return n
		}
		if f.Command == "MESSAGE" && f.Get("ack") == "" {
			n++
		}
	}
	return n
}

// Why connections end, and how many there are meanwhile.
func TestCountedEnds(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.dialInfo(session.Info{Transport: "tcp"})
		c.Connect("1.1")
		w.dialInfo(session.Info{Transport: "ws"}).Connect("1.2")
		silent := w.dial()
		synctest.Wait()
		got := w.server.Counters().Totals()
		want := map[session.Peer]int64{{Transport: "tcp", Version: "1.1"}: 1, {Transport: "ws", Version: "1.2"}: 1, {Transport: "test"}: 1}
		if fmt.Sprint(got.Open) != fmt.Sprint(want) {
			t.Errorf("open are %v, want %v", got.Open, want)
		}
		c.Send("DISCONNECT", "receipt:1")
		c.WantReceipt("1")
		c.WantClosed()
		silent.Close()
		lost := w.connect()
		lost.Close()
		bad := w.connect()
		bad.Send("ACK", "id:1")
		bad.WantError("unknown-ack-id", "")
		first := w.dial()
		first.Send("SEND", "destination:/queue/a")
		first.WantError("not-connected", "")
		synctest.Wait()
		got = w.server.Counters().Totals()
		wantCounts(t, "closed", got.Closed, map[string]int64{"disconnected": 1, "connection-lost": 1, "unknown-ack-id": 1})
		wantCounts(t, "refused", got.Refused, map[string]int64{"connection-lost": 1, "not-connected": 1})
	})
}

func wantCounts(t *testing.T, what string, got, want map[string]int64) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestCountedDecisions covers decisions of the rules, and the fate of tokens.
func TestCountedDecisions(t *testing.T) {
	guarded(t, func(t *testing.T, w *world, _ *doorman) {
		c, idle := w.connect("Authorization:Bearer bob/60"), w.connect("Authorization:Bearer alice/10")
		for range 3 { // of which one is decided
			c.Send("SEND", "destination:/topic/a")
		}
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "receipt:1")
		c.WantReceipt("1")
		c.Send("SEND", "destination:/hoofbeat/token", "receipt:2", "", "bob/100")
		c.WantReceipt("2")
		c.Send("SEND", "destination:/topic/secret.x")
		c.WantError("access-denied", "")
		eve := w.connect("Authorization:Bearer eve/60")
		eve.Send("SEND", "destination:/hoofbeat/token", "", "bob/60")
		eve.WantError("authentication-failed", "")
		idle.Limit = time.Minute
		idle.WantError("token-expired", "")
		synctest.Wait()
		got := w.server.Counters().Totals()
		want := map[session.Decision]int64{
			{Action: acl.Send, Allowed: true}: 1, {Action: acl.Send}: 1, {Action: acl.Subscribe, Allowed: true}: 2, // once more with the new token
			{Action: acl.Subscribe}: 0,
		}
		if !maps.Equal(got.Decisions, want) {
			t.Errorf("decisions: %v, want %v", got.Decisions, want)
		}
		if got.TokensExpired != 1 || got.Refreshed != 1 || got.RefreshRefused != 1 {
			t.Errorf("%d tokens expired, %d were refreshed and %d not, want 1 each", got.TokensExpired, got.Refreshed, got.RefreshRefused)
		}
	})
}

// TestTallyIsBounded: reasons and transports are words of the program, but a
// future key that is not cannot fill the memory.
func TestTallyIsBounded(t *testing.T) {
	var c session.Counters
	const n = 100_000
	for i := range n {
		c.Reject(fmt.Sprint(i))
	}
	if all := c.Totals().Rejected; len(all) > 200 || sum(all) != n {
		t.Errorf("%d reasons for %d of %d", len(all), sum(all), n)
	}
}

// A topic's messages for a client whose token has just expired are lost,
// though its connection may stay for a moment.
func TestLostAfterExpiry(t *testing.T) {
	guarded(t, func(t *testing.T, w *world, _ *doorman) {
		w.socket = 100
		c := w.connect("Authorization:Bearer bob/10")
		w.socket = socketBytes
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/a", "receipt:1")
		c.WantReceipt("1")
		p := w.connect("Authorization:Bearer alice")
		send := func(n int) {
			for range n {
				p.Send("SEND", "destination:/topic/a", "", strings.Repeat("x", 100))
			}
			p.Barrier()
		}
		send(5)                      // more than the socket takes
		time.Sleep(10 * time.Second) // in a bubble
		synctest.Wait()
		send(3)
		if got := w.server.Counters().Totals(); got.Lost != 3 {
			t.Errorf("%d messages are lost, want 3", got.Lost)
		}
	})
}
