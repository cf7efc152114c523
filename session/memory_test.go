package session_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/internal/memory"
	"hoofbeat/session"
)

// A disk is a store that is as slow as a test wants it to be.
type disk struct {
	broker.Memory

	mu    sync.Mutex
	stuck bool
	calls []func()
	bytes int // of all Puts
}

func (d *disk) Apply(b broker.Batch, done func(error)) {
	d.mu.Lock()
	for i := range b {
		if b[i].Kind == broker.Put {
			d.bytes += b[i].Size
		}
	}
	d.mu.Unlock()
	d.Memory.Apply(b, func(err error) {
		d.mu.Lock()
		if d.stuck {
			d.calls = append(d.calls, func() { finished(done, err) })
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
		finished(done, err)
	})
}

func finished(done func(error), err error) {
	if done != nil {
		done(err)
	}
}

// put is how many bytes were given to it.
func (d *disk) put() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bytes
}

// stick lets it do nothing more.
func (d *disk) stick() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stuck = true
}

// move lets it go on with its input, if it is not stuck.
func (d *disk) move() {
	d.mu.Lock()
	calls := d.calls
	d.stuck, d.calls = false, nil
	d.mu.Unlock()
	for _, f := range calls {
		f()
	}
}

// onDisk runs a test with a store that is stuck, where a connection may have a
// mebibyte.
func onDisk(t *testing.T, f func(t *testing.T, w *world, d *disk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := &disk{stuck: true}
		w := newWorld(t, broker.Options{Store: d, Policies: broker.Policies{Default: broker.Policy{Durable: true}}}, memoryOf(1<<20))
		defer w.end()
		f(t, w, d)
	})
}

func memoryOf(n int) func(*session.Options) {
	return func(o *session.Options) { o.Limits.Memory = n }
}

// A client that sends faster than the disk takes is read no faster than that,
// whether it asks for receipts or not and however it sends.
func TestSlowDisk(t *testing.T) {
	const messages, size = 200, 16 << 10
	body := strings.Repeat("x", size)
	for name, send := range map[string]func(c *client){
		"SEND":    func(c *client) { c.Send("SEND", "destination:/queue/a", "", body) },
		"receipt": func(c *client) { c.Send("SEND", "destination:/queue/a", "receipt:r", "", body) },
		"topic":   func(c *client) { c.Send("SEND", "destination:/topic/a", "", body) },
		"COMMIT": func(c *client) {
			c.Send("BEGIN", "transaction:t")
			c.Send("SEND", "destination:/queue/a", "transaction:t", "", body)
			c.Send("COMMIT", "transaction:t")
		},
	} {
		t.Run(name, func(t *testing.T) {
			onDisk(t, func(t *testing.T, w *world, d *disk) {
				d.move()
				other := w.connect()
				other.Send("SUBSCRIBE", "id:s", "destination:/topic/a", "durable:true", "receipt:s")
				other.WantReceipt("s")
				other.Send("UNSUBSCRIBE", "id:s")
				other.Barrier()
				w.durables = append(w.durables, destination.DurableSubscription("anonymous", "", "s"))
				d.stick()
				c := w.connect()
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					for range messages {
						send(c)
					}
				}()
				pass(time.Second)
				const most = 1<<18 + 2<<16 + size // a quarter, and about a segment more
				if n := d.put(); n > most {
					t.Errorf("%d bytes wait for the disk; the bound is about %d", n, 1<<18)
				}
				if n := w.options.Memory.Stats().Used; n > 1<<20 {
					t.Errorf("%d bytes are charged", n)
				}
				d.move()
				<-sent
				synctest.Wait()
				for range messages {
					if name == "receipt" {
						c.WantReceipt("r")
					}
				}
				if n := d.put(); n < messages*size {
					t.Errorf("%d bytes have come", n)
				}
			})
		})
	}
}

// Messages on disk are charged to nobody, though their client sends nothing
// more.
func TestIdleSenderIsChargedNothing(t *testing.T) {
	onDisk(t, func(t *testing.T, w *world, d *disk) {
		c := w.connect()
		for range 12 {
			c.Send("SEND", "destination:/queue/a", "", strings.Repeat("x", 16<<10))
		}
		synctest.Wait()
		if n := w.options.Memory.Used(); n < 128<<10 {
			t.Errorf("%d bytes are charged", n)
		}
		d.move()
		synctest.Wait()
		if n := w.options.Memory.Used(); n != 0 {
			t.Errorf("%d bytes are charged to an idle client", n)
		}
	})
}

// While it waits for the disk a client is as one that is heard, gets its
// heart-beats, and ends with the connection.
func TestSlowDiskWaits(t *testing.T) {
	onDisk(t, func(t *testing.T, w *world, d *disk) {
		c := w.dial()
		c.Connect("1.2", "heart-beat:1000,1000")
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			frame := "SEND\ndestination:/queue/a\n\n" + strings.Repeat("x", 16<<10) + "\x00"
			for c.TryWrite(frame) == nil {
			}
		}()
		c.WantLife(time.Minute, time.Second)
		w.checkSessions(1)
		c.Close()
		<-ended
		pass(time.Minute)
		w.checkSessions(0)
		d.move()
	})
}

// One message always goes, however large.
func TestSlowDiskLargeMessage(t *testing.T) {
	onDisk(t, func(t *testing.T, w *world, d *disk) {
		d.move()
		c := w.connect()
		for range 3 {
			c.Send("SEND", "destination:/queue/a", "receipt:r", "", strings.Repeat("x", 2<<20))
			c.WantReceipt("r")
		}
	})
}

// checkSessions says how many there are.
func (w *world) checkSessions(n int) {
	w.t.Helper()
	if got := w.server.Sessions(); got != n {
		w.t.Errorf("there are %d sessions, want %d", got, n)
	}
}

// Whatever a client makes the broker hold ends at the bound of its connection,
// with an ERROR that names it; another client goes on.
func TestMemoryOfConnection(t *testing.T) {
	long := func(i int) string { return strconv.Itoa(i) + strings.Repeat("x", 30<<10) }
	body := strings.Repeat("x", 60<<10)
	for name, tc := range map[string]struct {
		attack func(i int) string
		word   string
	}{
		"ids": {func(i int) string {
			return raw("SUBSCRIBE", "destination:/topic/a", "id:"+long(i))
		}, "out-of-memory-budget"},
		"destinations": {func(i int) string {
			return raw("SUBSCRIBE", "id:"+strconv.Itoa(i), "destination:/queue/a/"+strings.Repeat("x", 200))
		}, ""},
		"receipts in transactions": {func(i int) string {
			send := raw("SEND", "destination:/topic/a", "transaction:t", "receipt:"+long(i))
			if i == 0 {
				return raw("BEGIN", "transaction:t") + send
			}
			return send
		}, "out-of-memory-budget"},
		"names of transactions": {func(i int) string {
			return raw("BEGIN", "transaction:"+long(i))
		}, "out-of-memory-budget"},
		"messages in transactions": {func(i int) string {
			send := raw("SEND", "destination:/topic/a", "transaction:"+strconv.Itoa(i-i%10), "", body)
			if i%10 == 0 {
				return raw("BEGIN", "transaction:"+strconv.Itoa(i)) + send
			}
			return send
		}, "out-of-memory-budget"},
		"temporary queues": {func(i int) string {
			name := "/temp-queue/" + strconv.Itoa(i)
			return raw("SUBSCRIBE", "id:"+strconv.Itoa(i), "destination:"+name, "ack:client", "prefetch-count:1") +
				strings.Repeat(raw("SEND", "destination:"+name, "", body), 3)
		}, "out-of-memory-budget"},
		"private queues": {func(i int) string {
			name := "/topic/" + strconv.Itoa(i)
			return raw("SUBSCRIBE", "id:"+strconv.Itoa(i), "destination:"+name, "ack:client-individual", "prefetch-count:1") +
				strings.Repeat(raw("SEND", "destination:"+name, "", body), 3)
		}, "out-of-memory-budget"},
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				by := w.connect()
				by.Send("SUBSCRIBE", "id:1", "destination:/queue/b")
				c := w.connect()
				go func() {
					for i := range 100 {
						if c.TryWrite(tc.attack(i)) != nil {
							return
						}
					}
				}()
				most := 0
				for range 50 {
					pass(10 * time.Millisecond)
					most = max(most, int(w.options.Memory.Stats().Used))
				}
				if most > 1<<20+1<<17 {
					t.Errorf("%d bytes were charged", most)
				}
				by.Send("SEND", "destination:/queue/b", "", "news")
				by.Want("MESSAGE", "subscription:1", "", "news")
				by.Barrier()
				pass(10 * time.Second) // the end of a client that does not read
				w.counted(tc.word)
			}, memoryOf(1<<20), func(o *session.Options) { o.Limits.Transactions = 100 })
		})
	}
}

// raw is a frame as it is written: lines are headers, and, behind an empty one,
// a body.
func raw(command string, lines ...string) string {
	if n := len(lines); n > 1 && lines[n-2] == "" {
		return command + "\n" + strings.Join(lines[:n-2], "\n") + "\n\n" + lines[n-1] + "\x00"
	}
	return command + "\n" + strings.Join(lines, "\n") + "\n\n\x00"
}

// counted says that one connection was ended with a word.
func (w *world) counted(word string) {
	w.t.Helper()
	closed := w.options.Counters.Totals().Closed
	if word == "" && len(closed) > 0 || word != "" && closed[word] != 1 {
		w.t.Errorf("connections ended like this: %v; want %q", closed, word)
	}
}

// A frame that has not come in full is charged while it is waited for.
func TestPartialFrame(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Write("SEND\ndestination:/topic/a\ncontent-length:1000001\n\n" + strings.Repeat("x", 1_000_000))
		synctest.Wait()
		if n := w.options.Memory.Stats().Used; n < 900_000 {
			t.Errorf("%d bytes are charged", n)
		}
		c.Write("x\x00")
		c.Barrier()
		synctest.Wait() // the reader settles before it waits for the next frame
		if n := w.options.Memory.Stats().Used; n > 1<<16 {
			t.Errorf("%d bytes are charged when it has come", n)
		}
	}, func(o *session.Options) { o.Memory = memory.New(0) })
}

// A consumer may collect several times its connection's memory before its
// first ACK: written messages are left to the store, and unacknowledged ones
// come again.
func TestUnackedBytes(t *testing.T) {
	const messages, size, most = 120, 60 << 10, 1 << 20
	for _, subs := range []int{1, 4} {
		t.Run(strconv.Itoa(subs), func(t *testing.T) {
			durably(t, nil, func(t *testing.T, w *world) {
				c, by := w.connect(), w.connect()
				for i := range messages {
					by.Send("SEND", "destination:/queue/"+string(rune('a'+i%subs)), "", strconv.Itoa(i)+strings.Repeat("x", size))
				}
				by.Barrier()
				for i := range subs {
					c.Send("SUBSCRIBE", "id:"+strconv.Itoa(i), "destination:/queue/"+string(rune('a'+i)), "ack:client-individual", "prefetch-count:0")
				}
				var acks []string
				for range messages {
					f, err := c.TryNext()
					if err != nil {
						t.Fatalf("after %d messages: %v", len(acks), err)
					}
					acks = append(acks, f.Get("ack"))
					if n := w.options.Memory.Stats().Used; n > 2*most {
						t.Fatalf("%d bytes are charged after %d messages", n, len(acks))
					}
				}
				for _, a := range acks[:messages/2] {
					c.Send("ACK", "id:"+a)
				}
				c.Barrier()
				c.Close()
				again := w.connect()
				for i := range subs {
					again.Send("SUBSCRIBE", "id:"+strconv.Itoa(i), "destination:/queue/"+string(rune('a'+i)))
				}
				for range messages / 2 {
					if f := again.Want("MESSAGE", "redelivered:true"); len(f.Body) < size {
						t.Errorf("a body has %d bytes", len(f.Body))
					}
				}
			}, memoryOf(most))
		})
	}
}

// Messages that wait for a client which reads late leave room for what it asks
// for next.
func TestSubscribeWhileMuchWaits(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		c, by := w.connect(), w.connect()
		for range 60 {
			by.Send("SEND", "destination:/queue/a", "", strings.Repeat("x", 60<<10))
		}
		by.Barrier()
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual", "prefetch-count:0")
		synctest.Wait() // as much waits for the client as may
		c.Send("SUBSCRIBE", "id:2", "destination:/queue/b", "receipt:r")
		c.Send("BEGIN", "transaction:t")
		for {
			f, err := c.TryNext()
			if err != nil || f.Command == "ERROR" {
				t.Fatal(f, err)
			}
			if f.Command == "RECEIPT" {
				break
			}
		}
	}, memoryOf(1<<20))
}

// A user's messages in queues that are in memory only end at half of the
// budget, on any of its connections, with an ERROR that names the user;
// consuming them makes room.
func TestMemoryOfUser(t *testing.T) {
	for name, tc := range map[string][]string{"not durable": nil, "transaction": {"transaction:t"}} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				send := raw("SEND", append(append([]string{"destination:/queue/a"}, tc...), "", strings.Repeat("x", 60<<10))...)
				if tc != nil {
					send = raw("BEGIN", "transaction:t") + send + raw("COMMIT", "transaction:t")
				}
				for range 3 {
					c := w.connect()
					for c.TryWrite(send) == nil {
					}
					synctest.Wait()
					if n := w.options.Memory.Stats().Used; n > 5<<20 {
						t.Errorf("%d bytes are charged", n)
					}
				}
				if closed := w.options.Counters.Totals().Closed; closed["out-of-memory-budget"] != 3 {
					t.Errorf("connections ended like this: %v", closed)
				}
			}, func(o *session.Options) { o.Memory = memory.New(10 << 20) })
		})
	}
}

// Near the budget of the process, sessions with more than their share are not
// read, and after 10 s the largest is ended, until there is memory again.
// Sessions that hold little, or have messages to acknowledge, go on.
func TestMemoryOfProcess(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go w.options.Memory.Watch(ctx)
		by := w.connect()
		by.Send("SUBSCRIBE", "id:1", "destination:/topic/news", "receipt:s")
		by.WantReceipt("s")
		attackers := make([]*client, 10)
		for i := range attackers {
			attackers[i] = w.connect()
			attackers[i].Send("BEGIN", "transaction:t")
			go func() {
				send := raw("SEND", "destination:/queue/a", "transaction:t", "", strings.Repeat("x", (i+1)<<12))
				for attackers[i].TryWrite(send) == nil {
				}
			}()
		}
		pass(time.Second)
		if s := w.options.Memory.Stats(); !s.Near || s.Used > 10<<20 || s.Paused == 0 {
			t.Errorf("%+v", s)
		}
		news := func() {
			by.Send("SEND", "destination:/topic/news", "", "news")
			by.Want("MESSAGE", "subscription:1", "", "news")
		}
		news()
		w.counted("")
		pass(2 * time.Minute) // 10 s for each of those that hold too much
		news()
		s := w.options.Memory.Stats()
		if closed := w.options.Counters.Totals().Closed["out-of-memory-budget"]; s.Near || closed == 0 || s.Ended != closed {
			t.Errorf("%d were ended: %+v", closed, s)
		}
		for _, c := range attackers {
			c.Close()
		}
		pass(time.Second)
	}, func(o *session.Options) { o.Memory = memory.New(10 << 20) })
}

// A consumer that holds much is read while memory is short: its ACKs free
// memory, and then it gets more.
func TestConsumerIsReadWhenMemoryIsShort(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go w.options.Memory.Watch(ctx)
		by := w.connect()
		for range 40 {
			by.Send("SEND", "destination:/queue/a", "", strings.Repeat("x", 60<<10))
		}
		by.Barrier()
		by.Close()
		c := w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual", "prefetch-count:0")
		var acks []string
		for range 13 {
			acks = append(acks, c.Want("MESSAGE", "subscription:1").Get("ack"))
		}
		synctest.Wait()
		// Bodies that were written leave memory, so there may be more than fit in it.
		if s := w.options.Memory.Stats(); !s.Near || s.Used > 1<<20 {
			t.Errorf("%d messages are with the consumer: %+v", w.depth("/queue/a").Unacked, s)
		}
		c.Send("SEND", "destination:/topic/b", "receipt:r") // it may have to send to go on
		c.AwaitReceipt("r")
		for n := range 40 {
			c.Send("ACK", "id:"+acks[n])
			if len(acks) < 40 {
				acks = append(acks, c.Want("MESSAGE", "subscription:1").Get("ack"))
			}
		}
		c.Barrier()
	}, func(o *session.Options) { o.Memory = memory.New(1 << 20) })
}
