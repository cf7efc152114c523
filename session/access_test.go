package session_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/auth"
	"hoofbeat/auth/acl"
	"hoofbeat/internal/timers"
	"hoofbeat/session"
)

// A doorman admits the users that a test names, and holds the rules. A token
// here is "user" or "user/seconds" until it expires.
type doorman struct {
	list    atomic.Pointer[acl.List]
	revoked atomic.Pointer[string] // a user
	refuse  atomic.Bool
}

func (g *doorman) Authenticate(r auth.Request) (*auth.Identity, error) {
	token, _ := strings.CutPrefix(r.Authorization, "Bearer ")
	if token == "" || g.refuse.Load() {
		return nil, &auth.Refusal{Reason: "a secret reason", User: r.Login}
	}
	user, rest, limited := strings.Cut(token, "/")
	id := &auth.Identity{User: user, Method: auth.MethodToken}
	if limited {
		var seconds int
		if _, err := fmt.Sscan(rest, &seconds); err != nil {
			return nil, err
		}
		id.Expires = time.Now().Add(time.Duration(seconds) * time.Second)
	}
	return id, nil
}

func (g *doorman) verify(token string, _ auth.Peer) (*auth.Identity, error) {
	return g.Authenticate(auth.Request{Authorization: "Bearer " + token})
}

func (g *doorman) For(id *auth.Identity) *acl.Permissions { return g.list.Load().For(id) }

func (g *doorman) isRevoked(id *auth.Identity) bool {
	user := g.revoked.Load()
	return user != nil && *user == id.User
}

func (g *doorman) rules(t testing.TB, rules ...acl.Rule) {
	t.Helper()
	list, err := acl.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	g.list.Store(list)
}

func allow(destinations ...string) acl.Rule {
	return acl.Rule{Allow: []acl.Action{acl.Send, acl.Subscribe}, Destinations: destinations}
}

func deny(destinations ...string) acl.Rule {
	return acl.Rule{Deny: []acl.Action{acl.Send, acl.Subscribe}, Destinations: destinations}
}

// guarded is converse with a doorman that has the test's first rules.
func guarded(t *testing.T, f func(t *testing.T, w *world, g *doorman), edit ...func(*session.Options)) {
	t.Helper()
	g := &doorman{}
	g.rules(t, allow("/topic/**", "/queue/**", "/user/stomptest/queue/**"), deny("/topic/secret.**"))
	edit = append(edit, func(o *session.Options) {
		o.Authenticator, o.Authorizer, o.Revoked, o.Verify = g, g, g.isRevoked, g.verify
	})
	converse(t, func(t *testing.T, w *world) { f(t, w, g) }, edit...)
}

func TestDenied(t *testing.T) {
	for _, c := range []struct{ name, frame, says string }{
		{"send", "SEND\ndestination:/topic/secret.x\nreceipt:r\n\n\x00", `The user "eve" may not send to "/topic/secret.x"`},
		{"subscribe", "SUBSCRIBE\nid:1\ndestination:/topic/secret.x\nreceipt:r\n\n\x00", `may not subscribe to "/topic/secret.x"`},
		{"other separator", "SUBSCRIBE\nid:1\ndestination:/topic/secret/x\nreceipt:r\n\n\x00", "may not subscribe"},
		{"pattern that reaches too far", "SUBSCRIBE\nid:1\ndestination:/topic/**\nreceipt:r\n\n\x00", "may not subscribe"},
		{"nothing allows it", "SEND\ndestination:/user/bob/queue/x\nreceipt:r\n\n\x00", "may not send"},
		{"reply-to", "SEND\ndestination:/queue/a\nreply-to:/topic/secret.x\nreceipt:r\n\n\x00", "/topic/secret.x"},
		{"in a transaction", "BEGIN\ntransaction:t\n\n\x00SEND\ntransaction:t\ndestination:/topic/secret.x\nreceipt:r\n\n\x00", "may not send"},
	} {
		t.Run(c.name, func(t *testing.T) {
			guarded(t, func(t *testing.T, w *world, g *doorman) {
				eve := w.connect("Authorization:Bearer eve")
				eve.Write(c.frame)
				eve.WantError("access-denied", "r", c.says)
				eve.WantClosed()
				w.wantDepth("/queue/a", 0, 0)
			})
		})
	}
}

func TestAllowed(t *testing.T) {
	guarded(t, func(t *testing.T, w *world, g *doorman) {
		c := w.connect("Authorization:Bearer bob")
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/news.*")
		c.Send("SEND", "destination:/topic/news.x", "reply-to:/topic/news.y", "", "hi")
		c.Want("MESSAGE", "reply-to:/topic/news.y", "", "hi")
		// Temporary queues are a connection's own.
		c.Send("SEND", "destination:/topic/news.x", "reply-to:/temp-queue/r", "", "question")
		f := c.Want("MESSAGE", "", "question")
		c.Send("SEND", "destination:"+f.Get("reply-to"), "", "answer")
		c.Want("MESSAGE", "subscription:/temp-queue/r", "", "answer")
	})
}

func TestAuthenticationFailed(t *testing.T) {
	guarded(t, func(t *testing.T, w *world, g *doorman) {
		c := w.dial()
		c.Send("CONNECT", "accept-version:1.2", "login:eve", "passcode:s3cret")
		f := c.WantError("authentication-failed", "", "not accepted")
		if strings.Contains(string(f.Body), "reason") {
			t.Errorf("the client was told %q", f.Body)
		}
		c.WantClosed()
	})
}

func TestTokenExpires(t *testing.T) {
	guarded(t, func(t *testing.T, w *world, g *doorman) {
		start := time.Now()
		c, publisher := w.connect("Authorization:Bearer bob/60"), w.connect("Authorization:Bearer alice")
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
		publisher.Send("SEND", "destination:/queue/a", "", "1")
		c.Want("MESSAGE", "", "1")
		c.Limit = 2 * time.Minute
		c.WantError("token-expired", "", "/hoofbeat/token")
		if after := time.Since(start); after < 60*time.Second || after >= 61*time.Second {
			t.Errorf("it came after %v", after)
		}
		c.WantClosed()
		w.wantDepth("/queue/a", 1, 0) // unacknowledged messages are back
	})
}

// A clock that was set, or a machine that was suspended, does not prolong a
// token, with heart-beats or without.
func TestTokenExpiresByTheClock(t *testing.T) {
	for _, beat := range []string{"0,0", "3600000,3600000"} {
		var offset atomic.Int64
		clock := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
		guarded(t, func(t *testing.T, w *world, g *doorman) {
			offset.Store(0)
			start := time.Now()
			c := w.connect("Authorization:Bearer bob/7200", "heart-beat:"+beat)
			c.Barrier()
			offset.Store(int64(2 * time.Hour))
			c.WantError("token-expired", "", "/hoofbeat/token")
			if after := time.Since(start); after > 5*time.Second {
				t.Errorf("it came after %v", after)
			}
			c.WantClosed()
		}, func(o *session.Options) { o.Timers = timers.NewClock(clock) })
	}
}

func TestRefresh(t *testing.T) {
	guarded(t, func(t *testing.T, w *world, g *doorman) {
		start := time.Now()
		c := w.connect("Authorization:Bearer bob/60")
		c.Send("SEND", "destination:/hoofbeat/token", "receipt:r", "", "bob/100")
		c.WantReceipt("r")
		c.Limit = 3 * time.Minute
		c.WantError("token-expired", "")
		if after := time.Since(start); after < 100*time.Second || after >= 101*time.Second {
			t.Errorf("it came after %v", after)
		}
	})
	for token, word := range map[string]string{"eve/100": "authentication-failed", "": "authentication-failed"} {
		guarded(t, func(t *testing.T, w *world, g *doorman) {
			c := w.connect("Authorization:Bearer bob/60")
			c.Send("SEND", "destination:/hoofbeat/token", "receipt:r", "", token)
			c.WantError(word, "r")
			c.WantClosed()
		})
	}
}

func TestRulesChange(t *testing.T) {
	guarded(t, func(t *testing.T, w *world, g *doorman) {
		c, other := w.connect("Authorization:Bearer bob"), w.connect("Authorization:Bearer alice")
		other.Send("SUBSCRIBE", "id:7", "destination:/queue/b")
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/news", "receipt:r")
		c.WantReceipt("r")
		other.Barrier()
		g.rules(t, allow("/topic/**", "/queue/**", "/user/stomptest/queue/**"), deny("/topic/news"))
		w.server.Reauthorize()
		other.Send("SEND", "destination:/topic/other")
		c.WantError("access-denied", "", `"/topic/news"`, "has ended")
		c.WantClosed()
		other.Send("SEND", "destination:/queue/b", "", "still here")
		other.Want("MESSAGE", "", "still here")
		other.Send("SEND", "destination:/topic/news", "receipt:s")
		other.WantError("access-denied", "s")
	})
}

// With receipt-error, a refusal is told, and the connection stays.
func TestKeepAfterDenied(t *testing.T) {
	guarded(t, func(t *testing.T, w *world, g *doorman) {
		c := w.connect("Authorization:Bearer bob")
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/secret", "receipt:r")
		c.Want("ERROR", "message:access-denied", "subscription:1", "receipt-id:r")
		c.Send("UNSUBSCRIBE", "id:1", "receipt:u") // as rx-stomp tidies up
		c.WantReceipt("u")
		c.Send("SUBSCRIBE", "id:2", "destination:/queue/a", "ack:client-individual")
		c.Send("SEND", "destination:/queue/a", "", "1")
		f := c.Want("MESSAGE", "", "1")
		g.rules(t, allow("/topic/**"), allow("/queue/b"))
		w.server.Reauthorize()
		c.Want("ERROR", "message:access-denied", "subscription:2")
		// The ACK may have been under way: it is no fault.
		c.Send("ACK", "id:"+f.Get("ack"))
		c.Send("SUBSCRIBE", "id:3", "destination:/queue/b", "receipt:s")
		c.WantReceipt("s")
		w.wantDepth("/queue/a", 1, 0)
	}, func(o *session.Options) { o.KeepAfterDenied = true })
}

func TestRevoked(t *testing.T) {
	guarded(t, func(t *testing.T, w *world, g *doorman) {
		c, other := w.connect("Authorization:Bearer bob"), w.connect("Authorization:Bearer alice")
		bob := "bob"
		g.revoked.Store(&bob)
		w.server.Reauthorize()
		c.WantError("token-revoked", "")
		c.WantClosed()
		other.Barrier()
		late := w.dial()
		late.Send("CONNECT", "accept-version:1.2", "Authorization:Bearer bob")
		late.WantError("authentication-failed", "")
	})
}

// Messages that wait to be written when the token ends are not written.
func TestNothingAfterExpiry(t *testing.T) {
	guarded(t, func(t *testing.T, w *world, g *doorman) {
		w.socket = 4 << 10
		c, publisher := w.connect("Authorization:Bearer bob/60"), w.connect("Authorization:Bearer alice")
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "receipt:r")
		c.WantReceipt("r")
		const sent = 1000
		for i := range sent {
			publisher.Send("SEND", "destination:/queue/a", "", fmt.Sprint(i, strings.Repeat("x", 1000)))
		}
		publisher.Barrier()
		time.Sleep(61 * time.Second) // of the bubble's clock
		synctest.Wait()
		n := 0
		for {
			f := c.Next()
			if f.Command == "ERROR" {
				break
			}
			n++
		}
		c.WantClosed()
		synctest.Wait()
		// Messages encoded before were on their way, some 64 KiB; nothing was
		// added, and nothing is lost.
		if d := w.depth("/queue/a"); d.Ready < sent-n || d.Ready > sent || n > 100 {
			t.Errorf("%d messages were delivered, %+v are left", n, d)
		}
	})
}

// failing refuses everybody for one reason.
type failing struct{ auth.Refusal }

func (f failing) Authenticate(auth.Request) (*auth.Identity, error) { return nil, &f.Refusal }

// Each kind of refusal has its word.
func TestRefusals(t *testing.T) {
	for word, refusal := range map[string]auth.Refusal{
		"authentication-failed": {Reason: "wrong"}, "rate-limited": {Reason: "often", Limited: true}, "try-later": {Reason: "crowd", Busy: true},
	} {
		converse(t, func(t *testing.T, w *world) {
			c := w.dial()
			c.Send("CONNECT", "accept-version:1.2", "login:eve")
			c.WantError(word, "")
			c.WantClosed()
		}, func(o *session.Options) { o.Authenticator = failing{refusal} })
	}
}

// peers tells where credentials came from.
type peers chan auth.Peer

func (p peers) Authenticate(r auth.Request) (*auth.Identity, error) {
	p <- r.Peer
	<-r.Gone
	return nil, &auth.Refusal{Reason: "gone"}
}

// The Authenticator learns where credentials come from, and whether a client
// still waits for the answer.
func TestCredentialsOfWhoHasGone(t *testing.T) {
	p := make(peers)
	converse(t, func(t *testing.T, w *world) {
		c := w.dialInfo(session.Info{Transport: "test", Remote: "10.0.0.1:1"})
		c.Send("CONNECT", "accept-version:1.2", "login:eve")
		if from := <-p; from.Remote != "10.0.0.1:1" {
			t.Errorf("it came from %q", from.Remote)
		}
		w.server.Reauthorize() // waits for nobody
		c.Limit = time.Minute
		c.WantError("connect-timeout", "")
	}, func(o *session.Options) { o.Authenticator = p })
}

// The audit log has the events, and no secret.
func TestAudit(t *testing.T) {
	var book logbook
	guarded(t, func(t *testing.T, w *world, g *doorman) {
		c := w.connect("Authorization:Bearer bob", "passcode:s3cret")
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/secret.x")
		c.WantError("access-denied", "")
		late := w.dial()
		late.Send("CONNECT", "accept-version:1.2", "login:eve", "passcode:s3cret")
		late.WantError("authentication-failed", "")
		confused := w.dial()
		confused.Send("CONNECT", "accept-version:1.2", "login:eyJhbGciOiJIUzI1NiJ9.s3cret.s3cret")
		confused.WantError("authentication-failed", "")
	}, func(o *session.Options) { o.Audit = slog.New(&book) })
	var all []string
	for _, r := range book.records {
		line := r.Message
		r.Attrs(func(a slog.Attr) bool { line += fmt.Sprintf(" %s=%v", a.Key, a.Value); return true })
		all = append(all, line)
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{"connected", "user=bob", "access denied", "destination=/topic/secret.x", "rule=#1", "connect refused", "a secret reason"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "s3cret") || strings.Contains(text, "Bearer") {
		t.Errorf("a secret is in\n%s", text)
	}
}

// Refused SUBSCRIBEs that leave the connection open have a rate.
func TestDeniedRate(t *testing.T) {
	guarded(t, func(t *testing.T, w *world, g *doorman) {
		c := w.connect("Authorization:Bearer eve")
		for _, durable := range []string{"durable:true", "durable:false"} {
			for range 5 {
				c.Send("SUBSCRIBE", "id:1", "destination:/topic/secret.x", durable)
				c.WantError("access-denied", "", "secret.x")
			}
			time.Sleep(time.Minute)
		}
		for range 5 {
			c.Send("SUBSCRIBE", "id:1", "destination:/topic/secret.x")
			c.WantError("access-denied", "")
		}
		c.Send("SUBSCRIBE", "id:2", "destination:/topic/news.x", "receipt:ok")
		c.WantReceipt("ok")
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/secret.x", "receipt:r")
		c.WantError("rate-limited", "r", "5 SUBSCRIBE", "1m0s", "limits.denied_rate_per_connection", "secret.x")
		c.WantClosed()
	}, func(o *session.Options) {
		o.KeepAfterDenied, o.Limits.DeniedRate, o.Limits.DeniedRatePer = true, 5, time.Minute
	})
}
