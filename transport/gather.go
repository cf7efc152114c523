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
// Writing: between cork and flush, what is written is gathered and sent
// together. A WebSocket library that sends each message by itself thus needs
// one system call for hundreds of them.
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

// flush sends what was gathered, and ends gathering.
func (g *gatherer) flush() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.corked = false
	return g.send()
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

// writeFrame writes a header and what it is of, with nothing between them.
func (g *gatherer) writeFrame(header, payload []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gather(header)
	if len(payload) > gatherBytes {
		if err := g.send(); err != nil {
			return err
		}
		_, err := g.Conn.Write(payload)
		return err
	}
	g.gather(payload)
	if !g.corked || len(*g.out) >= gatherBytes {
		return g.send()
	}
	return nil
}

// writeLine writes p and a LF, with nothing between them.
func (g *gatherer) writeLine(p []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(p) > gatherBytes {
		if err := g.send(); err != nil {
			return err
		}
		if _, err := g.Conn.Write(p); err != nil {
			return err
		}
		p = nil
	}
	g.gather(p)
	*g.out = append(*g.out, '\n')
	if !g.corked || len(*g.out) >= gatherBytes {
		return g.send()
	}
	return nil
}

// writeQuoted writes a header, text as it stands within a JSON string, and what
// ends it, with nothing between them, and no more than a piece in memory.
func (g *gatherer) writeQuoted(header, text []byte, end string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gather(header)
	for len(text) > 0 {
		n := nextPiece(text)
		*g.out = appendQuoted(*g.out, text[:n])
		text = text[n:]
		if len(*g.out) >= gatherBytes {
			if err := g.send(); err != nil {
				return err
			}
			g.gather(nil)
		}
	}
	*g.out = append(*g.out, end...)
	if !g.corked {
		return g.send()
	}
	return nil
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
	if g.ended {
		return net.ErrClosed
	}
	if g.out == nil {
		return nil
	}
	_, err := g.Conn.Write(*g.out)
	*g.out = (*g.out)[:0]
	writeBuffers.Put(g.out)
	g.out = nil
	return err
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
