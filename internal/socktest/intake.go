package socktest

import (
	"errors"
	"io"
	"net"
	"sync"

	"hoofbeat/internal/stomptest"
)

// Plenty is so much that may be unread that nobody waits for room.
const Plenty = 1 << 30

// An intake is what has come and is to be read.
type intake struct {
	net.Conn          // the end that is read
	there    net.Conn // the other one

	mu     sync.Mutex // a leaf; guards what follows
	err    error
	closed bool // by Close
	last   Frame
	others []Frame
}

// newIntake takes so many bytes that are not read; who has more waits.
func newIntake(unread int) *intake {
	here, there := stomptest.Pipe(unread)
	return &intake{Conn: here, there: there}
}

// put takes a frame, and waits for room where there is none. Behind the last
// frame the error is io.EOF.
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

// end says why nothing more comes. What has come can still be read.
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

// Read implements net.Conn. The end is io.EOF if the other side has ended the
// session by a c, or else what went wrong.
func (i *intake) Read(p []byte) (int, error) {
	n, err := i.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		err = i.Err()
	}
	return n, err
}

// Err is why nothing more comes: nil as long as something may, io.EOF when a c
// has come, net.ErrClosed if Close came first.
func (i *intake) Err() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.err
}

// Last is the c that has ended the session. Without one, its Kind is 0.
func (i *intake) Last() Frame {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.last
}

// Others are the frames that came so far and had no messages.
func (i *intake) Others() []Frame {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]Frame(nil), i.others...)
}
