package session_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"hoofbeat/auth"
	"hoofbeat/auth/acl"
	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/frames"
	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
)

// A responder answers where reply-to says with rights of its own. So it is
// checked as any responder may read it, and the requester gets the ERROR.
func TestReplyToInDisguise(t *testing.T) {
	for _, c := range []struct{ name, version, headers, word string }{
		{"blank behind", "1.2", "reply-to:/topic/secret.x \n", "access-denied"},
		{"blank before", "1.2", "reply-to: /topic/secret.x\n", "unknown-destination"},
		{"tab behind", "1.1", "reply-to:/topic/secret.x\t\n", "invalid-destination"},
		{"no-break space", "1.2", "reply-to:/topic/secret.x\u00a0\n", "access-denied"},
		{"CR behind", "1.1", "reply-to:/topic/secret.x\r\n", "invalid-destination"},
		{"escaped CR", "1.2", "reply-to:/topic/secret.x\\r\n", "invalid-destination"},
		{"escaped line end", "1.2", "reply-to:/topic/secret.x\\nfoo\\cbar\n", "invalid-destination"},
		{"escape in an escape", "1.2", "reply-to:/topic/news\\\\cx/../../secret\n", "access-denied"},
		{"no escape", "1.2", "reply-to:/topic/news\\\\x\n", "invalid-destination"},
		{"repeated", "1.2", "reply-to:/topic/news.x\nreply-to:/topic/secret.x\n", "access-denied"},
		{"repeated, first empty", "1.2", "reply-to:\nreply-to:/topic/secret.x\n", "access-denied"},
		{"blank in the name", "1.2", "reply-to :/topic/secret.x\n", "access-denied"},
		{"tab before the name", "1.1", "\treply-to:/topic/secret.x\n", "access-denied"},
		{"upper case", "1.2", "Reply-To:/topic/secret.x\n", "access-denied"},
		{"JMS", "1.2", "JMSReplyTo:/topic/secret.x\n", "access-denied"},
		{"colon in the name", "1.2", "reply-to\\c/topic/secret.x:y\n", "access-denied"},
		{"behind a CR", "1.1", "x:y\rreply-to:/topic/secret.x\n", "access-denied"},
		{"behind an escaped CR", "1.2", "x:y\\rreply-to\\c/topic/secret.x\n", "access-denied"},
		{"behind a CR in the name", "1.1", "x\rreply-to:/topic/secret.x\n", "access-denied"},
		{"behind an escaped CR in the name", "1.2", "x\\rreply-to:/topic/secret.x\n", "access-denied"},
		{"other separator", "1.2", "reply-to:/topic/secret/x\n", "access-denied"},
		{"a pattern", "1.2", "reply-to:/topic/news.*\n", "invalid-destination"},
		{"no name", "1.2", "reply-to:/topic/\n", "invalid-destination"},
		{"unknown prefix", "1.2", "reply-to:/topics/news.x\n", "unknown-destination"},
		{"no destination", "1.2", "reply-to:me\n", "unknown-destination"},
		{"tokens", "1.2", "reply-to:/hoofbeat/token\n", "invalid-destination"},
		{"nobody's", "1.2", "reply-to:/user/queue/x\n", "invalid-destination"},
		{"of 1.0", "1.0", "reply-to:  /topic/secret.x\t\n", "access-denied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			guarded(t, func(t *testing.T, w *world, g *doorman) {
				g.rules(t, allow("/topic/**", "/queue/**"), deny("/topic/secret.**", "/topic/news:x.**"))
				eve := w.dial()
				eve.Connect(c.version, "Authorization:Bearer eve")
				eve.Write("SEND\ndestination:/queue/a\nreceipt:r\n" + c.headers + "\nquestion\x00")
				eve.WantError(c.word, "r", "")
				eve.WantClosed()
				w.wantDepth("/queue/a", 0, 0)
			})
		})
	}
}

// A header that only looks like it is nobody's reply-to.
func TestReplyToLookAlikes(t *testing.T) {
	guarded(t, func(t *testing.T, w *world, g *doorman) {
		c := w.connect("Authorization:Bearer bob")
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/news.x")
		for _, h := range []string{"x-reply-to:/topic/secret.x", "reply-token:/topic/secret.x", "replyto:/topic/secret.x", "re:a\\c/topic/secret.x",
			"reply-to:/topic/a b", "reply-to:/topic/100%25", "reply-to:/queue/ID\\chost-1"} {
			c.Send("SEND", "destination:/topic/news.x", h)
			c.Want("MESSAGE", strings.ReplaceAll(h, "\\c", ":"))
		}
	})
}

// Whatever a reader of any version makes of a reply-to is a destination that
// its sender may send to, or the SEND was refused.
func TestReplyToReadings(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"/topic/", "/queue/", "/topics/", "secret", "news", "open", ".", "/", " ", "\t", "\\", "\\\\", "\\c", "\\n", ":", "%20", "\u00a0", "*", "x", "\r", "\ufeff", "/user/bob/queue/"}
	guarded(t, func(t *testing.T, w *world, g *doorman) {
		g.rules(t, allow("/topic/open.**", "/queue/**", "/user/bob/**"))
		may, readers := allowedTo(t, g), map[frames.Version]*stomptest.Client{}
		for _, v := range []frames.Version{frames.V10, frames.V11, frames.V12} {
			readers[v] = w.dial()
			readers[v].Connect(v.String(), "Authorization:Bearer bob")
			readers[v].Send("SUBSCRIBE", "id:1", "destination:/topic/open.x", "receipt:s")
			readers[v].WantReceipt("s")
		}
		passed := 0
		for i := range 3000 {
			text := words[r.IntN(3)]
			for range 1 + r.IntN(4) {
				text += words[r.IntN(len(words))]
			}
			eve := w.dial()
			eve.Connect([]string{"1.0", "1.1", "1.2"}[i%3], "Authorization:Bearer eve")
			eve.Write("SEND\ndestination:/topic/open.x\nreceipt:r\nreply-to:" + text + "\n\n\x00")
			f := eve.Next()
			eve.Close()
			if f.Command == "ERROR" {
				continue
			}
			passed++
			for v, reader := range readers {
				for _, reading := range laxly(reader.Want("MESSAGE").Raw, v) {
					if !may(reading) {
						t.Fatalf("reply-to %q of a 1.%d sender: a %s reader may answer to %q", text, i%3, v, reading)
					}
				}
			}
		}
		if passed < 100 {
			t.Errorf("%d of 3000 came through, which proves little", passed)
		}
	})
}

// laxly returns the readings of a frame's reply-to: with and without
// trimming, and with and without undoing escapes.
func laxly(raw string, v frames.Version) (all []string) {
	head, _, _ := strings.Cut(raw, "\n\n")
	for _, line := range strings.FieldsFunc(head, func(r rune) bool { return r == '\n' || r == '\r' }) {
		name, wire, _ := strings.Cut(line, ":")
		if !strings.EqualFold(strings.TrimSpace(name), "reply-to") {
			continue
		}
		undo := strings.NewReplacer(`\c`, ":", `\n`, "\n", `\r`, "\r", `\\`, `\`)
		if v != frames.V10 { // a reader that sends it on has it read again
			wire = undo.Replace(wire)
		}
		for _, s := range []string{wire, undo.Replace(wire)} {
			all = append(all, s, strings.TrimSpace(s), strings.Trim(s, " \t\ufeff"))
		}
	}
	return all
}

func allowedTo(t *testing.T, g *doorman) func(string) bool {
	id, err := g.verify("eve", auth.Peer{})
	if err != nil {
		t.Fatal(err)
	}
	p := g.For(id)
	return func(text string) bool {
		_, err := destination.DefaultNamespace().ForSend(text, destination.Owner{})
		return err == nil && (strings.HasPrefix(text, destination.ReplyPrefix) || p.Decide(acl.Send, text).Allowed || p.Decide(acl.Subscribe, text).Allowed)
	}
}

// A SEND that waits for a full queue is decided about again, its reply-to too.
func TestReplyToAfterWaiting(t *testing.T) {
	g := &doorman{}
	g.rules(t, allow("/queue/**", "/topic/x"))
	durably(t, limited(1, broker.BlockSender), func(t *testing.T, w *world) {
		c := w.connect("Authorization:Bearer bob")
		c.Send("SEND", "destination:/queue/a", "reply-to:/topic/x", "receipt:1")
		c.WantReceipt("1")
		c.Send("SEND", "destination:/queue/a", "reply-to:/topic/x", "receipt:2")
		synctest.Wait() // it waits for room
		g.rules(t, allow("/queue/**"))
		w.server.Reauthorize()
		other := w.connect("Authorization:Bearer bob")
		other.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		other.Want("MESSAGE")
		c.WantError("access-denied", "2", "/topic/x")
	}, func(o *session.Options) { o.Authenticator, o.Authorizer = g, g })
}
