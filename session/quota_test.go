package session_test

import (
	"testing"

	"hoofbeat/broker"
)

// A quota is told by its key, and what is refused by its name. What was there
// goes on.
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
		}, "r", []string{"limits.queues_per_user", "/queue/b", "Nothing of the transaction"}},
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
				w.durables = append(w.durables, broker.DurableSubscription("anonymous", "", "1"))
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
