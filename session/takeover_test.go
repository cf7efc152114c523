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

var phone = []string{"login:bob", "client-id:phone"}

// A phone that changes its network comes back while the broker still believes in
// its old connection, on which nothing is read: it gets all messages.
func TestTakeoverOfHalfOpenConnection(t *testing.T) {
	for _, ack := range []string{"auto", "client", "client-individual"} {
		t.Run(ack, func(t *testing.T) {
			durably(t, []broker.PolicyRule{rule("/topic/**", broker.Policy{MaxDeliveries: 1})}, func(t *testing.T, w *world) {
				subscribe := []string{"id:news", "destination:/topic/a", "durable:true", "ack:" + ack, "receipt:s"}
				old := w.connect(append(phone, "heart-beat:5000,5000")...)
				old.Send("SUBSCRIBE", subscribe...)
				old.WantReceipt("s")
				p := w.connect()
				body := func(i int) string { return fmt.Sprintf("%0*d", socketBytes, i) }
				for i := range 3 { // of which the first is being written to nobody
					p.Send("SEND", "destination:/topic/a", "", body(i))
				}
				p.Barrier()
				synctest.Wait()
				now := w.connect(phone...)
				now.Send("SUBSCRIBE", subscribe...)
				now.WantReceipt("s")
				for i := range 10 {
					p.Send("SEND", "destination:/topic/a", "", body(i+3))
				}
				for i := range 13 {
					f := now.Want("MESSAGE", "", body(i))
					if ack != "auto" {
						now.Send("ACK", "id:"+f.Get("ack"))
					}
				}
				now.WantNothing()
				now.Send("UNSUBSCRIBE", "id:news", "durable:true", "receipt:u")
				now.Want("RECEIPT", "receipt-id:u", "!late")
			})
		})
	}
}

// The old connection is told, and its end does not count as a failure of its
// messages.
func TestTakeoverIsTold(t *testing.T) {
	durably(t, []broker.PolicyRule{rule("/topic/**", broker.Policy{MaxDeliveries: 1})}, func(t *testing.T, w *world) {
		w.durables = append(w.durables, destination.DurableSubscription("bob", "phone", "x"))
		subscribe := []string{"id:1", "destination:/topic/a", "durable-subscription-name:x", "ack:client-individual", "receipt:s"}
		old, now := w.connect(phone...), w.connect(phone...)
		old.Send("SUBSCRIBE", subscribe...)
		old.WantReceipt("s")
		old.Send("SEND", "destination:/topic/a", "", "1")
		old.Want("MESSAGE", "", "1")
		now.Send("SUBSCRIBE", subscribe...)
		now.WantReceipt("s")
		now.Want("MESSAGE", "redelivered:true", "", "1")
		f := old.WantError("taken-over", "", `"x"`, "client-id", "destinations[].durable_sharing")
		if f.Get("subscription") != "1" {
			t.Errorf("got %q", f.Raw)
		}
		old.WantClosed()
		now.WantNothing()
	})
}

// Where a refused SUBSCRIBE leaves the connection open, so does a takeover: the
// connection may go on, and take it back.
func TestTakeoverLeavesConnectionOpen(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		subscribe := []string{"id:x", "destination:/topic/a", "durable:true", "ack:client", "receipt:s"}
		a, b := w.connect(phone...), w.connect(phone...)
		a.Send("SUBSCRIBE", subscribe...)
		a.WantReceipt("s")
		a.Send("SEND", "destination:/topic/a", "", "1")
		first := a.Want("MESSAGE", "", "1")
		for range 3 {
			b.Send("SUBSCRIBE", subscribe...)
			b.WantReceipt("s")
			b.Want("MESSAGE", "redelivered:true", "", "1")
			a.WantError("taken-over", "")
			a.Send("ACK", "id:"+first.Get("ack"), "receipt:late")
			a.Want("RECEIPT", "receipt-id:late", "late:true")
			a, b = b, a
		}
		b.Send("UNSUBSCRIBE", "id:x", "receipt:late") // nothing of it is left
		b.Want("RECEIPT", "receipt-id:late", "late:true")
		b.Send("UNSUBSCRIBE", "id:x", "durable:true", "receipt:u")
		b.Want("RECEIPT", "receipt-id:u", "!late")
		a.WantError("taken-over", "", "deleted")
		a.Send("UNSUBSCRIBE", "id:x", "durable:true", "receipt:u")
		a.Want("RECEIPT", "receipt-id:u", "late:true")
	}, func(o *session.Options) { o.KeepAfterDenied = true })
}

// A new connection may delete the subscription without attaching to it.
func TestDeleteFromAnotherConnection(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		old, now := w.connect(phone...), w.connect(phone...)
		old.Send("SUBSCRIBE", "id:x", "destination:/topic/a", "durable:true", "receipt:s")
		old.WantReceipt("s")
		now.Send("UNSUBSCRIBE", "id:x", "durable:true", "receipt:u")
		now.Want("RECEIPT", "receipt-id:u", "!late")
		old.WantError("taken-over", "", "deleted")
		old.WantClosed()
	})
}

// Without a client-id, and with durable_sharing, connections share.
func TestSharingInsteadOfTakeover(t *testing.T) {
	for name, tc := range map[string]struct {
		policy broker.Policy
		who    []string
		d      destination.Destination
	}{
		"no client-id":    {broker.Policy{}, []string{"login:bob"}, destination.DurableSubscription("bob", "", "x")},
		"durable_sharing": {broker.Policy{DurableSharing: true}, phone, destination.DurableSubscription("bob", "phone", "x")},
	} {
		t.Run(name, func(t *testing.T) {
			durably(t, []broker.PolicyRule{rule("/topic/**", tc.policy)}, func(t *testing.T, w *world) {
				w.durables = append(w.durables, tc.d)
				subscribe := []string{"id:x", "destination:/topic/a", "durable:true", "ack:client", "prefetch-count:1", "receipt:s"}
				a, b := w.connect(tc.who...), w.connect(tc.who...)
				for _, c := range []*client{a, b} {
					c.Send("SUBSCRIBE", subscribe...)
					c.WantReceipt("s")
				}
				a.Send("SEND", "destination:/topic/a", "", "1")
				a.Send("SEND", "destination:/topic/a", "", "2")
				a.Want("MESSAGE", "!redelivered")
				b.Want("MESSAGE", "!redelivered")
				third := w.connect(tc.who...)
				third.Send("UNSUBSCRIBE", "id:x", "durable:true", "receipt:u")
				third.WantError("subscription-in-use", "u")
			})
		})
	}
}

// Sessions that take from each other do not wait for each other.
func TestTakeoversOfEachOther(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		for i := range 4 {
			w.durables = append(w.durables, destination.DurableSubscription("bob", "phone", fmt.Sprint(i)))
		}
		var all []*client
		for range 8 {
			all = append(all, w.connect(phone...))
		}
		for round := range 20 {
			for i, c := range all {
				id := fmt.Sprint((i + round) % 4)
				c.Send("SUBSCRIBE", "id:"+id, "destination:/topic/a", "durable:true")
				c.Send("SEND", "destination:/topic/a", "", id)
			}
			w.server.Reauthorize()
		}
		pass(time.Second)
		for _, c := range all {
			c.Barrier()
		}
	}, func(o *session.Options) { o.KeepAfterDenied = true })
}
