package session_test

import (
	"testing"

	"hoofbeat/session"
)

// With on-read, a client may wait for the RECEIPT of each frame of a transaction
// before its COMMIT. Nothing has happened by then.
func TestReceiptsOnRead(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		fill(c, 2)
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual")
		all := take(t, c, "0", "1")
		for _, end := range []string{"ABORT", "COMMIT"} {
			c.Send("BEGIN", "transaction:t", "receipt:begin")
			c.WantReceipt("begin")
			c.Send("SEND", "destination:/queue/b", "transaction:t", "receipt:send", "", "x")
			c.WantReceipt("send")
			c.Send("ACK", "id:"+all[0].Get("ack"), "transaction:t", "receipt:ack")
			c.Want("RECEIPT", "receipt-id:ack", "!late")
			c.Send("NACK", "id:"+all[1].Get("ack"), "requeue:false", "transaction:t", "receipt:nack")
			c.WantReceipt("nack")
			c.Send("ACK", "id:"+all[0].Get("ack"), "transaction:t", "receipt:late")
			c.Want("RECEIPT", "receipt-id:late", "late:true")
			w.wantDepth("/queue/a", 0, 2)
			w.wantDepth("/queue/b", 0, 0)
			c.Send(end, "transaction:t", "receipt:end")
			c.WantReceipt("end")
			c.WantNothing()
		}
		w.wantDepth("/queue/a", 0, 0)
		w.wantDepth("/queue/b", 1, 0)
	}, func(o *session.Options) { o.ReceiptsOnRead = true })
}
