package session_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/session"
	"hoofbeat/session/outbox"
)

// bounded sets the limit of the outbox.
func bounded(bytes int, policy outbox.Policy) func(*session.Options) {
	return func(o *session.Options) { o.Limits.Outbound, o.Limits.SlowConsumer = bytes, policy }
}

// slowReader subscribes to a topic and then does not read.
func slowReader(t *testing.T, s *stage) {
	t.Helper()
	s.subscribe(t, "t", "/topic/a")
	s.skip(t, 1)
	s.conn.read(false)
}

// The ERROR comes if the client reads again in time.
func TestSlowConsumerIsDisconnected(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		slowReader(t, s)
		s.send("/topic/a", 0, 200)
		time.Sleep(1900 * time.Millisecond)
		s.conn.read(true)
		s.wantEnd(t, "slow-consumer", session.ClosePolicy)
		s.wantBodies(t, "t", 0, 1) // the batch being written
	}, bounded(10_000, outbox.Disconnect))
}

func TestSlowConsumerThatNeverReads(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		slowReader(t, s)
		start := time.Now()
		s.send("/topic/a", 0, 200)
		<-s.ran
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
		if reason := s.log.last("connection closed")["reason"].String(); reason != "slow-consumer" {
			t.Errorf("the log says %q", reason)
		}
	}, bounded(10_000, outbox.Disconnect))
}

// A message that is dropped is one that finds no room; all others come.
func TestDropNewest(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		slowReader(t, s)
		size := s.send("/topic/a", 0, 200)
		room := 7_500 / size // the rest is for RECEIPTs
		s.conn.read(true)
		s.wantBodies(t, "t", 0, room)
		s.send("/topic/a", 1000, 1)
		if got := s.bodies("t"); got[len(got)-1] != body(1000) {
			t.Error("nothing comes after messages were dropped")
		}
		if got := s.dropped(); got != 200-room {
			t.Errorf("%d were dropped, want %d", got, 200-room)
		}
	}, bounded(10_000, outbox.DropNewest))
}

// The newest always come, in order.
func TestDropOldest(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		slowReader(t, s)
		size := s.send("/topic/a", 0, 200)
		s.conn.read(true)
		got := s.bodies("t")
		if len(got)*size > 10_000 || len(got)*size < 5_000 {
			t.Errorf("%d messages of %d bytes waited", len(got), size)
		}
		for i := 1; i < len(got); i++ {
			if got[i] <= got[i-1] {
				t.Errorf("%q follows %q", got[i], got[i-1])
			}
		}
		if got[0] != body(0) || got[len(got)-1] != body(199) {
			t.Errorf("the first is %q and the last %q; want what was being written, and the newest", got[0], got[len(got)-1])
		}
		if dropped := s.dropped(); dropped != 200-len(got) {
			t.Errorf("%d were dropped and %d came", dropped, len(got))
		}
	}, bounded(10_000, outbox.DropOldest))
}

// Messages of queues and RECEIPTs are never dropped for those of topics.
func TestDropOldestKeepsTheRest(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.subscribe(t, "q", "/queue/a")
		slowReader2(t, s)
		s.send("/queue/a", 0, 5)
		for i := range 10 {
			s.conn.say(fmt.Sprintf("SEND\ndestination:/topic/x\nreceipt:r%d\n\n\x00", i))
		}
		s.send("/topic/a", 0, 500)
		s.conn.read(true)
		s.wantBodies(t, "q", 0, 5)
		n := 0
		for _, f := range s.conn.frames() {
			if f == fmt.Sprintf("RECEIPT\nreceipt-id:r%d\n\n\x00", n) {
				n++
			}
		}
		if n != 10 {
			t.Errorf("%d of 10 RECEIPTs came in order", n)
		}
	}, bounded(10_000, outbox.DropOldest))
}

func slowReader2(t *testing.T, s *stage) {
	t.Helper()
	s.subscribe(t, "t", "/topic/a")
	s.skip(t, 2)
	s.conn.read(false)
}

// Queues keep their messages while there is no room, fill half of it at most,
// and go on when it is there again. Nothing is lost.
func TestQueueIsHeldBack(t *testing.T) {
	for name, mode := range map[string]string{"auto": "ack:auto", "client": "ack:client"} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				s.subscribe(t, "q", "/queue/a", mode, "prefetch-count:60000")
				s.skip(t, 1)
				s.conn.read(false)
				size := s.send("/queue/a", 0, 2000)
				d := s.depth("/queue/a")
				if d.Ready+d.Unacked != 2000 || d.Unacked*size > 5_000 || d.Unacked*size < 3_000 {
					t.Errorf("%+v messages of %d bytes", d, size)
				}
				s.conn.read(true)
				s.wantBodies(t, "q", 0, 2000)
				if mode == "ack:auto" {
					s.wantDepth("/queue/a", 0, 0)
				} else {
					s.wantDepth("/queue/a", 0, 2000)
				}
			}, bounded(10_000, outbox.Disconnect))
		})
	}
}

// Messages of queues leave room for those of topics.
func TestQueueLeavesRoom(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.subscribe(t, "q", "/queue/a", "prefetch-count:60000")
		slowReader2(t, s)
		s.send("/queue/a", 0, 2000)
		size := s.send("/topic/a", 0, 10)
		if 10*size > 4_000 {
			t.Fatal("larger than planned")
		}
		s.conn.read(true)
		s.wantBodies(t, "t", 0, 10)
		s.wantBodies(t, "q", 0, 2000)
	}, bounded(10_000, outbox.Disconnect))
}

// Messages that one consumer has no room for go to another.
func TestHeldBackGoesToOthers(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.subscribe(t, "q", "/queue/a", "prefetch-count:60000")
		s.skip(t, 1)
		s.conn.read(false)
		s.send("/queue/a", 0, 1000)
		held := s.depth("/queue/a").Unacked
		other := s.connect()
		other.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		for i := held; i < 1000; i++ {
			other.Want("MESSAGE", "", body(i))
		}
		s.wantDepth("/queue/a", 0, held)
	}, bounded(10_000, outbox.Disconnect))
}

// A message that is larger than all there is comes nevertheless, by itself.
func TestMessageLargerThanLimit(t *testing.T) {
	for _, to := range []string{"/queue/a", "/topic/a"} {
		t.Run(to, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				s.subscribe(t, "q", to)
				s.skip(t, 1)
				for i := range 5 {
					s.pub.Send(message(to, fmt.Sprintf("%020000d", i)), nil)
					synctest.Wait()
				}
				s.skip(t, 5)
			}, bounded(10_000, outbox.Disconnect))
		})
	}
}

// Of a queue it comes as well while other things wait.
func TestLargeMessageAmongOthers(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.subscribe(t, "q", "/queue/a")
		slowReader2(t, s)
		s.send("/topic/a", 0, 3)
		for i := range 5 {
			s.pub.Send(message("/queue/a", fmt.Sprintf("%020000d", i)), nil)
		}
		s.conn.read(true)
		s.skip(t, 8)
	}, bounded(10_000, outbox.Disconnect))
}

// In mode auto a message is acknowledged when it was written, not before.
func TestAutoAckAfterWrite(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.subscribe(t, "q", "/queue/a")
		s.skip(t, 1)
		s.conn.read(false)
		s.send("/queue/a", 0, 10)
		s.wantDepth("/queue/a", 0, 10)
		s.conn.read(true)
		s.wantDepth("/queue/a", 0, 0)
		s.wantBodies(t, "q", 0, 10)
	})
}

func TestWriteErrorGivesBack(t *testing.T) {
	for _, mode := range []string{"auto", "client", "client-individual"} {
		t.Run(mode, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				s.subscribe(t, "q", "/queue/a", "ack:"+mode)
				s.skip(t, 1)
				s.conn.read(false)
				s.send("/queue/a", 0, 10)
				s.conn.break_(errors.New("reset by peer"))
				<-s.ran
				s.wantDepth("/queue/a", 10, 0)
				other := s.connect()
				other.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
				for i := range 10 {
					other.Want("MESSAGE", "redelivered:true", "", body(i))
				}
			})
		})
	}
}

// A client that asks for RECEIPTs and never reads them costs no more than the
// limit.
func TestReceiptsThatNobodyReads(t *testing.T) {
	for _, policy := range []outbox.Policy{outbox.Disconnect, outbox.DropNewest, outbox.DropOldest} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				s.conn.read(false)
				for i := range 1000 {
					s.conn.say(fmt.Sprintf("SEND\ndestination:/topic/x\nreceipt:%d\n\n\x00", i))
				}
				synctest.Wait()
				s.conn.read(true)
				s.wantEnd(t, "slow-consumer", session.ClosePolicy)
				if n := len(s.conn.frames()); n > 10_000/64 {
					t.Errorf("%d frames waited", n)
				}
			}, bounded(10_000, policy))
		})
	}
}

// Where messages of topics are dropped, they leave room for RECEIPTs: a client
// that is only slow goes on.
func TestDroppingLeavesRoomForReceipts(t *testing.T) {
	for _, policy := range []outbox.Policy{outbox.DropNewest, outbox.DropOldest} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				slowReader(t, s)
				for i := range 20 { // wherever the limit stands just now
					s.send("/topic/a", 100*i, 23)
					s.conn.say(fmt.Sprintf("SEND\ndestination:/topic/x\nreceipt:%d\n\n\x00", i))
					synctest.Wait()
				}
				s.conn.read(true)
				synctest.Wait()
				if s.conn.isClosed() {
					t.Errorf("the session was ended: %s", s.log.last("connection closed"))
				}
			}, bounded(10_000, policy))
		})
	}
}

// However a session ends while its writer waits for the client, it ends.
func TestEndWhileWriting(t *testing.T) {
	for name, tc := range map[string]struct {
		end    func(s *stage)
		within time.Duration
	}{
		"client leaves": {func(s *stage) { s.conn.leave() }, time.Second},
		"kill":          {func(s *stage) { s.session.Kill() }, 0},
		"end":           {func(s *stage) { s.session.End(&session.Fault{Word: "word"}) }, 5 * time.Second},
		"shutdown":      {func(s *stage) { s.session.Shutdown(time.Second) }, time.Second},
		"disconnect":    {func(s *stage) { s.conn.say("DISCONNECT\nreceipt:r\n\n\x00") }, 5 * time.Second},
		"bad frame":     {func(s *stage) { s.conn.say("rubbish\n") }, 5 * time.Second},
		"all at once": {func(s *stage) {
			s.session.Shutdown(time.Second)
			s.session.End(&session.Fault{Word: "word"})
			s.conn.leave()
			s.session.Kill()
			s.session.Kill()
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				s.subscribe(t, "q", "/queue/a")
				s.skip(t, 1)
				s.conn.read(false)
				s.send("/queue/a", 0, 10)
				start := time.Now()
				tc.end(s)
				<-s.ran
				if took := time.Since(start); took > tc.within {
					t.Errorf("it took %v", took)
				}
				s.wantDepth("/queue/a", 10, 0)
			})
		})
	}
}

// Queued frames are written before the last frame.
func TestEndFlushes(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(s *stage)
		word string
		code session.CloseCode
	}{
		"end":       {func(s *stage) { s.session.End(&session.Fault{Word: "token-expired"}) }, "token-expired", session.ClosePolicy},
		"protocol":  {func(s *stage) { s.session.End(&session.Fault{Word: "invalid-frame"}) }, "invalid-frame", session.CloseProtocol},
		"shutdown":  {func(s *stage) { s.session.Shutdown(time.Second) }, "", session.CloseGoingAway},
		"too large": {func(s *stage) { s.session.End(&session.Fault{Word: "frame-too-large"}) }, "frame-too-large", session.CloseTooBig},
		"storage":   {func(s *stage) { s.session.End(&session.Fault{Word: session.StorageFailed}) }, "storage-failed", session.CloseTryLater},
		"policy":    {func(s *stage) { s.session.End(&session.Fault{Word: session.AccessDenied}) }, "access-denied", session.ClosePolicy},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				slowReader(t, s)
				s.send("/topic/a", 0, 10)
				tc.end(s)
				s.conn.read(true)
				s.wantEnd(t, tc.word, tc.code)
				s.wantBodies(t, "t", 0, 10)
			})
		})
	}
}

// Frames are flushed together, and nothing waits unflushed.
func TestFlushes(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		slowReader(t, s)
		before := s.conn.flushes
		s.send("/topic/a", 0, 1000)
		s.conn.read(true)
		s.wantBodies(t, "t", 0, 1000)
		if n := s.conn.flushes - before; n > 5 {
			t.Errorf("%d flushes for 1000 messages that waited", n)
		}
	})
}

// An idle session costs one goroutine.
func TestIdleSession(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		slowReader(t, s)
		s.conn.read(true)
		s.send("/topic/a", 0, 100)
		var conns []*fakeConn
		var all []chan struct{}
		for i := range 50 {
			c, ran := newFakeConn(), make(chan struct{})
			go func() {
				defer close(ran)
				session.New(c, &s.options, fmt.Sprint("x", i)).Run()
			}()
			c.say("CONNECT\naccept-version:1.2\nheart-beat:10000,10000\n\n\x00SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\x00")
			conns, all = append(conns, c), append(all, ran)
		}
		s.send("/topic/a", 0, 10)
		if n := sessionGoroutines(); n != 51 {
			t.Errorf("51 sessions have %d goroutines", n)
		}
		for i, c := range conns {
			c.leave()
			<-all[i]
		}
	})
}

// sessionGoroutines counts those that run code of package session.
func sessionGoroutines() (n int) {
	stacks := make([]byte, 4<<20)
	for g := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(g, "hoofbeat/session.(") {
			n++
		}
	}
	return n
}

// A topic that acknowledges has a backlog, which is bounded as well.
func TestTopicBacklog(t *testing.T) {
	for policy, want := range map[outbox.Policy]string{outbox.Disconnect: "slow-consumer", outbox.DropNewest: "", outbox.DropOldest: ""} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				s.subscribe(t, "t", "/topic/a", "ack:client", "prefetch-count:1")
				s.skip(t, 1)
				s.send("/topic/a", 0, 200)
				if want != "" {
					s.wantEnd(t, want, session.ClosePolicy)
					return
				}
				s.wantBodies(t, "t", 0, 1)
				s.conn.say("ACK\nid:s1-1-1\n\n\x00")
				second := 1
				if policy == outbox.DropOldest {
					second = 200 - 10_000/message("/topic/a", body(0)).Size() + 1
				}
				if got := s.bodies("t"); len(got) != 2 || got[1] != body(second) {
					t.Errorf("got %q, want number %d next", got, second)
				}
			}, bounded(10_000, policy))
		})
	}
}

// A subscriber that reads and acknowledges nothing is told of ACKs.
func TestSlowToAcknowledge(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, p := w.connect(), w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/a", "ack:client-individual", "prefetch-count:3")
		c.Barrier()
		for i := range 100 {
			p.Send("SEND", "destination:/topic/a", "", strings.Repeat("x", 200))
			if i < 3 {
				c.Want("MESSAGE")
			}
		}
		f := c.WantError("slow-consumer", "", "/topic/a", "client-individual", "ACK", "prefetch-count, here 3", "limits.outbound_bytes_per_connection")
		if f.Get("subscription") != "1" {
			t.Errorf("got %q", f.Raw)
		}
	}, bounded(10_000, outbox.Disconnect))
}
