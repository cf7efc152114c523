package session_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/auth/acl"
	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/session"
)

var badDurables = []badInput{
	{name: "durable maybe", say: asks("SUBSCRIBE\nid:1\ndestination:/topic/a\ndurable:maybe"), word: "invalid-header", body: []string{`"durable"`, "SUBSCRIBE", "true or false"}},
	{name: "persistent maybe", say: asks("SUBSCRIBE\nid:1\ndestination:/topic/a\npersistent:yes"), word: "invalid-header", body: []string{`"persistent"`, "SUBSCRIBE"}},
	{name: "durable maybe of a queue", say: asks("SUBSCRIBE\nid:1\ndestination:/queue/a\ndurable:maybe"), word: "invalid-header", body: []string{`"durable"`}},
	{name: "durable and named, of a queue", say: asks("SUBSCRIBE\nid:1\ndestination:/queue/a\ndurable:true\nactivemq.subscriptionName:x"), word: "invalid-header", body: []string{"/queue/a"}},
	{name: "named of a queue", say: asks("SUBSCRIBE\nid:1\ndestination:/queue/a\ndurable-subscription-name:x"), word: "invalid-header", body: []string{`"durable-subscription-name"`, "/queue/a"}},
	{name: "durable of a temporary queue", say: asks("SUBSCRIBE\nid:1\ndestination:/temp-queue/a\npersistent:true"), word: "not-supported", body: []string{`"persistent"`, "/temp-queue/a"}},
	{name: "durable of a user", say: asks("SUBSCRIBE\nid:1\ndestination:/user/topic/a\nactivemq.subscriptionName:x"), word: "not-supported", body: []string{`"activemq.subscriptionName"`, "/user/topic/a"}},
	{name: "durable without id in 1.0", version: "1.0", say: asks("SUBSCRIBE\ndestination:/topic/a\ndurable:true"), word: "missing-header", body: []string{`"id"`, `"durable"`}},
	{name: "no name", say: asks("SUBSCRIBE\nid:1\ndestination:/topic/a\nactivemq.subscriptionName:"), word: "missing-header", body: []string{`"activemq.subscriptionName"`}},
	{name: "two names", say: asks("SUBSCRIBE\nid:1\ndestination:/topic/a\nactivemq.subscriptionName:x\ndurable-subscriber-name:y"), word: "invalid-header", body: []string{"two names"}},
	{name: "long name", say: asks("SUBSCRIBE\nid:1\ndestination:/topic/a\nactivemq.subscriptionName:" + strings.Repeat("x", 257)), word: "invalid-header", body: []string{`"activemq.subscriptionName"`, "256"}},
	{name: "long id", say: asks("SUBSCRIBE\ndurable:true\ndestination:/topic/a\nid:" + strings.Repeat("x", 257)), word: "invalid-header", body: []string{`"id"`, "256"}},
	{name: "control character in a name", say: asks("SUBSCRIBE\nid:1\ndestination:/topic/a\ndurable-subscriber-name:a\\nb"), word: "invalid-header", body: []string{"control"}},
	{name: "durable and perhaps deleted", say: asks("SUBSCRIBE\nid:1\ndestination:/topic/a\ndurable:true\nauto-delete:maybe"), word: "invalid-header", body: []string{`"auto-delete"`, `"durable"`}},
	{name: "durable and deleted", say: asks("SUBSCRIBE\nid:1\ndestination:/topic/a\ndurable:1\nauto-delete:True"), word: "invalid-header", body: []string{`"auto-delete"`, `"durable"`}},
	{name: "delete without a name", say: asks("UNSUBSCRIBE\nid:1\ndurable-subscription-name:"), word: "missing-header", body: []string{"durable-subscription-name"}},
	{name: "delete by the id of another", say: []string{"SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\x00", asks("UNSUBSCRIBE\nid:1\ndurable-subscription-name:x")[0]}, word: "unknown-subscription", body: []string{"another subscription"}},
	{name: "long client-id", before: true, say: asks("CONNECT\naccept-version:1.2\nclient-id:" + strings.Repeat("x", 257)), word: "invalid-header", body: []string{`"client-id"`, "CONNECT", "256"}},
	{name: "control character in client-id", before: true, say: asks("CONNECT\naccept-version:1.2\nclient-id:a\tb"), word: "invalid-header", body: []string{`"client-id"`, "control"}},
}

// The headers that make a subscription durable, and the name that it has.
var durableWays = map[string][]string{
	"durable":                   {"id:news", "durable:true", "auto-delete:false"},
	"persistent":                {"id:news", "persistent:true"},
	"activemq.subscriptionName": {"id:7", "activemq.subscriptionName:news"},
	"durable-subscription-name": {"id:8", "durable-subscription-name:news"},
	"durable-subscriber-name":   {"id:9", "durable-subscriber-name:news", "durable:true"},
}

// Messages published while the subscriber is away are there when it returns,
// with any of the headers, also after a restart, until it unsubscribes for
// good.
func TestDurableSubscription(t *testing.T) {
	for way, headers := range durableWays {
		for _, ack := range []string{"auto", "client", "client-individual"} {
			for _, restart := range []bool{false, true} {
				t.Run(fmt.Sprint(way, ack, restart), func(t *testing.T) {
					durably(t, nil, func(t *testing.T, w *world) {
						subscribe := append([]string{"destination:/topic/a", "ack:" + ack, "receipt:s"}, headers...)
						c := w.connect("login:bob", "client-id:here")
						c.Send("SUBSCRIBE", subscribe...)
						c.WantReceipt("s")
						p := w.connect("login:alice")
						p.Send("SEND", "destination:/topic/a", "receipt:0", "", "0")
						p.WantReceipt("0")
						f := c.Want("MESSAGE", "destination:/topic/a", "subscription:"+headers[0][len("id:"):], "", "0")
						if ack != "auto" {
							c.Send("ACK", "id:"+f.Get("ack"))
						}
						c.Send("DISCONNECT", "receipt:d")
						c.WantReceipt("d")
						for i := 1; i <= 3; i++ {
							p.Send("SEND", "destination:/topic/a", "k:v", fmt.Sprint("receipt:", i), "", fmt.Sprint(i))
							p.WantReceipt(fmt.Sprint(i))
						}
						if restart {
							w.restart()
						}
						c = w.connect("login:bob", "client-id:here")
						c.Send("SUBSCRIBE", subscribe...)
						c.WantReceipt("s")
						for i := 1; i <= 3; i++ {
							c.Want("MESSAGE", "destination:/topic/a", "k:v", "!redelivered", "", fmt.Sprint(i))
						}
						c.Send("UNSUBSCRIBE", append([]string{"receipt:u"}, headers...)...)
						c.WantReceipt("u")
						p = w.connect()
						p.Send("SEND", "destination:/topic/a")
						p.Barrier()
						c.Send("SUBSCRIBE", append([]string{"destination:/topic/a"}, headers...)...)
						c.WantNothing()
						c.Send("UNSUBSCRIBE", append([]string{"receipt:u"}, headers...)...)
						c.WantReceipt("u")
					})
				})
			}
		}
	}
}

// All ways to say it mean the same subscription, which is its user's and
// client-id's.
func TestDurableOwner(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		w.durables = append(w.durables, destination.DurableSubscription("bob", "", "news"), destination.DurableSubscription("eve", "", "news"),
			destination.DurableSubscription("bob", "c", "news"))
		c := w.connect("login:bob")
		c.Send("SUBSCRIBE", "destination:/topic/a", "id:news", "durable:true", "receipt:s")
		c.WantReceipt("s")
		c.Send("UNSUBSCRIBE", "id:news") // only leaves
		c.Send("SEND", "destination:/topic/a", "", "for bob")
		c.Barrier()
		for _, headers := range [][]string{{"login:eve"}, {"login:bob", "client-id:c"}} {
			other := w.connect(headers...)
			other.Send("UNSUBSCRIBE", "id:news", "durable:true", "receipt:u")
			other.Want("RECEIPT", "receipt-id:u", "late:true")
			other.Send("SUBSCRIBE", "destination:/topic/a", "id:news", "durable:true", "receipt:s")
			other.WantReceipt("s")
			other.WantNothing()
		}
		c.Send("SUBSCRIBE", "destination:/topic/a", "id:1", "activemq.subscriptionName:news")
		take(t, c, "for bob")
	})
}

// It may be deleted without being attached, and not while others are.
func TestDurableDelete(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		c, other := w.connect(), w.connect()
		c.Send("SUBSCRIBE", "destination:/topic/a", "id:1", "durable-subscription-name:x", "ack:client", "receipt:s")
		c.WantReceipt("s")
		c.Send("SEND", "destination:/topic/a")
		c.Want("MESSAGE")
		other.Send("UNSUBSCRIBE", "durable-subscription-name:x", "receipt:u")
		other.WantError("subscription-in-use", "u", `"x"`, "another connection")
		c.Send("UNSUBSCRIBE", "id:1", "receipt:l")
		c.WantReceipt("l")
		last := w.connect()
		last.Send("UNSUBSCRIBE", "durable-subscription-name:x", "receipt:u")
		last.WantReceipt("u")
		w.restart()
		last = w.connect()
		last.Send("UNSUBSCRIBE", "durable-subscription-name:x", "receipt:u")
		last.Want("RECEIPT", "receipt-id:u", "late:true")
	})
}

// Attaching twice from one connection is a mistake, from two it is sharing.
func TestDurableTwice(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		w.durables = append(w.durables, destination.DurableSubscription("anonymous", "", "x"))
		subscribe := []string{"destination:/topic/a", "durable-subscription-name:x", "ack:client-individual", "prefetch-count:1"}
		a, b, p := w.connect(), w.connect(), w.connect()
		for _, c := range []*client{a, b} {
			c.Send("SUBSCRIBE", append(subscribe, "id:1", "receipt:1")...)
			c.WantReceipt("1")
			c.Send("SUBSCRIBE", append(subscribe, "id:1", "receipt:again")...)
			c.WantReceipt("again")
		}
		p.Send("SEND", "destination:/topic/a", "", "1")
		p.Send("SEND", "destination:/topic/a", "", "2")
		a.Send("ACK", "id:"+a.Want("MESSAGE").Get("ack"))
		b.Send("ACK", "id:"+b.Want("MESSAGE").Get("ack"))
		a.WantNothing()
		b.WantNothing()
		a.Send("SUBSCRIBE", append(subscribe, "id:2", "receipt:2")...)
		a.WantError("duplicate-subscription", "2", "another id")
		b.Send("SUBSCRIBE", "destination:/topic/a", "id:1", "receipt:2")
		b.WantError("duplicate-subscription", "2", "durable")
	})
}

// A name of its own stays with its topic.
func TestDurableOtherTopic(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		w.durables = append(w.durables, destination.DurableSubscription("anonymous", "", "x"))
		c := w.connect()
		c.Send("SUBSCRIBE", "destination:/topic/a", "id:1", "durable-subscription-name:x", "receipt:1")
		c.WantReceipt("1")
		c.Send("UNSUBSCRIBE", "id:1")
		c.Send("SUBSCRIBE", "destination:/topic/b", "id:1", "durable-subscription-name:x", "receipt:2")
		c.WantError("invalid-header", "2", `"x"`, "another topic", "UNSUBSCRIBE")
		c.WantClosed()
	})
}

// A client that numbers its ids, as stomp.js does, means another durable
// subscription by the same id when the topic is another one. Each keeps its own
// messages, and UNSUBSCRIBE deletes the right one; one that is stored with the id
// alone, as all were before, is found again.
func TestDurableByNumberedID(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		c := w.connect("client-id:tab")
		subscribe := func(topic string) {
			c.Send("SUBSCRIBE", "destination:/topic/"+topic, "id:sub-0", "durable:true", "receipt:s")
			c.WantReceipt("s")
		}
		for _, topic := range []string{"a", "b", "c.*"} {
			subscribe(topic)
			c.Send("UNSUBSCRIBE", "id:sub-0")
		}
		for _, topic := range []string{"a", "b", "c.d"} {
			c.Send("SEND", "destination:/topic/"+topic, "", topic)
		}
		c.Barrier()
		w.restart()
		for _, topic := range []string{"c.*", "b", "a"} {
			c = w.connect("client-id:tab")
			subscribe(topic)
			take(t, c, strings.Replace(topic, "*", "d", 1))
			c.WantNothing()
			if topic != "c.*" { // which is deleted when nobody is attached
				c.Send("UNSUBSCRIBE", "id:sub-0", "durable:true", "receipt:u")
				c.Want("RECEIPT", "receipt-id:u", "!late")
			}
			c.Close()
		}
		c = w.connect("client-id:tab")
		c.Send("UNSUBSCRIBE", "id:sub-0", "durable:true", "destination:/topic/b", "receipt:u")
		c.Want("RECEIPT", "receipt-id:u", "late:true")
		c.Send("UNSUBSCRIBE", "id:sub-0", "durable:true", "destination:/topic/c/*", "receipt:u")
		c.Want("RECEIPT", "receipt-id:u", "!late")
	})
}

func TestDurablePattern(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		c := w.connect()
		subscribe := []string{"destination:/topic/a.*", "id:x", "durable:true", "receipt:1"}
		c.Send("SUBSCRIBE", subscribe...)
		c.WantReceipt("1")
		c.Send("UNSUBSCRIBE", "id:x")
		c.Send("SEND", "destination:/topic/a.b", "receipt:2", "", "1")
		c.WantReceipt("2")
		c.Send("SUBSCRIBE", subscribe...)
		c.WantReceipt("1")
		c.Want("MESSAGE", "destination:/topic/a.b", "", "1")
		c.Send("UNSUBSCRIBE", "id:x", "durable:true", "receipt:u")
		c.WantReceipt("u")
	})
}

// The RECEIPT of SUBSCRIBE, and that of UNSUBSCRIBE, mean that it is on disk.
func TestDurableReceipts(t *testing.T) {
	stored(t, func(t *testing.T, w *world, s *slowStore) {
		c := w.connect()
		c.Send("SUBSCRIBE", "destination:/topic/a", "id:x", "durable:true", "receipt:1")
		wantSilence(t, c)
		s.finish(nil)
		c.WantReceipt("1")
		c.Send("UNSUBSCRIBE", "id:x", "durable:true", "receipt:2")
		c.Send("DISCONNECT", "receipt:3")
		wantSilence(t, c)
		s.finish(nil)
		c.WantReceipt("2")
		c.WantReceipt("3")
	})
}

// A store that hangs does not keep a session from ending.
func TestDurableEndsWhileItIsMade(t *testing.T) {
	stored(t, func(t *testing.T, w *world, s *slowStore) {
		w.durables = append(w.durables, destination.DurableSubscription("anonymous", "", "x"))
		c := w.connect()
		c.Send("SUBSCRIBE", "destination:/topic/a", "id:x", "durable:true", "receipt:1")
		wantSilence(t, c)
		start := time.Now()
		shutDown(w)
		c.WantError("going-away", "")
		c.WantClosed()
		if waited := time.Since(start); waited > 0 {
			t.Errorf("it took %v", waited)
		}
		s.finish(nil)
	})
}

// A user without the right to read the topic creates nothing, and one that
// loses it is detached; the subscription goes on.
func TestDurableRights(t *testing.T) {
	g := &doorman{}
	allowed := []string{"/topic/**", "/queue/**", "/user/stomptest/queue/**"}
	g.rules(t, deny("/topic/secret"), allow(allowed...))
	durably(t, nil, func(t *testing.T, w *world) {
		c, p := w.connect("Authorization:Bearer bob"), w.connect("Authorization:Bearer alice")
		c.Send("SUBSCRIBE", "destination:/topic/secret", "id:no", "durable:true", "receipt:1")
		c.WantError("access-denied", "1")
		c.Send("UNSUBSCRIBE", "id:no", "durable:true", "receipt:2")
		c.Want("RECEIPT", "receipt-id:2", "late:true") // there is none
		c.Send("SUBSCRIBE", "destination:/topic/a", "id:x", "durable:true", "receipt:3")
		c.WantReceipt("3")
		g.rules(t, acl.Rule{Deny: []acl.Action{acl.Subscribe}, Destinations: []string{"/topic/a"}}, allow(allowed...))
		w.server.Reauthorize()
		c.WantError("access-denied", "", "/topic/a")
		p.Send("SEND", "destination:/topic/a", "", "kept")
		p.Barrier()
		c.WantNothing()
		g.rules(t, allow(allowed...))
		w.server.Reauthorize()
		c.Send("SUBSCRIBE", "destination:/topic/a", "id:x", "durable:true", "receipt:4")
		c.WantReceipt("4")
		take(t, c, "kept")
		c.Send("UNSUBSCRIBE", "id:x", "durable:true", "receipt:5")
		c.WantReceipt("5")
	}, func(o *session.Options) { o.Authenticator, o.Authorizer, o.KeepAfterDenied = g, g, true })
}

// One that nobody comes back to is deleted, by the policy.
func TestDurableExpires(t *testing.T) {
	durably(t, []broker.PolicyRule{rule("/topic/a", broker.Policy{SubscriptionExpiry: time.Hour})}, func(t *testing.T, w *world) {
		c := w.connect()
		subscribe := []string{"destination:/topic/a", "id:x", "durable:true", "receipt:s"}
		for _, away := range []time.Duration{0, 59 * time.Minute, 61 * time.Minute} {
			c.Send("SUBSCRIBE", subscribe...)
			c.WantReceipt("s")
			pass(2 * time.Hour) // while somebody is there, nothing happens
			c.Send("UNSUBSCRIBE", "id:x")
			c.Send("SEND", "destination:/topic/a", "", "kept")
			c.Barrier()
			pass(away)
			if away < time.Hour {
				c.Send("SUBSCRIBE", subscribe...)
				c.WantReceipt("s")
				take(t, c, "kept")
			}
		}
		c.Send("UNSUBSCRIBE", "id:x", "durable:true", "receipt:u")
		c.Want("RECEIPT", "receipt-id:u", "late:true")
	})
}

// Messages with a client that ends go back, and are the first ones to come.
func TestDurableGivesBack(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		w.durables = append(w.durables, destination.DurableSubscription("anonymous", "", "x"))
		c, p := w.connect(), w.connect()
		subscribe := []string{"destination:/topic/a", "id:x", "durable:true", "ack:client-individual"}
		c.Send("SUBSCRIBE", subscribe...)
		c.Barrier()
		for i := range 3 {
			p.Send("SEND", "destination:/topic/a", "", fmt.Sprint(i))
		}
		all := take(t, c, "0", "1", "2")
		c.Send("ACK", "id:"+all[1].Get("ack"), "receipt:r")
		c.WantReceipt("r")
		c.Close()
		synctest.Wait()
		c = w.connect()
		c.Send("SUBSCRIBE", subscribe...)
		c.Want("MESSAGE", "redelivered:true", "delivery-count:2", "", "0")
		c.Want("MESSAGE", "redelivered:true", "", "2")
		c.WantNothing()
	})
}

// A COMMIT to a topic reaches durable subscriptions, whole.
func TestCommitToDurable(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		w.durables = append(w.durables, destination.DurableSubscription("anonymous", "", "x"))
		c := w.connect()
		subscribe := []string{"destination:/topic/a", "id:x", "durable:true"}
		c.Send("SUBSCRIBE", subscribe...)
		c.Send("UNSUBSCRIBE", "id:x")
		c.Send("BEGIN", "transaction:t")
		c.Send("SEND", "destination:/topic/a", "transaction:t", "", "1")
		c.Send("SEND", "destination:/queue/a", "transaction:t", "", "2")
		c.Send("SEND", "destination:/topic/a", "transaction:t", "", "3")
		c.Send("COMMIT", "transaction:t", "receipt:r")
		c.WantReceipt("r")
		w.restart()
		c = w.connect()
		c.Send("SUBSCRIBE", subscribe...)
		take(t, c, "1", "3")
		w.wantDepth("/queue/a", 1, 0)
	})
}

// A subscriber that is there gets one copy for each of its subscriptions.
func TestDurableBesideOthers(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		w.durables = append(w.durables, destination.DurableSubscription("anonymous", "", "x"), destination.DurableSubscription("anonymous", "", "y"))
		c := w.connect()
		c.Send("SUBSCRIBE", "destination:/topic/a", "id:x", "durable:true", "ack:client")
		c.Send("SUBSCRIBE", "destination:/topic/*", "id:y", "durable:true")
		c.Send("SUBSCRIBE", "destination:/topic/a", "id:z")
		c.Send("SEND", "destination:/topic/a", "receipt:r", "", "1")
		c.AwaitReceipt("r")
		got := map[string]int{}
		for range 3 {
			got[c.Want("MESSAGE", "", "1").Get("subscription")]++
		}
		if len(got) != 3 {
			t.Errorf("got %v", got)
		}
		c.WantNothing()
	})
}
