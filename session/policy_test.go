package session_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/session"
)

// A refused message comes again after its delay, and holds up nobody
// meanwhile; after max_deliveries it is a dead letter.
func TestPoison(t *testing.T) {
	p := broker.Policy{MaxDeliveries: 3, RedeliveryDelay: broker.Backoff{Initial: time.Second, Multiplier: 2}, DeadLetter: queueD()}
	durably(t, []broker.PolicyRule{rule("/queue/a", p)}, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual", "prefetch-count:1")
		c.Send("SEND", "destination:/queue/a", "kind:poison", "content-type:text/plain", "", "poison")
		f := c.Want("MESSAGE", "!redelivered", "", "poison")
		for attempt, delay := range []time.Duration{time.Second, 2 * time.Second} {
			nacked := time.Now()
			c.Send("NACK", "id:"+f.Get("ack"))
			for i := range 3 {
				c.Send("SEND", "destination:/queue/a", "", fmt.Sprint(i))
				good := c.Want("MESSAGE", "!redelivered", "", fmt.Sprint(i))
				c.Send("ACK", "id:"+good.Get("ack"), "receipt:r")
				c.WantReceipt("r")
			}
			if time.Since(nacked) > 0 {
				t.Errorf("others waited %v", time.Since(nacked))
			}
			f = c.Want("MESSAGE", "redelivered:true", fmt.Sprintf("delivery-count:%d", attempt+2), "", "poison")
			if waited := time.Since(nacked); waited < delay || waited > delay+100*time.Millisecond {
				t.Errorf("attempt %d came after %v, want %v", attempt+2, waited, delay)
			}
		}
		c.Send("NACK", "id:"+f.Get("ack"), "receipt:dead")
		c.WantReceipt("dead")
		c.Send("SUBSCRIBE", "id:d", "destination:/queue/d", "ack:client")
		d := c.Want("MESSAGE", "destination:/queue/d", "original-destination:/queue/a", "death-reason:max-deliveries", "death-count:1",
			"kind:poison", "content-type:text/plain", "!redelivered", "!delivery-count", "", "poison")
		c.Send("ACK", "id:"+d.Get("ack"))
		w.wantDepth("/queue/a", 0, 0)
	})
}

func TestRejected(t *testing.T) {
	durably(t, []broker.PolicyRule{rule("/queue/a", broker.Policy{DeadLetter: queueD()})}, func(t *testing.T, w *world) {
		c := w.connect()
		fill(c, 2)
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual")
		all := take(t, c, "0", "1")
		c.Send("NACK", "id:"+all[0].Get("ack"), "requeue:false", "receipt:r")
		c.WantReceipt("r")
		c.Send("NACK", "id:"+all[1].Get("ack"), "requeue:true")
		c.Want("MESSAGE", "redelivered:true", "delivery-count:2", "", "1")
		w.wantDepth("/queue/d", 1, 0)
		w.restart()
		c = w.connect()
		c.Send("SUBSCRIBE", "id:d", "destination:/queue/d")
		c.Want("MESSAGE", "original-destination:/queue/a", "death-reason:rejected", "death-count:1", "", "0")
		c.WantNothing()
	})
}

// Without a dead letter queue, dead messages are dropped.
func TestRejectedAway(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		c := w.connect()
		fill(c, 1)
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
		c.Send("NACK", "id:"+take(t, c, "0")[0].Get("ack"), "requeue:false", "receipt:r")
		c.WantReceipt("r")
		w.wantDepth("/queue/a", 0, 0)
	})
}

// A client that misspells requeue is told, and the message is not lost.
func TestBadRequeue(t *testing.T) {
	for _, v := range []string{"no", "f", "00", "false "} {
		for _, in := range []string{"x:y", "transaction:t"} {
			t.Run(v+in, func(t *testing.T) {
				durably(t, nil, func(t *testing.T, w *world) {
					c := w.connect()
					fill(c, 1)
					c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
					f := take(t, c, "0")[0]
					c.Send("BEGIN", "transaction:t")
					c.Send("NACK", "id:"+f.Get("ack"), in, "requeue:"+v, "receipt:r")
					c.WantError("invalid-header", "r", `"requeue"`, "NACK", "true or false")
					c.WantClosed()
					w.wantDepth("/queue/a", 1, 0)
				})
			})
		}
	}
}

// A NACK in a transaction counts when it is committed.
func TestDeadInTransaction(t *testing.T) {
	durably(t, []broker.PolicyRule{rule("/queue/a", broker.Policy{MaxDeliveries: 1, DeadLetter: queueD()})}, func(t *testing.T, w *world) {
		c := w.connect()
		fill(c, 1)
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
		f := take(t, c, "0")[0]
		c.Send("BEGIN", "transaction:t")
		c.Send("NACK", "id:"+f.Get("ack"), "transaction:t")
		c.Barrier()
		w.wantDepth("/queue/d", 0, 0)
		c.Send("COMMIT", "transaction:t", "receipt:r")
		c.WantReceipt("r")
		w.wantDepth("/queue/a", 0, 0)
		w.wantDepth("/queue/d", 1, 0)
	})
}

// A client that is lost with a message may have failed because of it; one that
// leaves, or that the broker sends away, has not.
func TestLostCounts(t *testing.T) {
	for name, tc := range map[string]struct {
		leave func(w *world, c *client)
		dead  int
	}{
		"socket gone":    {func(_ *world, c *client) { c.Close() }, 1},
		"protocol error": {func(_ *world, c *client) { c.Send("SEND"); c.WantError("missing-header", "") }, 1},
		"silence":        {func(_ *world, c *client) { pass(10 * time.Second) }, 1},
		"DISCONNECT":     {func(_ *world, c *client) { c.Send("DISCONNECT"); c.WantClosed() }, 0},
		"UNSUBSCRIBE":    {func(_ *world, c *client) { c.Send("UNSUBSCRIBE", "id:1", "receipt:r"); c.WantReceipt("r") }, 0},
		"token":          {func(w *world, c *client) { pass(time.Minute); c.WantError("token-expired", "") }, 0},
		"queue full": {func(_ *world, c *client) {
			c.Send("SEND", "destination:/queue/b")
			c.Send("SEND", "destination:/queue/b")
			c.WantError("queue-full", "")
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := &doorman{}
			g.rules(t, allow("/queue/**", "/user/stomptest/queue/**"))
			rules := []broker.PolicyRule{rule("/queue/a", broker.Policy{MaxDeliveries: 1, DeadLetter: queueD()}), rule("/queue/b", broker.Policy{MaxMessages: 1})}
			durably(t, rules, func(t *testing.T, w *world) {
				beat := "heart-beat:0,0"
				if name == "silence" {
					beat = "heart-beat:1000,0"
				}
				c := w.connect("Authorization:Bearer bob/60", beat)
				fill(c, 3)
				c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual")
				take(t, c, "0", "1", "2")
				tc.leave(w, c)
				w.wantDepth("/queue/a", 3-tc.dead, 0)
				w.wantDepth("/queue/d", tc.dead, 0)
				if tc.dead > 0 {
					d := w.connect("Authorization:Bearer bob")
					d.Send("SUBSCRIBE", "id:d", "destination:/queue/d")
					d.Want("MESSAGE", "death-reason:max-deliveries", "", "0")
				}
			}, func(o *session.Options) { o.Authenticator, o.Authorizer = g, g })
		})
	}
}

// When the broker stops, nobody is to blame.
func TestDrainCountsNothing(t *testing.T) {
	durably(t, []broker.PolicyRule{rule("/queue/a", broker.Policy{MaxDeliveries: 1, DeadLetter: queueD()})}, func(t *testing.T, w *world) {
		c := w.connect()
		fill(c, 1)
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual")
		take(t, c, "0")
		shutDown(w)
		w.wantDepth("/queue/a", 1, 0)
	})
}

// A subscription's own number comes first, then the policy's, then the
// configuration's.
func TestPrefetchByPolicy(t *testing.T) {
	rules := []broker.PolicyRule{rule("/queue/a", broker.Policy{Prefetch: 2}), rule("/topic/a", broker.Policy{Prefetch: 3})}
	for name, tc := range map[string]struct {
		headers []string
		want    int
	}{
		"policy":        {[]string{"destination:/queue/a", "ack:client"}, 2},
		"header":        {[]string{"destination:/queue/a", "ack:client", "prefetch-count:5"}, 5},
		"configuration": {[]string{"destination:/queue/b", "ack:client"}, 4},
		"auto":          {[]string{"destination:/queue/a", "ack:auto"}, 10},
		"topic":         {[]string{"destination:/topic/a", "ack:client"}, 3},
		"durable":       {[]string{"destination:/topic/a", "ack:client", "durable:true"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			durably(t, rules, func(t *testing.T, w *world) {
				if name == "durable" {
					w.durables = append(w.durables, destination.DurableSubscription("anonymous", "", "1"))
				}
				c, p := w.connect(), w.connect()
				c.Send("SUBSCRIBE", append(tc.headers, "id:1", "receipt:r")...)
				c.WantReceipt("r")
				for i := range 10 {
					p.Send("SEND", tc.headers[0], "", fmt.Sprint(i))
				}
				p.Barrier()
				for i := range tc.want {
					c.Want("MESSAGE", "", fmt.Sprint(i))
				}
				c.WantNothing()
			}, func(o *session.Options) { o.Limits.Prefetch = 4 })
		})
	}
}

// Failures and delays of refused messages survive a restart.
func TestRedeliveryAfterRestart(t *testing.T) {
	p := broker.Policy{MaxDeliveries: 3, RedeliveryDelay: broker.Backoff{Initial: 10 * time.Second, Multiplier: 2}, DeadLetter: queueD()}
	durably(t, []broker.PolicyRule{rule("/queue/a", p)}, func(t *testing.T, w *world) {
		c := w.connect()
		fill(c, 1)
		subscribe := []string{"id:1", "destination:/queue/a", "ack:client-individual"}
		c.Send("SUBSCRIBE", subscribe...)
		f := c.Want("MESSAGE", "", "0")
		for attempt, delay := range []time.Duration{10 * time.Second, 20 * time.Second} {
			nacked := time.Now()
			c.Send("NACK", "id:"+f.Get("ack"), "receipt:r")
			c.WantReceipt("r")
			w.restart()
			c = w.connect()
			c.Limit = time.Minute
			c.Send("SUBSCRIBE", subscribe...)
			f = c.Want("MESSAGE", "redelivered:true", fmt.Sprintf("delivery-count:%d", attempt+2), "", "0")
			if waited := time.Since(nacked); waited < delay || waited > delay+time.Second {
				t.Errorf("attempt %d came after %v, want %v", attempt+2, waited, delay)
			}
		}
		c.Send("NACK", "id:"+f.Get("ack"), "receipt:r")
		c.WantReceipt("r")
		w.restart()
		c = w.connect()
		c.Send("SUBSCRIBE", "id:d", "destination:/queue/d")
		c.Want("MESSAGE", "death-reason:max-deliveries", "death-count:1", "", "0")
	})
}

// A dead letter that dies again says so, and keeps where it was sent first.
func TestDiesTwice(t *testing.T) {
	first := rule("/queue/c", broker.Policy{}).Match
	rules := []broker.PolicyRule{rule("/queue/a", broker.Policy{DeadLetter: first}), rule("/queue/c", broker.Policy{DeadLetter: queueD(), TTL: time.Second})}
	durably(t, rules, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SEND", "destination:/queue/a", "ttl:1000", "", "0")
		c.Send("SUBSCRIBE", "id:d", "destination:/queue/d")
		c.Want("MESSAGE", "original-destination:/queue/a", "death-reason:expired", "death-count:2", "ttl:1000", "", "0")
	})
}

// An expiry counts while a message waits for its time, and while a consumer has
// it, it is the consumer's.
func TestExpiryOfOthers(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SEND", "destination:/queue/a", "ttl:1000", "AMQ_SCHEDULED_DELAY:2000", "", "delayed")
		c.Send("SEND", "destination:/queue/a", "ttl:1000", "", "held")
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
		f := take(t, c, "held")[0]
		pass(3 * time.Second)
		c.Send("ACK", "id:"+f.Get("ack"), "receipt:r")
		c.WantReceipt("r")
		c.WantNothing()
		w.wantDepth("/queue/a", 0, 0)
	})
}

// In memory, policies are the same.
func TestPoliciesWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := broker.Policy{MaxDeliveries: 2, DeadLetter: queueD(), MaxMessages: 2}
		w := newWorld(t, broker.Options{Policies: broker.Policies{Rules: []broker.PolicyRule{rule("/queue/a", p)}}})
		defer w.end()
		c := w.connect()
		c.Send("SEND", "destination:/queue/a", "priority:1", "", "0")
		c.Send("SEND", "destination:/queue/a", "priority:2", "AMQ_SCHEDULED_DELAY:1000", "", "1")
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual")
		for range 2 {
			c.Send("NACK", "id:"+c.Want("MESSAGE", "", "0").Get("ack"))
		}
		c.Send("ACK", "id:"+c.Want("MESSAGE", "", "1").Get("ack"))
		c.Send("SUBSCRIBE", "id:d", "destination:/queue/d")
		c.Want("MESSAGE", "death-reason:max-deliveries", "", "0")
		c.Send("SUBSCRIBE", "id:t", "destination:/topic/a", "durable:true", "receipt:r")
		c.WantReceipt("r")
		c.Send("UNSUBSCRIBE", "id:t")
		c.Send("SEND", "destination:/topic/a", "", "kept")
		c.Send("SUBSCRIBE", "id:t", "destination:/topic/a", "durable:true")
		c.Want("MESSAGE", "subscription:t", "", "kept")
		c.Send("UNSUBSCRIBE", "id:t", "durable:true", "receipt:u")
		c.WantReceipt("u")
	})
}
