package transport

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A gatherer is a net.Conn that costs few system calls under load and little
// memory without one.
//
// Writing: frames are gathered until flush and sent together, so that hundreds
// of them take one system call. A WebSocket library that sends each message by
// itself writes between cork and flush.
//
// Reading: small reads are served from a larger one, for which a buffer is
// taken only when there is something to read.
//
// It is read by one goroutine and written by any.
type gatherer struct {
	net.Conn
	// control is applied to what a WebSocket library writes by itself; nil:
	// nothing is. encoding counts who has it write data.
	control  func([]byte) []byte
	encoding atomic.Int32
	raw      syscall.RawConn // nil where the connection cannot be waited for without a buffer
	rawRead  func(fd uintptr) bool
	lastRead stamp

	in      []byte // read and not consumed; a part of *inChunk, if that is not nil
	inChunk *readChunk
	inErr   error

	// batch has whole frames until flush. Owned by the writer, so that a frame
	// costs no lock.
	batch *[]byte

	mu     sync.Mutex // guards what follows, and orders writes
	corked bool
	ended  bool // the last was written
	out    *[]byte
}

const (
	// gatherBytes is when gathered bytes are sent without waiting for more:
	// what the kernel takes in one piece without trouble.
	gatherBytes = 64 << 10
	readBytes   = 16 << 10
	// directRead is from which size on a read goes to the caller's buffer.
	directRead = 4 << 10
)

type readChunk [readBytes]byte

var (
	readChunks   = sync.Pool{New: func() any { return new(readChunk) }}
	writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}
)

// newGatherer wraps a connection, of which first was read already.
func newGatherer(c net.Conn, first []byte) *gatherer {
	g := &gatherer{Conn: c, in: first}
	g.lastRead.begin()
	g.raw, g.rawRead = waiter(c, g)
	return g
}

// Read implements net.Conn.
func (g *gatherer) Read(p []byte) (int, error) {
	if len(g.in) == 0 {
		if g.raw == nil || len(p) >= directRead {
			n, err := g.Conn.Read(p)
			g.lastRead.set()
			return n, err
		}
		if err := g.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, g.in)
	g.use(n)
	return n, nil
}

// fill waits until there is something to read, and only then takes a buffer.
func (g *gatherer) fill() error {
	g.inErr = nil
	if err := g.raw.Read(g.rawRead); err != nil {
		return err
	}
	g.lastRead.set()
	if g.inErr != nil {
		return &net.OpError{Op: "read", Net: "tcp", Source: g.LocalAddr(), Addr: g.RemoteAddr(), Err: g.inErr}
	}
	if len(g.in) == 0 {
		return io.EOF
	}
	return nil
}

// fillChunk is fill for a connection that cannot be waited for without a
// buffer.
func (g *gatherer) fillChunk() error {
	chunk := readChunks.Get().(*readChunk)
	n, err := g.Conn.Read(chunk[:])
	g.lastRead.set()
	if n == 0 {
		readChunks.Put(chunk)
		return err
	}
	g.in, g.inChunk = chunk[:n], chunk
	return nil // an error comes again
}

// use says that n bytes of in were consumed.
func (g *gatherer) use(n int) {
	if g.in = g.in[n:]; len(g.in) == 0 {
		g.releaseIn()
	}
}

func (g *gatherer) releaseIn() {
	g.in = nil
	if g.inChunk != nil {
		readChunks.Put(g.inChunk)
		g.inChunk = nil
	}
}

// cork begins to gather.
func (g *gatherer) cork() {
	g.mu.Lock()
	g.corked = true
	g.mu.Unlock()
}

// flush sends the batch and what was gathered, and ends gathering. Only the
// writer calls it.
func (g *gatherer) flush() error {
	batch := g.batch
	g.batch = nil
	g.mu.Lock()
	defer g.mu.Unlock()
	g.corked = false
	err := g.send()
	if batch != nil {
		if err == nil {
			err = g.sendLocked(batch)
		}
		recycle(batch)
	}
	return err
}

// Write implements net.Conn.
func (g *gatherer) Write(p []byte) (int, error) {
	if g.control != nil && g.encoding.Load() == 0 {
		if c := g.control(p); len(c) != len(p) {
			_, err := g.write(c)
			return len(p), err
		}
	}
	return g.write(p)
}

func (g *gatherer) write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.corked || len(p) > gatherBytes {
		if err := g.send(); err != nil {
			return 0, err
		}
		return g.Conn.Write(p)
	}
	g.gather(p)
	if len(*g.out) >= gatherBytes {
		if err := g.send(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// writeFrame puts a header and its payload into the batch. Only the writer
// calls it.
func (g *gatherer) writeFrame(header, payload []byte) error {
	g.add(header)
	if len(payload) > gatherBytes {
		return g.sendBatch(payload)
	}
	g.add(payload)
	return g.sendFull()
}

// writeLine puts p and a LF into the batch. Only the writer calls it.
func (g *gatherer) writeLine(p []byte) error {
	if len(p) > gatherBytes {
		if err := g.sendBatch(p); err != nil {
			return err
		}
		p = nil
	}
	g.add(p)
	*g.batch = append(*g.batch, '\n')
	return g.sendFull()
}

// writeQuoted puts a header, text as it stands within a JSON string, and its
// end into the batch, and no more than a piece in memory. Only the writer calls
// it.
func (g *gatherer) writeQuoted(header, text []byte, end string) error {
	g.add(header)
	for len(text) > 0 && len(*g.batch) < gatherBytes {
		text = g.addQuoted(text)
	}
	if len(text) > 0 {
		return g.sendQuoted(text, end)
	}
	*g.batch = append(*g.batch, end...)
	return g.sendFull()
}

// addQuoted appends a piece of text to the batch and returns the rest.
func (g *gatherer) addQuoted(text []byte) []byte {
	n := nextPiece(text)
	*g.batch = appendQuoted(*g.batch, text[:n])
	return text[n:]
}

// sendQuoted sends the batch, which ends within a frame, and the rest of that
// frame. The lock is held meanwhile, as no control frame may come between.
func (g *gatherer) sendQuoted(text []byte, end string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(text) > 0 {
		if err := g.sendLocked(g.batch); err != nil {
			return err
		}
		for len(text) > 0 && len(*g.batch) < gatherBytes {
			text = g.addQuoted(text)
		}
	}
	*g.batch = append(*g.batch, end...)
	return g.sendLocked(g.batch)
}

// add appends to the batch.
func (g *gatherer) add(p []byte) {
	if g.batch == nil {
		g.batch = writeBuffers.Get().(*[]byte)
	}
	*g.batch = append(*g.batch, p...)
}

// sendFull sends the batch if it is large enough to go without waiting for more.
func (g *gatherer) sendFull() error {
	if len(*g.batch) < gatherBytes {
		return nil
	}
	return g.sendBatch(nil)
}

// sendBatch writes the batch, and large, which is too large for it, with
// nothing between them.
func (g *gatherer) sendBatch(large []byte) error {
	batch := g.batch
	if batch == nil && large == nil {
		return nil
	}
	g.batch = nil
	g.mu.Lock()
	defer g.mu.Unlock()
	var err error
	if batch != nil {
		err = g.sendLocked(batch)
		recycle(batch)
	}
	if err == nil && large != nil {
		_, err = g.Conn.Write(large)
	}
	return err
}

// sendLocked writes batch and empties it. The lock is held.
func (g *gatherer) sendLocked(batch *[]byte) error {
	if g.ended {
		return net.ErrClosed
	}
	_, err := g.Conn.Write(*batch)
	*batch = (*batch)[:0]
	return err
}

// writeLast writes p behind what was gathered. All later writes fail, as
// nothing may follow a close frame (RFC 6455, 5.5.1). It does nothing when called
// again.
func (g *gatherer) writeLast(p []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return
	}
	g.gather(p)
	_ = g.send() // it fails if the peer has gone
	g.ended = true
}

// gather keeps bytes back. The lock is held.
func (g *gatherer) gather(p []byte) {
	if g.out == nil {
		g.out = writeBuffers.Get().(*[]byte)
	}
	*g.out = append(*g.out, p...)
}

// send writes what was gathered. The lock is held.
func (g *gatherer) send() error {
	if g.out == nil {
		if g.ended {
			return net.ErrClosed
		}
		return nil
	}
	out := g.out
	g.out = nil
	defer recycle(out)
	return g.sendLocked(out)
}

// recycle gives a buffer back.
func recycle(b *[]byte) {
	*b = (*b)[:0]
	writeBuffers.Put(b)
}

// cut closes the socket whatever is under way, and without a goodbye, for which
// tls.Conn would wait.
func (g *gatherer) cut() {
	c := g.Conn
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	_ = c.Close()
}

// LastRead is when bytes last came.
func (g *gatherer) LastRead() time.Time { return g.lastRead.last() }
