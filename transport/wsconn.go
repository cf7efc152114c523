package transport

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/coder/websocket"

	"hoofbeat/frames"
	"hoofbeat/session"
)

// A wsConn is STOMP on a WebSocket. It implements session.Conn. A frame may
// come in several messages, and several frames in one.
type wsConn struct {
	link
	ws     *websocket.Conn
	limits frames.Limits
	// compressed says that messages go through the library, which compresses
	// them. Others are framed here; see docs/adr.
	compressed bool

	// Owned by the reader.
	message    io.Reader // what is left of the message being read, nil between two
	read       int       // of that message, or of the last one
	negotiated bool
	text       bool // the message is
	check      textCheck
}

func newWSConn(ws *websocket.Conn, g *gatherer, compressed bool, l frames.Limits, info session.Info) *wsConn {
	ws.SetReadLimit(-1) // there is one here, which is answered with an ERROR
	c := &wsConn{link: link{gatherer: g, decoder: frames.NewDecoder(l), info: info}, ws: ws, compressed: compressed, limits: l}
	c.more = c.readMore
	return c
}

// readMore reads a part of a message. The context has no end: deadlines are the
// connection's, and cost nothing per message.
func (c *wsConn) readMore() error {
	if c.read > c.messageLimit() { // here, as CONNECT may have been in it
		return c.messageTooLong()
	}
	if c.message == nil {
		if err := c.nextMessage(); err != nil {
			return err
		}
	}
	space := c.decoder.Space()
	n, err := c.message.Read(space)
	c.read += n
	ended := errors.Is(err, io.EOF)
	if !c.valid(space[:n], ended) {
		return notText()
	}
	c.decoder.Commit(n)
	if ended {
		c.message = nil
		return nil
	}
	return err
}

func (c *wsConn) nextMessage() error {
	kind, r, err := c.ws.Reader(context.Background())
	if err != nil {
		return err
	}
	c.message, c.read, c.text = r, 0, kind == websocket.MessageText
	return nil
}

// valid tells whether a piece of a message is what the message says that it is.
func (c *wsConn) valid(p []byte, ended bool) bool {
	return !c.text || c.check.add(p) && (!ended || c.check.end())
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
	c.gatherFrames()
	c.went.CountEncoded(p)
	if c.compressed {
		typ := websocket.MessageBinary
		if text {
			typ = websocket.MessageText
		}
		c.encoding.Add(1)
		defer c.encoding.Add(-1)
		return c.ws.Write(context.Background(), typ, p)
	}
	var room [maxFrameHeader]byte
	return c.writeFrame(appendFrameHeader(room[:0], text, len(p)), p)
}

// Close implements session.Conn: the closing handshake, which the library
// bounds to seconds.
func (c *wsConn) Close(code session.CloseCode, reason string) {
	// It fails if the peer has gone or does not answer; the socket is closed
	// in any case.
	_ = c.ws.Close(websocket.StatusCode(code), reason)
}
