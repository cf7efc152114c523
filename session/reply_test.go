package session_test

import (
	"strings"
	"testing"

	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
	"hoofbeat/session/outbox"
)

// ask sends a request and returns the reply-to that its receiver sees.
func ask(c, server *stomptest.Client, name string) string {
	c.Send("SEND", "destination:/queue/a", "reply-to:/temp-queue/"+name, "", "request")
	return server.Want("MESSAGE", "", "request").Get("reply-to")
}

func TestRequestAndReply(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, server := w.connect(), w.connect()
		server.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		server.Barrier()
		to := ask(c, server, "x")
		if !strings.HasPrefix(to, "/reply-queue/") {
			t.Fatalf("reply-to is %q", to)
		}
		server.Send("SEND", "destination:"+to, "", "answer")
		c.Want("MESSAGE", "subscription:/temp-queue/x", "destination:/temp-queue/x", "!ack", "", "answer")
		if again := ask(c, server, "x"); again != to {
			t.Errorf("reply-to is %q and then %q", to, again)
		}
		if other := ask(c, server, "y"); other == to {
			t.Error("two names have one reply-to")
		}
		// It is gone with its connection, which is no fault of the server's.
		c.Send("DISCONNECT", "receipt:r")
		c.WantReceipt("r")
		server.Send("SEND", "destination:"+to, "", "late")
		server.WantNothing()
	})
}

// Nobody else may read it, not even a client that knows its name.
func TestReplyQueueIsPrivate(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, server, eve := w.connect(), w.connect(), w.connect()
		server.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		server.Barrier()
		to := ask(c, server, "x")
		eve.Send("SUBSCRIBE", "id:1", "destination:/temp-queue/x")
		eve.Send("SUBSCRIBE", "id:2", "destination:/temp-queue/"+strings.TrimPrefix(to, "/reply-queue/"))
		eve.Barrier()
		server.Send("SEND", "destination:"+to, "", "answer")
		c.Want("MESSAGE", "", "answer")
		eve.WantNothing()
		eve.Send("SUBSCRIBE", "id:3", "destination:"+to, "receipt:r")
		eve.WantError("unknown-destination", "r", "/temp-queue/")
		eve.WantClosed()
	})
}

// A subscription of the client's own takes the place of the one that reply-to
// made, whatever its id.
func TestExplicitReplySubscription(t *testing.T) {
	for _, id := range []string{"mine", "/temp-queue/x"} {
		t.Run(strings.ReplaceAll(id, "/", "_"), func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c, server := w.connect(), w.connect()
				server.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
				server.Barrier()
				to := ask(c, server, "x")
				c.Send("SUBSCRIBE", "id:"+id, "destination:/temp-queue/x", "ack:client", "receipt:r")
				c.WantReceipt("r")
				for range 5 {
					server.Send("SEND", "destination:"+to, "", "answer")
					f := c.Want("MESSAGE", "subscription:"+id, "destination:/temp-queue/x", "", "answer")
					c.Send("ACK", "id:"+f.Get("ack"))
				}
				ask(c, server, "x")
				c.Send("UNSUBSCRIBE", "id:"+id, "receipt:u")
				c.WantReceipt("u")
			})
		})
	}
}

func TestExplicitReplySubscription10(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, server := w.dial(), w.connect()
		c.Connect("1.0")
		server.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		server.Barrier()
		to := ask(c, server, "x")
		c.Send("SUBSCRIBE", "destination:/temp-queue/x", "receipt:r")
		c.WantReceipt("r")
		server.Send("SEND", "destination:"+to, "", "answer")
		c.Want("MESSAGE", "!subscription", "destination:/temp-queue/x", "", "answer")
	})
}

// A reply-to's subscription must not push out one that happens to have its id.
func TestReplyToKeepsOtherSubscriptions(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SUBSCRIBE", "id:/temp-queue/x", "destination:/queue/b")
		c.Send("SEND", "destination:/queue/a", "reply-to:/temp-queue/x")
		c.Send("UNSUBSCRIBE", "id:/temp-queue/x")
		c.Send("SEND", "destination:/queue/b")
		c.WantNothing() // or an unsubscribed one goes on, with no name to end it by
	})
}

func TestReplyToOthers(t *testing.T) {
	for _, to := range []string{"/queue/c", "/topic/x", "/reply-queue/x.y", "/user/bob/queue/x", ""} {
		t.Run(strings.ReplaceAll(to, "/", "_"), func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.connect()
				c.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
				c.Send("SEND", "destination:/queue/a", "reply-to:"+to)
				c.Want("MESSAGE", "reply-to:"+to)
			})
		})
	}
}

func TestTemporaryQueue(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/temp-queue/x", "ack:client-individual")
		c.Send("SEND", "destination:/temp-queue/x", "", "one")
		f := c.Want("MESSAGE", "destination:/temp-queue/x", "", "one")
		c.Send("UNSUBSCRIBE", "id:1")
		c.Send("SEND", "destination:/temp-queue/x", "", "two")
		c.Send("SUBSCRIBE", "id:2", "destination:/temp-queue/x")
		c.Want("MESSAGE", "subscription:2", "redelivered:true", "", string(f.Body))
		c.Want("MESSAGE", "subscription:2", "!redelivered", "", "two")
	})
}

// An answer that finds the limit of a queue that nobody reads is dropped.
func TestTemporaryQueueIsBounded(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/temp-queue/x")
		c.Send("UNSUBSCRIBE", "id:1")
		for range 100 {
			c.Send("SEND", "destination:/temp-queue/x", "", strings.Repeat("x", 1000))
		}
		c.Send("SUBSCRIBE", "id:2", "destination:/temp-queue/x", "receipt:r")
		c.WantReceipt("r")
		c.Barrier()
		n := 0
		for c.Barrier(); ; n++ {
			c.Send("SEND", "destination:/temp-queue/x", "", "end")
			if f := c.Want("MESSAGE"); string(f.Body) == "end" {
				break
			}
		}
		if n < 5 || n > 10 {
			t.Errorf("%d messages of 1000 bytes were kept in a queue of 10000", n)
		}
	}, func(o *session.Options) { o.Limits.Outbound = 10_000; o.Limits.SlowConsumer = outbox.DropNewest })
}

func TestUserDestinations(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		anna, too, bert := w.connect("login:anna"), w.connect("login:anna"), w.connect("login:bert")
		for _, c := range []*stomptest.Client{anna, too, bert} {
			c.Send("SUBSCRIBE", "id:1", "destination:/user/queue/x")
			c.Barrier()
		}
		bert.Send("SEND", "destination:/user/anna/queue/x", "", "hello")
		anna.Want("MESSAGE", "destination:/user/queue/x", "", "hello")
		too.Want("MESSAGE", "destination:/user/queue/x", "", "hello")
		bert.Send("SEND", "destination:/user/anna/topic/x", "", "other kind")
		bert.WantNothing()
		anna.WantNothing()
		anna.Send("SUBSCRIBE", "id:2", "destination:/user/**", "receipt:r")
		anna.WantError("invalid-destination", "r", "/user/queue/NAME")
	})
}

// Names with separators and wildcards in them stay their owners' alone.
func TestUserNamesDoNotReachOthers(t *testing.T) {
	for _, login := range []string{"**", "*", "anna/queue", "ann", "anna.b", "#"} {
		t.Run(strings.ReplaceAll(login, "/", "_"), func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				eve, bert := w.connect("login:"+login), w.connect("login:bert")
				eve.Send("SUBSCRIBE", "id:1", "destination:/user/queue/**")
				eve.Send("SUBSCRIBE", "id:2", "destination:/user/topic/**")
				eve.Barrier()
				bert.Send("SEND", "destination:/user/anna/queue/x")
				bert.Send("SEND", "destination:/user/anna/queue/queue/x")
				bert.Barrier()
				eve.WantNothing()
			})
		})
	}
}
