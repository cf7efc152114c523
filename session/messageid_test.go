package session_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/internal/stomptest"
)

// In STOMP 1.2 a message of a queue has one message-id, for all consumers and
// deliveries, and after a restart; no other message has it. The ack header is
// new for each delivery; an ACK by message-id means the delivery that is
// pending.
func TestMessageIDIsTheSameAtRedelivery(t *testing.T) {
	for _, to := range []string{"/queue/a", "durable"} {
		t.Run(to, func(t *testing.T) {
			later := broker.Backoff{Initial: time.Minute}
			durably(t, []broker.PolicyRule{rule("/queue/a", broker.Policy{RedeliveryDelay: later}), rule("/topic/a", broker.Policy{RedeliveryDelay: later})}, func(t *testing.T, w *world) {
				subscribe := []string{"id:x", "destination:" + to, "ack:client-individual"}
				if to == "durable" {
					subscribe = []string{"id:x", "destination:/topic/a", "durable:true", "ack:client-individual"}
					w.durables = append(w.durables, destination.DurableSubscription("anonymous", "", "x"))
					to = "/topic/a"
				}
				ids, acks := map[string]string{}, map[string]bool{}
				look := func(f stomptest.Frame) stomptest.Frame {
					id, body := f.Get("message-id"), string(f.Body)
					for other, its := range ids {
						if (its == id) != (other == body) {
							t.Fatalf("the message-id of %s is %q, and that of %s was %q", body, id, other, its)
						}
					}
					ids[body] = id
					if ack := f.Get("ack"); acks[ack] || ack == id {
						t.Fatalf("the ack header of %s is %q", body, ack)
					}
					acks[f.Get("ack")] = true
					return f
				}
				c := w.connect()
				c.Send("SUBSCRIBE", subscribe...)
				for i := range 3 {
					c.Send("SEND", "destination:"+to, "", fmt.Sprint(i))
				}
				var last stomptest.Frame
				for range 3 {
					last = look(c.Want("MESSAGE"))
				}
				c.Send("NACK", "id:"+last.Get("ack"))
				c.Barrier()
				pass(time.Minute)
				look(c.Want("MESSAGE", "redelivered:true", "", "2"))
				c.Close()
				pass(time.Second)
				w.restart()
				c = w.connect()
				c.Send("SUBSCRIBE", subscribe...)
				for range 3 {
					last = look(c.Want("MESSAGE"))
					c.Send("ACK", "id:"+last.Get("ack"))
				}
				c.Send("UNSUBSCRIBE", "id:x")
				c.Barrier()
				w.restart()
				c = w.connect()
				c.Send("SUBSCRIBE", subscribe...)
				pass(time.Second)
				for i := range 3 { // numbers may begin anew
					c.Send("SEND", "destination:"+to, "", fmt.Sprint("new ", i))
					last = look(c.Want("MESSAGE"))
				}
				// Some clients acknowledge by message-id, in 1.2 as well.
				c.Send("ACK", "id:"+last.Get("message-id"), "receipt:r")
				c.Want("RECEIPT", "receipt-id:r", "!late")
				c.Send("ACK", "id:"+last.Get("message-id"), "receipt:r")
				c.Want("RECEIPT", "receipt-id:r", "late:true")
			})
		})
	}
}

// The same for queues that end with the connection; earlier versions acknowledge
// by message-id, which is new each time.
func TestMessageIDOfOtherQueuesAndVersions(t *testing.T) {
	for version, ackID := range ackIDs {
		for _, to := range []string{"/topic/a", "/temp-queue/a", "/queue/a"} {
			t.Run(version+strings.ReplaceAll(to, "/", "_"), func(t *testing.T) {
				converse(t, func(t *testing.T, w *world) {
					c := w.dial()
					c.Connect(version)
					c.Send("SUBSCRIBE", "id:1", "destination:"+to, "ack:client")
					c.Send("SEND", "destination:"+to, "", "1")
					first := c.Want("MESSAGE", "", "1")
					c.Send("NACK", ackID(first)...)
					again := c.Want("MESSAGE", "redelivered:true", "", "1")
					if same := first.Get("message-id") == again.Get("message-id"); same != (version == "1.2") {
						t.Errorf("the message-ids are %q and %q", first.Get("message-id"), again.Get("message-id"))
					}
					c.Send("ACK", append(ackID(again), "receipt:r")...)
					c.Want("RECEIPT", "receipt-id:r", "!late")
				})
			})
		}
	}
}

// A client that acknowledges by message-id may have as many deliveries as any
// other, and acknowledge them in any order.
func TestAckByMessageIDOfManyDeliveries(t *testing.T) {
	const n = 2500
	for _, ack := range []string{"client", "client-individual"} {
		t.Run(ack, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.connect()
				c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:"+ack, fmt.Sprint("prefetch-count:", n))
				var ids []string
				for i := range n {
					c.Send("SEND", "destination:/queue/a", "", fmt.Sprint(i))
					ids = append(ids, c.Want("MESSAGE", "", fmt.Sprint(i)).Get("message-id"))
				}
				if ack == "client" {
					ids = ids[n-1:] // which stands for all
				}
				slices.Reverse(ids)
				for _, id := range ids {
					c.Send("ACK", "id:"+id, "receipt:r")
					c.Want("RECEIPT", "receipt-id:r", "!late")
				}
				w.wantDepth("/queue/a", 0, 0)
			})
		})
	}
}

// A message-id of before a restart names no message of a queue that has begun
// anew since, or of another connection's queue.
func TestAckByMessageIDOfAnotherTime(t *testing.T) {
	for _, to := range []string{"/queue/a", "/temp-queue/a"} {
		t.Run(strings.ReplaceAll(to, "/", "_"), func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				get := func() (*client, string) {
					c := w.connect()
					c.Send("SUBSCRIBE", "id:1", "destination:"+to, "ack:client")
					c.Send("SEND", "destination:"+to, "", "1")
					return c, c.Want("MESSAGE", "", "1").Get("message-id")
				}
				c, old := get()
				c.Send("ACK", "id:"+old, "receipt:r")
				c.Want("RECEIPT", "receipt-id:r", "!late")
				pass(time.Second)
				w.restart()
				c, now := get()
				if old[strings.IndexByte(old, '-'):] != now[strings.IndexByte(now, '-'):] {
					t.Fatalf("the message-ids %q and %q differ in more than they are of", old, now)
				}
				c.Send("ACK", "id:"+old, "receipt:r")
				c.Want("RECEIPT", "receipt-id:r", "late:true")
				c.Send("ACK", "id:"+now, "receipt:r")
				c.Want("RECEIPT", "receipt-id:r", "!late")
			})
		})
	}
}
