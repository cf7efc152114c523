package transport

import (
	"errors"
	"net"
	"net/http"
	"sync/atomic"

	"hoofbeat/connections"
	"hoofbeat/session"
	"hoofbeat/transport/internal/wire"
	"hoofbeat/transport/sockjs"
)

// ErrServerClosed is returned by the Serve methods after Shutdown.
var ErrServerClosed = errors.New("the server is closed")

// Options configure [NewServer].
type Options struct {
	// Origins are the pages that may connect, besides those of the broker's own
	// host: patterns like https://*.example.com, http://localhost:*, null, or *
	// for all.
	Origins []string
	// GuardHosts reports whether pages must address the broker by a known host:
	// a loopback name, an address of this machine, or one of Hosts (names
	// without ports). Pages that match Origins may use any host. nil: every
	// page may.
	GuardHosts func() bool
	Hosts      []string
	// Compression offers permessage-deflate to WebSocket clients. Frames of fewer
	// bytes than CompressionThreshold are sent as they are.
	Compression          bool
	CompressionThreshold int
	Credentials          Credentials
	SockJS               sockjs.Options
	// Elsewhere serves the WebSocket listener's paths other than the endpoint;
	// nil: 404.
	Elsewhere http.Handler
}

// Credentials say where a WebSocket handshake may carry a token.
type Credentials struct {
	HTTPAuthorization bool   // the Authorization header
	QueryParameter    string // a parameter of the URL; empty: none
	Cookie            string // empty: none
}

// A Server turns connections and requests into those of sessions, which a
// registry admits and runs. It does not listen by itself: callers pass listeners
// to its Serve methods, or requests to its Handler. The registry's Shutdown ends
// it.
type Server struct {
	options  Options
	conns    *connections.Registry
	session  *session.Options // that of conns
	origins  origins
	upgrader *wire.Upgrader

	handshakes atomic.Int64 // WebSocket handshakes under way
}

// NewServer returns a Server whose connections are those of a registry.
func NewServer(r *connections.Registry, o Options) *Server {
	return &Server{
		options: o, conns: r, session: r.Session(), origins: newOrigins(o.Origins),
		upgrader: wire.NewUpgrader(o.Compression, o.CompressionThreshold),
	}
}

// Serve runs a session on one stream, for example an end of a net.Pipe, and
// returns at once. The session closes c when it ends.
func (s *Server) Serve(c net.Conn, info session.Info) {
	s.conns.Start(c, func() { s.conns.Run(wire.NewTCP(c, s.session.Limits.Limits, info)) })
}
