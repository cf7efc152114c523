package wire

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A gatherer is a net.Conn that needs few system calls under load and little
// memory while idle.
//
// Writing: frames are gathered until flush and sent together, so that hundreds
// of them need one system call. The WebSocket library, which writes each
// message separately, writes between cork and flush.
//
// Reading: small reads are served from a larger one. Its buffer is taken only
// when there is something to read.
//
// One goroutine may read; the methods without an owner may be called from any.
type gatherer struct {
	net.Conn
	// control filters writes that the WebSocket library makes on its own
	// account; nil: none. encoding counts the goroutines that write data
	// through the library.
	control  func([]byte) []byte
	encoding atomic.Int32
	raw      syscall.RawConn // nil if the connection cannot wait without a buffer
	rawRead  func(fd uintptr) bool
	lastRead Stamp

	in      []byte // read and not consumed; part of *inChunk, if not nil
	inChunk *ReadChunk
	inErr   error

	// batch holds whole frames until flush. It is owned by the writer, so that
	// a frame needs no lock.
	batch *[]byte

	mu     sync.Mutex // guards the fields below, and orders writes
	corked bool
	ended  bool // the last write was made
	out    *[]byte
}

const (
	// GatherBytes is the most that is gathered for one write. The kernel makes one
	// packet of up to 64 KiB of a write, with its headers; a little more costs a
	// second packet (docs/adr/0034).
	GatherBytes = 60 << 10
	readBytes   = 16 << 10
	// directRead is the size from which a read goes directly to the caller's
	// buffer.
	directRead = 4 << 10
)

// A ReadChunk is a buffer for what a socket has.
type ReadChunk [readBytes]byte

var (
	readChunks   = sync.Pool{New: func() any { return new(ReadChunk) }}
	writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}
)

// newGatherer wraps a connection of which first has been read already.
func newGatherer(c net.Conn, first []byte) *gatherer {
	g := &gatherer{Conn: c, in: first}
	g.lastRead.Begin()
	g.raw, g.rawRead = waiter(c, g)
	return g
}

// Read implements net.Conn.
func (g *gatherer) Read(p []byte) (int, error) {
	if len(g.in) == 0 {
		if g.raw == nil || len(p) >= directRead {
			n, err := g.Conn.Read(p)
			g.lastRead.Set()
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

// fill waits until there is something to read, and takes a buffer only then.
func (g *gatherer) fill() error {
	g.inErr = nil
	if err := g.raw.Read(g.rawRead); err != nil {
		return err
	}
	g.lastRead.Set()
	if g.inErr != nil {
		return &net.OpError{Op: "read", Net: "tcp", Source: g.LocalAddr(), Addr: g.RemoteAddr(), Err: g.inErr}
	}
	if len(g.in) == 0 {
		return io.EOF
	}
	return nil
}

// fillChunk is fill for a connection that cannot wait without a buffer.
func (g *gatherer) fillChunk() error {
	chunk := TakeChunk()
	n, err := g.Conn.Read(chunk[:])
	g.lastRead.Set()
	if n == 0 {
		readChunks.Put(chunk)
		return err
	}
	g.in, g.inChunk = chunk[:n], chunk
	return nil // Read returns the error again
}

// use consumes n bytes of in.
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

// cork starts gathering writes.
func (g *gatherer) cork() {
	g.mu.Lock()
	g.corked = true
	g.mu.Unlock()
}

// flush sends the batch and the gathered writes, and ends gathering. Only the
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
		Recycle(batch)
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
	if !g.corked || len(p) > GatherBytes {
		if err := g.send(); err != nil {
			return 0, err
		}
		return g.Conn.Write(p)
	}
	g.gather(p)
	if len(*g.out) >= GatherBytes {
		if err := g.send(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// writeFrame adds a frame to the batch, in parts. Only the writer calls it.
func (g *gatherer) writeFrame(header, p, shared []byte) error {
	if n := len(header) + len(p) + len(shared); n <= GatherBytes {
		b, err := g.room(n)
		if err != nil {
			return err
		}
		*b = append(append(append(*b, header...), p...), shared...)
		return nil
	}
	b := g.begin()
	*b = append(*b, header...)
	if err := g.addLarge(p, shared); err != nil {
		return err
	}
	return g.sendFull()
}

// writeLine adds p, shared and a LF to the batch. Only the writer calls it.
func (g *gatherer) writeLine(p, shared []byte) error {
	if n := len(p) + len(shared) + 1; n <= GatherBytes {
		b, err := g.room(n)
		if err != nil {
			return err
		}
		*b = append(append(append(*b, p...), shared...), '\n')
		return nil
	}
	if err := g.addLarge(p, shared); err != nil {
		return err
	}
	b := g.begin()
	*b = append(*b, '\n')
	return g.sendFull()
}

// room returns the batch with room for n bytes more. It sends what is in it, if both
// together are more than GatherBytes.
func (g *gatherer) room(n int) (*[]byte, error) {
	if g.batch != nil && len(*g.batch)+n > GatherBytes {
		if err := g.sendBatch(nil); err != nil {
			return nil, err
		}
	}
	return g.begin(), nil
}

// addLarge adds parts to the batch, or writes them directly if they are too large
// for it.
func (g *gatherer) addLarge(parts ...[]byte) error {
	for _, p := range parts {
		if len(p) <= GatherBytes {
			g.add(p)
		} else if err := g.sendBatch(p); err != nil {
			return err
		}
	}
	return nil
}

// WriteEncoded adds a header, text in an encoding, and end to the batch. It holds
// at most one piece in memory. Only the writer calls it.
func (g *gatherer) writeEncoded(header, text []byte, e Encoder, end string) error {
	g.add(header)
	for len(text) > 0 && len(*g.batch) < GatherBytes {
		*g.batch, text = e.Append(*g.batch, text)
	}
	if len(text) > 0 {
		return g.sendEncoded(text, e, end)
	}
	*g.batch = append(*g.batch, end...)
	return g.sendFull()
}

// sendEncoded sends the batch, which ends within a frame, and the rest of that
// frame. It holds the lock throughout, so that no control frame comes between.
func (g *gatherer) sendEncoded(text []byte, e Encoder, end string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(text) > 0 {
		if err := g.sendLocked(g.batch); err != nil {
			return err
		}
		for len(text) > 0 && len(*g.batch) < GatherBytes {
			*g.batch, text = e.Append(*g.batch, text)
		}
	}
	*g.batch = append(*g.batch, end...)
	return g.sendLocked(g.batch)
}

// begin returns the batch.
func (g *gatherer) begin() *[]byte {
	if g.batch == nil {
		g.batch = writeBuffers.Get().(*[]byte)
	}
	return g.batch
}

// add appends to the batch.
func (g *gatherer) add(p []byte) {
	b := g.begin()
	*b = append(*b, p...)
}

// sendFull sends the batch if it has reached GatherBytes.
func (g *gatherer) sendFull() error {
	if g.batch == nil || len(*g.batch) < GatherBytes {
		return nil
	}
	return g.sendBatch(nil)
}

// sendBatch writes the batch, followed directly by large, a payload too large
// for it.
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
		Recycle(batch)
	}
	if err == nil && large != nil {
		_, err = g.Conn.Write(large)
	}
	return err
}

// sendLocked writes batch and empties it. The caller holds the lock.
func (g *gatherer) sendLocked(batch *[]byte) error {
	if g.ended {
		return net.ErrClosed
	}
	_, err := g.Conn.Write(*batch)
	*batch = (*batch)[:0]
	return err
}

// writeLast writes p after the gathered bytes. All later writes fail, because
// nothing may follow a close frame (RFC 6455, 5.5.1). Further calls do nothing.
func (g *gatherer) writeLast(p []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return
	}
	g.gather(p)
	_ = g.send() // the peer may have gone
	g.ended = true
}

// gather adds to the gathered bytes. The caller holds the lock.
func (g *gatherer) gather(p []byte) {
	if g.out == nil {
		g.out = writeBuffers.Get().(*[]byte)
	}
	*g.out = append(*g.out, p...)
}

// send writes the gathered bytes. The caller holds the lock.
func (g *gatherer) send() error {
	if g.out == nil {
		if g.ended {
			return net.ErrClosed
		}
		return nil
	}
	out := g.out
	g.out = nil
	defer Recycle(out)
	return g.sendLocked(out)
}

// TakeChunk returns a chunk of the pool, for RecycleChunk.
func TakeChunk() *ReadChunk { return readChunks.Get().(*ReadChunk) }

// RecycleChunk returns a chunk to the pool.
func RecycleChunk(c *ReadChunk) { readChunks.Put(c) }

// Join copies the parts of a frame into a buffer, for Recycle.
func Join(p, shared []byte) *[]byte {
	b := writeBuffers.Get().(*[]byte)
	*b = append(append(*b, p...), shared...)
	return b
}

// TakeBuffer returns an empty buffer of the pool, for Recycle.
func TakeBuffer() *[]byte { return writeBuffers.Get().(*[]byte) }

// Recycle returns a buffer to the pool.
func Recycle(b *[]byte) {
	if cap(*b) > 2*GatherBytes {
		return // it would stay as long as the program
	}
	*b = (*b)[:0]
	writeBuffers.Put(b)
}

// Cut closes the socket at once, also during a write, and without a TLS
// close_notify, for which tls.Conn would wait.
func (g *gatherer) Cut() {
	c := g.Conn
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	_ = c.Close()
}

// LastRead returns the time of the last read that returned bytes.
func (g *gatherer) LastRead() time.Time { return g.lastRead.Last() }
