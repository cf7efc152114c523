package session_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
)

type client = stomptest.Client

func shutDown(w *world) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		w.t.Error(err)
	}
}

// limited bounds /queue/a, and durable subscriptions to /topic/a.
func limited(n int, overflow broker.FullPolicy) []broker.PolicyRule {
	p := broker.Policy{MaxMessages: n, Overflow: overflow, DeadLetter: queueD()}
	return []broker.PolicyRule{rule("/queue/a", p), rule("/topic/a", p)}
}

var policyKeys = []string{"max_messages", "max_bytes", "destinations"}

// The sender is told, with or without a receipt, and the queue's messages
// stay.
func TestQueueFull(t *testing.T) {
	for name, tc := range map[string]struct {
		send    func(c *client)
		receipt string
		body    string
	}{
		"receipt":    {func(c *client) { c.Send("SEND", "destination:/queue/a", "receipt:r") }, "r", "/queue/a"},
		"no receipt": {func(c *client) { c.Send("SEND", "destination:/queue/a") }, "", "/queue/a"},
		"COMMIT": {func(c *client) {
			c.Send("BEGIN", "transaction:t")
			c.Send("SEND", "destination:/queue/b", "transaction:t")
			c.Send("SEND", "destination:/queue/a", "transaction:t", "receipt:in")
			c.Send("COMMIT", "transaction:t", "receipt:r")
		}, "r", "/queue/b, /queue/a"},
		"topic": {func(c *client) { c.Send("SEND", "destination:/topic/a", "receipt:r") }, "r", `subscription to "/topic/a"`},
	} {
		t.Run(name, func(t *testing.T) {
			durably(t, limited(2, broker.RejectNewest), func(t *testing.T, w *world) {
				other := w.connect()
				other.Send("SUBSCRIBE", "id:s", "destination:/topic/a", "durable:true", "receipt:s")
				other.WantReceipt("s")
				other.Send("UNSUBSCRIBE", "id:s")
				other.Barrier()
				w.durables = append(w.durables, destination.DurableSubscription("anonymous", "", "s"))
				c := w.connect()
				for i := range 2 {
					c.Send("SEND", "destination:/queue/a", fmt.Sprint("receipt:", i), "", fmt.Sprint(i))
					c.WantReceipt(fmt.Sprint(i))
					c.Send("SEND", "destination:/topic/a")
				}
				tc.send(c)
				c.WantError("queue-full", tc.receipt, append(policyKeys, tc.body)...)
				c.WantClosed()
				w.wantDepth("/queue/a", 2, 0)
				w.wantDepth("/queue/b", 0, 0)
				other.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
				take(t, other, "0", "1")
				synctest.Wait() // until they count as written
				late := w.connect()
				late.Send("SEND", "destination:/queue/a", "receipt:r", "", "2")
				late.WantReceipt("r")
				take(t, other, "2")
			})
		})
	}
}

// Earlier frames are answered before the ERROR, so that the sender knows
// which to send again.
func TestQueueFullComesInTurn(t *testing.T) {
	stored(t, func(t *testing.T, w *world, s *slowStore) {
		w.broker.SetPolicies(broker.Policies{Default: broker.Policy{Durable: true, MaxMessages: 2}})
		c := w.connect()
		for i := range 5 {
			c.Send("SEND", "destination:/queue/a", fmt.Sprint("receipt:", i))
		}
		synctest.Wait()
		s.finish(nil)
		c.WantReceipt("0")
		c.WantReceipt("1")
		c.WantError("queue-full", "2")
		c.WantClosed()
		w.wantDepth("/queue/a", 2, 0)
	})
}

// Frames behind the one that failed do not count, whatever they are.
func TestRubbishBehindQueueFull(t *testing.T) {
	stored(t, func(t *testing.T, w *world, s *slowStore) {
		w.broker.SetPolicies(broker.Policies{Default: broker.Policy{Durable: true, MaxMessages: 1}})
		c := w.connect()
		c.Write("SEND\ndestination:/queue/a\nreceipt:1\n\n\x00SEND\ndestination:/queue/a\nreceipt:2\n\n\x00rubbish\n\x00")
		synctest.Wait()
		s.finish(nil)
		c.WantReceipt("1")
		c.WantError("queue-full", "2")
		c.WantClosed()
	})
}

func TestQueueFullWithStoreThatHangs(t *testing.T) {
	stored(t, func(t *testing.T, w *world, s *slowStore) {
		w.broker.SetPolicies(broker.Policies{Default: broker.Policy{Durable: true, MaxMessages: 1}})
		c := w.connect()
		c.Send("SEND", "destination:/queue/a", "receipt:1")
		c.Send("SEND", "destination:/queue/a", "receipt:2")
		start := time.Now()
		c.WantError("queue-full", "2")
		c.WantClosed()
		if waited := time.Since(start); waited != w.options.CloseTimeout {
			t.Errorf("the ERROR came after %v", waited)
		}
		s.finish(nil)
	})
}

// The store says beforehand that it can keep nothing.
func TestStoreNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := false
		store := &broker.Memory{Fail: func() error {
			if full {
				return errors.New("no space on /var/secret")
			}
			return nil
		}}
		w := newWorld(t, broker.Options{Store: store, Policies: broker.Policies{Default: broker.Policy{Durable: true}}})
		defer w.end()
		full = true
		c := w.connect()
		c.Send("SEND", "destination:/queue/a", "persistent:false", "receipt:1")
		c.WantReceipt("1")
		c.Send("SEND", "destination:/queue/a")
		c.WantError("storage-failed", "", "/queue/a", "again later", "log")
		c.WantClosed()
		d := w.connect()
		d.Send("SUBSCRIBE", "id:1", "destination:/topic/a", "durable:true", "receipt:r")
		d.WantError("storage-failed", "r", "durable subscription")
		d.WantClosed()
		w.durables = append(w.durables, destination.DurableSubscription("anonymous", "", "1"))
	})
}

func TestDropHead(t *testing.T) {
	durably(t, limited(2, broker.DropHead), func(t *testing.T, w *world) {
		c := w.connect()
		fill(c, 4)
		c.Send("SUBSCRIBE", "id:d", "destination:/queue/d")
		c.Want("MESSAGE", "original-destination:/queue/a", "death-reason:overflow", "death-count:1", "", "0")
		take(t, c, "1")
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		take(t, c, "2", "3")
		c.WantNothing()
	})
}

// blocked returns a client whose third SEND to /queue/a waits for room.
func blocked(t *testing.T, w *world, headers ...string) *client {
	t.Helper()
	c := w.connect(headers...)
	for i := range 3 {
		c.Send("SEND", "destination:/queue/a", fmt.Sprint("receipt:", i), "", fmt.Sprint(i))
	}
	c.Send("SEND", "destination:/queue/b", "receipt:next")
	c.WantReceipt("0")
	c.WantReceipt("1")
	synctest.Wait()
	return c
}

func TestBlockedSender(t *testing.T) {
	durably(t, limited(2, broker.BlockSender), func(t *testing.T, w *world) {
		c := blocked(t, w)
		wantSilence(t, c)
		w.wantDepth("/queue/a", 2, 0)
		w.wantDepth("/queue/b", 0, 0)
		other := w.connect()
		other.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual")
		all := take(t, other, "0", "1")
		wantSilence(t, c) // delivered messages still count
		other.Send("ACK", "id:"+all[0].Get("ack"))
		c.WantReceipt("2")
		c.WantReceipt("next")
		take(t, other, "2")
	})
}

// Others are not held up, and neither is the same client on other connections.
func TestBlockedSenderAlone(t *testing.T) {
	durably(t, limited(2, broker.BlockSender), func(t *testing.T, w *world) {
		c := blocked(t, w)
		wantSilence(t, c)
		other := w.connect()
		other.Send("SEND", "destination:/queue/b", "receipt:r")
		other.WantReceipt("r")
	})
}

// While a client waits, its silence does not count, and it gets heart-beats and
// messages. Afterwards all is as before.
func TestBlockedSenderLives(t *testing.T) {
	durably(t, limited(2, broker.BlockSender), func(t *testing.T, w *world) {
		c := w.dial()
		c.Connect("1.2", "heart-beat:1000,1000")
		c.Send("SUBSCRIBE", "id:t", "destination:/topic/b", "receipt:s")
		c.WantReceipt("s")
		for range 3 {
			c.Send("SEND", "destination:/queue/a")
		}
		c.WantLife(time.Minute, time.Second)
		other := w.connect()
		other.Send("SEND", "destination:/topic/b", "", "news")
		c.Want("MESSAGE", "subscription:t", "", "news")
		pass(30 * time.Second)
		other.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		other.Barrier()
		synctest.Wait()
		c.Send("SEND", "destination:/topic/c", "receipt:r")
		c.WantReceipt("r")
		start := time.Now()
		c.WantError("heart-beat-timeout", "")
		if silent := time.Since(start); silent < 2*time.Second || silent > 3*time.Second {
			t.Errorf("it was given up after %v", silent)
		}
		c.WantClosed()
	})
}

// A client that has said nothing since it had to wait has its whole time again.
func TestBlockedSenderHasTime(t *testing.T) {
	durably(t, limited(2, broker.BlockSender), func(t *testing.T, w *world) {
		c := w.dial()
		c.Connect("1.2", "heart-beat:1000,0")
		for range 3 {
			c.Send("SEND", "destination:/queue/a")
		}
		pass(time.Minute)
		other := w.connect()
		other.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		other.Barrier()
		pass(1900 * time.Millisecond)
		c.Send("SEND", "destination:/topic/c", "receipt:r")
		c.WantReceipt("r")
	})
}

// Whatever ends a session ends the wait at once, and the message is not taken.
func TestBlockedSenderEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(w *world, g *doorman)
		word string
	}{
		"shutdown": {func(w *world, _ *doorman) { go shutDown(w) }, "going-away"},
		"token":    {func(*world, *doorman) { pass(time.Minute) }, "token-expired"},
		"revoked": {func(w *world, g *doorman) {
			bob := "bob"
			g.revoked.Store(&bob)
			w.server.Reauthorize()
		}, "token-revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			g := &doorman{}
			g.rules(t, allow("/queue/**"))
			durably(t, limited(2, broker.BlockSender), func(t *testing.T, w *world) {
				c := blocked(t, w, "Authorization:Bearer bob/60")
				wantSilence(t, c)
				tc.end(w, g)
				start := time.Now()
				c.WantError(tc.word, "")
				c.WantClosed()
				if waited := time.Since(start); waited > 0 {
					t.Errorf("it ended after %v", waited)
				}
				w.wantDepth("/queue/a", 2, 0)
				w.wantDepth("/queue/b", 0, 0)
			}, func(o *session.Options) { o.Authenticator, o.Authorizer, o.Revoked = g, g, g.isRevoked })
		})
	}
}

// The end of a client that waits is noticed at the next write to it.
func TestBlockedSenderGoes(t *testing.T) {
	durably(t, limited(2, broker.BlockSender), func(t *testing.T, w *world) {
		c := blocked(t, w, "heart-beat:0,1000")
		c.Close()
		second := w.connect("heart-beat:0,1000")
		second.Send("SEND", "destination:/queue/a", "", "second")
		synctest.Wait()
		second.Close()
		pass(2 * time.Second)
		if n := w.server.Sessions(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		w.wantDepth("/queue/a", 2, 0)
		next, reader := w.connect(), w.connect()
		next.Send("SEND", "destination:/queue/a", "receipt:1", "", "next")
		wantSilence(t, next)
		reader.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		take(t, reader, "0", "1", "next") // a client that leaves holds up nobody
		next.WantReceipt("1")
	})
}

// The right to send may go while the client waits.
func TestBlockedSenderLosesRight(t *testing.T) {
	g := &doorman{}
	g.rules(t, allow("/queue/**"))
	durably(t, limited(2, broker.BlockSender), func(t *testing.T, w *world) {
		c := blocked(t, w, "Authorization:Bearer bob")
		other := w.connect("Authorization:Bearer alice")
		g.rules(t, deny("/queue/a"), allow("/queue/**", "/user/stomptest/queue/**"))
		w.server.Reauthorize()
		g.rules(t, allow("/**"))
		reader := w.connect("Authorization:Bearer carol")
		reader.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		take(t, reader, "0", "1")
		c.WantError("access-denied", "2")
		reader.WantNothing()
		other.Barrier()
	}, func(o *session.Options) { o.Authenticator, o.Authorizer = g, g })
}

func TestBlockedCommit(t *testing.T) {
	durably(t, limited(2, broker.BlockSender), func(t *testing.T, w *world) {
		c, other := w.connect(), w.connect()
		fill(other, 1)
		other.Barrier()
		first := w.broker.NewPublisher()
		tx := first.Begin()
		tx.Send(message("/queue/a", "x"))
		tx.Send(message("/queue/a", "x"))
		wantWait(t, tx.Commit(nil))
		c.Send("BEGIN", "transaction:t")
		c.Send("SEND", "destination:/queue/a", "transaction:t", "receipt:1", "", "1")
		c.Send("SEND", "destination:/queue/b", "transaction:t")
		c.Send("SEND", "destination:/queue/a", "transaction:t", "", "2")
		c.Send("COMMIT", "transaction:t", "receipt:2")
		wantSilence(t, c)
		w.wantDepth("/queue/a", 1, 0)
		w.wantDepth("/queue/b", 0, 0)
		first.Close()
		other.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		take(t, other, "0", "1", "2")
		c.WantReceipt("1")
		c.WantReceipt("2")
		w.wantDepth("/queue/b", 1, 0)
		// Its name is free again.
		c.Send("BEGIN", "transaction:t", "receipt:3")
		c.WantReceipt("3")
	})
}

// wantWait expects a reason to wait: a client that is to try again at once
// would do so for ever, and in a bubble nothing else would happen.
func wantWait(t *testing.T, wait <-chan struct{}) {
	t.Helper()
	select {
	case <-wait:
		t.Fatal("there is no room, and it is to try again at once")
	default:
	}
	if wait == nil {
		t.Fatal("there was room")
	}
}

// A message that is larger than the room that is left waits for enough of it.
func TestBlockedByBytes(t *testing.T) {
	durably(t, []broker.PolicyRule{rule("/queue/a", broker.Policy{MaxBytes: 2000, Overflow: broker.BlockSender})}, func(t *testing.T, w *world) {
		c, other := w.connect(), w.connect()
		small, large := strings.Repeat("s", 800), strings.Repeat("l", 1500)
		c.Send("SEND", "destination:/queue/a", "receipt:1", "", small)
		c.WantReceipt("1")
		first := w.broker.NewPublisher()
		wantWait(t, first.Send(message("/queue/a", large), nil))
		c.Send("SEND", "destination:/queue/a", "receipt:2", "", large)
		wantSilence(t, c)
		first.Close()
		other.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		take(t, other, small, large)
		c.WantReceipt("2")
	})
}

// Many that wait for the same queue all come to their turn, each in its order.
func TestManyBlockedSenders(t *testing.T) {
	durably(t, limited(2, broker.BlockSender), func(t *testing.T, w *world) {
		const senders, each = 8, 30
		var all []*client
		for i := range senders {
			c := w.connect()
			all = append(all, c)
			for j := range each {
				c.Send("SEND", "destination:/queue/a", fmt.Sprint("sender:", i), fmt.Sprint("receipt:", j), "", fmt.Sprint(j))
			}
		}
		reader := w.connect()
		reader.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual", "prefetch-count:1")
		var next [senders]int
		for range senders * each {
			f := reader.Want("MESSAGE")
			i, _ := strconv.Atoi(f.Get("sender"))
			if string(f.Body) != strconv.Itoa(next[i]) {
				t.Fatalf("sender %d: got %s, want %d", i, f.Body, next[i])
			}
			next[i]++
			reader.Send("ACK", "id:"+f.Get("ack"))
		}
		for _, c := range all {
			for j := range each {
				c.WantReceipt(strconv.Itoa(j))
			}
		}
	})
}

// A COMMIT that waits when the session ends has not happened, and its
// acknowledged messages go back.
func TestBlockedCommitEnds(t *testing.T) {
	durably(t, limited(2, broker.BlockSender), func(t *testing.T, w *world) {
		c := w.connect()
		fill(c, 2)
		c.Send("SEND", "destination:/queue/c", "", "c")
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/c", "ack:client")
		f := c.Want("MESSAGE", "", "c")
		c.Send("BEGIN", "transaction:t")
		c.Send("SEND", "destination:/queue/a", "transaction:t")
		c.Send("ACK", "id:"+f.Get("ack"), "transaction:t")
		c.Send("COMMIT", "transaction:t", "receipt:2")
		wantSilence(t, c)
		shutDown(w)
		c.WantError("going-away", "")
		c.WantClosed()
		w.wantDepth("/queue/a", 2, 0)
		w.wantDepth("/queue/c", 1, 0)
	})
}

// A transaction that never fits is refused, whatever the policy.
func TestCommitThatNeverFits(t *testing.T) {
	durably(t, limited(2, broker.BlockSender), func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("BEGIN", "transaction:t")
		for range 3 {
			c.Send("SEND", "destination:/queue/a", "transaction:t")
		}
		c.Send("COMMIT", "transaction:t", "receipt:r")
		c.WantError("queue-full", "r", "/queue/a")
		c.WantClosed()
		w.wantDepth("/queue/a", 0, 0)
	})
}

// A durable subscription with a full queue holds up publishers.
func TestBlockedByDurableSubscription(t *testing.T) {
	durably(t, limited(2, broker.BlockSender), func(t *testing.T, w *world) {
		d := w.connect()
		d.Send("SUBSCRIBE", "id:s", "destination:/topic/a", "durable:true", "ack:client", "receipt:s")
		d.WantReceipt("s")
		c := w.connect()
		for i := range 3 {
			c.Send("SEND", "destination:/topic/a", fmt.Sprint("receipt:", i), "", fmt.Sprint(i))
		}
		c.WantReceipt("0")
		c.WantReceipt("1")
		wantSilence(t, c)
		all := take(t, d, "0", "1")
		d.Send("ACK", "id:"+all[1].Get("ack"))
		c.WantReceipt("2")
		take(t, d, "2")
		d.Send("UNSUBSCRIBE", "id:s", "durable:true", "receipt:u")
		d.WantReceipt("u")
	})
}

// Whatever makes room lets the sender go on.
func TestBlockedSenderIsFreed(t *testing.T) {
	for name, free := range map[string]func(w *world){
		"other limits": func(w *world) {
			w.broker.SetPolicies(broker.Policies{Default: broker.Policy{Durable: true}})
		},
		"another overflow": func(w *world) {
			w.broker.SetPolicies(broker.Policies{Rules: limited(2, broker.DropHead), Default: broker.Policy{Durable: true}})
		},
		"dead": func(w *world) {
			c := w.connect()
			c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual", "prefetch-count:1")
			c.Send("NACK", "id:"+c.Want("MESSAGE").Get("ack"), "requeue:false")
			c.Barrier()
		},
		"a transaction": func(w *world) {
			c := w.connect()
			c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual", "prefetch-count:1")
			c.Send("BEGIN", "transaction:t")
			c.Send("ACK", "id:"+c.Want("MESSAGE").Get("ack"), "transaction:t")
			c.Send("COMMIT", "transaction:t")
			c.Barrier()
		},
	} {
		t.Run(name, func(t *testing.T) {
			durably(t, limited(2, broker.BlockSender), func(t *testing.T, w *world) {
				c := blocked(t, w)
				wantSilence(t, c)
				free(w)
				c.WantReceipt("2")
				c.WantReceipt("next")
			})
		})
	}
}

func TestBlockedSenderIsFreedByExpiry(t *testing.T) {
	rules := []broker.PolicyRule{rule("/queue/a", broker.Policy{MaxMessages: 2, Overflow: broker.BlockSender, TTL: time.Minute})}
	durably(t, rules, func(t *testing.T, w *world) {
		c := blocked(t, w)
		start := time.Now()
		c.Limit = time.Hour
		c.WantReceipt("2")
		if waited := time.Since(start); waited < time.Minute || waited > time.Minute+time.Second {
			t.Errorf("it waited for %v", waited)
		}
	})
}

func TestBlockedByDurableSubscriptionThatEnds(t *testing.T) {
	for name, expiry := range map[string]time.Duration{"deleted": 0, "expired": time.Minute} {
		t.Run(name, func(t *testing.T) {
			p := broker.Policy{MaxMessages: 1, Overflow: broker.BlockSender, SubscriptionExpiry: expiry}
			durably(t, []broker.PolicyRule{rule("/topic/a", p)}, func(t *testing.T, w *world) {
				d, c := w.connect(), w.connect()
				d.Send("SUBSCRIBE", "id:s", "destination:/topic/a", "durable:true", "receipt:s")
				d.WantReceipt("s")
				d.Send("UNSUBSCRIBE", "id:s")
				d.Barrier()
				c.Send("SEND", "destination:/topic/a", "receipt:1")
				c.WantReceipt("1")
				c.Send("SEND", "destination:/topic/a", "receipt:2")
				wantSilence(t, c)
				if expiry > 0 {
					pass(expiry + time.Second)
				} else {
					d.Send("UNSUBSCRIBE", "id:s", "durable:true", "receipt:u")
					d.WantReceipt("u")
				}
				c.WantReceipt("2")
			})
		})
	}
}

func TestMaxBytes(t *testing.T) {
	durably(t, []broker.PolicyRule{rule("/queue/a", broker.Policy{MaxBytes: 2000})}, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SEND", "destination:/queue/a", "receipt:1", "", "small")
		c.WantReceipt("1")
		c.Send("SEND", "destination:/queue/a", "receipt:2", "", body(0)+body(1)+body(2)+body(3)+body(4)+body(5)+body(6)+body(7)+body(8)+body(9)+
			body(10)+body(11)+body(12)+body(13)+body(14)+body(15)+body(16)+body(17))
		c.WantError("queue-full", "2", "destinations[].max_bytes")
		w.wantDepth("/queue/a", 1, 0)
	})
}
