package socktest

import (
	"errors"
	"io"
	"net"
	"sync"

	"hoofbeat/internal/stomptest"
)

// Plenty is a limit of unread bytes that no test reaches.
const Plenty = 1 << 30

// An intake buffers the received text until it is read.
type intake struct {
	net.Conn          // the end for the reader
	there    net.Conn // the end for put

	mu     sync.Mutex // a leaf; guards the fields below
	err    error
	closed bool // by Close
	last   Frame
	others []Frame
}

// newIntake returns an intake that holds unread bytes; put waits beyond that.
func newIntake(unread int) *intake {
	here, there := stomptest.Pipe(unread)
	return &intake{Conn: here, there: there}
}

// put adds a frame, and waits for room. It returns io.EOF for the c frame,
// which is the last.
func (i *intake) put(f Frame) error {
	for _, m := range f.Messages {
		if _, err := io.WriteString(i.there, m); err != nil {
			return err
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if f.Kind != 'a' {
		i.others = append(i.others, f)
	}
	if f.Kind == 'c' {
		i.last = f
		return io.EOF
	}
	return nil
}

// end records why no more frames come. Text that was put before can still be
// read.
func (i *intake) end(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err == nil {
		i.err = err
		_ = i.there.Close()
	}
}

// shut ends reading at once.
func (i *intake) shut() {
	i.mu.Lock()
	i.closed = true
	i.mu.Unlock()
	i.end(net.ErrClosed)
	_ = i.Conn.Close()
}

// Read implements net.Conn. At the end, the error is io.EOF if a c frame ended
// the session, or else the cause.
func (i *intake) Read(p []byte) (int, error) {
	n, err := i.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		err = i.Err()
	}
	return n, err
}

// Err returns why no more frames come: nil while the session is open, io.EOF
// after a c frame, net.ErrClosed if Close came first.
func (i *intake) Err() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.err
}

// Last returns the c frame that ended the session. Its Kind is 0 if there was
// none.
func (i *intake) Last() Frame {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.last
}

// Others returns all frames so far that are not a frames.
func (i *intake) Others() []Frame {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]Frame(nil), i.others...)
}
