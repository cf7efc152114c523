package session_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/broker"
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

// move lets it do what it was given, and not be stuck any more.
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
				w.durables = append(w.durables, broker.DurableSubscription("anonymous", "", "s"))
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
