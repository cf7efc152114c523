package outbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/frames"
	"hoofbeat/internal/memory"
)

// A fakeConn takes frames while it is let to, and records them.
type fakeConn struct {
	mu       sync.Mutex
	change   sync.Cond
	stuck    bool
	broken   bool
	deadline time.Time
	kept     []string // until Flush
	frames   []string
}

func newConn() *fakeConn {
	c := &fakeConn{}
	c.change.L = &c.mu
	return c
}

func (c *fakeConn) WriteFrame(p []byte, tail *frames.Tail, _ bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.stuck && c.deadline.IsZero() {
		c.change.Wait()
	}
	if c.broken || c.stuck {
		return errors.New("broken")
	}
	c.kept = append(c.kept, string(p)+string(tail.Span()))
	return nil
}

func (c *fakeConn) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frames = append(c.frames, c.kept...)
	c.kept = nil
	return nil
}

// SetWriteDeadline ends a write that is stuck when the time has come.
func (c *fakeConn) SetWriteDeadline(t time.Time) {
	time.AfterFunc(time.Until(t), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.deadline = t
		c.change.Broadcast()
	})
}

func (c *fakeConn) stick(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stuck = on
	c.change.Broadcast()
}

// took returns the frames since the last time, and those that wait for Flush.
func (c *fakeConn) took() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.frames
	c.frames = nil
	return f
}

// A fakeSession is a Host and the Owner of one Source.
type fakeSession struct {
	source                    Source
	ended                     atomic.Bool
	hungUp, overruns, resumed atomic.Int64
	written                   atomic.Uint64
	reason                    atomic.Value
}

func (s *fakeSession) Encode(dst []byte, it *Item) ([]byte, *frames.Tail, bool) {
	if s.ended.Load() {
		return dst, nil, true
	}
	return append(dst, it.Message.Body()...), nil, true
}

func (s *fakeSession) Trace([]Item)       {}
func (s *fakeSession) Resume()            { s.resumed.Add(1) }
func (s *fakeSession) Written(tag uint64) { s.written.Store(tag) }
func (s *fakeSession) Failed()            { s.hangUp("failed")() }
func (s *fakeSession) Overrun() Ending    { s.overruns.Add(1); return s.ending("slow") }
func (s *fakeSession) ending(w string) Ending {
	return Ending{Last: []byte(w), HangUp: s.hangUp(w), Timeout: time.Second}
}

func (s *fakeSession) hangUp(why string) func() {
	return func() {
		s.hungUp.Add(1)
		s.reason.Store(why)
	}
}

type stage struct {
	*fakeSession
	*Outbox
	conn    *fakeConn
	counts  struct{ written, dropped, lost atomic.Int64 }
	account *memory.Account
}

// play runs a test in a bubble and checks at its end that the connection was closed
// once, and nothing is charged.
func play(t *testing.T, limit int, policy Policy, f func(t *testing.T, x *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := &stage{fakeSession: &fakeSession{}, conn: newConn(), account: memory.New(0).Open(0, nil)}
		x.source.Owner = x.fakeSession
		x.Outbox = New(Options{
			Conn: x.conn, Host: x.fakeSession, Limit: limit, Slow: policy, Account: x.account,
			Counts: Counts{&x.counts.written, &x.counts.dropped, &x.counts.lost},
		})
		f(t, x)
		x.conn.stick(false)
		x.Close(x.ending("end"))
		<-x.Done
		synctest.Wait()
		if n := x.hungUp.Load(); n != 1 || !x.Ending.HasRung() {
			t.Errorf("the connection was closed %d times", n)
		}
		if n := x.account.Used(); n != 0 {
			t.Errorf("%d bytes are charged at the end", n)
		}
	})
}

func body(text string) *broker.Message {
	d, err := destination.DefaultNamespace().ForSend("/topic/a", destination.Owner{})
	if err != nil {
		panic(err)
	}
	return broker.NewMessage(d, broker.Content{Body: []byte(text)}, broker.Properties{})
}

// topic delivers a message of a topic, and queue one of a queue.
func (x *stage) topic(text string) { x.Deliver(Item{From: &x.source, Message: body(text)}) }
func (x *stage) queue(text string, tag uint64) (credit bool) {
	m := body(text)
	if credit = x.TakeCredit(&x.source, m.Size()); credit {
		x.Deliver(Item{From: &x.source, Message: m, Tag: tag})
	}
	return credit
}

// Credit that was taken counts until its message comes, so that several queues cannot
// take the same room; and a message that comes to a closed outbox is not lost, but left
// to its queue.
func TestCredit(t *testing.T) {
	play(t, 10_000, Disconnect, func(t *testing.T, x *stage) {
		x.conn.stick(true)
		large := body(strings.Repeat("x", 2000))
		n := 0
		for n < 100 && x.TakeCredit(&x.source, large.Size()) {
			n++
		}
		if n != 10_000/2/large.Size() {
			t.Errorf("%d messages of %d bytes have credit", n, large.Size())
		}
		for tag := range n - 1 {
			x.Deliver(Item{From: &x.source, Message: large, Tag: uint64(tag + 1)})
		}
		if x.TakeCredit(&x.source, large.Size()) {
			t.Error("there is more credit after messages came")
		}
		x.Close(x.ending("end"))
		x.Deliver(Item{From: &x.source, Message: large, Tag: uint64(n)})
		if lost := x.counts.lost.Load(); lost != 0 {
			t.Errorf("%d are counted as lost", lost)
		}
		x.conn.stick(false)
		<-x.Done
	})
}

func wantFrames(t *testing.T, x *stage, want ...string) {
	t.Helper()
	if got := x.conn.took(); !slices.Equal(got, want) {
		t.Errorf("written was %.100q, want %.100q", got, want)
	}
}

func TestOrderAndAcknowledgement(t *testing.T) {
	play(t, 10_000, Disconnect, func(t *testing.T, x *stage) {
		x.topic("1")
		x.Control([]byte("2"))
		x.queue("3", 7)
		wantFrames(t, x, "1", "2", "3")
		if tag := x.written.Load(); tag != 7 || x.counts.written.Load() != 1 || x.Stats().Messages != 2 || x.Stats().Frames != 3 {
			t.Errorf("written up to %d, %+v", tag, x.Stats())
		}
		x.Hold()
		x.topic("4")
		x.Control([]byte("5"))
		wantFrames(t, x)
		x.Release()
		wantFrames(t, x, "4", "5")
		x.ended.Store(true)
		x.topic("6")
		x.queue("7", 8)
		wantFrames(t, x)
		if tag := x.written.Load(); tag != 7 || x.counts.lost.Load() != 1 {
			t.Errorf("after the end, written up to %d, %d lost", tag, x.counts.lost.Load())
		}
	})
}

// A client that does not read: by policy, messages of topics or the connection go;
// queues keep theirs, and are told when there is room.
func TestPolicies(t *testing.T) {
	for name, policy := range map[string]Policy{"disconnect": Disconnect, "drop-newest": DropNewest, "drop-oldest": DropOldest} {
		t.Run(name, func(t *testing.T) {
			play(t, 10_000, policy, func(t *testing.T, x *stage) {
				x.conn.stick(true)
				large := strings.Repeat("x", 872) // 1000 bytes with the overhead
				x.topic("first")
				synctest.Wait() // it is being written
				tag := uint64(0)
				for x.queue(large, tag+1) {
					tag++
				}
				if tag < 3 || tag > 5 {
					t.Errorf("queues filled the outbox with %d messages of a tenth of it", tag)
				}
				for i := range 12 {
					x.topic(fmt.Sprintf("%02d%s", i, large[2:]))
				}
				if ends := x.overruns.Load(); (ends == 1) != (policy == Disconnect) {
					t.Fatalf("%d overruns", ends)
				}
				if policy == Disconnect {
					return
				}
				if !x.Control([]byte("RECEIPT")) {
					t.Error("a RECEIPT found no room")
				}
				x.conn.stick(false)
				got := x.conn.took()
				if x.resumed.Load() != 1 || x.written.Load() != tag || got[len(got)-1] != "RECEIPT" {
					t.Errorf("resumed %d times, written up to %d, the last frame is %.20q", x.resumed.Load(), x.written.Load(), got[len(got)-1])
				}
				oldest, newest := slices.ContainsFunc(got, func(f string) bool { return strings.HasPrefix(f, "00") }), strings.HasPrefix(got[len(got)-2], "11")
				if dropped := x.counts.dropped.Load(); dropped == 0 || x.Stats().Dropped != dropped || oldest != (policy == DropNewest) || newest != (policy == DropOldest) {
					t.Errorf("%d dropped, the oldest is there: %v, the newest: %v", dropped, oldest, newest)
				}
				if n := int64(13) - x.counts.dropped.Load(); x.counts.written.Load() != n {
					t.Errorf("%d were written, want %d", x.counts.written.Load(), n)
				}
			})
		})
	}
}

// One message may be larger than the limit, and what comes behind it is no fault.
func TestLargeMessage(t *testing.T) {
	play(t, 10_000, Disconnect, func(t *testing.T, x *stage) {
		x.conn.stick(true)
		x.topic(strings.Repeat("l", 100_000))
		for i := range 20 {
			x.topic(fmt.Sprint(i))
		}
		if x.overruns.Load() != 0 {
			t.Error("a large message is a fault")
		}
		x.conn.stick(false)
		if got := x.conn.took(); len(got) != 21 || x.account.Used() > 2*grain {
			t.Errorf("%d frames, %d bytes charged", len(got), x.account.Used())
		}
	})
}

// However it ends, the connection is closed once, and nothing is taken afterwards.
func TestEndings(t *testing.T) {
	for name, tc := range map[string]struct {
		end    func(x *stage)
		frames []string
		reason string
	}{
		"close":             {func(x *stage) { x.Close(x.ending("bye")) }, []string{"1", "2", "bye"}, "bye"},
		"close, discarding": {func(x *stage) { e := x.ending("bye"); e.Discard = true; x.Close(e) }, []string{"1", "bye"}, "bye"},
		"twice":             {func(x *stage) { x.Close(x.ending("bye")); x.Close(x.ending("again")) }, []string{"1", "2", "bye"}, "bye"},
		"overrun": {func(x *stage) {
			x.Outbox.Overrun(&x.source, func(refused bool) Ending { return x.ending(fmt.Sprint("overrun ", refused)) })
		}, []string{"1", "overrun false"}, "overrun false"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, 10_000, Disconnect, func(t *testing.T, x *stage) {
				x.conn.stick(true)
				x.topic("1")
				synctest.Wait()
				x.topic("2")
				tc.end(x)
				x.topic("late") // is dropped
				if x.Control([]byte("late")) || x.queue("late", 1) {
					t.Error("an ended outbox takes frames")
				}
				x.conn.stick(false)
				wantFrames(t, x, tc.frames...)
				<-x.Done
				if got := x.reason.Load(); got != tc.reason {
					t.Errorf("it hung up because of %v", got)
				}
			})
		})
	}
}

// A client that takes nothing is cut off when the time is over, and one that is gone
// at once.
func TestStuckAndGone(t *testing.T) {
	play(t, 10_000, Disconnect, func(t *testing.T, x *stage) {
		x.conn.stick(true)
		x.topic("1")
		synctest.Wait()
		begun := time.Now()
		x.Close(x.ending("bye"))
		<-x.Done
		if d := time.Since(begun); d != time.Second {
			t.Errorf("it took %v", d)
		}
	})
	play(t, 10_000, Disconnect, func(t *testing.T, x *stage) {
		x.conn.stick(true)
		x.topic("1")
		synctest.Wait()
		x.topic("2")
		begun := time.Now()
		x.Abandon(x.fakeSession.hangUp("gone"))
		<-x.Done
		if d := time.Since(begun); d != 0 || x.reason.Load() != "gone" || x.counts.lost.Load() != 2 {
			t.Errorf("it took %v and ended with %v, %d lost", d, x.reason.Load(), x.counts.lost.Load())
		}
	})
	play(t, 10_000, Disconnect, func(t *testing.T, x *stage) {
		x.conn.broken = true
		x.topic("1")
		<-x.Done
		if x.reason.Load() != "failed" || x.counts.lost.Load() != 1 {
			t.Errorf("it ended with %v, %d lost", x.reason.Load(), x.counts.lost.Load())
		}
	})
}

// Each message of a topic is written, dropped or lost, and frames keep their order,
// whatever happens.
func TestEveryMessageIsCounted(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		policy := Policy(r.IntN(3))
		var sent int64
		var x *stage
		play(t, 3000, policy, func(t *testing.T, s *stage) {
			x = s
			for i := range 200 {
				switch r.IntN(12) {
				case 0:
					x.conn.stick(true)
				case 1, 2:
					x.conn.stick(false)
					synctest.Wait()
				case 3:
					x.Hold()
				case 4:
					x.Release()
				case 5:
					x.Control([]byte("c"))
				default:
					sent++
					x.topic(fmt.Sprintf("%04d%s", i, strings.Repeat("x", r.IntN(900))))
				}
			}
			x.Release()
			x.conn.stick(false)
			last := ""
			for _, f := range x.conn.took() {
				if len(f) >= 4 && f != "slow" {
					if f[:4] <= last {
						t.Errorf("seed %d: %q comes after %q", seed, f[:4], last)
					}
					last = f[:4]
				}
			}
		})
		if w, d, l := x.counts.written.Load(), x.counts.dropped.Load(), x.counts.lost.Load(); w+d+l != sent {
			t.Errorf("seed %d: of %d, %d were written, %d dropped and %d lost", seed, sent, w, d, l)
		}
	}
}
