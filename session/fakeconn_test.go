package session_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/broker"
	"hoofbeat/frames"
	"hoofbeat/session"
)

// A fakeConn is a session.Conn with a scripted client: say gives it input,
// and writes to it wait while it is shut.
type fakeConn struct {
	decoder *frames.Decoder // used by the session's reader only

	mu       sync.Mutex // guards the fields below
	change   sync.Cond
	in       []byte
	gone     bool // the client has closed
	shut     bool // the client does not read
	fails    error
	deadline time.Time
	out      []string // frames
	flushed  int      // of out
	flushes  int
	lastRead time.Time
	closed   int
	code     session.CloseCode
	reason   string
}

func newFakeConn() *fakeConn {
	c := &fakeConn{decoder: frames.NewDecoder(frames.DefaultLimits()), lastRead: time.Now()}
	c.change.L = &c.mu
	return c
}

// ReadFrame implements session.Conn.
func (c *fakeConn) ReadFrame() (frames.Inbound, error) {
	for {
		f, err := c.decoder.Next()
		if err != nil || f.Frame != nil {
			return f, err
		}
		c.mu.Lock()
		for len(c.in) == 0 && !c.gone && c.closed == 0 {
			c.change.Wait()
		}
		if len(c.in) == 0 {
			c.mu.Unlock()
			c.decoder.Release()
			return frames.Inbound{}, io.EOF
		}
		n := copy(c.decoder.Space(), c.in)
		c.decoder.Commit(n)
		c.in = c.in[n:]
		c.lastRead = time.Now()
		c.mu.Unlock()
	}
}

// Negotiated implements session.Conn.
func (c *fakeConn) Negotiated(v frames.Version) { c.decoder.SetVersion(v) }

// WriteFrame implements session.Conn.
func (c *fakeConn) WriteFrame(p []byte, tail *frames.Tail, _ bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed > 0:
			return errors.New("write after Close")
		case c.fails != nil:
			return c.fails
		case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
			return os.ErrDeadlineExceeded
		case !c.shut:
			c.out = append(c.out, string(p)+string(tail.Span()))
			return nil
		}
		c.change.Wait()
	}
}

// Flush implements session.Conn.
func (c *fakeConn) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushed = len(c.out)
	c.flushes++
	return c.fails
}

// SetWriteDeadline implements session.Conn.
func (c *fakeConn) SetWriteDeadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	c.change.Broadcast()
	time.AfterFunc(time.Until(t), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.change.Broadcast()
	})
}

// LastRead implements session.Conn.
func (c *fakeConn) LastRead() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastRead
}

// Close implements session.Conn.
func (c *fakeConn) Close(code session.CloseCode, reason string) {
	c.set(func() {
		if c.closed++; c.closed == 1 {
			c.code, c.reason = code, reason
		}
	})
}

// Info implements session.Conn.
func (c *fakeConn) Info() session.Info { return session.Info{Transport: "fake", Remote: "fake"} }

func (c *fakeConn) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	c.change.Broadcast()
}

func (c *fakeConn) say(raw string) { c.set(func() { c.in = append(c.in, raw...) }) }
func (c *fakeConn) leave()         { c.set(func() { c.gone = true }) }
func (c *fakeConn) read(read bool) { c.set(func() { c.shut = !read }) }
func (c *fakeConn) break_(e error) { c.set(func() { c.fails = e }) }
func (c *fakeConn) isClosed() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.closed > 0 }
func (c *fakeConn) frames() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.out[:c.flushed]...)
}

// A stage is a broker and one session on a fakeConn.
type stage struct {
	*world
	conn    *fakeConn
	session *session.Session
	ran     chan struct{}
	pub     *broker.Publisher
}

// onStage runs a test in a bubble with a session that is connected.
func onStage(t *testing.T, f func(t *testing.T, s *stage), edit ...func(*session.Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, broker.Options{}, edit...)
		s := &stage{world: w, conn: newFakeConn(), ran: make(chan struct{}), pub: w.broker.NewPublisher()}
		s.session = session.New(s.conn, &w.options, "s1")
		go func() {
			defer close(s.ran)
			s.session.Run()
		}()
		defer s.end(t)
		s.conn.say("CONNECT\naccept-version:1.2\n\n\x00")
		synctest.Wait()
		s.skip(t, 1)
		f(t, s)
	})
}

// end lets the client leave, which ends its session.
func (s *stage) end(t *testing.T) {
	s.conn.leave()
	select {
	case <-s.ran:
	case <-time.After(time.Minute):
		t.Error("Run did not return when the connection had ended")
		s.session.Kill()
		<-s.ran
	}
	if !s.conn.isClosed() {
		t.Error("Run returned before the connection was closed")
	}
	s.world.end()
}

// skip forgets written frames; n is their number.
func (s *stage) skip(t *testing.T, n int) {
	t.Helper()
	synctest.Wait()
	if got := s.conn.frames(); len(got) != n {
		t.Fatalf("%d frames were written, want %d: %q", len(got), n, got)
	}
	s.conn.set(func() { s.conn.out, s.conn.flushed = nil, 0 })
}

// subscribe subscribes, and shuts the client's end before anything comes.
func (s *stage) subscribe(t *testing.T, id, to string, headers ...string) {
	t.Helper()
	s.conn.say("SUBSCRIBE\nid:" + id + "\ndestination:" + to + "\nreceipt:" + id + "\n" + strings.Join(headers, "\n"))
	if len(headers) > 0 {
		s.conn.say("\n")
	}
	s.conn.say("\n\x00")
	synctest.Wait()
}

// send sends n messages of about a hundred bytes, numbered from first. If the
// client does not read, the writer waits with the first.
func (s *stage) send(to string, first, n int) (size int) {
	for i := range n {
		m := message(to, body(first+i))
		size = m.Size()
		s.pub.Send(m, nil)
		if i == 0 {
			synctest.Wait() // the writer has taken it
		}
	}
	synctest.Wait()
	return size
}

func body(i int) string {
	return "body " + string(rune('A'+i/676%26)) + string(rune('A'+i/26%26)) + string(rune('A'+i%26)) + strings.Repeat(".", 100)
}

// bodies gives those of the MESSAGEs of one subscription that were written.
func (s *stage) bodies(id string) []string {
	synctest.Wait()
	var all []string
	for _, f := range s.conn.frames() {
		if strings.HasPrefix(f, "MESSAGE\nsubscription:"+id+"\n") {
			_, b, _ := strings.Cut(f, "\n\n")
			all = append(all, strings.TrimSuffix(b, "\x00"))
		}
	}
	return all
}

// wantBodies compares the written bodies with a range of those of send.
func (s *stage) wantBodies(t *testing.T, id string, first, n int) {
	t.Helper()
	got := s.bodies(id)
	if len(got) != n {
		t.Fatalf("%d messages were written, want %d", len(got), n)
	}
	for i, b := range got {
		if b != body(first+i) {
			t.Fatalf("message %d is %q, want %q", i, b, body(first+i))
		}
	}
}

// wantEnd wants the last frame to be an ERROR with that word, or no ERROR at
// all, and the connection closed with that code.
func (s *stage) wantEnd(t *testing.T, word string, code session.CloseCode) {
	t.Helper()
	<-s.ran
	all := s.conn.frames()
	last := ""
	if len(all) > 0 {
		last = all[len(all)-1]
	}
	if isError := strings.HasPrefix(last, "ERROR\n"); isError != (word != "") || !strings.Contains(last, word) {
		t.Errorf("the last frame is %q", last)
	}
	if s.conn.code != code || s.conn.closed != 1 {
		t.Errorf("closed %d times, with code %d and %q, want %d", s.conn.closed, s.conn.code, s.conn.reason, code)
	}
}

// dropped is how many messages the log says were dropped.
func (s *stage) dropped() int {
	s.conn.leave()
	<-s.ran
	return int(s.log.last("connection closed")["dropped"].Int64())
}
