package sockjs

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
	"hoofbeat/transport/internal/wire"
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

// A wsConn carries STOMP in SockJS over a WebSocket: clients send arrays of
// strings, the broker sends SockJS frames. It implements session.Conn.
type wsConn struct {
	*wire.WebSocket
	heartbeat time.Duration
	log       *slog.Logger
	timer     *timers.Timer

	// Owned by the reader.
	unquote unquoter
	pending []byte // text that is not decoded yet; part of *chunk
	chunk   *wire.ReadChunk
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
func (e *Endpoint) acceptWS(w http.ResponseWriter, r *http.Request, remote string) (connections.Conn, error) {
	ws, err := e.host.AcceptWebSocket(w, r, e.host.Info(r, remote, "sockjs-ws"))
	if err != nil {
		return nil, err
	}
	c := &wsConn{WebSocket: ws, heartbeat: e.options.heartbeat(), log: e.conns.Log()}
	c.ReadFrom(c.readMore)
	if err := c.WriteNow([]byte("o")); err != nil {
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
func (c *wsConn) tick(now time.Time) time.Time {
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

func (c *wsConn) beat() {
	defer c.beating.Store(false)
	_ = c.WriteNow([]byte("h")) // if it fails, so does the session's next write
}

// readMore reads a part of a message into the decoder.
func (c *wsConn) readMore() error {
	if len(c.pending) == 0 {
		if c.fault != nil {
			return c.fault
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
	c.pending = c.pending[c.Feed(c.pending):]
	if len(c.pending) == 0 && c.chunk != nil {
		wire.RecycleChunk(c.chunk)
		c.pending, c.chunk = nil, nil
	}
	return nil
}

// fill reads a piece of a message into pending.
func (c *wsConn) fill() error {
	n, ended, err := c.ReadPiece(c.room)
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
	case c.MessageBytes() > maxQuoted*c.MessageLimit():
		c.fault = c.MessageTooLong()
	}
	return nil
}

// room takes a chunk, and returns the part of it for quoted text.
func (c *wsConn) room() []byte {
	c.chunk = wire.TakeChunk()
	return c.chunk[unquoteShift:]
}

func notStrings() error {
	return &frames.Error{Word: frames.InvalidFrame, Text: "This is not a SockJS message; expected a JSON array of strings. " +
		"Clients without SockJS connect to the path without /{server}/{session}, or to /websocket below it."}
}

// WriteFrame implements session.Conn: a frame is one SockJS message, alone in
// its SockJS frame and WebSocket message.
func (c *wsConn) WriteFrame(p []byte, tail *frames.Tail, text bool) error {
	if !text {
		return c.refuse()
	}
	c.CountWritten(p, tail)
	whole := wire.Join(p, tail.Span())
	defer wire.Recycle(whole)
	return c.WriteEncoded(`a["`, *whole, wire.Encoder{Append: appendPiece, Length: quotedLen}, `"]`)
}

// refuse tells the client that a frame cannot be sent to it because it is
// binary.
func (c *wsConn) refuse() error {
	err := c.WriteFrame(binaryRefusal(), nil, true)
	c.refused.Store(true)
	c.log.Info("binary message for a SockJS client, disconnecting it", "remote", c.Info().Remote, "transport", c.Info().Transport)
	return errors.Join(errBinary, err, c.Flush())
}

// Flush implements session.Conn.
func (c *wsConn) Flush() error {
	c.lastOut.Store(time.Now().UnixNano())
	return c.WebSocket.Flush()
}

// Close implements session.Conn. Pages see the code and reason of SockJS's own
// close frame instead of WebSocket's.
func (c *wsConn) Close(code session.CloseCode, reason string) {
	c.once.Do(func() {
		c.timer.Stop()
		c.mu.Lock()
		c.over = true
		c.mu.Unlock()
		if c.refused.Load() {
			code, reason = closeUnsupported, BinaryMessage
		}
		_ = c.WriteNow(appendClose(nil, code, reason)) // the peer may have gone
		c.WebSocket.Close(code, reason)
		c.beats.Wait()
	})
}
