package wire

import (
	"compress/flate"
	"encoding/binary"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"hoofbeat/frames"
)

// This file compresses outgoing messages (RFC 7692, permessage-deflate without
// context takeover). The end of a MESSAGE is compressed once for all subscribers,
// as blocks of their own; a stored block with each subscriber's headers goes in
// front. Together they are one valid message.

// A deflater has the compressed ends of the latest messages, of all connections.
type deflater struct {
	mu    sync.Mutex // a leaf; taken once for each end that is compressed
	kept  []*frames.Tail
	bytes int // of kept, with their compressed bytes
}

// keptBytes bounds a deflater's memory. An end that is gone from it is compressed
// again for whoever needs it still.
const keptBytes = 8 << 20

// worthless stands for an end that compression does not make shorter.
var worthless = new([]byte)

// of returns the compressed bytes of a tail; nil if they are not worth it.
func (d *deflater) of(t *frames.Tail) []byte {
	if p := t.Deflated.Load(); p != nil {
		return *p
	}
	b := deflate(nil, t.Bytes, maxWindow)
	if len(b)+storedHeader >= len(t.Bytes) {
		t.Deflated.Store(worthless)
		return nil
	}
	b = append([]byte(nil), b...) // of its exact size
	if t.Deflated.CompareAndSwap(nil, &b) {
		d.keep(t, len(t.Bytes)+len(b))
	}
	return b
}

// keep counts a tail that has its compressed bytes now, and takes those of the
// oldest ones away if all take too much.
func (d *deflater) keep(t *frames.Tail, size int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept = append(d.kept, t)
	d.bytes += size
	for d.bytes > keptBytes {
		oldest := d.kept[0]
		d.kept[0] = nil
		d.kept = d.kept[1:]
		d.bytes -= len(oldest.Bytes) + len(*oldest.Deflated.Swap(nil))
	}
}

// maxWindow is the window of deflate, the distance of the farthest reference.
const maxWindow = 1 << 15

// flateWriters are shared by all connections, as each takes more than half a MiB.
var flateWriters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(io.Discard, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is valid
	}
	return w
}}

// deflate appends p, compressed as blocks that refer only to bytes of p, and to
// none further back than window. They lack the four bytes that end a message
// (RFC 7692, 7.2.1).
func deflate(dst, p []byte, window int) []byte {
	w := flateWriters.Get().(*flate.Writer)
	defer flateWriters.Put(w)
	out := appender{dst}
	piece := window
	if window == maxWindow {
		piece = math.MaxInt // the library keeps to this window
	}
	for first := true; first || len(p) > 0; first = false {
		n := min(len(p), piece)
		w.Reset(&out)
		_, _ = w.Write(p[:n]) // an appender does not fail
		_ = w.Flush()
		p = p[n:]
	}
	w.Reset(io.Discard)
	return out.b[:len(out.b)-4]
}

// An appender is an io.Writer that appends to b.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// storedHeader is the length of the header of a stored block, and storedMost the
// most that one can hold (RFC 1951, 3.2.4).
const (
	storedHeader = 5
	storedMost   = math.MaxUint16
)

// appendStored appends the header of a stored block of n bytes.
func appendStored(dst []byte, n int) []byte {
	dst = append(dst, 0)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
	return binary.LittleEndian.AppendUint16(dst, ^uint16(n))
}

// writeDeflated writes a frame to a connection with compression.
func (c *WebSocket) writeDeflated(p []byte, tail *frames.Tail, text bool) error {
	if len(p)+tail.Len() < c.compression.threshold {
		return c.writePlain(p, tail.Span(), text)
	}
	var room [maxFrameHeader + storedHeader]byte
	if tail.Len() > 0 && tail.Len() <= c.compression.fits() && len(p) <= storedMost {
		end := c.compression.deflater.of(tail)
		if end == nil {
			return c.writePlain(p, tail.Span(), text)
		}
		header := appendFrameHeader(room[:0], text, storedHeader+len(p)+len(end))
		header[0] |= compressedBit
		return c.writeFrame(appendStored(header, len(p)), p, end)
	}
	return c.writeWhole(p, tail.Span(), text)
}

// writeWhole compresses a frame for this connection alone.
func (c *WebSocket) writeWhole(p, shared []byte, text bool) error {
	whole := Join(p, shared)
	defer Recycle(whole)
	b := writeBuffers.Get().(*[]byte)
	defer Recycle(b)
	if *b = deflate(*b, *whole, c.compression.window); len(*b) >= len(*whole) {
		return c.writePlain(p, shared, text)
	}
	var room [maxFrameHeader]byte
	header := appendFrameHeader(room[:0], text, len(*b))
	header[0] |= compressedBit
	return c.writeFrame(header, *b, nil)
}

// compression is how connections compress.
type compression struct {
	deflater  *deflater
	window    int // negotiated: the distance of the farthest reference
	threshold int // bytes of a frame; shorter ones are not compressed
}

// fits returns the longest message that keeps to the window by itself.
func (c *compression) fits() int {
	if c.window == maxWindow {
		return math.MaxInt
	}
	return c.window
}

const (
	extensions    = "Sec-Websocket-Extensions"
	windowOffer   = "server_max_window_bits="
	defaultWindow = "15"
)

// takeWindow looks for clients that limit the server's window (RFC 7692, 7.1.2.1).
// The library declines such an offer, so the request goes on to it without the
// limit. It returns the smallest limit in bits, 0 if there is none.
func takeWindow(r *http.Request) (_ *http.Request, bits int) {
	offers := strings.Join(r.Header.Values(extensions), ",")
	if !strings.Contains(offers, windowOffer) {
		return r, 0
	}
	params := strings.FieldsFunc(offers, func(c rune) bool { return c == ';' || c == ',' || c == ' ' || c == '\t' })
	for _, p := range params {
		text, found := strings.CutPrefix(p, windowOffer)
		n, err := strconv.Atoi(strings.Trim(text, `"`))
		if !found || err != nil || n < 8 || n > 15 {
			continue // the library declines what is no number of bits
		}
		offers = strings.Replace(offers, p, windowOffer+defaultWindow, 1)
		if bits == 0 || n < bits {
			bits = n
		}
	}
	r = r.Clone(r.Context())
	r.Header.Set(extensions, offers)
	return r, bits
}

// WriteHeader implements http.ResponseWriter: the answer has the window that
// takeWindow has found.
func (h *hijacker) WriteHeader(status int) {
	if chosen := h.Header().Get(extensions); chosen != "" && h.window > 0 {
		h.Header().Set(extensions, chosen+"; "+windowOffer+strconv.Itoa(h.window))
	}
	h.ResponseWriter.WriteHeader(status)
}
