package session_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/broker"
	"hoofbeat/session"
)

// Refused values are in TestBadInput.
func TestHeartBeatNegotiation(t *testing.T) {
	for _, tc := range []struct{ version, client, server string }{
		{"1.2", "0,0", "0,0"},
		{"1.2", "1000,1000", "1000,1000"},
		{"1.1", "4000,3000", "3000,4000"},
		{"1.2", "500,0", "0,1000"},
		{"1.2", "0,500", "1000,0"},
		{"1.2", "1,1", "1000,1000"},
		{"1.2", "60000,60000", "10000,10000"},
		{"1.2", "2147483647,2147483647", "10000,10000"},
		{"1.2", "1000, 2000", "2000,1000"},
		{"1.2", "0001000,010", "1000,1000"},
		{"1.0", "1000,1000", "0,0"},
		{"1.0", "T,0", "0,0"},
	} {
		t.Run(tc.version+" "+tc.client, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				f := w.dial().Connect(tc.version, "heart-beat:"+tc.client)
				if got := f.Get("heart-beat"); got != tc.server {
					t.Errorf("got %q, want %q", got, tc.server)
				}
			})
		})
	}
}

// The server beats a little early and is never silent for longer than agreed.
func TestServerBeats(t *testing.T) {
	for asked, agreed := range map[string]time.Duration{
		"0,1000": time.Second, "0,1": time.Second, "0,5000": 5 * time.Second, "0,10000": 10 * time.Second, "0,60000": 10 * time.Second,
	} {
		t.Run(asked, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.connect("heart-beat:" + asked)
				c.Limit = time.Hour
				start := time.Now()
				for last, beats := start, 0; last.Sub(start) < time.Hour; beats++ {
					c.WantBeat()
					gap := time.Since(last)
					if gap >= agreed || gap < agreed/2 {
						t.Fatalf("beat %d came after %v, agreed were %v", beats, gap, agreed)
					}
					last = time.Now()
				}
			})
		})
	}
}

// Other writes count, and move the next beat.
func TestNoBeatAmongFrames(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, p := w.connect("heart-beat:0,5000"), w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/a")
		c.Barrier()
		for range 1000 {
			time.Sleep(3900 * time.Millisecond)
			p.Send("SEND", "destination:/topic/a")
			if f := c.Want("MESSAGE"); f.Beats > 0 {
				t.Fatal("a heart-beat came 3.9 s after a MESSAGE")
			}
		}
		start := time.Now()
		c.WantBeat()
		if gap := time.Since(start); gap > 4*time.Second {
			t.Errorf("the beat came after %v", gap)
		}
	})
}

// Nor is the server ever silent when it writes in an unfavourable rhythm.
func TestBeatsBetweenFrames(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, p := w.connect("heart-beat:0,5000"), w.broker.NewPublisher()
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/a")
		c.Barrier()
		stop := make(chan struct{})
		go func() {
			for pause := 100 * time.Millisecond; ; pause = (pause + 730*time.Millisecond) % (9 * time.Second) {
				select {
				case <-stop:
					return
				case <-time.After(pause):
					p.Send(message("/topic/a", ""), nil)
				}
			}
		}()
		c.WantLife(time.Hour, 5*time.Second)
		close(stop)
		synctest.Wait()
	})
}

func TestSilentClient(t *testing.T) {
	for asked, dead := range map[string]time.Duration{
		"1000,0": 2 * time.Second, "10,0": 2 * time.Second, "5000,0": 10 * time.Second, "60000,0": 2 * time.Minute, "5000,1000": 10 * time.Second,
	} {
		t.Run(asked, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.connect("heart-beat:" + asked)
				c.Limit = time.Hour
				start := time.Now()
				c.WantError("heart-beat-timeout", "", dead.String())
				c.WantClosed()
				// A moment more, in which it is looked again.
				if took := time.Since(start); took < dead || took > dead+250*time.Millisecond {
					t.Errorf("it took %v, want %v", took, dead)
				}
			})
		})
	}
}

// Whatever comes is a sign of life: heart-beats, frames, and parts of a frame.
func TestAnyByteIsLife(t *testing.T) {
	for name, say := range map[string]func(i int) string{
		"LF":     func(int) string { return "\n" },
		"CR LF":  func(int) string { return "\r\n" },
		"frames": func(int) string { return "SEND\ndestination:/topic/x\n\n\x00" },
		"upload": func(i int) string {
			if i == 0 {
				return "SEND\ndestination:/topic/x\n\n"
			}
			return "x"
		},
		"half a line end": func(i int) string { return "\r\n"[i%2 : i%2+1] },
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.connect("heart-beat:5000,0")
				for i := range 400 {
					c.Write(say(i))
					time.Sleep(9900 * time.Millisecond)
				}
				c.Limit = time.Minute
				c.WantError("heart-beat-timeout", "", "5s")
				c.WantClosed()
			})
		})
	}
}

// Where the broker is held up itself, it looks again until it is not.
func TestSilenceWhileHeldUp(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect("heart-beat:1000,0")
		start := time.Now()
		// Between the first look, after 2 s, and the second one.
		w.options.Timers.Add(start.Add(2100*time.Millisecond), func(time.Time) time.Time {
			time.Sleep(time.Second) // nothing else that is due runs meanwhile
			return time.Time{}
		})
		time.Sleep(3200 * time.Millisecond)
		c.Write("\n")
		c.Barrier()
		c.WantError("heart-beat-timeout", "")
		c.WantClosed()
		if took := time.Since(start); took < 5200*time.Millisecond {
			t.Errorf("given up after %v", took)
		}
	})
}

// A client is not given up while the broker waits for it to read, and does not
// listen meanwhile.
func TestBeatsBehindUnsubscribe(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect("heart-beat:1000,0")
		stuff(w, c, socketBytes)
		c.Send("SUBSCRIBE", "id:q", "destination:/queue/a")
		c.Send("UNSUBSCRIBE", "id:q", "receipt:u")
		for range 10 {
			time.Sleep(900 * time.Millisecond)
			c.Write("\n")
		}
		c.Want("MESSAGE")
		c.WantReceipt("u")
		c.WantError("heart-beat-timeout", "", "1s") // from now on it counts
		c.WantClosed()
	})
}

func TestIdleForADay(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, old := w.connect("heart-beat:0,0"), w.dial()
		old.ConnectAs()
		time.Sleep(24 * time.Hour)
		c.WantNothing()
		old.WantNothing()
	})
}

// A client that was given up has given back its messages.
func TestSilentClientGivesBack(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c, other := w.connect("heart-beat:1000,0"), w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
		fill(c, 1)
		c.Want("MESSAGE")
		other.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		other.Want("MESSAGE", "redelivered:true", "", "0")
	})
}

// Beats for a client that does not read do not pile up, and its end comes
// nevertheless if it sends nothing either.
func TestBeatsForNobody(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect("heart-beat:0,1000")
		stuff(w, c, socketBytes)
		time.Sleep(time.Hour)
		c.Want("MESSAGE")
		c.Send("SEND", "destination:/topic/x", "receipt:r")
		if f := c.Want("RECEIPT"); f.Beats > 2 {
			t.Errorf("%d heart-beats had waited", f.Beats)
		}
		dead := w.connect("heart-beat:1000,1000")
		stuff(w, dead, socketBytes)
		time.Sleep(10 * time.Second)
		if n := w.server.Sessions(); n != 1 {
			t.Errorf("%d sessions, want the first", n)
		}
	})
}

// The bounds are the operator's.
func TestHeartBeatBounds(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		f := w.dial().Connect("1.2", "heart-beat:100,100000")
		if got := f.Get("heart-beat"); got != "30000,5000" {
			t.Errorf("got %q", got)
		}
	}, func(o *session.Options) {
		o.HeartBeat = session.HeartBeat{Min: 5 * time.Second, Server: 30 * time.Second}
	})
}

// An ERROR for silence describes an incomplete frame.
func TestSilenceWithinFrame(t *testing.T) {
	for name, tc := range map[string]struct{ connect, say, word, want string }{
		"content-length": {"heart-beat:1000,0", "SEND\ndestination:/queue/a\ncontent-length:100\n\nshort\x00", "heart-beat-timeout", "SEND has content-length:100, and only 6 bytes"},
		"no frame":       {"heart-beat:1000,0", "\n", "heart-beat-timeout", "at least every 1s.\n"},
		"CONNECT":        {"", "CONNECT\naccept-version:1.2\n\n", "connect-timeout", "The NUL that ends CONNECT has not come"},
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.dial()
				if tc.connect != "" {
					c.Connect("1.2", tc.connect)
				}
				c.Write(tc.say)
				c.WantError(tc.word, "", tc.want)
				c.WantClosed()
			})
		})
	}
}

// A client that sends UNSUBSCRIBE again and again, and reads nothing, is heard
// once the broker has waited for it, and given up for its silence.
func TestUnsubscribeIsNoHeartBeat(t *testing.T) {
	for name, frames := range map[string]string{
		"UNSUBSCRIBE": strings.Repeat("UNSUBSCRIBE\nid:q\n\n\x00SUBSCRIBE\nid:q\ndestination:/queue/a\n\n\x00", 200),
		"durable":     "SUBSCRIBE\nid:d\ndestination:/topic/b\ndurable:true\n\n\x00" + strings.Repeat("UNSUBSCRIBE\nid:d\ndurable:true\n\n\x00SUBSCRIBE\nid:d\ndestination:/topic/b\ndurable:true\n\n\x00", 100) + "UNSUBSCRIBE\nid:d\ndurable:true\n\n\x00",
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.connect("heart-beat:1000,0")
				c.Send("SUBSCRIBE", "id:q", "destination:/queue/a")
				stuff(w, c, socketBytes)
				c.Write(frames)
				pass(3 * w.options.CloseTimeout)
				if n := w.server.Sessions(); n != 0 {
					t.Errorf("the session lives on")
				}
			})
		})
	}
}

// A client that waits for room in a queue and reads nothing is no longer taken
// for alive at some time, though nobody listens to it.
func TestBlockedSenderThatReadsNothing(t *testing.T) {
	durably(t, limited(1, broker.BlockSender), func(t *testing.T, w *world) {
		c := w.connect("heart-beat:1000,1000")
		stuff(w, c, socketBytes)
		for range 2 {
			c.Send("SEND", "destination:/queue/a")
		}
		pass(4 * time.Minute)
		if n := w.server.Sessions(); n != 1 {
			t.Fatal("it was given up early")
		}
		pass(2 * time.Minute)
		if n := w.server.Sessions(); n != 0 {
			t.Error("the session lives on")
		}
	})
}
