package session_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"hoofbeat/internal/stomptest"
)

// fill sends n messages to /queue/a, with their numbers as bodies.
func fill(c *stomptest.Client, n int) {
	for i := range n {
		c.Send("SEND", "destination:/queue/a", "", strconv.Itoa(i))
	}
}

// take wants the MESSAGEs with these bodies and returns them.
func take(t *testing.T, c *stomptest.Client, bodies ...string) []stomptest.Frame {
	t.Helper()
	var all []stomptest.Frame
	for _, b := range bodies {
		all = append(all, c.Want("MESSAGE", "", b))
	}
	return all
}

// How each version names the message in ACK and NACK.
var ackIDs = map[string]func(f stomptest.Frame) []string{
	"1.0": func(f stomptest.Frame) []string { return []string{"message-id:" + f.Get("message-id")} },
	"1.1": func(f stomptest.Frame) []string {
		return []string{"subscription:" + f.Get("subscription"), "message-id:" + f.Get("message-id")}
	},
	"1.2": func(f stomptest.Frame) []string { return []string{"id:" + f.Get("ack")} },
}

func TestAck(t *testing.T) {
	for version, ackID := range ackIDs {
		for _, tc := range []struct {
			mode, command string
			ready         int // of 5, after the third was named and the consumer has left
		}{
			{"client", "ACK", 2},
			{"client-individual", "ACK", 4},
			{"client", "NACK", 5},
			{"client-individual", "NACK", 5},
		} {
			t.Run(version+tc.mode+tc.command, func(t *testing.T) {
				converse(t, func(t *testing.T, w *world) {
					c := w.dial()
					c.Connect(version)
					fill(c, 5)
					c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:"+tc.mode)
					all := take(t, c, "0", "1", "2", "3", "4")
					for _, f := range all {
						if (f.Get("ack") == f.Get("message-id")) != (version != "1.2") {
							t.Errorf("ack and message-id: %q", f.Raw)
						}
					}
					c.Send(tc.command, append(ackID(all[2]), "receipt:r")...)
					c.AwaitReceipt("r")
					c.Send("UNSUBSCRIBE", "id:1")
					w.wantDepth("/queue/a", tc.ready, 0)
				})
			})
		}
	}
}

func TestNackComesBack(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		fill(c, 3)
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual", "prefetch-count:2")
		all := take(t, c, "0", "1")
		c.Send("NACK", "id:"+all[0].Get("ack"))
		again := c.Want("MESSAGE", "redelivered:true", "delivery-count:2", "", "0")
		if again.Get("ack") == all[0].Get("ack") {
			t.Error("two deliveries have one id")
		}
		c.Send("NACK", "id:"+again.Get("ack"), "receipt:r")
		c.AwaitReceipt("r")
		again = c.Want("MESSAGE", "redelivered:true", "delivery-count:3", "", "0")
		c.Send("NACK", "id:"+again.Get("ack"), "requeue:false")
		c.Want("MESSAGE", "!redelivered", "!delivery-count", "", "2")
		w.wantDepth("/queue/a", 0, 2)
	})
}

// Cumulative ACKs concern one subscription only.
func TestClientAckIsPerSubscription(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
		c.Send("SUBSCRIBE", "id:2", "destination:/queue/a", "ack:client")
		fill(c, 4)
		all := take(t, c, "0", "1", "2", "3")
		c.Send("ACK", "id:"+all[3].Get("ack"))
		c.Barrier()
		w.wantDepth("/queue/a", 0, 2)
	})
}

// 25 of 50, and then the rest in their order.
func TestUnackedComeBackInOrder(t *testing.T) {
	for name, leave := range map[string]func(c *stomptest.Client){
		"unsubscribe": func(c *stomptest.Client) { c.Send("UNSUBSCRIBE", "id:1", "receipt:u"); c.WantReceipt("u") },
		"disconnect":  func(c *stomptest.Client) { c.Send("DISCONNECT", "receipt:d"); c.WantReceipt("d"); c.WantClosed() },
		"close":       func(c *stomptest.Client) { c.Close() },
		"error":       func(c *stomptest.Client) { c.Write("rubbish\n"); c.WantError("invalid-frame", ""); c.WantClosed() },
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c, other := w.connect(), w.connect()
				fill(c, 50)
				c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual")
				for i := range 50 {
					f := c.Want("MESSAGE", "!redelivered", "", strconv.Itoa(i))
					if i%2 == 0 {
						c.Send("ACK", "id:"+f.Get("ack"))
					}
				}
				c.Barrier()
				leave(c)
				w.wantDepth("/queue/a", 25, 0)
				other.Send("SEND", "destination:/queue/a", "", "new")
				other.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
				for i := 1; i < 50; i += 2 {
					other.Want("MESSAGE", "redelivered:true", "delivery-count:2", "", strconv.Itoa(i))
				}
				other.Want("MESSAGE", "!redelivered", "!delivery-count", "", "new")
			})
		})
	}
}

// An ACK just before the end of the connection counts.
func TestAckThenClose(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		fill(c, 1)
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
		f := take(t, c, "0")[0]
		c.Send("ACK", "id:"+f.Get("ack"))
		c.Send("DISCONNECT")
		c.Close()
		w.wantDepth("/queue/a", 0, 0)
	})
}

// No broker has made these ids for a client to acknowledge; no message is lost
// by it.
func TestUnknownAck(t *testing.T) {
	number := func(n string) func(f stomptest.Frame) []string {
		return func(f stomptest.Frame) []string { return []string{"id:" + cutLast(f.Get("ack")) + n} }
	}
	id := func(id string) func(stomptest.Frame) []string {
		return func(stomptest.Frame) []string { return []string{"id:" + id} }
	}
	for name, frame := range map[string]func(f stomptest.Frame) []string{
		"other":                id("x"),
		"number":               id("1"),
		"no session":           id("-1-1"),
		"only consonants":      id("zzzz-1-1"),
		"vowels":               id("bcae1-1-1"),
		"upper case":           id("bcdf1-A-1"),
		"leading zero":         id("bcdf01-1-1"),
		"no subscription 0":    id("bcdf1-0-1"),
		"two numbers":          id("bcdf1-1"),
		"four numbers":         id("bcdf1-1-1-1"),
		"spaces":               id("bcdf1-1- 1"),
		"next":                 func(f stomptest.Frame) []string { return []string{"id:" + sessionOf(f) + "-1-4"} },
		"past the end":         func(f stomptest.Frame) []string { return []string{"id:" + f.Get("ack") + "zzzzzz"} },
		"zero":                 number("0"),
		"padded":               number("01"),
		"huge":                 number("3w5e11264sgsf"),
		"too huge":             number("zzzzzzzzzzzzzz"),
		"negative":             number("-1"),
		"other subscription":   func(f stomptest.Frame) []string { return []string{"id:" + f.Get("ack"), "subscription:2"} },
		"no such subscription": func(f stomptest.Frame) []string { return []string{"id:" + sessionOf(f) + "-3-1"} },
		"automatic":            func(f stomptest.Frame) []string { return []string{"id:" + sessionOf(f) + "-2-1"} },
	} {
		for _, command := range []string{"ACK", "NACK"} {
			t.Run(name+command, func(t *testing.T) {
				converse(t, func(t *testing.T, w *world) {
					c := w.connect()
					fill(c, 3)
					c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
					all := take(t, c, "0", "1", "2")
					c.Send("SUBSCRIBE", "id:2", "destination:/queue/b")
					c.Send(command, append(frame(all[1]), "receipt:r")...)
					c.WantError("unknown-ack-id", "r", command)
					c.WantClosed()
					w.wantDepth("/queue/a", 3, 0)
				})
			})
		}
	}
}

// sessionOf is the session's part of a MESSAGE's ids.
func sessionOf(f stomptest.Frame) string {
	id, _, _ := strings.Cut(f.Get("ack"), "-")
	return id
}

// cutLast takes the number of the delivery off a message id.
func cutLast(id string) string {
	for i := len(id) - 1; ; i-- {
		if id[i] == '-' {
			return id[:i+1]
		}
	}
}

// Message ids are made of characters that no client escapes or splits at.
func TestMessageIDs(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		seen := map[string]bool{}
		for i, mode := range []string{"auto", "client", "client-individual"} {
			for _, to := range []string{"/topic/a", "/queue/a"} {
				c.Send("SUBSCRIBE", fmt.Sprintf("id:%d%s", i, to), "destination:"+to, "ack:"+mode)
			}
		}
		for range 100 {
			c.Send("SEND", "destination:/topic/a")
			c.Send("SEND", "destination:/queue/a")
		}
		for range 400 {
			id := c.Want("MESSAGE").Get("message-id")
			if seen[id] {
				t.Fatalf("message-id %q came twice", id)
			}
			seen[id] = true
			for _, r := range id {
				if !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_' || r == '.' || r == '@') {
					t.Fatalf("message-id is %q", id)
				}
			}
		}
	})
}

// TestAckWithHeadersOfMessage acknowledges as Spring's StompSession does: it sends
// the MESSAGE's headers back.
func TestAckWithHeadersOfMessage(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		fill(c, 2)
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual")
		for i, f := range take(t, c, "0", "1") {
			receipt := "r" + strconv.Itoa(i)
			c.Send("ACK", "destination:/queue/a", "subscription:1", "message-id:"+f.Get("message-id"), "ack:"+f.Get("ack"), "receipt:"+receipt)
			c.AwaitReceipt(receipt)
		}
		c.Send("UNSUBSCRIBE", "id:1")
		w.wantDepth("/queue/a", 0, 0)
	})
}
