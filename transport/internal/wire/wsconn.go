package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"hoofbeat/frames"
	"hoofbeat/session"
)

// A WebSocket carries STOMP on a WebSocket. It implements session.Conn. A frame
// may span several messages, and a message may hold several frames.
//
// The library performs the handshake, and handles compressed connections. Other
// messages are read and written here, for speed (docs/adr/0002 and 0028).
type WebSocket struct {
	link
	ws *websocket.Conn // nil unless the connection is compressed
	// compression is nil if outgoing messages are not compressed here.
	compression *compression
	limits      frames.Limits
	closing     sync.Once

	// reading is held by the goroutine that reads: the session's, or Close. It
	// guards the fields below. It is a channel, because a goroutine blocked on
	// a sync.Mutex stops the clock of a synctest bubble.
	reading    semaphore
	decoding   wsDecoder
	failed     error     // why nothing more can be read
	later      error     // reported after the frames before it are used
	pongs      []byte    // encoded pongs that are not sent yet
	message    io.Reader // the rest of a compressed message; nil between messages
	small      []byte    // see await; nil if the connection can wait without a buffer
	full       bool      // the last read filled small
	read       int       // bytes read of the current or last message
	negotiated bool
	text       bool // the message is a text message
	check      textCheck
}

// A semaphore is a lock made of a channel.
type semaphore chan struct{}

func (s semaphore) take() { s <- struct{}{} }
func (s semaphore) give() { <-s }

// closeTimeout limits writing the close frame, and then waiting for the
// client's.
const closeTimeout = 5 * time.Second

func newWSConn(ws *websocket.Conn, g *gatherer, compressed bool, l frames.Limits, info session.Info) *WebSocket {
	c := &WebSocket{link: link{g, NewFrameReader(l), info}, limits: l, reading: make(semaphore, 1)}
	c.ReadFrom(c.readMore)
	if compressed {
		ws.SetReadLimit(-1) // the limit is enforced here, with an ERROR
		c.ws, g.control = ws, closeInvalid
		return c
	}
	runtime.SetFinalizer(ws, nil) // the library's finalizer would close the connection with ws
	if g.raw == nil {
		c.small = make([]byte, wsReadBuffer)
	}
	return c
}

// readMore reads into the decoder, waiting for bytes if there are none.
func (c *WebSocket) readMore() error {
	c.reading.take()
	defer c.reading.give()
	if c.read > c.MessageLimit() { // checked here because the message may have contained CONNECT
		return c.MessageTooLong()
	}
	if err := c.ready(); err != nil {
		return c.after(0, err)
	}
	space := c.decoder.Space()
	n, ended, err := c.piece(space)
	for err == nil && ended && n < len(space) && len(c.in) > 0 && c.ws == nil {
		var k int
		k, ended, err = c.piece(space[n:])
		n += k
	}
	c.decoder.Commit(n)
	return c.after(n, errors.Join(err, c.answerPings())) // before the session makes the client wait
}

// ready waits until there is something to read, without holding a buffer. The
// caller holds reading.
func (c *WebSocket) ready() error {
	switch {
	case c.failed != nil:
		return c.failed
	case c.later != nil:
		err := c.later
		c.later = nil
		return err
	case c.ws != nil:
		return c.nextMessage()
	case len(c.in) > 0:
		return nil
	}
	if err := c.answerPings(); err != nil {
		return err
	}
	return c.await()
}

// piece reads the next available piece of a message into space. ended reports
// that it is the last one. ready must have returned nil.
func (c *WebSocket) piece(space []byte) (n int, ended bool, err error) {
	ascii := false
	if c.ws != nil {
		n, ended, err = c.decompress(space)
	} else {
		n, ascii, ended, err = c.decode(space)
	}
	c.read += n
	if c.text && !c.valid(space[:n], ascii, ended) {
		return 0, false, notText()
	}
	return n, ended, err
}

// ReadPiece waits for the next piece of a message, and reads it into the space
// that room returns. ended reports that it is the last one. The reader calls it.
func (c *WebSocket) ReadPiece(room func() []byte) (n int, ended bool, err error) {
	c.reading.take()
	defer c.reading.give()
	if err := c.ready(); err != nil {
		return 0, false, c.after(0, err)
	}
	n, ended, err = c.piece(room())
	return n, ended, c.after(n, errors.Join(err, c.answerPings()))
}

// MessageBytes returns how many bytes of the current or last message were read.
// The reader calls it.
func (c *WebSocket) MessageBytes() int { return c.read }

// after handles an error that came with n bytes: if n > 0, it is returned only
// after the frames in these bytes are used.
func (c *WebSocket) after(n int, err error) error {
	if n > 0 {
		c.later = err
		return nil
	}
	if err != nil && c.ws == nil && !errors.As(err, new(*frames.Error)) {
		c.end(err)
	}
	return err
}

// valid reports whether the pieces of a text message so far are UTF-8.
func (c *WebSocket) valid(p []byte, ascii, ended bool) bool {
	return (ascii && c.check.n == 0 || c.check.add(p)) && (!ended || c.check.end())
}

// nextMessage waits for the next compressed message, unless one is being read.
// The context never ends; deadlines of the connection cost nothing per message.
func (c *WebSocket) nextMessage() error {
	if c.message != nil {
		return nil
	}
	kind, r, err := c.ws.Reader(context.Background())
	if err == nil {
		c.message = r
		c.beginMessage(kind == websocket.MessageText)
	}
	return err
}

func (c *WebSocket) decompress(space []byte) (n int, ended bool, err error) {
	n, err = c.message.Read(space)
	if errors.Is(err, io.EOF) {
		c.message = nil
		return n, true, nil
	}
	return n, false, err
}

func (c *WebSocket) beginMessage(text bool) { c.read, c.text, c.check.n = 0, text, 0 }

// decode reads a piece of an uncompressed message from the buffered input, and
// handles control frames.
func (c *WebSocket) decode(space []byte) (n int, ascii, ended bool, err error) {
	for len(c.in) > 0 {
		used, n, high, event, err := c.decoding.next(c.in, space)
		c.use(used)
		if err == nil {
			err = c.handle(event)
		}
		if n > 0 || event == wsEnd || err != nil {
			return n, high&notASCII == 0, event == wsEnd, err
		}
	}
	return 0, true, false, nil
}

func (c *WebSocket) handle(e wsEvent) error {
	switch e {
	case wsBegin:
		c.beginMessage(c.decoding.opcode == opText)
	case wsPing:
		p := c.decoding.takeControl()
		c.pongs = append(append(c.pongs, finBit|opPong, byte(len(p))), p...)
	case wsClose:
		return errPeerClosed
	}
	return nil
}

// answerPings sends the pongs for all pings of one chunk, so that the pending
// ones never exceed a chunk.
func (c *WebSocket) answerPings() error {
	if len(c.pongs) == 0 {
		return nil
	}
	late := time.AfterFunc(closeTimeout, c.Cut) // the client may send pings without reading
	defer late.Stop()
	_, err := c.write(c.pongs)
	c.pongs = nil
	return err
}

// end ends reading. It answers a close frame or a protocol violation at once
// (RFC 6455, 5.5.1 and 7.1.7).
func (c *WebSocket) end(err error) {
	c.failed = err
	if v := (*violation)(nil); errors.As(err, &v) {
		_ = c.answerPings()
		c.sayClose(v.code, v.text)
	}
	if errors.Is(err, errPeerClosed) {
		_ = c.answerPings()
		c.echoClose(c.decoding.takeControl())
		_ = c.Conn.Close()
	}
}

// echoClose answers a close frame with the same payload.
func (c *WebSocket) echoClose(payload []byte) {
	if len(payload) < 2 {
		c.sayClose(0, "")
		return
	}
	c.sayClose(session.CloseCode(binary.BigEndian.Uint16(payload)), string(payload[2:]))
}

// sayClose writes a close frame unless one was written; code 0 means a frame
// without a code. Any goroutine may call it.
func (c *WebSocket) sayClose(code session.CloseCode, reason string) {
	late := time.AfterFunc(closeTimeout, c.Cut)
	defer late.Stop()
	frame := []byte{finBit | opClose, 0}
	if code != 0 {
		frame = binary.BigEndian.AppendUint16(frame, uint16(code))
		frame = append(frame, shorten(reason, maxControl-2)...)
		frame[1] = byte(len(frame) - 2)
	}
	c.writeLast(frame)
}

// shorten cuts text to at most n bytes, at a character boundary.
func shorten(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// await waits for bytes, if possible without holding a chunk.
func (c *WebSocket) await() error {
	if c.small == nil {
		return c.fill()
	}
	if c.decoding.left > 0 || c.full {
		c.full = false
		return c.fillChunk()
	}
	n, err := c.Conn.Read(c.small)
	c.lastRead.Set()
	c.in, c.full = c.small[:n], n == len(c.small)
	if n > 0 {
		return nil // Read returns the error again
	}
	return err
}

// MessageTooLong is the error of a message above MessageLimit.
func (c *WebSocket) MessageTooLong() error {
	return &frames.Error{Word: frames.FrameTooLarge, Text: MessageTooLong("WebSocket message", c.MessageLimit())}
}

// MessageTooLong returns the text of an ERROR.
func MessageTooLong(what string, limit int) string {
	return "The " + what + " is longer than " + strconv.Itoa(limit) +
		" bytes, after decompression (limits.frame_header_bytes and limits.frame_body_bytes together, or limits.frame_bytes_before_connect)."
}

// MessageLimit returns how many bytes a message may have. The reader calls it.
func (c *WebSocket) MessageLimit() int { return MessageLimit(c.limits, c.negotiated) }

// MessageLimit returns the limit of one message: the largest frame, with
// heart-beats around it.
func MessageLimit(l frames.Limits, negotiated bool) int {
	const around = 1024
	if !negotiated {
		return l.BytesBeforeConnect + around
	}
	return l.HeaderBytes + l.BodyBytes + around
}

// Negotiated implements session.Conn.
func (c *WebSocket) Negotiated(v frames.Version) {
	c.negotiated = true
	c.decoder.SetVersion(v)
}

// WriteFrame implements session.Conn: one frame is one message.
func (c *WebSocket) WriteFrame(p []byte, tail *frames.Tail, text bool) error {
	c.CountWritten(p, tail)
	if c.compression != nil {
		return c.writeDeflated(p, tail, text)
	}
	return c.writePlain(p, tail.Span(), text)
}

func (c *WebSocket) writePlain(p, shared []byte, text bool) error {
	var room [maxFrameHeader]byte
	return c.writeFrame(appendFrameHeader(room[:0], text, len(p)+len(shared)), p, shared)
}

// An Encoder writes text in another form.
type Encoder struct {
	// Append appends a piece of the text to dst, and returns dst and the rest.
	Append func(dst, text []byte) (_, rest []byte)
	// Length returns how many bytes Append makes of the whole text.
	Length func(text []byte) int
}

// WriteEncoded writes a message that has text in another form between before and
// after. The writer calls it.
func (c *WebSocket) WriteEncoded(before string, text []byte, e Encoder, after string) error {
	if c.ws != nil {
		return c.compress(before, text, e, after)
	}
	header := make([]byte, 0, maxFrameHeader+maxBefore)
	header = appendFrameHeader(header, true, len(before)+e.Length(text)+len(after))
	return c.gatherer.writeEncoded(append(header, before...), text, e, after)
}

// maxBefore is about the longest before of WriteEncoded.
const maxBefore = 8

// compress is WriteEncoded for a compressed connection.
func (c *WebSocket) compress(before string, text []byte, e Encoder, after string) error {
	c.cork()
	c.encoding.Add(1)
	defer c.encoding.Add(-1)
	w, err := c.ws.Writer(context.Background(), websocket.MessageText)
	if err != nil {
		return err
	}
	buf := writeBuffers.Get().(*[]byte)
	defer func() { writeBuffers.Put(buf) }()
	*buf = append((*buf)[:0], before...)
	for len(text) > 0 {
		*buf, text = e.Append(*buf, text)
		if _, err := w.Write(*buf); err != nil {
			return err
		}
		*buf = (*buf)[:0]
	}
	if _, err := w.Write(append(*buf, after...)); err != nil {
		return err
	}
	return w.Close()
}

// WriteNow writes a text message at once. Any goroutine may call it.
func (c *WebSocket) WriteNow(text []byte) error {
	if c.ws != nil {
		c.encoding.Add(1)
		defer c.encoding.Add(-1)
		return c.ws.Write(context.Background(), websocket.MessageText, text)
	}
	_, err := c.Write(append(appendFrameHeader(nil, true, len(text)), text...))
	return err
}

// Close implements session.Conn: it performs the closing handshake (RFC 6455,
// 7.1.2). Bytes that come before the client's close frame are discarded.
func (c *WebSocket) Close(code session.CloseCode, reason string) {
	// The first steps fail if the peer has gone, and need no handling: the last
	// one frees the socket in any case.
	if c.ws != nil {
		_ = c.ws.Close(websocket.StatusCode(code), reason)
		return
	}
	c.closing.Do(func() {
		c.sayClose(code, reason)
		_ = c.Conn.SetReadDeadline(time.Now().Add(closeTimeout))
		c.reading.take()
		defer c.reading.give()
		c.discard()
		_ = c.Conn.Close()
	})
}

// discard reads until the client's close frame. After a violation, the client
// gets a moment to read the reason.
func (c *WebSocket) discard() {
	var room [512]byte
	for c.failed == nil {
		err := c.ready()
		if err == nil {
			_, _, _, err = c.decode(room[:])
		}
		if err != nil {
			c.end(err)
		}
	}
	if errors.As(c.failed, new(*violation)) {
		_ = c.Conn.SetReadDeadline(time.Now().Add(Linger))
		CloseGently(c.Conn)
	}
}
