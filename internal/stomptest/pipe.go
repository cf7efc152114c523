package stomptest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Pipe returns the two ends of an in-memory connection. Unlike net.Pipe, it has
// a buffer of capacity bytes in each direction, as sockets do: a write blocks
// only when the buffer is full. Bytes written before Close can be read after
// it. It works in a testing/synctest bubble.
func Pipe(capacity int) (net.Conn, net.Conn) {
	a, b := newLane(capacity), newLane(capacity)
	return &end{in: a, out: b}, &end{in: b, out: a}
}

type end struct{ in, out *lane }

func (e *end) Read(p []byte) (int, error)  { return e.in.read(p) }
func (e *end) Write(p []byte) (int, error) { return e.out.write(p) }

// Close implements net.Conn.
func (e *end) Close() error {
	e.in.close(true)
	e.out.close(false)
	return nil
}

// halfClose ends the writing side. It is not named CloseWrite, so that the
// server treats this connection as one that cannot be half-closed.
func (e *end) halfClose() error {
	e.out.close(false)
	return nil
}

func (e *end) LocalAddr() net.Addr                { return pipeAddr{} }
func (e *end) RemoteAddr() net.Addr               { return pipeAddr{} }
func (e *end) SetReadDeadline(t time.Time) error  { return e.in.reader.set(e.in, t) }
func (e *end) SetWriteDeadline(t time.Time) error { return e.out.writer.set(e.out, t) }

// SetDeadline implements net.Conn.
func (e *end) SetDeadline(t time.Time) error {
	_ = e.SetReadDeadline(t)
	return e.SetWriteDeadline(t)
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// A lane is one direction of a connection.
type lane struct {
	capacity int

	mu             sync.Mutex // guards the fields below
	change         sync.Cond
	buf            []byte
	ended          bool // the writer has closed
	gone           bool // the reader has closed
	reader, writer deadline
}

func newLane(capacity int) *lane {
	l := &lane{capacity: capacity}
	l.change.L = &l.mu
	return l
}

func (l *lane) read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.gone:
			return 0, net.ErrClosed
		case l.reader.passed():
			return 0, os.ErrDeadlineExceeded
		case len(l.buf) > 0 || len(p) == 0:
			n := copy(p, l.buf)
			l.buf = l.buf[n:]
			l.change.Broadcast()
			return n, nil
		case l.ended:
			return 0, io.EOF
		}
		l.change.Wait()
	}
}

func (l *lane) write(p []byte) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.ended:
			return n, net.ErrClosed
		case l.gone:
			return n, io.ErrClosedPipe
		case l.writer.passed():
			return n, os.ErrDeadlineExceeded
		case n == len(p):
			return n, nil
		}
		if room := l.capacity - len(l.buf); room > 0 {
			part := p[n:min(len(p), n+room)]
			l.buf = append(l.buf, part...)
			n += len(part)
			l.change.Broadcast()
			continue
		}
		l.change.Wait()
	}
}

func (l *lane) close(byReader bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if byReader {
		l.gone, l.buf = true, nil
	} else {
		l.ended = true
	}
	l.reader.stop()
	l.writer.stop()
	l.change.Broadcast()
}

// A deadline wakes goroutines that wait in a lane.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) set(l *lane, at time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	d.stop()
	if d.at = at; !at.IsZero() && !l.gone && !l.ended {
		d.timer = time.AfterFunc(time.Until(at), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.change.Broadcast()
		})
	}
	l.change.Broadcast()
	return nil
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }
