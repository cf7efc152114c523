package wire

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"hoofbeat/frames"
	"hoofbeat/session"
)

// Subprotocols are those of STOMP, preferred first. The client's order does not
// matter.
var Subprotocols = []string{"v12.stomp", "v11.stomp", "v10.stomp"}

// An Upgrader performs handshakes.
type Upgrader struct {
	compress bool
	// compression is that of connections that do not limit the window.
	compression *compression
}

// NewUpgrader returns an Upgrader. With compress, it offers permessage-deflate;
// frames of fewer bytes than threshold are sent as they are.
func NewUpgrader(compress bool, threshold int) *Upgrader {
	return &Upgrader{compress: compress, compression: &compression{new(deflater), maxWindow, threshold}}
}

// Accept performs a handshake with one of the Subprotocols, or without any. On an
// error it has answered the request.
func (u *Upgrader) Accept(w http.ResponseWriter, r *http.Request, subprotocols []string, l frames.Limits, info session.Info) (*WebSocket, error) {
	bits := 0
	if subprotocols != nil {
		r, bits = takeWindow(r)
	}
	mode := websocket.CompressionDisabled
	if u.compress {
		// No context takeover: the dictionary would cost 64 KiB per connection.
		mode = websocket.CompressionNoContextTakeover
	}
	h := &hijacker{ResponseWriter: w, window: bits}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:       subprotocols,
		InsecureSkipVerify: true, // the origin was checked by our rules
		CompressionMode:    mode,
	})
	if err != nil {
		return nil, err
	}
	info.Version = versionOf(ws.Subprotocol())
	compressed := h.Header().Get(extensions) != ""
	c := newWSConn(ws, h.conn, compressed, l, info)
	if compressed && subprotocols != nil {
		c.compression = u.compressionFor(bits)
	}
	return c, nil
}

// compressionFor returns the compression of a connection whose window has so many
// bits; 0: as many as there are.
func (u *Upgrader) compressionFor(bits int) *compression {
	if bits == 0 || 1<<bits == maxWindow {
		return u.compression
	}
	c := *u.compression
	c.window = 1 << bits
	return &c
}

func versionOf(subprotocol string) frames.Version {
	for i, p := range Subprotocols {
		if strings.EqualFold(p, subprotocol) { // the library echoes the client's spelling
			return frames.V12 - frames.Version(i)
		}
	}
	return 0
}

// A hijacker gives the WebSocket library a connection that gathers writes, and
// small buffers: most of the thousands of connections are idle.
type hijacker struct {
	http.ResponseWriter
	conn   *gatherer
	window int // the number of bits from takeWindow
}

const (
	wsReadBuffer  = 256 // headers of WebSocket frames; payloads bypass it
	wsWriteBuffer = 128 // a control frame in one piece
)

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	first, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	h.conn = newGatherer(c, append([]byte(nil), first...))
	h.conn.control = closeInvalid
	return h.conn, bufio.NewReadWriter(bufio.NewReaderSize(h.conn, wsReadBuffer), bufio.NewWriterSize(h.conn, wsWriteBuffer)), nil
}
