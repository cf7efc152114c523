package transport

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

// A wsConn is STOMP on a WebSocket. It implements session.Conn. A frame may
// come in several messages, and several frames in one.
//
// The library does the handshake. Compressed connections stay with it; the
// messages of others are read and written here, for speed (docs/adr/0002 and
// 0028).
type wsConn struct {
	link
	ws      *websocket.Conn // nil unless the connection is compressed
	limits  frames.Limits
	closing sync.Once

	// reading is taken by a goroutine that reads: the session's, or Close. It
	// guards the fields below. A channel, as a sync.Mutex would stop the clock of
	// synctest bubbles.
	reading    semaphore
	decoding   wsDecoder
	failed     error     // why nothing more can be read
	later      error     // to be told once the frames before it have been used
	pongs      []byte    // to be sent
	message    io.Reader // what is left of a compressed message, nil between two
	small      []byte    // see await; nil where the connection can be waited for without a buffer
	full       bool      // small was too small the last time
	read       int       // of the current message, or of the last one
	negotiated bool
	text       bool // the message is
	check      textCheck
}

// A semaphore is a lock that is a channel.
type semaphore chan struct{}

func (s semaphore) take() { s <- struct{}{} }
func (s semaphore) give() { <-s }

// closeTimeout is how long the close frame may take to be written, and then how
// long that of the client may take to come.
const closeTimeout = 5 * time.Second

func newWSConn(ws *websocket.Conn, g *gatherer, compressed bool, l frames.Limits, info session.Info) *wsConn {
	c := &wsConn{link: link{gatherer: g, decoder: frames.NewDecoder(l), info: info}, limits: l, reading: make(semaphore, 1)}
	c.more = c.readMore
	if compressed {
		ws.SetReadLimit(-1) // there is one here, which is answered with an ERROR
		c.ws, g.control = ws, closeInvalid
		return c
	}
	runtime.SetFinalizer(ws, nil) // the library's, which closes the connection when ws is garbage
	if g.raw == nil {
		c.small = make([]byte, wsReadBuffer)
	}
	return c
}

// readMore reads into the decoder what has come, or waits for it.
func (c *wsConn) readMore() error {
	c.reading.take()
	defer c.reading.give()
	if c.read > c.messageLimit() { // here, as CONNECT may have been in it
		return c.messageTooLong()
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
	return c.after(n, err)
}

// ready waits until there is something to read, and takes no buffer before that.
// The lock reading is held.
func (c *wsConn) ready() error {
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

// piece reads a piece of a message into space, as much as has come, and says
// whether the message ends with it. It is called when ready has returned nil.
func (c *wsConn) piece(space []byte) (n int, ended bool, err error) {
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

// after returns the error that came with n bytes: behind bytes it is told when
// the frames in them have been used.
func (c *wsConn) after(n int, err error) error {
	if n > 0 {
		c.later = err
		return nil
	}
	if err != nil && c.ws == nil && !errors.As(err, new(*frames.Error)) {
		c.end(err)
	}
	return err
}

// valid tells whether a piece of a text message is UTF-8.
func (c *wsConn) valid(p []byte, ascii, ended bool) bool {
	return (ascii && c.check.n == 0 || c.check.add(p)) && (!ended || c.check.end())
}

// nextMessage waits for a compressed message, unless one is being read. The
// context has no end: deadlines are the connection's, and cost nothing per
// message.
func (c *wsConn) nextMessage() error {
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

func (c *wsConn) decompress(space []byte) (n int, ended bool, err error) {
	n, err = c.message.Read(space)
	if errors.Is(err, io.EOF) {
		c.message = nil
		return n, true, nil
	}
	return n, false, err
}

func (c *wsConn) beginMessage(text bool) { c.read, c.text, c.check.n = 0, text, 0 }

// decode reads a piece of an uncompressed message from what has come, and takes
// control frames out.
func (c *wsConn) decode(space []byte) (n int, ascii, ended bool, err error) {
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

func (c *wsConn) handle(e wsEvent) error {
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

// answerPings sends pongs for all pings that were read from one chunk, so that
// there are never more than fit in it.
func (c *wsConn) answerPings() error {
	if len(c.pongs) == 0 {
		return nil
	}
	late := time.AfterFunc(closeTimeout, c.cut) // a client that pings and does not read
	defer late.Stop()
	_, err := c.write(c.pongs)
	c.pongs = nil
	return err
}

// end ends reading. A client that has closed, or broken the protocol, is told
// at once (RFC 6455, 5.5.1 and 7.1.7).
func (c *wsConn) end(err error) {
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

// echoClose answers a close frame with its own payload.
func (c *wsConn) echoClose(payload []byte) {
	if len(payload) < 2 {
		c.sayClose(0, "")
		return
	}
	c.sayClose(session.CloseCode(binary.BigEndian.Uint16(payload)), string(payload[2:]))
}

// sayClose writes a close frame, if none was written: code 0 stands for none.
// It may be called by any goroutine.
func (c *wsConn) sayClose(code session.CloseCode, reason string) {
	late := time.AfterFunc(closeTimeout, c.cut)
	defer late.Stop()
	frame := []byte{finBit | opClose, 0}
	if code != 0 {
		frame = binary.BigEndian.AppendUint16(frame, uint16(code))
		frame = append(frame, shorten(reason, maxControl-2)...)
		frame[1] = byte(len(frame) - 2)
	}
	c.writeLast(frame)
}

// shorten cuts text to at most n bytes, between characters.
func shorten(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// await waits until something has come, and takes no buffer before if it can.
func (c *wsConn) await() error {
	if c.small == nil {
		return c.fill()
	}
	if c.decoding.left > 0 || c.full {
		c.full = false
		return c.fillChunk()
	}
	n, err := c.Conn.Read(c.small)
	c.lastRead.set()
	c.in, c.full = c.small[:n], n == len(c.small)
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

func (c *wsConn) messageTooLong() error {
	return &frames.Error{Word: frames.FrameTooLarge, Text: messageTooLong("WebSocket message", c.messageLimit())}
}

func messageTooLong(what string, limit int) string {
	return "The " + what + " is longer than " + strconv.Itoa(limit) +
		" bytes, after decompression (limits.frame_header_bytes and limits.frame_body_bytes together, or limits.frame_bytes_before_connect)."
}

func (c *wsConn) messageLimit() int { return messageLimit(c.limits, c.negotiated) }

// messageLimit is what one message may have: a frame as large as may be, with
// heart-beats around it.
func messageLimit(l frames.Limits, negotiated bool) int {
	const around = 1024
	if !negotiated {
		return l.BytesBeforeConnect + around
	}
	return l.HeaderBytes + l.BodyBytes + around
}

// Negotiated implements session.Conn.
func (c *wsConn) Negotiated(v frames.Version) {
	c.negotiated = true
	c.decoder.SetVersion(v)
}

// WriteFrame implements session.Conn: one frame is one message.
func (c *wsConn) WriteFrame(p []byte, text bool) error {
	c.went.CountEncoded(p)
	if c.ws != nil {
		typ := websocket.MessageBinary
		if text {
			typ = websocket.MessageText
		}
		c.cork()
		c.encoding.Add(1)
		defer c.encoding.Add(-1)
		return c.ws.Write(context.Background(), typ, p)
	}
	var room [maxFrameHeader]byte
	return c.writeFrame(appendFrameHeader(room[:0], text, len(p)), p)
}

// Close implements session.Conn: the closing handshake (RFC 6455, 7.1.2). What
// comes until the client closes is thrown away.
func (c *wsConn) Close(code session.CloseCode, reason string) {
	// Each step may fail because the peer has gone; the last one frees the
	// socket whatever happened.
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

// discard reads until the client has closed. A client that broke the protocol
// gets a moment to read why.
func (c *wsConn) discard() {
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
		_ = c.Conn.SetReadDeadline(time.Now().Add(linger))
		closeGently(c.Conn)
	}
}
