package session_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"hoofbeat/session"
)

func fewSubscriptions(o *session.Options) { o.Limits.Subscriptions = 3 }

// A client may give each request a reply queue of its own, however many there
// are, and whether they are answered, given back or neither.
func TestReplyQueueForEachRequest(t *testing.T) {
	const most, few = 100_000, 20_000
	for name, then := range map[string]func(c, server *client, to string, i int){
		"answered": func(c, server *client, to string, i int) {
			server.Send("SEND", "destination:"+to, "", fmt.Sprint(i))
			c.Want("MESSAGE", "", fmt.Sprint(i))
		},
		"not answered": func(*client, *client, string, int) {},
		"answered and given back": func(c, server *client, to string, i int) {
			server.Send("SEND", "destination:"+to, "", fmt.Sprint(i))
			f := c.Want("MESSAGE", "", fmt.Sprint(i))
			c.Send("UNSUBSCRIBE", "id:"+f.Get("subscription"))
		},
		"subscribed and unsubscribed": func(c, _ *client, _ string, i int) {
			c.Send("SUBSCRIBE", fmt.Sprint("id:", i), fmt.Sprint("destination:/temp-queue/", i))
			c.Send("UNSUBSCRIBE", fmt.Sprint("id:", i))
		},
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c, server := w.connect(), w.connect()
				server.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "receipt:s")
				server.WantReceipt("s")
				n := few
				if name == "answered" {
					n = most
				}
				for i := range n {
					then(c, server, ask(c, server, fmt.Sprint(i)), i)
				}
				c.Barrier()
				if _, queues := w.broker.Size(); queues > 1001 {
					t.Errorf("there are %d queues", queues)
				}
			})
		})
	}
}

// A reply queue is given back by the id in its MESSAGEs, in STOMP 1.0 without
// one by its destination; later messages for it are dropped.
func TestReplyQueueIsGivenBack(t *testing.T) {
	for version, header := range map[string]string{"1.0": "destination:/temp-queue/x", "1.1": "id:/temp-queue/x", "1.2": "id:/temp-queue/x"} {
		t.Run(version, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c, server := w.dial(), w.connect()
				c.Connect(version)
				server.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
				server.Barrier()
				to := ask(c, server, "x")
				c.Send("UNSUBSCRIBE", header, "receipt:u")
				c.Want("RECEIPT", "receipt-id:u", "!late")
				server.Send("SEND", "destination:"+to, "", "late")
				server.Barrier()
				c.WantNothing()
				c.Send("UNSUBSCRIBE", header, "receipt:u")
				c.Want("RECEIPT", "receipt-id:u", "late:true")
				if again := ask(c, server, "x"); again != to {
					t.Errorf("reply-to is %q and then %q", to, again)
				}
				server.Send("SEND", "destination:"+to, "", "answer")
				c.Want("MESSAGE", "subscription:/temp-queue/x", "", "answer")
			})
		})
	}
}

// Of few places, one that had its answer is given up first, then the one that
// was named the longest time ago; never one that holds something, and none that
// the client has subscribed to.
func TestWhichReplyQueueGivesUpItsPlace(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, server := w.connect(), w.connect()
		server.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		server.Barrier()
		answer := func(to, body string) {
			server.Send("SEND", "destination:"+to, "", body)
			server.Barrier()
			synctest.Wait()
		}
		own := ask(c, server, "own")
		c.Send("SUBSCRIBE", "id:own", "destination:/temp-queue/own")
		first, second := ask(c, server, "first"), ask(c, server, "second")
		answer(second, "2")
		c.Want("MESSAGE", "", "2")
		third := ask(c, server, "third") // in the place of the second
		answer(second, "lost")
		answer(first, "1")
		c.Want("MESSAGE", "subscription:/temp-queue/first", "", "1")
		ask(c, server, "first")            // it waits for another answer
		fourth := ask(c, server, "fourth") // in the place of the third
		answer(third, "lost")
		answer(first, "1 again")
		c.Want("MESSAGE", "", "1 again")
		fifth := ask(c, server, "fifth") // in the place of the first
		answer(first, "lost")
		answer(fourth, "4")
		answer(fifth, "5")
		answer(own, "own")
		c.Want("MESSAGE", "", "4")
		c.Want("MESSAGE", "", "5")
		c.Want("MESSAGE", "subscription:own", "", "own")
		c.WantNothing()
	}, fewSubscriptions)
}

// Reply queues make room for subscriptions, and not the other way round.
func TestReplyQueuesMakeRoomForSubscriptions(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		for i := range 3 {
			c.Send("SEND", "destination:/topic/a", fmt.Sprint("reply-to:/temp-queue/", i))
		}
		for i := range 3 {
			c.Send("SUBSCRIBE", fmt.Sprint("id:", i), "destination:/topic/b", "receipt:r")
			c.WantReceipt("r")
		}
		c.Send("SEND", "destination:/topic/a", "reply-to:/temp-queue/x", "receipt:x")
		c.WantError("too-many-subscriptions", "x", "limits.subscriptions_per_connection")
		c.WantClosed()
	}, fewSubscriptions)
}

// Answers that wait to be written keep their queues.
func TestReplyQueueWithAnswersStays(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, server := w.connect(), w.connect()
		server.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		server.Barrier()
		body := fmt.Sprintf("%0*d", 2*socketBytes, 0)
		for i := range 3 {
			server.Send("SEND", "destination:"+ask(c, server, fmt.Sprint(i)), "", body)
			server.Barrier()
		}
		synctest.Wait()
		c.Send("SEND", "destination:/queue/a", "reply-to:/temp-queue/x", "receipt:x")
		synctest.Wait()
		f := c.Next()
		for f.Command == "MESSAGE" { // was being written
			f = c.Next()
		}
		if f.Command != "ERROR" || f.Get("message") != "too-many-subscriptions" {
			t.Errorf("got %.200q", f.Raw)
		}
		c.WantClosed()
		server.WantNothing()
	}, fewSubscriptions)
}
