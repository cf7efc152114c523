package session_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/internal/stomptest"
)

func TestDisconnect(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, other := w.connect(), w.connect()
		other.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		other.Barrier()
		c.Write("SEND\ndestination:/queue/a\n\nbefore\x00" +
			"DISCONNECT\nreceipt:bye\n\n\x00" +
			"SEND\ndestination:/queue/a\nreceipt:late\n\nafter\x00" + "rubbish\n")
		c.WantReceipt("bye")
		c.WantClosed()
		other.Want("MESSAGE", "", "before")
		other.WantNothing()
	})
}

func TestDisconnectWithoutReceipt(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("DISCONNECT")
		c.WantClosed()
	})
}

// Open transactions end with the connection, as if they had never begun.
func TestEndAborts(t *testing.T) {
	for name, leave := range map[string]func(c *stomptest.Client){
		"disconnect": func(c *stomptest.Client) { c.Send("DISCONNECT"); c.WantClosed() },
		"close":      func(c *stomptest.Client) { c.Close() },
		"error":      func(c *stomptest.Client) { c.Send("SEND"); c.WantError("missing-header", ""); c.WantClosed() },
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.connect()
				fill(c, 2)
				c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
				all := take(t, c, "0", "1")
				c.Send("BEGIN", "transaction:t")
				c.Send("SEND", "destination:/queue/b", "transaction:t")
				c.Send("ACK", "id:"+all[1].Get("ack"), "transaction:t")
				c.Barrier()
				leave(c)
				w.wantDepth("/queue/a", 2, 0)
				w.wantDepth("/queue/b", 0, 0)
			})
		})
	}
}

// Clients that vanish with messages in flight wedge nothing.
func TestAbruptEnds(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		p := w.connect()
		fill(p, 100)
		for i := range 20 {
			c := w.connect()
			c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual")
			for range i {
				c.Want("MESSAGE")
			}
			c.Close()
			w.wantDepth("/queue/a", 100, 0)
		}
	})
}

func TestShutdown(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, silent := w.connect(), w.dial()
		fill(c, 1)
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
		c.Want("MESSAGE")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := w.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		for _, told := range []*stomptest.Client{c, silent} {
			told.WantError("going-away", "")
			told.WantClosed()
		}
		w.wantDepth("/queue/a", 1, 0)
	})
}

// A client that does not read cannot hold the server up for longer than it
// was given.
func TestShutdownWithoutReader(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		stuff(w, c, socketBytes)
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_ = w.server.Shutdown(ctx)
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// stuff sends a client that does not read more than its socket holds, so that
// its writer waits.
func stuff(w *world, c *stomptest.Client, bytes int) {
	c.Send("SUBSCRIBE", "id:stuff", "destination:/topic/stuff", "receipt:stuff")
	c.AwaitReceipt("stuff")
	w.broker.NewPublisher().Send(message("/topic/stuff", string(make([]byte, bytes+1000))), nil)
	synctest.Wait()
}

// The log has the first reason for the end of a session.
func TestLogOfEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		say    func(c *stomptest.Client)
		reason string
	}{
		"disconnect": {func(c *stomptest.Client) { c.Connect("1.2"); c.Send("DISCONNECT") }, "client disconnected"},
		"early":      {func(c *stomptest.Client) { c.Close() }, "client left before CONNECT"},
		"fault":      {func(c *stomptest.Client) { c.Connect("1.2"); c.Send("SEND") }, "missing-header"},
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				tc.say(w.dial())
				synctest.Wait()
				if got := w.log.last("connection closed")["reason"].String(); got != tc.reason {
					t.Errorf("reason is %q", got)
				}
			})
		})
	}
}

// A client that leaves while the server stops gets the RECEIPT of its DISCONNECT:
// all that it sent is done.
func TestDisconnectWhileServerStops(t *testing.T) {
	onDisk(t, func(t *testing.T, w *world, d *disk) {
		c := w.connect()
		c.Send("SEND", "destination:/queue/a", "receipt:sent", "", "x")
		c.Send("DISCONNECT", "receipt:bye")
		synctest.Wait() // the disk is stuck
		stopped := make(chan error)
		go func() { stopped <- w.server.Shutdown(t.Context()) }()
		synctest.Wait()
		d.move()
		c.WantReceipt("sent")
		c.WantReceipt("bye")
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}
