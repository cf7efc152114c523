package transport

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"hoofbeat/frames"
	"hoofbeat/internal/timers"
	"hoofbeat/session"
)

// BinaryMessage is the word of an ERROR that says that a frame cannot be
// delivered because SockJS carries text only.
const BinaryMessage = "binary-message"

// closeUnsupported is WebSocket's code for data of a kind that cannot be taken.
const closeUnsupported session.CloseCode = 1003

// errBinary ends a session that cannot be told what it has subscribed to.
var errBinary = errors.New("a frame is not text, and SockJS carries nothing else")

// binaryRefusal is the ERROR in place of a frame that is not text.
func binaryRefusal() []byte {
	return session.Refusal(&session.Fault{Word: BinaryMessage, Text: "A message for this client is not UTF-8 text, and SockJS carries nothing else. " +
		"Connect by WebSocket to receive it, or send text, such as base64."})
}

// appendClose appends the SockJS frame that ends a session.
func appendClose(dst []byte, code session.CloseCode, reason string) []byte {
	dst = strconv.AppendInt(append(dst, "c["...), int64(code), 10)
	return append(appendQuoted(append(dst, `,"`...), []byte(reason)), `"]`...)
}

// A sockConn is STOMP in SockJS on a WebSocket: what comes are arrays of
// strings, what goes are frames of SockJS. It implements session.Conn.
type sockConn struct {
	*wsConn
	heartbeat time.Duration
	log       *slog.Logger
	timer     *timers.Timer

	// Owned by the reader.
	unquote unquoter
	pending []byte // text that was not given to the decoder; a part of *chunk
	chunk   *readChunk
	fault   error // is told when pending has been read

	lastOut atomic.Int64 // Unix nanoseconds
	beating atomic.Bool  // a heart-beat is being written
	refused atomic.Bool  // a frame was not text
	once    sync.Once

	mu    sync.Mutex // guards what follows; a leaf
	over  bool       // nothing more is written
	beats sync.WaitGroup
}

// unquoteShift is how far behind the text in a chunk that is read which it is
// made of; see unquoter.decode.
const unquoteShift = 8

// acceptSockJS makes a request a SockJS session on a WebSocket.
func (s *Server) acceptSockJS(w http.ResponseWriter, r *http.Request, remote string) (conn, error) {
	ws, err := s.acceptWS(w, r, remote, nil) // a subprotocol would be SockJS's
	if err != nil {
		return nil, err
	}
	ws.info.Transport = "sockjs-" + ws.info.Transport
	c := &sockConn{wsConn: ws, heartbeat: s.options.SockJS.heartbeat(), log: s.options.Log}
	c.more = c.readMore
	if err := c.say([]byte("o")); err != nil {
		return nil, errors.Join(err, ws.gatherer.Close())
	}
	now := time.Now()
	c.lastOut.Store(now.UnixNano())
	c.timer = s.options.Session.Timers.Add(now.Add(c.heartbeat), c.tick)
	return c, nil
}

// say writes a SockJS frame of its own. It may be called by any goroutine.
func (c *sockConn) say(text []byte) error {
	if c.ws != nil {
		c.encoding.Add(1)
		defer c.encoding.Add(-1)
		return c.ws.Write(context.Background(), websocket.MessageText, text)
	}
	_, err := c.Write(append(appendFrameHeader(nil, true, len(text)), text...))
	return err
}

// tick sends a SockJS heart-beat if nothing was written for long. It is the
// timer's, so a socket that is full must not hold it up.
func (c *sockConn) tick(now time.Time) time.Time {
	if due := time.Unix(0, c.lastOut.Load()).Add(c.heartbeat); due.After(now) {
		return due
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return time.Time{}
	}
	c.lastOut.Store(now.UnixNano())
	if c.beating.CompareAndSwap(false, true) {
		c.beats.Go(c.beat)
	}
	return now.Add(c.heartbeat)
}

func (c *sockConn) beat() {
	defer c.beating.Store(false)
	_ = c.say([]byte("h")) // if it fails, so does what the session writes
}

// readMore reads a part of a message.
func (c *sockConn) readMore() error {
	if len(c.pending) == 0 {
		if c.fault != nil {
			return c.fault
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
	if len(c.pending) > 0 {
		n := copy(c.decoder.Space(), c.pending)
		c.decoder.Commit(n)
		c.pending = c.pending[n:]
	}
	if len(c.pending) == 0 && c.chunk != nil {
		readChunks.Put(c.chunk)
		c.pending, c.chunk = nil, nil
	}
	return nil
}

// fill reads a piece of a message into in.
func (c *sockConn) fill() error {
	c.reading.take()
	defer c.reading.give()
	if err := c.ready(); err != nil {
		return c.after(0, err)
	}
	c.chunk = readChunks.Get().(*readChunk)
	quoted := c.chunk[unquoteShift:]
	n, ended, err := c.piece(quoted)
	if errors.As(err, new(*frames.Error)) {
		c.fault = err
		return nil
	}
	text, broken := c.unquote.decode(c.chunk[:0], quoted[:n])
	c.pending = text
	if ended {
		if broken == nil && !c.unquote.complete() {
			broken = errBrokenJSON
		}
		c.unquote.reset()
	}
	switch {
	case broken != nil:
		c.fault = notStrings()
	case c.read > maxQuoted*c.messageLimit():
		c.fault = c.messageTooLong()
	}
	return c.after(n, err)
}

func notStrings() error {
	return &frames.Error{Word: frames.InvalidFrame, Text: "What came is no SockJS message, which must be a JSON array of strings. " +
		"Clients without SockJS connect to the path without /{server}/{session}, or to /websocket below it."}
}

// WriteFrame implements session.Conn: one frame is one SockJS message, alone in
// its SockJS frame and its WebSocket message.
func (c *sockConn) WriteFrame(p []byte, text bool) error {
	if !text {
		return c.refuse()
	}
	c.went.CountEncoded(p)
	const before, after = `a["`, `"]`
	if c.ws != nil {
		return c.compress(before, p, after)
	}
	var room [maxFrameHeader + len(before)]byte
	header := appendFrameHeader(room[:0], true, len(before)+quotedLen(p)+len(after))
	return c.writeQuoted(append(header, before...), p, after)
}

// refuse tells the client that there is a frame which it cannot get.
func (c *sockConn) refuse() error {
	err := c.WriteFrame(binaryRefusal(), true)
	c.refused.Store(true)
	c.log.Info("a message is not text, so the SockJS client is disconnected", "remote", c.info.Remote, "transport", c.info.Transport)
	return errors.Join(errBinary, err, c.Flush())
}

func (c *sockConn) compress(before string, p []byte, after string) error {
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
	for len(p) > 0 {
		n := nextPiece(p)
		*buf = appendQuoted(*buf, p[:n])
		p = p[n:]
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

// Flush implements session.Conn.
func (c *sockConn) Flush() error {
	c.lastOut.Store(time.Now().UnixNano())
	return c.wsConn.Flush()
}

// Close implements session.Conn: SockJS has a frame for it, which pages are
// told of instead of WebSocket's.
func (c *sockConn) Close(code session.CloseCode, reason string) {
	c.once.Do(func() {
		c.timer.Stop()
		c.mu.Lock()
		c.over = true
		c.mu.Unlock()
		if c.refused.Load() {
			code, reason = closeUnsupported, BinaryMessage
		}
		_ = c.say(appendClose(nil, code, reason)) // it fails if the peer has gone
		c.wsConn.Close(code, reason)
		c.beats.Wait()
	})
}
