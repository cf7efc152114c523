package session_test

import (
	"fmt"
	"testing"

	"hoofbeat/session"
)

func TestCommit(t *testing.T) {
	for _, version := range []string{"1.0", "1.1", "1.2"} {
		t.Run(version, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c, other := w.dial(), w.connect()
				c.Connect(version)
				other.Send("SUBSCRIBE", "id:t", "destination:/topic/a")
				other.Send("SUBSCRIBE", "id:q", "destination:/queue/a")
				other.Barrier()
				c.Send("BEGIN", "transaction:t1", "receipt:b")
				c.WantReceipt("b")
				c.Send("SEND", "destination:/queue/a", "transaction:t1", "", "1")
				c.Send("SEND", "destination:/topic/a", "transaction:t1", "", "2")
				c.Barrier()
				other.WantNothing()
				c.Send("COMMIT", "transaction:t1", "receipt:c")
				c.WantReceipt("c")
				other.Barrier()
				bodies := string(other.Want("MESSAGE", "!transaction").Body) + string(other.Want("MESSAGE").Body)
				if bodies != "12" && bodies != "21" {
					t.Errorf("got %q", bodies)
				}
				// The name may be used again.
				c.Send("BEGIN", "transaction:t1")
				c.Send("COMMIT", "transaction:t1", "receipt:c2")
				c.WantReceipt("c2")
			})
		})
	}
}

// RECEIPTs of frames in a transaction come when they are done, which is after
// COMMIT, and in their order.
func TestReceiptsInTransaction(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("BEGIN", "transaction:t", "receipt:1")
		c.WantReceipt("1")
		c.Send("SEND", "destination:/queue/a", "transaction:t", "receipt:2")
		c.Send("SEND", "destination:/queue/b", "transaction:t", "receipt:3")
		c.WantNothing()
		c.Send("COMMIT", "transaction:t", "receipt:4")
		c.WantReceipt("2")
		c.WantReceipt("3")
		c.WantReceipt("4")
	})
}

func TestAbort(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		fill(c, 2)
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual")
		all := take(t, c, "0", "1")
		c.Send("BEGIN", "transaction:t")
		c.Send("SEND", "destination:/queue/b", "transaction:t")
		c.Send("ACK", "id:"+all[0].Get("ack"), "transaction:t")
		c.Send("NACK", "id:"+all[1].Get("ack"), "transaction:t")
		c.Send("ABORT", "transaction:t", "receipt:r")
		c.WantReceipt("r")
		c.WantNothing() // they stay with this consumer, and do not come again
		w.wantDepth("/queue/a", 0, 2)
		w.wantDepth("/queue/b", 0, 0)
		c.Send("ACK", "id:"+all[0].Get("ack"))
		c.Send("NACK", "id:"+all[1].Get("ack"))
		c.Want("MESSAGE", "redelivered:true", "", "1")
		w.wantDepth("/queue/a", 0, 1)
	})
}

// A transaction's ACKs make room for more at once, so that one longer than
// prefetch can be committed.
func TestAckInTransactions(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		fill(c, 50)
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual", "prefetch-count:1")
		for i := range 10 {
			tx := fmt.Sprintf("transaction:%d", i%2)
			c.Send("BEGIN", tx)
			for range 5 {
				c.Send("ACK", "id:"+c.Want("MESSAGE", "!redelivered").Get("ack"), tx)
			}
			c.Send("COMMIT", tx)
		}
		c.WantNothing()
		w.wantDepth("/queue/a", 0, 0)
	})
}

// Messages acknowledged in an open transaction are neither delivered again
// nor acknowledged twice; the end of the connection aborts it.
func TestTransactionHoldsItsMessages(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, other := w.connect(), w.connect()
		fill(c, 3)
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
		all := take(t, c, "0", "1", "2")
		c.Send("BEGIN", "transaction:t")
		c.Send("ACK", "id:"+all[1].Get("ack"), "transaction:t")
		c.Send("UNSUBSCRIBE", "id:1")
		c.Barrier()
		w.wantDepth("/queue/a", 1, 2)
		other.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		other.Want("MESSAGE", "redelivered:true", "", "2")
		other.WantNothing()
		c.Close()
		other.Want("MESSAGE", "redelivered:true", "", "0")
		other.Want("MESSAGE", "redelivered:true", "", "1")
	})
}

// Frames of other transactions, and of none, pass an open one by.
func TestInterleavedTransactions(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		c.Send("BEGIN", "transaction:a")
		c.Send("BEGIN", "transaction:b")
		c.Send("SEND", "destination:/queue/a", "transaction:a", "", "a1")
		c.Send("SEND", "destination:/queue/a", "transaction:b", "", "b1")
		c.Send("SEND", "destination:/queue/a", "", "plain")
		c.Send("SEND", "destination:/queue/a", "transaction:a", "", "a2")
		c.Send("COMMIT", "transaction:b")
		c.Send("COMMIT", "transaction:a")
		take(t, c, "plain", "b1", "a1", "a2")
	})
}

func TestTransactionLimits(t *testing.T) {
	limits := func(o *session.Options) { o.Limits.TransactionFrames, o.Limits.TransactionBytes = 3, 10_000 }
	for name, tc := range map[string]struct {
		size int
		want string
	}{
		"frames": {10, "limits.frames_per_transaction"},
		"bytes":  {6000, "limits.transaction_bytes_per_connection"},
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.connect()
				for _, tx := range []string{"a", "b"} { // finished transactions do not count
					c.Send("BEGIN", "transaction:"+tx)
					c.Send("SEND", "destination:/queue/a", "transaction:"+tx, "", string(make([]byte, 0)))
					c.Send("ABORT", "transaction:"+tx)
				}
				c.Send("BEGIN", "transaction:t")
				body := fmt.Sprintf("%0*d", tc.size, 0)
				for range 3 {
					// The connection may have ended when the last ones are written.
					_ = c.TryWrite("SEND\ndestination:/queue/a\ntransaction:t\n\n" + body + "\x00")
				}
				_ = c.TryWrite("SEND\ndestination:/queue/a\ntransaction:t\nreceipt:r\n\n\x00")
				f := c.Want("ERROR", "message:transaction-too-large")
				if tc.size < 100 && f.Get("receipt-id") != "r" {
					t.Errorf("got %q", f.Raw)
				}
				c.WantClosed()
				w.wantDepth("/queue/a", 0, 0)
			}, limits)
		})
	}
}

// An empty transaction header means none: there are clients that write it into
// every ACK.
func TestEmptyTransactionHeader(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual")
		c.Send("SEND", "destination:/queue/a", "transaction:", "", "1")
		f := c.Want("MESSAGE", "", "1")
		c.Send("ACK", "id:"+f.Get("ack"), "transaction:", "receipt:r")
		c.WantReceipt("r")
		w.wantDepth("/queue/a", 0, 0)
	})
}

// The first of repeated headers counts (STOMP 1.2, Repeated Header Entries), also if
// it is empty.
func TestRepeatedTransactionHeader(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SEND", "destination:/queue/a", "transaction:", "transaction:t", "receipt:", "receipt:r", "", "1")
		c.Send("BEGIN", "transaction:t", "receipt:b")
		c.WantReceipt("b")
		w.wantDepth("/queue/a", 1, 0)
		c.Send("SEND", "destination:/queue/a", "transaction:t", "transaction:", "receipt:r", "receipt:", "", "2")
		c.Send("COMMIT", "transaction:t", "receipt:c")
		c.WantReceipt("r")
		c.WantReceipt("c")
		w.wantDepth("/queue/a", 2, 0)
	})
}

// COMMIT checks its SENDs again if rights have changed since.
func TestCommitAfterChangeOfRights(t *testing.T) {
	for name, tc := range map[string]struct {
		headers []string
		after   []string
		word    string
	}{
		"unchanged":                  {after: []string{"/topic/**", "/queue/**"}},
		"other rights are withdrawn": {after: []string{"/topic/a", "/queue/**"}},
		"withdrawn":                  {after: []string{"/topic/b", "/queue/**"}, word: `send to "/topic/a"`},
		"reply-to withdrawn":         {headers: []string{"reply-to:/topic/b"}, after: []string{"/topic/a", "/queue/**"}, word: "/topic/b"},
	} {
		t.Run(name, func(t *testing.T) {
			guarded(t, func(t *testing.T, w *world, g *doorman) {
				c, other := w.connect("Authorization:Bearer bob"), w.connect("Authorization:Bearer alice")
				other.Send("SUBSCRIBE", "id:1", "destination:/topic/a")
				other.Barrier()
				c.Send("SEND", "destination:/queue/b", "", "work")
				c.Send("SUBSCRIBE", "id:b", "destination:/queue/b", "ack:client")
				work := c.Want("MESSAGE")
				c.Send("BEGIN", "transaction:t")
				c.Send("SEND", "destination:/queue/a", "transaction:t")
				c.Send("SEND", append([]string{"destination:/topic/a", "transaction:t"}, tc.headers...)...)
				c.Send("ACK", "id:"+work.Get("ack"), "transaction:t")
				c.Barrier()
				alice, bob := allow("/topic/**", "/user/**"), allow(append(tc.after, "/user/**")...)
				alice.Users, bob.Users = []string{"alice"}, []string{"bob"}
				g.rules(t, alice, bob)
				w.server.Reauthorize()
				c.Send("COMMIT", "transaction:t", "receipt:c")
				if tc.word == "" {
					c.WantReceipt("c")
					other.Want("MESSAGE")
					w.wantDepth("/queue/a", 1, 0)
					return
				}
				c.WantError("access-denied", "c", tc.word)
				c.WantClosed()
				other.WantNothing()
				w.wantDepth("/queue/a", 0, 0)
				w.wantDepth("/queue/b", 1, 0)
			})
		})
	}
}
