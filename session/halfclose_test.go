package session_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// A client that has closed its side reads the RECEIPTs that wait for the disk.
func TestHalfCloseBehindSend(t *testing.T) {
	stored(t, func(t *testing.T, w *world, s *slowStore) {
		c := w.dial()
		c.Write("CONNECT\naccept-version:1.2\n\n\x00SEND\ndestination:/queue/a\nreceipt:1\n\nx\x00" +
			"BEGIN\ntransaction:t\n\n\x00SEND\ndestination:/queue/a\ntransaction:t\n\n\x00COMMIT\ntransaction:t\nreceipt:2\n\n\x00SEND\ndestin")
		c.HalfClose()
		c.Want("CONNECTED")
		synctest.Wait() // the store has not said that it is done
		s.finish(nil)
		c.WantReceipt("1")
		c.WantReceipt("2")
	})
}

// Messages on their way to it are written as well, and count as acknowledged.
func TestHalfCloseBehindSubscribe(t *testing.T) {
	stored(t, func(t *testing.T, w *world, s *slowStore) {
		c, p := w.connect(), w.connect()
		c.Send("SUBSCRIBE", "id:q", "destination:/queue/a")
		c.Barrier()
		p.Send("SEND", "destination:/queue/a", "", "1")
		p.Barrier()
		c.Write("SUBSCRIBE\nid:t\ndestination:/topic/a\nreceipt:s\n\n\x00SEND\ndestination:/topic/a\n\n2\x00SEND\ndestination:/queue/b\nreceipt:r\n\n\x00")
		c.HalfClose()
		take(t, c, "1")
		c.WantReceipt("s")
		take(t, c, "2")
		synctest.Wait()
		p.Send("SEND", "destination:/queue/a", "", "3")
		p.Barrier()
		s.finish(nil)
		c.WantReceipt("r")
		c.WantClosed()
		w.wantDepth("/queue/a", 1, 0)
		s.finish(nil)
	})
}

// A disk that hangs does not hold it for ever.
func TestHalfCloseWithStoreThatHangs(t *testing.T) {
	stored(t, func(t *testing.T, w *world, s *slowStore) {
		c := w.connect("heart-beat:1000,1000")
		c.Send("SEND", "destination:/queue/a", "receipt:1")
		c.HalfClose()
		pass(w.options.CloseTimeout + time.Second)
		c.WantError("storage-failed", "", "before the end")
		c.WantClosed()
		if n := w.server.Sessions(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		s.finish(nil)
	})
}

// A client that has closed its side, and does not read, has gone soon.
func TestHalfCloseWithoutReading(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/a")
		stuff(w, c, socketBytes)
		c.Send("SEND", "destination:/queue/a", "receipt:1")
		c.HalfClose()
		pass(2*w.options.CloseTimeout + time.Second)
		if n := w.server.Sessions(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		w.wantDepth("/queue/a", 1, 0)
	})
}
