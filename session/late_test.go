package session_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/broker"
	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
)

// lateAcks make a delivery of "1" to c, of /queue/a with mode client-individual,
// that does not wait for its ACK any more, and give its id.
var lateAcks = map[string]func(w *world, c *client, f stomptest.Frame) string{
	"another session": func(w *world, _ *client, _ stomptest.Frame) string {
		other := w.connect()
		other.Send("SEND", "destination:/queue/b")
		other.Send("SUBSCRIBE", "id:1", "destination:/queue/b", "ack:client", "receipt:s")
		other.WantReceipt("s")
		f := other.Want("MESSAGE")
		other.Send("ACK", "id:"+f.Get("ack"))
		other.Barrier()
		return f.Get("ack")
	},
	"another process": func(*world, *client, stomptest.Frame) string { return "bcdfzz9-1-2s" },
	"settled": func(_ *world, c *client, f stomptest.Frame) string {
		c.Send("ACK", "id:"+f.Get("ack"))
		c.Send("SEND", "destination:/queue/a", "", "1")
		c.Want("MESSAGE", "", "1")
		return f.Get("ack")
	},
	"refused": func(_ *world, c *client, f stomptest.Frame) string {
		c.Send("NACK", "id:"+f.Get("ack"))
		c.Want("MESSAGE", "redelivered:true", "", "1")
		return f.Get("ack")
	},
	"claimed": func(_ *world, c *client, f stomptest.Frame) string {
		c.Send("BEGIN", "transaction:claims")
		c.Send("ACK", "id:"+f.Get("ack"), "transaction:claims")
		return f.Get("ack")
	},
	"an ended subscription": func(_ *world, c *client, f stomptest.Frame) string {
		c.Send("UNSUBSCRIBE", "id:1")
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual")
		c.Want("MESSAGE", "redelivered:true", "", "1")
		return f.Get("ack")
	},
}

// A late ACK or NACK changes nothing, is counted, and its RECEIPT says that it
// was late; of one in a transaction it comes at COMMIT.
func TestLateAck(t *testing.T) {
	for name, make := range lateAcks {
		for _, command := range []string{"ACK", "NACK"} {
			for _, inTransaction := range []bool{false, true} {
				t.Run(fmt.Sprint(name, command, inTransaction), func(t *testing.T) {
					converse(t, func(t *testing.T, w *world) {
						c := w.connect()
						c.Send("SEND", "destination:/queue/a", "", "1")
						c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual")
						id := make(w, c, c.Want("MESSAGE", "", "1"))
						ack := []string{"id:" + id, "requeue:false", "receipt:late"}
						if inTransaction {
							c.Send("BEGIN", "transaction:t")
							c.Send(command, append(ack, "transaction:t")...)
							c.WantNothing()
							c.Send("COMMIT", "transaction:t", "receipt:commit")
							c.Want("RECEIPT", "receipt-id:late", "late:true")
							c.Want("RECEIPT", "receipt-id:commit", "!late")
						} else {
							c.Send(command, ack...)
							c.Want("RECEIPT", "receipt-id:late", "late:true")
							c.Send(command, ack[:2]...)
						}
						c.WantNothing()
						w.wantDepth("/queue/a", 0, 1)
						late := w.server.Counters().Totals().Late
						if want := 2 - int64(index(inTransaction)); late[command] != want {
							t.Errorf("%v frames were late, want %d", late, want)
						}
					})
				})
			}
		}
	}
}

func index(is bool) int {
	if is {
		return 1
	}
	return 0
}

// In mode client, an ACK of a message that a cumulative one has covered is
// late.
func TestLateAckOfWhatIsCovered(t *testing.T) {
	for version, ackID := range ackIDs {
		t.Run(version, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.dial()
				c.Connect(version)
				fill(c, 4)
				c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
				all := take(t, c, "0", "1", "2", "3")
				c.Send("ACK", append(ackID(all[2]), "receipt:1")...)
				c.Want("RECEIPT", "receipt-id:1", "!late")
				for i, command := range []string{"ACK", "NACK", "ACK"} {
					c.Send(command, append(ackID(all[i]), "receipt:2")...)
					c.Want("RECEIPT", "receipt-id:2", "late:true")
				}
				w.wantDepth("/queue/a", 0, 1)
				c.Send("ACK", append(ackID(all[3]), "receipt:3")...)
				c.Want("RECEIPT", "receipt-id:3", "!late")
			})
		})
	}
}

// Late frames of a transaction count towards its limits, and ABORT drops their
// receipts.
func TestLateAckInTransactionIsBounded(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("BEGIN", "transaction:t")
		c.Send("ACK", "id:bcdf1-1-1", "transaction:t", "receipt:dropped")
		c.Send("ABORT", "transaction:t", "receipt:aborted")
		c.WantReceipt("aborted")
		c.Send("BEGIN", "transaction:t")
		for range 3 {
			c.Send("ACK", "id:bcdf1-1-1", "transaction:t")
		}
		c.Send("NACK", "id:bcdf1-1-1", "transaction:t", "receipt:r")
		c.WantError("transaction-too-large", "r", "limits.frames_per_transaction")
	}, smallLimits)
}

// An UNSUBSCRIBE of a missing subscription succeeds, as it is late.
func TestLateUnsubscribe(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		for _, id := range []string{"never", "1"} {
			c.Send("UNSUBSCRIBE", "id:"+id, "receipt:"+id)
			c.Want("RECEIPT", "receipt-id:"+id, "late:true")
		}
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		c.Send("UNSUBSCRIBE", "id:1", "receipt:in time")
		c.Want("RECEIPT", "receipt-id:in time", "!late")
		c.Send("UNSUBSCRIBE", "id:1", "receipt:late")
		c.Want("RECEIPT", "receipt-id:late", "late:true")
		if n := w.server.Counters().Totals().Late["UNSUBSCRIBE"]; n != 3 {
			t.Errorf("%d UNSUBSCRIBE frames were late", n)
		}
	})
}

// An ERROR for an unknown id does not count against the message that the
// client has: max_deliveries is not affected.
func TestUnknownNamesBlameNoMessage(t *testing.T) {
	for name, say := range map[string][]string{
		"ACK":            {"ACK", "id:never-given"},
		"NACK":           {"NACK", "id:zzzz-1-1"},
		"COMMIT":         {"COMMIT", "transaction:earlier"},
		"ABORT":          {"ABORT", "transaction:earlier"},
		"SEND":           {"SEND", "destination:/queue/b", "transaction:earlier"},
		"ACK in another": {"ACK", "id:bcdf1-1-1", "transaction:earlier"},
		"UNSUBSCRIBE":    {"UNSUBSCRIBE", "id:other", "durable-subscription-name:x"},
	} {
		t.Run(name, func(t *testing.T) {
			durably(t, []broker.PolicyRule{rule("/queue/a", broker.Policy{MaxDeliveries: 2, DeadLetter: queueD()})}, func(t *testing.T, w *world) {
				w.connect().Send("SEND", "destination:/queue/a", "", "good")
				for range 4 {
					c := w.connect()
					c.Send("SUBSCRIBE", "id:other", "destination:/topic/a")
					c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual")
					c.Want("MESSAGE", "", "good")
					c.Send(say[0], say[1:]...)
					c.Want("ERROR")
					c.WantClosed()
					w.wantDepth("/queue/a", 1, 0)
					w.wantDepth("/queue/d", 0, 0)
				}
			})
		})
	}
}

// A worker's jobs take longer than its first connection lasts. It reconnects
// by itself, as stomp.js does, and acknowledges messages of the old
// connection on the new one: each job gets done, and none is dead.
func TestLateAcksAfterReconnecting(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint(restart), func(t *testing.T) {
			durably(t, []broker.PolicyRule{rule("/queue/a", broker.Policy{MaxDeliveries: 2, DeadLetter: queueD()})}, func(t *testing.T, w *world) {
				fill(w.connect(), 8)
				const job = 1500 * time.Millisecond
				connect := func() *client {
					c := w.connect()
					c.Send("SUBSCRIBE", "id:w", "destination:/queue/a", "ack:client-individual", "prefetch-count:4", "receipt:s")
					c.WantReceipt("s")
					return c
				}
				c := connect()
				old := take(t, c, "0", "1", "2", "3")
				pass(time.Second)
				c.Close()
				synctest.Wait()
				if restart {
					w.restart()
				}
				c = connect()
				started := take(t, c, "0", "1", "2", "3")
				pass(job - time.Second)
				for _, f := range old {
					c.Send("ACK", "id:"+f.Get("ack"), "subscription:w")
				}
				c.WantNothing()
				for len(started) > 0 {
					pass(job)
					for _, f := range started {
						c.Send("ACK", "id:"+f.Get("ack"), "subscription:w")
					}
					c.Barrier()
					started = nil
					for w.depth("/queue/a").Unacked > len(started) {
						started = append(started, c.Want("MESSAGE", "!redelivered"))
					}
				}
				w.wantDepth("/queue/a", 0, 0)
				w.wantDepth("/queue/d", 0, 0)
				if late := w.server.Counters().Totals().Late["ACK"]; late != 4 {
					t.Errorf("%d ACKs were late, want 4", late)
				}
			})
		})
	}
}

// The ids of sessions tell which process has made them.
func TestIDs(t *testing.T) {
	a, b := session.NewIDs(), session.NewIDs()
	seen := map[string]bool{}
	for range 100 {
		for _, id := range []string{a.Next(), b.Next()} {
			if seen[id] {
				t.Fatalf("the id %q came twice", id)
			}
			seen[id] = true
		}
	}
}
