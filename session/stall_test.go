package session_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"hoofbeat/session"
	"hoofbeat/session/outbox"
)

// A subscriber that never reads holds up neither senders nor other
// subscribers.
func TestStalledSubscriberStallsNobody(t *testing.T) {
	for _, policy := range []outbox.Policy{outbox.Disconnect, outbox.DropNewest, outbox.DropOldest} {
		for _, to := range []string{"/topic/a", "/queue/a"} {
			t.Run(fmt.Sprint(policy, to), func(t *testing.T) {
				converse(t, func(t *testing.T, w *world) {
					stalled, p, other := w.connect(), w.connect(), w.connect()
					stalled.Send("SUBSCRIBE", "id:1", "destination:"+to, "receipt:r")
					stalled.WantReceipt("r")
					other.Send("SUBSCRIBE", "id:1", "destination:/topic/b")
					other.Barrier()
					body := strings.Repeat("x", 64<<10)
					for range 300 {
						p.Send("SEND", "destination:"+to, "", body)
					}
					p.Send("SEND", "destination:/topic/b", "receipt:r")
					p.WantReceipt("r")
					other.Want("MESSAGE")
					if to == "/queue/a" {
						other.Send("SUBSCRIBE", "id:2", "destination:/queue/a")
						synctest.Wait()
						for range w.depth("/queue/a").Ready {
							other.Want("MESSAGE", "subscription:2")
						}
					}
				}, bounded(1<<20, policy))
			})
		}
	}
}

// Many that stall at once, each in its own way.
func TestManyStalledSessions(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		for i := range 50 {
			c := w.connect("heart-beat:0,1000")
			switch i % 3 {
			case 0:
				stuff(w, c, socketBytes)
			case 1:
				c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
			case 2:
				c.Write("SEND\ndestination:/queue/a\n\nhalf a fra")
			}
		}
		p := w.connect()
		for i := range 100 {
			p.Send("SEND", "destination:/queue/a", "receipt:r", "", fmt.Sprint(i))
			p.WantReceipt("r")
		}
	})
}

// isChild marks a process that runs one test which might end it.
const isChild = "HOOFBEAT_SESSION_TEST_CHILD"

// A session that is ended by another goroutine just while a queue fills its
// outgoing queue for a new subscription. It runs in a process of its own,
// because a fault would end that.
func TestEndWhileSubscribing(t *testing.T) {
	if os.Getenv(isChild) == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestEndWhileSubscribing$")
		child.Env = append(os.Environ(), isChild+"=1")
		if out, err := child.CombinedOutput(); err != nil {
			t.Errorf("%v\n%.4000s", err, out)
		}
		return
	}
	for range 40 {
		for _, end := range []func(*session.Session){
			func(s *session.Session) { s.End(&session.Fault{Word: "token-expired"}) },
			func(s *session.Session) { s.Shutdown(session.DefaultOptions(nil).CloseTimeout) },
			func(s *session.Session) { s.Kill() },
		} {
			onStage(t, func(t *testing.T, s *stage) {
				s.send("/queue/a", 0, 2000)
				s.conn.say("SUBSCRIBE\nid:q\ndestination:/queue/a\nprefetch-count:60000\n\n\x00")
				for s.broker.Stats().Flow().Delivered == 0 {
					runtime.Gosched()
				}
				end(s.session)
				<-s.ran
			})
		}
	}
}
