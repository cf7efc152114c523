package sockjs

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
	"hoofbeat/transport/internal/wire"
)

// An xhrConn carries a SockJS session over plain HTTP: requests bring the
// client's frames, and the responses to other requests, one at a time, carry
// the broker's. It implements session.Conn.
//
// It buffers next to nothing. Outgoing frames stay in the session's outbox,
// under its limit and policy, until a response is open: the writer waits for
// one. An incoming request waits until the reader has taken the text of the
// previous one.
type xhrConn struct {
	wire.FrameReader
	key   sessionKey
	owner *owner // checks that requests may use the session
	// accepted is called after the session's CONNECT.
	accepted func()
	info     session.Info
	limits   frames.Limits
	options  Options
	log      *slog.Logger
	timer    *timers.Timer
	// closeTimeout bounds writing the end of a response.
	closeTimeout time.Duration

	lastRead   wire.Stamp
	negotiated atomic.Bool

	// free holds the attached receiver while nobody writes to it. A goroutine
	// that takes it may write, and must then put it back or end it.
	free chan *receiver
	// inbox holds the text of one request. sending holds a token from the
	// moment a request's body is read until the reader has taken all of its
	// text.
	inbox   chan delivery
	sending chan struct{}
	senders atomic.Int32 // requests that send or wait for their turn
	unquote unquoter     // used by the holder of sending

	closed chan struct{} // closed when the session ends; last is the reason
	told   chan struct{} // closed when a client was told so
	lost   chan struct{} // closed when there is no client to tell
	late   wire.Deadline // of writes

	in delivery // owned by the reader

	// Owned by the writer, between the first WriteFrame and Flush.
	receiver *receiver
	line     int // bytes in the open SockJS frame; 0: none is open
	out      *[]byte

	mu       sync.Mutex // guards the fields below; a leaf
	attached *receiver
	away     time.Time // since when no receiver is attached
	opened   bool      // the o frame was sent
	last     string    // the frame that ends the session; empty while it is open
	isLost   bool
	isTold   bool
	binary   bool      // a binary frame came up for sending
	writeBy  time.Time // the session's deadline
	over     func()    // removes the ended session
	hold     func(int) // see session.Session.Hold; nil before chargeRequestsTo
	holding  int       // bytes charged to hold
}

// A delivery is the text of one request, or the error instead of it.
type delivery struct {
	text []byte
	err  error
}

const (
	// maxLine is the size at which a SockJS frame ends and the next message
	// begins a new one: clients search the whole frame for its end with each
	// piece.
	maxLine = 16 << 10
	// interrupted is the close reason after a broken connection.
	interrupted = "Connection interrupted"
)

func newXHRConn(e *Endpoint, key sessionKey, info session.Info) *xhrConn {
	l := e.session.Limits.Limits
	c := &xhrConn{
		key: key, info: info, limits: l, options: e.options, log: e.conns.Log(), closeTimeout: e.session.ConnectTimeout, FrameReader: wire.NewFrameReader(l), away: time.Now(),
		free: make(chan *receiver, 1), inbox: make(chan delivery, 1), sending: make(chan struct{}, 1),
		closed: make(chan struct{}), told: make(chan struct{}), lost: make(chan struct{}),
	}
	c.ReadFrom(c.readMore)
	c.lastRead.Begin()
	return c
}

// heard notes that the client has sent something.
func (c *xhrConn) heard() { c.lastRead.Set() }

// LastRead implements session.Conn.
func (c *xhrConn) LastRead() time.Time { return c.lastRead.Last() }

// Info implements session.Conn.
func (c *xhrConn) Info() session.Info { return c.info }

// Negotiated implements session.Conn.
func (c *xhrConn) Negotiated(v frames.Version) {
	c.negotiated.Store(true)
	if c.accepted != nil {
		c.accepted()
	}
	c.FrameReader.Negotiated(v)
}

// ChargeTo implements connections.Conn. The rest of a request counts as well.
func (c *xhrConn) ChargeTo(f func(int)) {
	c.FrameReader.ChargeTo(func(n int) { f(n + len(c.in.text)) })
}

// ChargeRequestsTo sets the function that is charged for the bytes of
// incomplete requests.
func (c *xhrConn) ChargeRequestsTo(f func(int)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hold = f
}

// holds charges n bytes for the request that is being read; 0 once they are
// handed over. It returns false if the session has ended and the bytes can be
// dropped.
func (c *xhrConn) holds(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != "" {
		return false
	}
	c.charging(n)
	return true
}

// charging is holds for callers that hold the lock.
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
	if c.in.text = c.in.text[c.Feed(c.in.text):]; len(c.in.text) == 0 {
		c.in.text = nil
		<-c.sending // lets the next request begin
	}
	return nil
}

// WriteFrame implements session.Conn: a frame is one SockJS message. It blocks
// while the client is between two requests.
func (c *xhrConn) WriteFrame(p []byte, tail *frames.Tail, text bool) error {
	if !text {
		return c.refuse()
	}
	if c.receiver == nil {
		if err := c.await(); err != nil {
			return err
		}
	}
	c.CountWritten(p, tail)
	whole := wire.Join(p, tail.Span())
	defer wire.Recycle(whole)
	if err := c.writeQuoted(*whole); err != nil {
		return err
	}
	if c.line >= maxLine {
		c.endLine()
	}
	if c.receiver.sent >= c.options.responseBytes() {
		return c.Flush()
	}
	return nil
}

// writeQuoted adds a frame to the line, as a JSON string.
func (c *xhrConn) writeQuoted(p []byte) error {
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
		if len(*c.out) >= wire.GatherBytes {
			c.receiver.sent += len(*c.out) - before
			if err := c.send(); err != nil {
				return err
			}
			before = 0
		}
	}
	*c.out = append(*c.out, '"')
	c.receiver.sent += len(*c.out) - before
	return nil
}

// refuse tells the client that a frame cannot be sent to it because it is
// binary.
func (c *xhrConn) refuse() error {
	c.mu.Lock()
	c.binary = true
	c.mu.Unlock()
	err := c.WriteFrame(binaryRefusal(), nil, true)
	c.log.Info("binary message for a SockJS client, disconnecting it", "remote", c.info.Remote, "transport", c.info.Transport)
	return errors.Join(errBinary, err, c.Flush())
}

// await waits for a receiver.
func (c *xhrConn) await() error {
	select {
	case c.receiver = <-c.free:
		c.out = wire.TakeBuffer()
		return nil
	case <-c.closed:
		return net.ErrClosed
	case <-c.late.Wait():
		return os.ErrDeadlineExceeded
	}
}

func (c *xhrConn) endLine() {
	if c.line > 0 {
		*c.out = append(*c.out, "]\n"...)
		c.line = 0
	}
}

// send writes the gathered bytes. The session is over if that fails.
func (c *xhrConn) send() error {
	err := c.receiver.write(*c.out)
	*c.out = (*c.out)[:0]
	if err != nil {
		close(c.receiver.done)
		c.releaseReceiver()
		c.interrupt()
	}
	return err
}

func (c *xhrConn) releaseReceiver() {
	wire.Recycle(c.out)
	c.receiver, c.out, c.line = nil, nil, 0
}

// Flush implements session.Conn. It ends the response once that is large
// enough.
func (c *xhrConn) Flush() error {
	r := c.receiver
	if r == nil {
		return nil
	}
	c.endLine()
	if err := c.send(); err != nil {
		return err
	}
	c.FlushWritten()
	if !r.streaming || r.sent >= c.options.responseBytes() {
		close(r.done)
	} else {
		c.free <- r // never blocks: r came from there
	}
	c.releaseReceiver()
	return nil
}

// SetWriteDeadline implements session.Conn.
func (c *xhrConn) SetWriteDeadline(t time.Time) {
	c.late.Set(t)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeBy = t
	if c.attached != nil {
		c.attached.setDeadline(t)
	}
}

// Close implements session.Conn. It waits for a moment for a client that is
// between two requests, so that it can be told; afterwards, the client is told
// as long as the session is kept.
func (c *xhrConn) Close(code session.CloseCode, reason string) {
	c.end(code, reason)
	t := time.NewTimer(min(wire.Linger, c.options.disconnectDelay()))
	defer t.Stop()
	select {
	case <-c.told:
	case <-c.lost:
	case <-t.C:
	}
	c.late.Stop()
}

// end ends the session if it is open. The goroutines that serve its requests
// tell the client why.
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

// interrupt ends the session because the client is gone.
func (c *xhrConn) interrupt() {
	c.end(session.CloseProtocol, interrupted)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isLost {
		c.isLost = true
		close(c.lost)
	}
}

// Cut ends the session at once, also a blocked write.
func (c *xhrConn) Cut() {
	c.interrupt()
	c.SetWriteDeadline(time.Unix(1, 0))
}

// tick runs when the timer fires: it ends a session whose client has not come
// back, and removes an ended one.
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

// deliver gives the reader the text of a request; the caller holds sending. It
// returns false if the session has ended.
func (c *xhrConn) deliver(d delivery) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != "" {
		return false
	}
	c.inbox <- d // never blocks: the caller holds sending
	return true
}

// forget calls remove after DisconnectDelay. The session's reader and writer
// have ended; their buffers are dropped at once.
func (c *xhrConn) forget(remove func()) {
	c.in = delivery{}
	c.Drop()
	select {
	case <-c.inbox:
	default:
	}
	c.mu.Lock()
	c.over = remove
	c.mu.Unlock()
	c.timer.Reset(time.Now().Add(c.options.disconnectDelay()))
}

// MessageLimit is the limit for one request's text: the largest frame, with
// heart-beats around it.
func (c *xhrConn) messageLimit() int {
	return wire.MessageLimit(c.limits, c.negotiated.Load())
}

// A receiver is a response that carries frames.
type receiver struct {
	w         http.ResponseWriter
	control   *http.ResponseController
	streaming bool
	sent      int           // bytes of frames; owned by the goroutine that took the receiver
	done      chan struct{} // closed when the response is complete or has failed
}

func newReceiver(w http.ResponseWriter, streaming bool) *receiver {
	return &receiver{w: w, control: http.NewResponseController(w), streaming: streaming, done: make(chan struct{})}
}

// write sends bytes without buffering.
func (r *receiver) write(p []byte) error {
	if _, err := r.w.Write(p); err != nil {
		return err
	}
	return r.control.Flush()
}

// setDeadline bounds writes. It fails only if the server does not support
// deadlines; that server then has no time limits either.
func (r *receiver) setDeadline(t time.Time) { _ = r.control.SetWriteDeadline(t) }
