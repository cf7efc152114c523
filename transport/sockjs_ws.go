package transport

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"hoofbeat/connections"
	"hoofbeat/frames"
	"hoofbeat/internal/timers"
	"hoofbeat/session"
)

// BinaryMessage is the word of the ERROR for a frame that cannot be delivered
// because SockJS carries text only.
const BinaryMessage = "binary-message"

// closeUnsupported is WebSocket's close code for an unsupported type of data.
const closeUnsupported session.CloseCode = 1003

// errBinary ends a session that has subscribed to binary messages.
var errBinary = errors.New("a frame is not text, and SockJS carries nothing else")

// binaryRefusal returns the ERROR that replaces a binary frame.
func binaryRefusal() []byte {
	return session.Refusal(&session.Fault{Word: BinaryMessage, Text: "A message for this client is not UTF-8 text, and SockJS carries nothing else. " +
		"Connect by WebSocket to receive it, or send text, such as base64."})
}

// appendClose appends the SockJS frame that ends a session.
func appendClose(dst []byte, code session.CloseCode, reason string) []byte {
	dst = strconv.AppendInt(append(dst, "c["...), int64(code), 10)
	return append(appendQuoted(append(dst, `,"`...), []byte(reason)), `"]`...)
}

// A sockConn carries STOMP in SockJS over a WebSocket: clients send arrays of
// strings, the broker sends SockJS frames. It implements session.Conn.
type sockConn struct {
	*wsConn
	heartbeat time.Duration
	log       *slog.Logger
	timer     *timers.Timer

	// Owned by the reader.
	unquote unquoter
	pending []byte // text that is not decoded yet; part of *chunk
	chunk   *readChunk
	fault   error // reported after pending has been read

	lastOut atomic.Int64 // Unix nanoseconds
	beating atomic.Bool  // a goroutine is writing a heart-beat
	refused atomic.Bool  // a binary frame came up for sending
	once    sync.Once

	mu    sync.Mutex // guards the fields below; a leaf
	over  bool       // no more heart-beats are written
	beats sync.WaitGroup
}

// unquoteShift is the distance in a chunk between decoded text and its source;
// see unquoter.decode.
const unquoteShift = 8

// acceptSockJS accepts a request as a SockJS session over a WebSocket.
func (e *Endpoint) acceptSockJS(w http.ResponseWriter, r *http.Request, remote string) (connections.Conn, error) {
	ws, err := e.host.AcceptWebSocket(w, r, e.host.Info(r, remote, "sockjs-ws"))
	if err != nil {
		return nil, err
	}
	c := &sockConn{wsConn: ws, heartbeat: e.options.heartbeat(), log: e.conns.Log()}
	c.readFrom(c.readMore)
	if err := c.writeNow([]byte("o")); err != nil {
		ws.Cut()
		return nil, err
	}
	now := time.Now()
	c.lastOut.Store(now.UnixNano())
	c.timer = e.session.Timers.Add(now.Add(c.heartbeat), c.tick)
	return c, nil
}

// tick sends a SockJS heart-beat after a silence. It runs on the timers'
// goroutine, so it must not block on a full socket.
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
	_ = c.writeNow([]byte("h")) // if it fails, so does the session's next write
}

// readMore reads a part of a message into the decoder.
func (c *sockConn) readMore() error {
	if len(c.pending) == 0 {
		if c.fault != nil {
			return c.fault
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
	c.pending = c.pending[c.feed(c.pending):]
	if len(c.pending) == 0 && c.chunk != nil {
		recycleChunk(c.chunk)
		c.pending, c.chunk = nil, nil
	}
	return nil
}

// fill reads a piece of a message into pending.
func (c *sockConn) fill() error {
	n, ended, err := c.readPiece(c.room)
	if errors.As(err, new(*frames.Error)) {
		c.fault = err
		return nil
	}
	if err != nil {
		return err
	}
	text, broken := c.unquote.decode(c.chunk[:0], c.chunk[unquoteShift:][:n])
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
	case c.messageBytes() > maxQuoted*c.messageLimit():
		c.fault = c.messageTooLong()
	}
	return nil
}

// room takes a chunk, and returns the part of it for quoted text.
func (c *sockConn) room() []byte {
	c.chunk = takeChunk()
	return c.chunk[unquoteShift:]
}

func notStrings() error {
	return &frames.Error{Word: frames.InvalidFrame, Text: "This is not a SockJS message; expected a JSON array of strings. " +
		"Clients without SockJS connect to the path without /{server}/{session}, or to /websocket below it."}
}

// WriteFrame implements session.Conn: a frame is one SockJS message, alone in
// its SockJS frame and WebSocket message.
func (c *sockConn) WriteFrame(p []byte, tail *frames.Tail, text bool) error {
	if !text {
		return c.refuse()
	}
	c.countWritten(p, tail)
	whole := join(p, tail.Span())
	defer recycle(whole)
	return c.writeEncoded(`a["`, *whole, encoder{appendPiece, quotedLen}, `"]`)
}

// refuse tells the client that a frame cannot be sent to it because it is
// binary.
func (c *sockConn) refuse() error {
	err := c.WriteFrame(binaryRefusal(), nil, true)
	c.refused.Store(true)
	c.log.Info("binary message for a SockJS client, disconnecting it", "remote", c.Info().Remote, "transport", c.Info().Transport)
	return errors.Join(errBinary, err, c.Flush())
}

// Flush implements session.Conn.
func (c *sockConn) Flush() error {
	c.lastOut.Store(time.Now().UnixNano())
	return c.wsConn.Flush()
}

// Close implements session.Conn. Pages see the code and reason of SockJS's own
// close frame instead of WebSocket's.
func (c *sockConn) Close(code session.CloseCode, reason string) {
	c.once.Do(func() {
		c.timer.Stop()
		c.mu.Lock()
		c.over = true
		c.mu.Unlock()
		if c.refused.Load() {
			code, reason = closeUnsupported, BinaryMessage
		}
		_ = c.writeNow(appendClose(nil, code, reason)) // the peer may have gone
		c.wsConn.Close(code, reason)
		c.beats.Wait()
	})
}
