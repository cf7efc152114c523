package sockjs

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"hoofbeat/frames"
	"hoofbeat/transport/internal/wire"
)

// prelude begins a streaming response: some browsers and proxies hold back the
// first 2 KiB.
var prelude = []byte(strings.Repeat("h", 2048) + "\n")

// receive serves a request whose response carries frames: until some were
// written (xhr) or ResponseBytes (xhr_streaming).
func (e *Endpoint) receive(w http.ResponseWriter, r *http.Request, id string, streaming bool) {
	// The request has no body. An unread one would hide the end of the
	// connection from the server.
	if n, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxReceiveBody)); err != nil {
		http.Error(w, "This request has no body.", http.StatusRequestEntityTooLarge)
		e.conns.Log().Debug("SockJS request with a body", "bytes", n, "error", err)
		return
	}
	c := e.findOrOpen(w, r, id)
	if c == nil {
		return
	}
	noCaching(w, "application/javascript; charset=UTF-8")
	w.Header().Set("X-Accel-Buffering", "no") // otherwise nginx buffers the response
	rec := newReceiver(w, streaming)
	opening, last := c.attach(rec)
	if err := rec.begin(opening, last); err != nil || last != "" {
		c.leave(rec, last != "" && err == nil, err)
		return
	}
	if opening && !streaming {
		c.leave(rec, false, nil)
		return
	}
	c.serve(r.Context(), rec)
}

const maxReceiveBody = 4 << 10

// begin writes the first bytes of a response. Nothing follows the frame that
// ends the session.
func (r *receiver) begin(opening bool, last string) error {
	var first []byte
	if r.streaming {
		first = append(first, prelude...)
	}
	switch {
	case last != "":
		first = append(first, last...)
	case opening:
		first = append(first, "o\n"...)
	}
	if len(first) == 0 {
		return nil
	}
	return r.write(first)
}

// attach makes r the receiver of the session. opening reports that it is the
// session's first. If last is not empty, it is the only frame to send: the
// session has ended, or has another receiver.
func (c *xhrConn) attach(r *receiver) (opening bool, last string) {
	c.heard()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.last != "":
		return false, c.last
	case c.attached != nil:
		return false, string(appendClose(nil, 2010, "Another connection still open")) + "\n"
	}
	opening = !c.opened
	c.attached, c.opened = r, true
	return opening, ""
}

// leave undoes attach. It is called before the response ends, so that the
// client's next request does not find this one attached.
func (c *xhrConn) leave(r *receiver, told bool, err error) {
	c.mu.Lock()
	if told && c.last != "" && !c.isTold {
		c.isTold = true
		close(c.told)
	}
	if c.attached != r {
		c.mu.Unlock()
		return
	}
	c.attached, c.away = nil, time.Now()
	r.setDeadline(time.Now().Add(c.endTimeout(err)))
	open := c.over == nil
	c.mu.Unlock()
	if err != nil {
		c.interrupt()
	}
	if open {
		c.timer.Reset(time.Now().Add(c.options.disconnectDelay()))
	}
}

// endTimeout bounds writing the end of a response. On a busy machine net/http
// writes it seconds later, and a client that reads must not lose its session
// for that.
func (c *xhrConn) endTimeout(err error) time.Duration {
	if err != nil {
		return wire.Linger
	}
	return c.closeTimeout
}

// serve lets the session write to a response until that is complete, the
// session ends, or the client goes away.
func (c *xhrConn) serve(ctx context.Context, r *receiver) {
	_ = r.control.SetReadDeadline(time.Time{}) // so that net/http notices the end of the connection at any time
	c.unbound(r)
	c.free <- r
	beat := time.NewTicker(c.options.heartbeat())
	defer beat.Stop()
	for {
		var err error
		select {
		case <-r.done:
			c.leave(r, false, nil)
			return
		case <-c.closed:
			told := c.reclaim(r)
			if told {
				err = r.write([]byte(c.lastFrame()))
			}
			c.leave(r, told && err == nil, err)
			return
		case <-ctx.Done():
			c.interrupt()
			r.setDeadline(time.Unix(1, 0)) // interrupts a write under way
			c.reclaim(r)
			c.leave(r, false, ctx.Err())
			return
		case <-beat.C:
			if done, err := c.beat(r); done {
				c.leave(r, false, err)
				return
			}
		}
	}
}

// unbound removes the response's deadline, unless the session has one.
func (c *xhrConn) unbound(r *receiver) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.setDeadline(c.writeBy)
}

// reclaim takes the receiver back from the session's writer. It returns false
// if the response has ended.
func (c *xhrConn) reclaim(r *receiver) bool {
	select {
	case <-c.free:
		return true
	case <-r.done:
		return false
	}
}

// beat sends a SockJS heart-beat, unless the session is writing. It ends the
// response of an xhr request.
func (c *xhrConn) beat(r *receiver) (done bool, err error) {
	select {
	case <-c.free:
	default:
		return false, nil
	}
	c.mu.Lock()
	if c.writeBy.IsZero() {
		r.setDeadline(time.Now().Add(c.options.heartbeat()))
	}
	c.mu.Unlock()
	if err := r.write([]byte("h\n")); err != nil || !r.streaming {
		return true, err
	}
	r.sent += 2
	c.unbound(r)
	c.free <- r
	return false, nil
}

func (c *xhrConn) lastFrame() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// maxSenders limits the requests of one session that send or wait for their
// turn. A client sends one at a time.
const maxSenders = 4

// take serves a request that carries the client's messages.
func (e *Endpoint) take(w http.ResponseWriter, r *http.Request, id string) {
	key := e.keyOf(r, id)
	if !e.holdUp(w, r, key.network) {
		return
	}
	c := e.sessions.find(key)
	if c == nil || !e.owns(r, c.owner) {
		e.guesses.count(key.network, 1, time.Now())
		http.NotFound(w, r)
		return
	}
	c.heard()
	defer c.senders.Add(-1)
	if c.senders.Add(1) > maxSenders {
		e.host.Refuse(w, http.StatusServiceUnavailable, "This session has too many requests that send.")
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // it may have to wait for its turn
	if !c.maySend(r.Context()) {
		http.NotFound(w, r)
		return
	}
	d, bad := c.receiveText(r, control, e.session.ConnectTimeout)
	c.holds(0)
	_ = control.SetWriteDeadline(time.Now().Add(e.session.ConnectTimeout))
	switch {
	case bad != "":
		<-c.sending
		http.Error(w, bad, http.StatusInternalServerError)
		return
	case len(d.text) == 0 && d.err == nil:
		<-c.sending
	case !c.deliver(d):
		http.NotFound(w, r)
		return
	}
	noCaching(w, "text/plain; charset=UTF-8")
	w.WriteHeader(http.StatusNoContent)
}

// maySend waits for the request's turn to send. It returns false if the session
// has ended or the client has gone.
func (c *xhrConn) maySend(ctx context.Context) bool {
	select {
	case <-c.closed: // select would choose at random
		return false
	default:
	}
	select {
	case c.sending <- struct{}{}:
		return true
	case <-c.closed:
	case <-ctx.Done():
	}
	return false
}

// Answers that the protocol defines for a body that is no array of strings.
const (
	brokenJSON      = "Broken JSON encoding."
	payloadExpected = "Payload expected."
)

// receiveText reads the body of a request. Broken JSON fails the request only;
// a body that is too long ends the session.
func (c *xhrConn) receiveText(r *http.Request, control *http.ResponseController, timeout time.Duration) (d delivery, bad string) {
	chunk := wire.TakeChunk()
	defer wire.RecycleChunk(chunk)
	u := c.unquote
	u.reset()
	limit, read := c.messageLimit(), 0
	for {
		_ = control.SetReadDeadline(time.Now().Add(timeout))
		n, err := r.Body.Read(chunk[:])
		read += n
		var broken error
		if d.text, broken = u.decode(d.text, chunk[:n]); broken != nil {
			return delivery{}, brokenJSON
		}
		if !c.holds(cap(d.text)) {
			return delivery{err: net.ErrClosed}, ""
		}
		if len(d.text) > limit {
			// The rest must be read, or the client would not read the ERROR.
			d = delivery{text: d.text[:0], err: tooLong(limit)}
		}
		switch {
		case errors.Is(err, io.EOF) && u.empty():
			return delivery{}, payloadExpected
		case errors.Is(err, io.EOF) && !u.complete(), err != nil && !errors.Is(err, io.EOF):
			return delivery{}, brokenJSON
		case err != nil:
			c.unquote = u
			return d, ""
		case read > maxQuoted*limit:
			return delivery{err: tooLong(limit)}, ""
		}
	}
}

func tooLong(limit int) error {
	return &frames.Error{Word: frames.FrameTooLarge, Text: wire.MessageTooLong("SockJS request", limit)}
}
