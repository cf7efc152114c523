package session_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/broker"
	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
)

// Custom headers travel unchanged, repeated ones too, and in their order.
func TestCustomHeaders(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		custom := []string{
			"z:last letter first", "content-type:text/plain;charset=utf-8", "a:1", "a:2", " padded : both ", `esc\caped:v\\a\nl\cue\r`,
			"empty:", "priority:9", "correlation-id:c", "persistent:true", "id:mine", "message:mine", "receipt-id:mine",
			"timestamp:1", "selector:x", "x-ä:ö", "Destination:/queue/b", "reply-to:/queue/c", "version:7", "session:s",
		}
		c.Send("SEND", append(append([]string{"destination:/queue/a"}, custom...), "", "b")...)
		f := c.Want("MESSAGE", "destination:/queue/a", "content-length:1", "", "b")
		var got []string
		for _, l := range f.Lines() {
			switch name, _, _ := strings.Cut(l, ":"); name {
			case "subscription", "destination", "message-id", "content-length":
			default:
				got = append(got, l)
			}
		}
		if !slices.Equal(got, custom) {
			t.Errorf("got %q, want %q", got, custom)
		}
	})
}

// No sender can set the server's headers of a MESSAGE.
func TestForgery(t *testing.T) {
	forged := []string{
		"message-id:forged", "subscription:forged", "ack:forged", "redelivered:true", "delivery-count:9", "user:forged",
		"content-length:4", "receipt:r", "message-id:forged",
	}
	for _, version := range []string{"1.0", "1.1", "1.2"} {
		for _, to := range []string{"/topic/a", "/queue/a", "/user/anonymous/queue/a"} {
			t.Run(version+to, func(t *testing.T) {
				converse(t, func(t *testing.T, w *world) {
					c, p := w.connect(), w.dial()
					p.Connect(version)
					c.Send("SUBSCRIBE", "id:1", "destination:"+strings.Replace(to, "/anonymous", "", 1))
					c.Barrier()
					p.Send("SEND", append(append([]string{}, forged...), "destination:"+to, "custom:yes", "", "body")...)
					p.WantReceipt("r")
					f := c.Want("MESSAGE", "subscription:1", "custom:yes", "content-length:4", "!ack", "!redelivered", "!delivery-count", "!user", "!receipt", "!transaction", "", "body")
					if strings.Contains(f.Raw, "forged") || strings.Count(f.Raw, "content-length") != 1 || strings.Count(f.Raw, "destination") != 1 {
						t.Errorf("got %q", f.Raw)
					}
				})
			})
		}
	}
}

// A name that only looks reserved once it is trimmed, as 1.0 does.
func TestForgeryByTrimming(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, p := w.dial(), w.dial()
		c.Connect("1.0")
		p.Connect("1.0")
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		p.Send("SEND", "destination:/queue/a", " message-id :forged", "subscription\t: forged")
		if f := c.Want("MESSAGE", "subscription:1"); strings.Contains(f.Raw, "forged") {
			t.Errorf("got %q", f.Raw)
		}
	})
}

// A header must not become one that no client can read.
func TestHeaderWithoutNameAfterTrimming(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, p := w.connect(), w.dial()
		p.Connect("1.0")
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		c.Barrier()
		p.Send("SEND", "destination:/queue/a", " \t:poison", "receipt:r")
		p.WantError("invalid-frame", "r", "name")
		c.WantNothing()
	})
}

func TestRepeatedHeaders(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SUBSCRIBE", "id:1", "id:2", "destination:/queue/a", "destination:/queue/b", "ack:client", "ack:wrong")
		c.Send("SEND", "destination:/queue/a", "destination:/queue/b", "k:1", "k:2", "content-length:2", "content-length:9", "", "ok")
		c.Want("MESSAGE", "subscription:1", "destination:/queue/a", "k:1", "", "ok")
		w.wantDepth("/queue/b", 0, 0)
	})
}

func TestFirstDestinationCountsThoughEmpty(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SEND", "destination:", "destination:/queue/a", "receipt:r", "receipt:s")
		c.WantError("missing-header", "r", "destination", "SEND")
		c.WantClosed()
	})
}

// Each version reads the frames of each other.
func TestHeadersBetweenVersions(t *testing.T) {
	for name, tc := range map[string]struct{ from, to, sent, want string }{
		"1.2 to 1.1":            {"1.2", "1.1", `k:a\cb\\c\nd`, `k:a\cb\\c\nd`},
		"1.1 to 1.2":            {"1.1", "1.2", `k:a\cb\\c\nd`, `k:a\cb\\c\nd`},
		"1.2 to 1.0":            {"1.2", "1.0", `k:a\cb\\c`, `k:a:b\c`},
		"1.0 to 1.2":            {"1.0", "1.2", `k:a:b\tc`, `k:a\cb\\tc`},
		"1.0 to 1.1":            {"1.0", "1.1", `k: a:b\tc `, `k:a\cb\\tc`},
		"1.0 to 1.0":            {"1.0", "1.0", `k:a:b\tc`, `k:a:b\tc`},
		"CR from 1.2 to 1.1":    {"1.2", "1.1", `k:a\rb`, "k:a\rb"},
		"unescaped colon 1.2":   {"1.2", "1.2", `k:a:b`, `k:a\cb`},
		"line end to 1.0":       {"1.2", "1.0", `k:a\nb`, `k:a\nb`},
		"colon in name to 1.0":  {"1.2", "1.0", `k\cl:v`, `k\cl:v`},
		"CR from 1.1 to 1.2":    {"1.1", "1.2", "k:a\rb", `k:a\rb`},
		"spaces are part, 1.1":  {"1.1", "1.2", "k: v ", "k: v "},
		"backslash, 1.0 to 1.0": {"1.0", "1.0", `k:\\`, `k:\\`},
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c, p := w.dial(), w.dial()
				c.Connect(tc.to)
				p.Connect(tc.from)
				c.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
				p.Send("SEND", "destination:/queue/a", tc.sent)
				if f := c.Want("MESSAGE"); !slices.Contains(f.Lines(), tc.want) {
					t.Errorf("got %q, want the line %q", f.Raw, tc.want)
				}
			})
		})
	}
}

func TestBodies(t *testing.T) {
	for name, tc := range map[string]struct{ head, body string }{
		"NULs":          {"content-length:5\n", "a\x00b\x00\x00"},
		"UTF-8":         {"", "äöü 例え 🐎"},
		"not UTF-8":     {"", "\xff\xfe\xf0\x9f"},
		"empty":         {"", ""},
		"line ends":     {"", "\n\r\n\n"},
		"large":         {"", strings.Repeat("0123456789abcdef", 200_000)},
		"with a length": {"content-length: 3\n", "abc"},
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.connect()
				c.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
				c.Write("SEND\ndestination:/queue/a\n" + tc.head + "\n" + tc.body + "\x00\n")
				c.Want("MESSAGE", "!content-type", "", tc.body)
			})
		})
	}
}

func TestOrder(t *testing.T) {
	for _, to := range []string{"/topic/a", "/queue/a"} {
		t.Run(to, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.connect()
				c.Send("SUBSCRIBE", "id:1", "destination:"+to)
				for i := range 1000 {
					c.Send("SEND", "destination:"+to, "", string(rune('A'+i%50)))
				}
				for i := range 1000 {
					c.Want("MESSAGE", "", string(rune('A'+i%50)))
				}
			})
		})
	}
}

func TestRate(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		for range 3 {
			for range 10 {
				c.Send("SEND", "destination:/topic/a")
			}
			time.Sleep(time.Second)
		}
		for range 10 {
			c.Send("SEND", "destination:/topic/a")
		}
		c.Send("SEND", "destination:/queue/a", "receipt:r")
		c.WantError("rate-limited", "r", "10 SEND", "1s", "limits.send_rate_per_connection")
		c.WantClosed()
	}, func(o *session.Options) { o.Limits.SendRate, o.Limits.SendRatePer = 10, time.Second })
}

// A slowStore says that a batch is done only when it is told to.
type slowStore struct {
	broker.Memory
	mu      sync.Mutex
	waiting []func(error)
}

// Apply implements broker.Store.
func (s *slowStore) Apply(b broker.Batch, done func(error)) {
	s.Memory.Apply(b, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	if done != nil {
		s.waiting = append(s.waiting, done)
	}
}

func (s *slowStore) finish(err error) {
	s.mu.Lock()
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	for _, done := range waiting {
		done(err)
	}
}

func stored(t *testing.T, f func(t *testing.T, w *world, s *slowStore)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{}
		w := newWorld(t, broker.Options{Store: s, Policies: broker.Policies{Default: broker.Policy{Durable: true}}})
		defer w.end()
		f(t, w, s)
	})
}

// RECEIPT means done: the store says when.
func TestReceiptAfterStore(t *testing.T) {
	stored(t, func(t *testing.T, w *world, s *slowStore) {
		c := w.connect()
		c.Send("SEND", "destination:/queue/a", "receipt:1")
		c.Send("BEGIN", "transaction:t")
		c.Send("SEND", "destination:/queue/a", "transaction:t", "receipt:2")
		c.Send("COMMIT", "transaction:t", "receipt:3")
		c.WantNothing()
		s.finish(nil)
		c.WantReceipt("1")
		c.WantReceipt("2")
		c.WantReceipt("3")
	})
}

// DISCONNECT's RECEIPT says that all before is done, so it cannot overtake
// those of SENDs.
func TestDisconnectWaitsForStore(t *testing.T) {
	stored(t, func(t *testing.T, w *world, s *slowStore) {
		c := w.connect()
		c.Send("SEND", "destination:/queue/a", "receipt:1")
		c.Send("DISCONNECT", "receipt:2")
		synctest.Wait()
		s.finish(nil)
		c.WantReceipt("1")
		c.WantReceipt("2")
		c.WantClosed()
	})
}

// It does not wait for ever, whether the client does or not.
func TestDisconnectWithStoreThatHangs(t *testing.T) {
	stored(t, func(t *testing.T, w *world, s *slowStore) {
		c, gone := w.connect(), w.connect()
		for _, c := range []*stomptest.Client{c, gone} {
			c.Send("SEND", "destination:/queue/a", "receipt:1")
			c.Send("DISCONNECT", "receipt:2")
		}
		gone.Close()
		time.Sleep(2 * w.options.CloseTimeout)
		c.WantError("storage-failed", "")
		c.WantClosed()
		if n := w.server.Sessions(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

func TestStoreFails(t *testing.T) {
	for name, frame := range map[string][]string{
		"SEND":    {"SEND", "destination:/queue/a", "receipt:r"},
		"COMMIT":  {"COMMIT", "transaction:t", "receipt:r"},
		"neither": {"SEND", "destination:/queue/a"},
	} {
		t.Run(name, func(t *testing.T) {
			stored(t, func(t *testing.T, w *world, s *slowStore) {
				c := w.connect()
				c.Send("BEGIN", "transaction:t")
				c.Send("SEND", "destination:/queue/a", "transaction:t")
				c.Send(frame[0], frame[1:]...)
				c.Barrier()
				s.finish(errors.New("disk on fire in /var/secret"))
				receipt := "r"
				if name == "neither" {
					receipt = ""
				}
				f := c.WantError("storage-failed", receipt, "stored")
				if strings.Contains(f.Raw, "secret") {
					t.Errorf("got %q", f.Raw)
				}
				c.WantClosed()
			})
		})
	}
}

// A client's trace headers travel like any other: to topics and queues, with
// every version.
func TestTraceContextTravels(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		parent, state := "traceparent:00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate:rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
		for _, version := range []string{"1.0", "1.1", "1.2"} {
			c := w.dial()
			c.Connect(version)
			for _, to := range []string{"/topic/a", "/queue/a"} {
				c.Send("SUBSCRIBE", "id:"+to, "destination:"+to)
				c.Send("SEND", "destination:"+to, parent, state, "", "x")
				c.Want("MESSAGE", "destination:"+to, parent, state, "", "x")
			}
			c.Close()
			synctest.Wait()
		}
	})
}
