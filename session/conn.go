package session

import (
	"time"

	"hoofbeat/frames"
)

// A Conn is a transport, as a session uses it.
type Conn interface {
	// ReadFrame waits for the next frame and returns it. The error is a
	// *frames.Error for an invalid frame, and any other if the connection has
	// ended. Only one goroutine calls it.
	ReadFrame() (frames.Inbound, error)

	// Negotiated says which version's rules hold for frames read from now on.
	// It is called by the goroutine that calls ReadFrame.
	Negotiated(v frames.Version)

	// WriteFrame takes one encoded frame, as one message where the transport
	// has messages, and as text if text says that it is valid UTF-8. The frame
	// is p, which is not empty, and then tail, nil if there is none. It may keep
	// the bytes back until Flush, but does not keep p. WriteFrame and Flush are
	// called by one goroutine at a time.
	WriteFrame(p []byte, tail *frames.Tail, text bool) error

	// Flush sends all frames that WriteFrame has kept back.
	Flush() error

	// SetWriteDeadline bounds the writes that are under way and all later
	// ones. It may be called at any time.
	SetWriteDeadline(t time.Time)

	// LastRead is when bytes of any kind last came. It may be called at any
	// time.
	LastRead() time.Time

	// Close ends the connection in an orderly way: it tells the peer the
	// reason where the transport can, and gives it a moment to read the
	// frames that were flushed. ReadFrame then fails, at the latest when
	// Close returns. Close may be called from any goroutine, and repeatedly.
	Close(code CloseCode, reason string)

	// Info describes the connection.
	Info() Info
}

// Partly is implemented by a Conn that can describe a frame that has begun
// and not ended. It may be called by any goroutine.
type Partly interface {
	Partial() (p frames.Partial, ok bool)
}

// Info describes a connection.
type Info struct {
	Transport string         // ws, wss, tcp or tls
	Remote    string         // the client's address
	Version   frames.Version // negotiated as a WebSocket subprotocol; 0: none
	// Mute says that the transport's Close cannot tell the reason.
	Mute bool

	// The credentials of the HTTP request that became the connection, from
	// the places that the transport is configured to look at. Never logged.
	HTTPAuthorization, QueryToken, CookieToken string
}

// A CloseCode says why a connection is closed, in WebSocket's numbers
// (RFC 6455, 7.4.1).
type CloseCode int

// The codes that are used.
const (
	CloseNormal    CloseCode = 1000
	CloseGoingAway CloseCode = 1001
	CloseProtocol  CloseCode = 1002
	CloseInvalid   CloseCode = 1007
	ClosePolicy    CloseCode = 1008
	CloseTooBig    CloseCode = 1009
	CloseInternal  CloseCode = 1011
	CloseTryLater  CloseCode = 1013
)
