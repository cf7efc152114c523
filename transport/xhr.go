package transport

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"hoofbeat/frames"
	"hoofbeat/internal/timers"
	"hoofbeat/session"
)

// An xhrConn is STOMP in a SockJS session without WebSocket: HTTP requests
// bring what the client sends, and the responses to others, one at a time, take
// what it gets. It implements session.Conn.
//
// It buffers next to nothing. Outgoing frames stay in the session's outbox,
// with its limit and policy, until there is a response to write them to: the
// writer waits for one. Incoming requests wait until the reader has taken what
// the last one brought.
type xhrConn struct {
	meters
	stall
	key   sockKey
	owner *owner // whose requests belong to it
	// accepted is called when the session has had its CONNECT.
	accepted func()
	info     session.Info
	limits   frames.Limits
	options  SockJS
	log      *slog.Logger
	timer    *timers.Timer
	// patience is how long the end of a response may take to be written.
	patience time.Duration

	lastRead   stamp
	negotiated atomic.Bool

	// free holds the attached receiver while nobody writes to it. Whoever
	// takes it out may write, and puts it back or ends it.
	free chan *receiver
	// inbox holds what a request has brought, and sending a value from when it
	// begins to be read until the reader has taken all of it.
	inbox   chan delivery
	sending chan struct{}
	senders atomic.Int32 // requests that send or wait to
	unquote unquoter     // used while sending is held

	closed chan struct{} // the session has ended, last says why
	told   chan struct{} // a client was told so
	lost   chan struct{} // there is none to tell
	late   deadline      // of writes

	// Owned by the reader.
	decoder *frames.Decoder
	charge  func(int) // see session.Session.Partial
	in      delivery

	// Owned by the writer, between the first WriteFrame and Flush.
	receiver *receiver
	line     int // bytes in the SockJS frame that is open, 0: none
	out      *[]byte

	mu       sync.Mutex // guards what follows; a leaf
	attached *receiver
	away     time.Time // since when no receiver is attached
	opened   bool      // a receiver was sent the o
	last     string    // the frame that ends the session; empty: it is open
	isLost   bool
	isTold   bool
	binary   bool      // a frame was not text
	writeBy  time.Time // the session's deadline
	over     func()    // removes what is left of the session
	hold     func(int) // see session.Session.Hold; nil: nobody is told yet
	holding  int       // what hold was told that a request has brought so far
}

// A delivery is what one request brought: text, or why there is none.
type delivery struct {
	text []byte
	err  error
}

const (
	// maxLine is how long a frame of SockJS becomes before the next message
	// begins a new one: clients look for its end again with each piece.
	maxLine = 16 << 10
	// interrupted is what SockJS clients are told when a connection broke.
	interrupted = "Connection interrupted"
)

func newXHRConn(o *Options, key sockKey, info session.Info) *xhrConn {
	l := o.Session.Limits.Limits
	c := &xhrConn{
		key: key, info: info, limits: l, options: o.SockJS, log: o.Log, patience: o.Session.ConnectTimeout, decoder: frames.NewDecoder(l), away: time.Now(),
		free: make(chan *receiver, 1), inbox: make(chan delivery, 1), sending: make(chan struct{}, 1),
		closed: make(chan struct{}), told: make(chan struct{}), lost: make(chan struct{}),
	}
	c.lastRead.begin()
	return c
}

// heard notes that something came.
func (c *xhrConn) heard() { c.lastRead.set() }

// LastRead implements session.Conn.
func (c *xhrConn) LastRead() time.Time { return c.lastRead.last() }

// Info implements session.Conn.
func (c *xhrConn) Info() session.Info { return c.info }

// Negotiated implements session.Conn.
func (c *xhrConn) Negotiated(v frames.Version) {
	c.negotiated.Store(true)
	if c.accepted != nil {
		c.accepted()
	}
	c.decoder.SetVersion(v)
}

// ReadFrame implements session.Conn.
func (c *xhrConn) ReadFrame() (frames.Inbound, error) {
	for {
		f, err := c.decoder.Next()
		if err != nil || f.Frame != nil {
			c.complete()
			c.came.CountFrame(f)
			return f, err
		}
		c.came.Flush()
		c.charge(c.decoder.Held() + len(c.in.text))
		c.waits(c.decoder)
		if err := c.readMore(); err != nil {
			c.decoder.Release()
			return frames.Inbound{}, err
		}
	}
}

// chargeTo is that of link.
func (c *xhrConn) chargeTo(f func(int)) { c.charge = f }

// chargeRequestsTo says who is told what requests have brought that are not
// complete.
func (c *xhrConn) chargeRequestsTo(f func(int)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hold = f
}

// holds says that a request has brought n bytes so far; 0 when they are taken
// over. It returns false if the session has ended, and needs them no more.
func (c *xhrConn) holds(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != "" {
		return false
	}
	c.charging(n)
	return true
}

// charging is holds with the lock held.
func (c *xhrConn) charging(n int) {
	if c.hold != nil && n != c.holding {
		c.hold(n - c.holding)
		c.holding = n
	}
}

func (c *xhrConn) readMore() error {
	if len(c.in.text) == 0 {
		select {
		case c.in = <-c.inbox:
		case <-c.closed:
			return net.ErrClosed
		}
		if c.in.err != nil {
			return c.in.err
		}
	}
	n := copy(c.decoder.Space(), c.in.text)
	c.decoder.Commit(n)
	if c.in.text = c.in.text[n:]; len(c.in.text) == 0 {
		c.in.text = nil
		<-c.sending // the next may come
	}
	return nil
}

// WriteFrame implements session.Conn: one frame is one SockJS message. It waits
// for a client that is between two requests.
func (c *xhrConn) WriteFrame(p []byte, text bool) error {
	if !text {
		return c.refuse()
	}
	if c.receiver == nil {
		if err := c.await(); err != nil {
			return err
		}
	}
	c.went.CountEncoded(p)
	before := len(*c.out)
	if c.line == 0 {
		*c.out = append(*c.out, `a["`...)
	} else {
		*c.out = append(*c.out, `,"`...)
	}
	c.line += len(p)
	for len(p) > 0 {
		n := nextPiece(p)
		*c.out = appendQuoted(*c.out, p[:n])
		p = p[n:]
		if len(*c.out) >= gatherBytes {
			c.receiver.sent += len(*c.out) - before
			if err := c.send(); err != nil {
				return err
			}
			before = 0
		}
	}
	*c.out = append(*c.out, '"')
	c.receiver.sent += len(*c.out) - before
	if c.line >= maxLine {
		c.endLine()
	}
	if c.receiver.sent >= c.options.responseBytes() {
		return c.Flush()
	}
	return nil
}

// refuse tells the client that there is a frame which it cannot get.
func (c *xhrConn) refuse() error {
	c.mu.Lock()
	c.binary = true
	c.mu.Unlock()
	err := c.WriteFrame(binaryRefusal(), true)
	c.log.Info("a message is not text, so the SockJS client is disconnected", "remote", c.info.Remote, "transport", c.info.Transport)
	return errors.Join(errBinary, err, c.Flush())
}

// await waits for a receiver.
func (c *xhrConn) await() error {
	select {
	case c.receiver = <-c.free:
		c.out = writeBuffers.Get().(*[]byte)
		return nil
	case <-c.closed:
		return net.ErrClosed
	case <-c.late.wait():
		return os.ErrDeadlineExceeded
	}
}

func (c *xhrConn) endLine() {
	if c.line > 0 {
		*c.out = append(*c.out, "]\n"...)
		c.line = 0
	}
}

// send writes what was gathered. If that fails, the session is over.
func (c *xhrConn) send() error {
	err := c.receiver.write(*c.out)
	*c.out = (*c.out)[:0]
	if err != nil {
		close(c.receiver.done)
		c.letGo()
		c.interrupt()
	}
	return err
}

func (c *xhrConn) letGo() {
	writeBuffers.Put(c.out)
	c.receiver, c.out, c.line = nil, nil, 0
}

// Flush implements session.Conn. A response that has taken enough ends.
func (c *xhrConn) Flush() error {
	r := c.receiver
	if r == nil {
		return nil
	}
	c.endLine()
	if err := c.send(); err != nil {
		return err
	}
	c.went.Flush()
	if !r.streaming || r.sent >= c.options.responseBytes() {
		close(r.done)
	} else {
		c.free <- r // there is room, as it came from there
	}
	c.letGo()
	return nil
}

// SetWriteDeadline implements session.Conn.
func (c *xhrConn) SetWriteDeadline(t time.Time) {
	c.late.set(t)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeBy = t
	if c.attached != nil {
		c.attached.setDeadline(t)
	}
}

// Close implements session.Conn. A client that is between two requests has a
// moment to come back and be told; it is told later, too, if the broker lives.
func (c *xhrConn) Close(code session.CloseCode, reason string) {
	c.end(code, reason)
	t := time.NewTimer(min(linger, c.options.disconnectDelay()))
	defer t.Stop()
	select {
	case <-c.told:
	case <-c.lost:
	case <-t.C:
	}
	c.late.stop()
}

// end ends the session, if it has not ended. Receivers see to it that their
// clients are told why.
func (c *xhrConn) end(code session.CloseCode, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != "" {
		return
	}
	if c.binary {
		code, reason = closeUnsupported, BinaryMessage
	}
	c.charging(0)
	c.last = string(appendClose(nil, code, reason)) + "\n"
	close(c.closed)
}

// interrupt ends the session because its client has gone.
func (c *xhrConn) interrupt() {
	c.end(session.CloseProtocol, interrupted)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isLost {
		c.isLost = true
		close(c.lost)
	}
}

// cut ends everything at once.
func (c *xhrConn) cut() {
	c.interrupt()
	c.SetWriteDeadline(time.Unix(1, 0))
}

// tick is the session's timer: it ends a session whose client does not come
// back, and removes what is left of it.
func (c *xhrConn) tick(now time.Time) time.Time {
	c.mu.Lock()
	over, left := c.over, c.away.Add(c.options.disconnectDelay())
	wait := c.attached != nil
	c.mu.Unlock()
	switch {
	case over != nil:
		over()
	case wait: // detach sets the timer again
	case now.Before(left):
		return left
	default:
		c.interrupt()
	}
	return time.Time{}
}

// deliver gives the reader what a request has brought, for which sending is
// held. It returns false if the session has ended.
func (c *xhrConn) deliver(d delivery) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != "" {
		return false
	}
	c.inbox <- d // there is room while sending is held
	return true
}

// forget has the session removed when nobody will ask for it any more. Its
// reader and writer have ended; what they held is dropped at once.
func (c *xhrConn) forget(remove func()) {
	c.in, c.decoder = delivery{}, nil
	select {
	case <-c.inbox:
	default:
	}
	c.mu.Lock()
	c.over = remove
	c.mu.Unlock()
	c.timer.Reset(time.Now().Add(c.options.disconnectDelay()))
}

// messageLimit is what one request may bring: a frame as large as may be, with
// heart-beats around it.
func (c *xhrConn) messageLimit() int {
	return messageLimit(c.limits, c.negotiated.Load())
}

// A receiver is a response that takes frames.
type receiver struct {
	w         http.ResponseWriter
	control   *http.ResponseController
	streaming bool
	sent      int           // bytes, of frames; owned by whoever may write
	done      chan struct{} // closed when it is complete, or has failed
}

func newReceiver(w http.ResponseWriter, streaming bool) *receiver {
	return &receiver{w: w, control: http.NewResponseController(w), streaming: streaming, done: make(chan struct{})}
}

// write sends bytes at once.
func (r *receiver) write(p []byte) error {
	if _, err := r.w.Write(p); err != nil {
		return err
	}
	return r.control.Flush()
}

// setDeadline bounds writes. It fails only where the server cannot do it, which
// has no time limits of its own either.
func (r *receiver) setDeadline(t time.Time) { _ = r.control.SetWriteDeadline(t) }
