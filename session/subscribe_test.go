package session_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"hoofbeat/session"
)

// versioned runs a test once for each version, with a client and a publisher.
func TestSubscribeTopic(t *testing.T) {
	for _, version := range []string{"1.0", "1.1", "1.2"} {
		t.Run(version, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c, p := w.dial(), w.connect()
				c.Connect(version)
				c.Send("SUBSCRIBE", "id:7", "destination:/topic/a", "receipt:r")
				c.WantReceipt("r")
				p.Send("SEND", "destination:/topic/a", "", "one")
				c.Want("MESSAGE", "subscription:7", "destination:/topic/a", "!ack", "!redelivered", "content-length:3", "!content-type", "", "one")
				c.Send("UNSUBSCRIBE", "id:7", "receipt:u")
				c.WantReceipt("u")
				p.Send("SEND", "destination:/topic/a", "", "two")
				p.Barrier()
				c.WantNothing()
			})
		})
	}
}

func TestSubscribe10WithoutID(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.dial()
		c.ConnectAs()
		c.Send("SUBSCRIBE", "destination:/queue/a", "receipt:r1", "ack:client")
		c.Send("SUBSCRIBE", "destination:/queue/a", "receipt:r2", "ack:client")
		c.WantReceipt("r1")
		c.WantReceipt("r2")
		c.Send("SEND", "destination:/queue/a", "", "one")
		f := c.Want("MESSAGE", "!subscription", "destination:/queue/a", "", "one")
		c.Send("ACK", "message-id:"+f.Get("message-id"), "receipt:r3")
		c.WantReceipt("r3")
		c.Send("UNSUBSCRIBE", "destination:/queue/a", "receipt:r4")
		c.WantReceipt("r4")
		c.Send("UNSUBSCRIBE", "destination:/queue/a", "receipt:r5")
		c.Want("RECEIPT", "receipt-id:r5", "late:true")
	})
}

// STOMP 1.0 has no escapes and its header values are trimmed.
func TestHeaders10(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.dial()
		c.Connect("1.0")
		c.Send("SUBSCRIBE", `id: a\nb:c `, "destination: /queue/a ")
		c.Send("SEND", "destination:/queue/a", "k:  a\\nb:c\t")
		f := c.Want("MESSAGE", `k:a\nb:c`)
		if id := f.Get("subscription"); id != `a\nb:c` {
			t.Errorf("subscription is %q", id)
		}
		c.Send("UNSUBSCRIBE", `id:a\nb:c`, "receipt:r")
		c.WantReceipt("r")
	})
}

// Half of the clients do not unescape, so values are echoed as they were
// written.
func TestEchoIsRaw(t *testing.T) {
	for _, id := range []string{"a:b", `a\cb`, `a\\b\n`, " a ", "ä", "sub-0"} {
		t.Run(id, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.connect()
				c.Send("SUBSCRIBE", "id:"+id, `destination:/queue/a`, "receipt:"+id)
				if f := c.Want("RECEIPT"); f.Wire("receipt-id") != id {
					t.Errorf("receipt-id is %q", f.Wire("receipt-id"))
				}
				c.Send("SEND", "destination:/queue/a")
				if f := c.Want("MESSAGE"); f.Wire("subscription") != id {
					t.Errorf("subscription is %q", f.Wire("subscription"))
				}
				c.Send("BEGIN", "transaction:"+id)
				c.Send("ABORT", "transaction:"+id, "receipt:"+id)
				if f := c.Want("RECEIPT"); f.Wire("receipt-id") != id {
					t.Errorf("receipt-id is %q", f.Wire("receipt-id"))
				}
				c.Send("COMMIT", "transaction:none", "receipt:"+id)
				if f := c.Want("ERROR"); f.Wire("receipt-id") != id {
					t.Errorf("ERROR's receipt-id is %q", f.Wire("receipt-id"))
				}
			})
		})
	}
}

func TestDestinationIsEchoed(t *testing.T) {
	for wanted, sent := range map[string]string{
		"/topic/a.b":     "/topic/a/b",
		"/topic/a/b":     "/topic/a.b",
		`/topic/a\cb`:    "/topic/a:b",
		"/user/queue/a":  "/user/anonymous/queue/a",
		"/topic/Ä ö":     "/topic/Ä ö",
		"/user/topic/x":  "/user/anonymous/topic/x",
		"/queue/a.b/c:d": `/queue/a.b.c\cd`,
	} {
		t.Run(wanted, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.connect()
				c.Send("SUBSCRIBE", "id:1", "destination:"+wanted)
				c.Send("SEND", "destination:"+sent)
				if f := c.Want("MESSAGE"); f.Wire("destination") != wanted {
					t.Errorf("destination is %q", f.Wire("destination"))
				}
				synctest.Wait() // until it is acknowledged
			})
		})
	}
}

func TestWildcards(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, p := w.connect(), w.connect()
		for _, pattern := range []string{"*.b", "**", "#", ">", "a.**", "a.*.>"} {
			c.Send("SUBSCRIBE", "id:"+pattern, "destination:/topic/"+pattern)
		}
		c.Barrier()
		p.Send("SEND", "destination:/topic/a/b", "", "x")
		p.Barrier()
		c.Barrier()
		got := map[string]bool{}
		for range 6 {
			f := c.Want("MESSAGE", "destination:/topic/a/b", "", "x")
			got[f.Get("subscription")] = true
		}
		if len(got) != 6 {
			t.Errorf("subscriptions %v got it", got)
		}
		c.Barrier()
		// A colon that its sender wrote plainly is escaped for 1.2.
		p.Send("SEND", "destination:/topic/x:y.b")
		p.Barrier()
		for range 4 {
			if f := c.Want("MESSAGE"); f.Wire("destination") != `/topic/x\cy.b` {
				t.Errorf("destination is %q", f.Wire("destination"))
			}
		}
	})
}

func TestSameSubscriptionTwice(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/a")
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/a", "receipt:r")
		c.WantReceipt("r")
		c.Send("SEND", "destination:/topic/a", "", "one")
		c.Want("MESSAGE", "", "one")
		c.WantNothing()
		c.Send("UNSUBSCRIBE", "id:1")
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/b", "receipt:s")
		c.WantReceipt("s")
	})
}

// One connection may subscribe to the same destination twice; each has its
// own message ids.
func TestTwoSubscriptions(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/a")
		c.Send("SUBSCRIBE", "id:2", "destination:/topic/a", "ack:client")
		c.Send("SEND", "destination:/topic/a")
		one, two := c.Want("MESSAGE"), c.Want("MESSAGE")
		if one.Get("message-id") == two.Get("message-id") || one.Get("subscription") == two.Get("subscription") {
			t.Errorf("%q and %q", one.Raw, two.Raw)
		}
		for _, f := range [...]string{one.Raw, two.Raw} {
			t.Log(f)
		}
	})
}

// RECEIPT for SUBSCRIBE comes before the first MESSAGE, however busy the
// destination is.
func TestReceiptBeforeFirstMessage(t *testing.T) {
	for _, kind := range []string{"topic", "queue"} {
		t.Run(kind, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.connect()
				p := startPublisher(w, "/"+kind+"/a")
				defer p.stop()
				for i := range 200 {
					id := fmt.Sprint(i)
					c.Send("SUBSCRIBE", "id:"+id, "destination:/"+kind+"/a", "receipt:s"+id)
					c.WantReceipt("s" + id)
					c.Want("MESSAGE", "subscription:"+id)
					c.Send("UNSUBSCRIBE", "id:"+id, "receipt:u"+id)
					for f := c.Next(); f.Command != "RECEIPT"; f = c.Next() {
						if f.Get("subscription") != id {
							t.Fatalf("got %q", f.Raw)
						}
					}
					p.arrived.Store(w.delivered())
				}
			})
		})
	}
}

// A publisher sends as fast as messages arrive, until it is stopped.
type publisher struct {
	arrived         atomic.Int64 // of the delivered message
	stopped, ending chan struct{}
}

func startPublisher(w *world, to string) *publisher {
	p := &publisher{stopped: make(chan struct{}), ending: make(chan struct{})}
	d, pub := w.destination(to), w.broker.NewPublisher()
	go func() {
		defer close(p.stopped)
		for {
			select {
			case <-p.ending:
				return
			default:
			}
			if w.delivered()-p.arrived.Load() < 100 && w.depthOf(d) < 100 {
				pub.Send(message(to, "x"), nil)
			} else {
				runtime.Gosched()
			}
		}
	}()
	return p
}

func (p *publisher) stop() {
	close(p.ending)
	<-p.stopped
}

// delivered is how many messages went to subscribers.
func (w *world) delivered() int64 {
	return w.broker.Stats().Published() + w.broker.Stats().Flow().Delivered
}

func TestSubscriptionLimit(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		for range 3 {
			c.Send("SUBSCRIBE", "id:1", "destination:/topic/a")
			c.Send("SUBSCRIBE", "id:2", "destination:/topic/b")
			c.Send("UNSUBSCRIBE", "id:1")
			c.Send("UNSUBSCRIBE", "id:2")
		}
		c.Barrier()
	}, func(o *session.Options) { o.Limits.Subscriptions = 2 })
}

// A subscription that is refused was not made, so its RECEIPT may not come.
func TestRefusedTemporaryQueueHasNoReceipt(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		for _, name := range []string{"a", "b"} {
			c.Send("SUBSCRIBE", "id:1", "destination:/temp-queue/"+name)
			c.Send("UNSUBSCRIBE", "id:1")
			c.Send("SEND", "destination:/temp-queue/"+name)
		}
		c.Send("SUBSCRIBE", "id:1", "destination:/temp-queue/c", "receipt:r")
		c.WantError("too-many-subscriptions", "r", "limits.subscriptions_per_connection")
		c.WantClosed()
	}, func(o *session.Options) { o.Limits.Subscriptions = 2 })
}

func TestPrefetch(t *testing.T) {
	for _, header := range []string{"prefetch-count:2", "activemq.prefetchSize:2"} {
		t.Run(header, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.connect()
				for i := range 5 {
					c.Send("SEND", "destination:/queue/a", "", fmt.Sprint(i))
				}
				c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual", header)
				first := c.Want("MESSAGE", "", "0")
				c.Want("MESSAGE", "", "1")
				c.WantNothing()
				c.Send("ACK", "id:"+first.Get("ack"))
				c.Want("MESSAGE", "", "2")
				c.WantNothing()
				w.wantDepth("/queue/a", 2, 2)
			})
		})
	}
}

// Many more messages than prefetch, in mode auto: written is acknowledged.
func TestAutoAckFlows(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		const n = 5000
		p := w.broker.NewPublisher()
		for range n {
			p.Send(message("/queue/a", "x"), nil)
		}
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		for range n {
			c.Want("MESSAGE", "!ack")
		}
		w.wantDepth("/queue/a", 0, 0)
	})
}
