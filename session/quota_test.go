package session_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

// The ERROR has the quota's key and the name that was refused. Existing
// queues go on.
func TestQuotaExceeded(t *testing.T) {
	for name, tc := range map[string]struct {
		send    func(c *client)
		receipt string
		words   []string
	}{
		"SEND":       {func(c *client) { c.Send("SEND", "destination:/queue/b", "receipt:r") }, "r", []string{"limits.queues_per_user", "/queue/b"}},
		"no receipt": {func(c *client) { c.Send("SEND", "destination:/queue/b") }, "", []string{"limits.queues_per_user", "/queue/b"}},
		"SUBSCRIBE":  {func(c *client) { c.Send("SUBSCRIBE", "id:q", "destination:/queue/b", "receipt:r") }, "r", []string{"limits.queues_per_user", "/queue/b"}},
		"COMMIT": {func(c *client) {
			c.Send("BEGIN", "transaction:t")
			c.Send("SEND", "destination:/queue/a", "transaction:t")
			c.Send("SEND", "destination:/queue/b", "transaction:t")
			c.Send("COMMIT", "transaction:t", "receipt:r")
		}, "r", []string{"limits.queues_per_user", "/queue/b", "The transaction was rolled back"}},
		"durable": {func(c *client) {
			c.Send("SUBSCRIBE", "id:2", "destination:/topic/a", "durable:true")
		}, "", []string{"limits.durable_subscriptions_per_user", "subscription 2 was not made"}},
		"temporary": {func(c *client) {
			c.Send("SUBSCRIBE", "id:2", "destination:/temp-queue/b")
		}, "", []string{"limits.temporary_queues", "/temp-queue/b"}},
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				w.broker.SetQuotas(broker.Quotas{QueuesPerUser: 1, SubscriptionsPerUser: 1, TempQueues: 1})
				w.durables = append(w.durables, destination.DurableSubscription("anonymous", "", "1"))
				c := w.connect()
				c.Send("SUBSCRIBE", "id:1", "destination:/topic/a", "durable:true", "receipt:s")
				c.WantReceipt("s")
				c.Send("SUBSCRIBE", "id:t", "destination:/temp-queue/a", "receipt:t")
				c.WantReceipt("t")
				c.Send("SEND", "destination:/queue/a", "receipt:q")
				c.WantReceipt("q")
				tc.send(c)
				c.WantError("quota-exceeded", tc.receipt, tc.words...)
				c.WantClosed()
				w.wantDepth("/queue/a", 1, 0)
			})
		})
	}
}

// The bytes of an owner on disk are bounded, for all senders. The topic of a
// durable subscription goes on.
func TestStoredBytesExceeded(t *testing.T) {
	for name, tc := range map[string]struct {
		frames [][]string
		words  []string
	}{
		"SEND": {[][]string{{"SEND", "destination:/queue/a", "receipt:r", "long:" + strings.Repeat("x", 5000)}}, nil},
		"COMMIT": {[][]string{
			{"BEGIN", "transaction:t"},
			{"SEND", "destination:/queue/b", "transaction:t"},
			{"SEND", "destination:/queue/a", "transaction:t", "long:" + strings.Repeat("x", 5000)},
			{"COMMIT", "transaction:t", "receipt:r"},
		}, []string{"The transaction was rolled back"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				policies := broker.Policies{Default: broker.Policy{Durable: true}}
				w := newWorld(t, broker.Options{Store: &broker.Memory{}, Policies: policies, Quotas: broker.Quotas{StoredPerUser: 122_000}})
				defer w.end()
				w.durables = append(w.durables, destination.DurableSubscription("anonymous", "", "1"))
				c := w.connect()
				c.Send("SUBSCRIBE", "id:1", "destination:/topic/a", "durable:true", "ack:client", "receipt:s")
				c.WantReceipt("s")
				for range 2 { // the account hears of it in steps of 64 KiB
					c.Send("SEND", "destination:/queue/a", "long:"+strings.Repeat("x", 60_000), "receipt:q")
					c.WantReceipt("q")
				}
				c.Send("SEND", "destination:/queue/a", "persistent:false", "receipt:p")
				c.WantReceipt("p")
				c.Send("SEND", "destination:/topic/a", "long:"+strings.Repeat("x", 5000), "receipt:t")
				c.WantReceipt("t")
				if n := w.broker.Stats().DroppedFor(broker.DropQuota); n != 1 {
					t.Errorf("%d messages were missed by a durable subscription, want 1", n)
				}
				for _, f := range tc.frames {
					c.Send(f[0], f[1:]...)
				}
				c.WantError("quota-exceeded", "r", append(tc.words, "limits.stored_bytes_per_user", "/queue/a")...)
				c.WantClosed()
				w.wantDepth("/queue/a", 3, 0)
			})
		})
	}
}
