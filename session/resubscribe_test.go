package session_test

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"

	"hoofbeat/destination"
)

// SUBSCRIBE again with the same id and destination changes the ack mode, if
// nothing is unacknowledged: a RECEIPT means that it is so.
func TestSubscribeAgainChangesMode(t *testing.T) {
	modes := []string{"auto", "client", "client-individual"}
	for _, to := range []string{"/queue/a", "/topic/a", "/temp-queue/a", "durable"} {
		for _, from := range modes {
			for _, into := range modes {
				t.Run(fmt.Sprint(to, from, into), func(t *testing.T) {
					durably(t, nil, func(t *testing.T, w *world) {
						c, subscribe := w.connect(), []string{"id:1", "destination:" + to}
						if to == "durable" {
							subscribe = []string{"id:1", "destination:/topic/a", "durable:true"}
							to = "/topic/a"
							w.durables = append(w.durables, destination.DurableSubscription("anonymous", "", "1"))
						}
						c.Send("SUBSCRIBE", append(subscribe, "ack:"+from)...)
						c.Send("SEND", "destination:"+to, "", "1")
						f := c.Want("MESSAGE", "", "1")
						if from != "auto" {
							c.Send("ACK", "id:"+f.Get("ack"))
						}
						c.Send("SUBSCRIBE", append(subscribe, "ack:"+into, "receipt:again")...)
						c.WantReceipt("again")
						c.Send("SEND", "destination:"+to, "", "2")
						c.Send("SEND", "destination:"+to, "", "3")
						two := c.Want("MESSAGE", "subscription:1", "!redelivered", "", "2")
						three := c.Want("MESSAGE", "subscription:1", "!redelivered", "", "3")
						c.WantNothing()
						switch into {
						case "auto":
							if three.Get("ack") != "" {
								t.Errorf("got %q", three.Raw)
							}
						case "client":
							c.Send("ACK", "id:"+three.Get("ack"), "receipt:3")
							c.Want("RECEIPT", "receipt-id:3", "!late")
							c.Send("ACK", "id:"+two.Get("ack"), "receipt:2")
							c.Want("RECEIPT", "receipt-id:2", "late:true")
						default:
							c.Send("ACK", "id:"+three.Get("ack"), "receipt:3")
							c.Send("ACK", "id:"+two.Get("ack"), "receipt:2")
							c.Want("RECEIPT", "receipt-id:3", "!late")
							c.Want("RECEIPT", "receipt-id:2", "!late")
						}
						c.Send("UNSUBSCRIBE", "id:1", "receipt:u")
						c.Want("RECEIPT", "receipt-id:u", "!late")
						c.Send("SEND", "destination:/topic/a", "", "4")
						c.WantNothing()
					})
				})
			}
		}
	}
}

func TestSubscribeAgainChangesPrefetch(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		subscribe := []string{"id:1", "destination:/queue/a", "ack:client-individual"}
		c.Send("SUBSCRIBE", append(subscribe, "prefetch-count:1")...)
		c.Send("SUBSCRIBE", append(subscribe, "prefetch-count:3", "receipt:r")...)
		c.WantReceipt("r")
		fill(c, 7)
		all := take(t, c, "0", "1", "2")
		c.WantNothing()
		c.Send("SUBSCRIBE", append(subscribe, "prefetch-count:3", "receipt:same")...)
		c.WantReceipt("same")
		for i, f := range all {
			c.Send("ACK", "id:"+f.Get("ack"))
			all = append(all, take(t, c, strconv.Itoa(i+3))[0])
		}
		c.Send("SUBSCRIBE", append(subscribe, "receipt:late")...)
		c.WantError("duplicate-subscription", "late", "3 messages", "UNSUBSCRIBE")
		c.WantClosed()
		w.wantDepth("/queue/a", 4, 0)
	})
}

// While messages are unacknowledged, another mode is an ERROR; the same mode
// is accepted.
func TestSubscribeAgainWhileUnacknowledged(t *testing.T) {
	for _, to := range []string{"/queue/a", "/topic/a"} {
		for _, again := range []string{"ack:auto", "ack:client-individual", "prefetch-count:7"} {
			t.Run(to+again, func(t *testing.T) {
				converse(t, func(t *testing.T, w *world) {
					c := w.connect()
					c.Send("SUBSCRIBE", "id:1", "destination:"+to, "ack:client")
					c.Send("SEND", "destination:"+to)
					c.Want("MESSAGE")
					c.Send("SUBSCRIBE", "id:1", "destination:"+to, "ack:client", "receipt:same")
					c.WantReceipt("same")
					c.Send("SUBSCRIBE", "id:1", "destination:"+to, again, map[bool]string{true: "x:y", false: "ack:client"}[again[:4] == "ack:"], "receipt:r")
					c.WantError("duplicate-subscription", "r", "1 messages")
					c.WantClosed()
				})
			})
		}
	}
}

// Messages sent to a topic's subscriber before it changed its mode are still
// written, however many wait.
func TestSubscribeAgainLosesNothing(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, p := w.connect(), w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/a", "receipt:1")
		c.WantReceipt("1")
		const n = 20
		body := func(i int) string { return fmt.Sprintf("%0*d", socketBytes/4, i) }
		for i := range n {
			p.Send("SEND", "destination:/topic/a", "", body(i))
		}
		p.Barrier()
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/a", "ack:client", "receipt:2")
		synctest.Wait()
		p.Send("SEND", "destination:/topic/a", "", body(n))
		for i := range n {
			c.Want("MESSAGE", "!ack", "", body(i))
		}
		c.WantReceipt("2")
		f := c.Want("MESSAGE", "!redelivered", "", body(n))
		c.Send("ACK", "id:"+f.Get("ack"), "receipt:3")
		c.Want("RECEIPT", "receipt-id:3", "!late")
	})
}
