package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hoofbeat/connections"
	"hoofbeat/session"
	"hoofbeat/transport/internal/wire"
	"hoofbeat/transport/sockjs"
)

// Handler returns the WebSocket endpoint, for use in any http.Server. It
// answers other requests, and handshakes that are not allowed, with a status
// and one sentence.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.Upgrade) }

// ServeWebSocket serves the endpoint at path on the listener's connections
// until the listener is closed or the server is shut down, and then returns
// nil. After Shutdown it returns ErrServerClosed. config, if not nil, makes it
// wss.
func (s *Server) ServeWebSocket(l net.Listener, path string, config *tls.Config) error {
	counted, ok := s.conns.Listen(l)
	if !ok {
		return ErrServerClosed
	}
	defer counted.Release()
	if !s.conns.Begin() {
		return ErrServerClosed
	}
	defer s.conns.End() // Shutdown waits for the last responses
	l = counted
	if config != nil {
		l = tls.NewListener(l, config)
	}
	timeout := s.session.ConnectTimeout
	endpoint, wait := s.endpoint(path)
	hs := &http.Server{
		Handler: s.turnAwayHTTP(s.guardHosts(endpoint)), ConnContext: withSocket, ReadHeaderTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, IdleTimeout: timeout,
		MaxHeaderBytes: 32 << 10,
		ErrorLog:       slog.NewLogLogger(s.conns.Log().Handler(), slog.LevelDebug),
	}
	defer hs.Close()
	err := hs.Serve(l)
	if s.conns.Closing() {
		s.finish(hs, wait)
		return nil
	}
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// lastResponses is how long a closed server waits for responses to be sent.
const lastResponses = 500 * time.Millisecond

// finish waits for SockJS sessions and handshakes on connections of a closed
// server. SockJS clients need these connections to learn of the end. And
// net/http would close the connection of a handshake that has just finished,
// before its client is told that the server stops.
func (s *Server) finish(hs *http.Server, wait func() bool) {
	if !wait() && s.handshakes.Load() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastResponses)
	defer cancel()
	_ = hs.Shutdown(ctx) // remaining connections are closed by the caller
}

// endpoint serves path, and with SockJS everything below it. wait waits for the
// sessions of SockJS over HTTP, and reports whether there was one.
func (s *Server) endpoint(path string) (h http.Handler, wait func() bool) {
	mux := http.NewServeMux()
	if s.options.Elsewhere != nil && path != "/" {
		mux.Handle("/", s.options.Elsewhere)
	}
	if !s.options.SockJS.Enabled {
		mux.Handle(path, s.Handler())
		return mux, func() bool { return false }
	}
	e := s.SockJSHandler(path)
	mux.Handle(path, e)
	if below := strings.TrimSuffix(path, "/") + "/"; below != path {
		mux.Handle(below, e)
	}
	return mux, e.Wait
}

// SockJSHandler returns the endpoint at a path with SockJS below it, for use in
// any http.Server.
func (s *Server) SockJSHandler(path string) *sockjs.Endpoint {
	return sockjs.New(s, s.conns, path, s.options.SockJS)
}

// Upgrade implements sockjs.Host.
func (s *Server) Upgrade(w http.ResponseWriter, r *http.Request) {
	s.UpgradeTo(s.accept, w, r)
}

// UpgradeTo implements sockjs.Host.
func (s *Server) UpgradeTo(accept sockjs.Accepter, w http.ResponseWriter, r *http.Request) {
	s.handshakes.Add(1) // before begin, so that finish sees every handshake that began before close
	defer s.handshakes.Add(-1)
	if !s.conns.Begin() {
		s.Refuse(w, http.StatusServiceUnavailable, stopping)
		return
	}
	c, release := s.welcome(accept, w, r)
	if c == nil {
		s.conns.End()
		return
	}
	// The handler returns, so that net/http can free its data for the request.
	go func() {
		defer s.conns.End()
		defer release()
		s.conns.Run(c)
	}()
}

// welcome checks a request and accepts it as a connection, which occupies a
// place until release. It returns nil if it has answered the request with an
// error.
func (s *Server) welcome(accept sockjs.Accepter, w http.ResponseWriter, r *http.Request) (c connections.Conn, release func()) {
	remote := s.RemoteOf(r)
	if !s.CheckOrigin(w, r, remote) {
		return nil, nil
	}
	release = s.place(w, remote)
	if release == nil {
		return nil, nil
	}
	c, err := accept(w, r, remote)
	if err != nil {
		release() // accept has answered
		s.session.Counters.Reject("websocket-handshake")
		s.conns.Log().Info("WebSocket handshake failed", "remote", remote, "error", err)
		return nil, nil
	}
	return c, release
}

// CheckOrigin implements sockjs.Host.
func (s *Server) CheckOrigin(w http.ResponseWriter, r *http.Request, remote string) bool {
	if s.origins.allow(r) {
		return true
	}
	s.conns.Refused(remote, "origin", quoted(r.Header.Get("Origin")))
	http.Error(w, "The Origin of this page may not connect (listen.websocket.origins).", http.StatusForbidden)
	return false
}

// quoted makes a client's text safe for the log.
func quoted(text string) string { return strconv.QuoteToASCII(text) }

// Enter implements sockjs.Host.
func (s *Server) Enter(w http.ResponseWriter, remote string) (leave func()) {
	if !s.conns.Begin() {
		s.Refuse(w, http.StatusServiceUnavailable, stopping)
		return nil
	}
	release := s.place(w, remote)
	if release == nil {
		s.conns.End()
		return nil
	}
	return func() {
		release()
		s.conns.End()
	}
}

// place takes a place for a connection; release gives it back. It returns nil
// if it has answered the request with a refusal.
func (s *Server) place(w http.ResponseWriter, remote string) (release func()) {
	release, refusal := s.conns.Admit(addr(remote))
	if refusal != nil {
		s.conns.Refused(remote, refusal.Word, refusal.Text)
		s.Refuse(w, http.StatusServiceUnavailable, refusal.Text)
		return nil
	}
	return release
}

// turnAwayHTTP answers requests on refused connections and closes these.
func (s *Server) turnAwayHTTP(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		socket, ok := r.Context().Value(socketKey{}).(*connections.Socket)
		if !ok {
			h.ServeHTTP(w, r)
			return
		}
		refusal := socket.Claim(addr(r.RemoteAddr))
		if refusal == nil {
			h.ServeHTTP(w, r)
			return
		}
		s.conns.Refused(s.RemoteOf(r), refusal.Word, refusal.Text)
		w.Header().Set("Connection", "close")
		s.Refuse(w, http.StatusServiceUnavailable, refusal.Text)
	})
}

// socketKey is the context key of a request's Socket.
type socketKey struct{}

func withSocket(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, socketKey{}, c)
}

// addr is the net.Addr of a request's client.
type addr string

// Network implements net.Addr.
func (addr) Network() string { return "tcp" }

// String implements net.Addr.
func (a addr) String() string { return string(a) }

// stopping is the response to requests during a shutdown.
const stopping = "The broker stops; come back later."

// Refuse implements sockjs.Host.
func (*Server) Refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, why, status)
}

func (s *Server) accept(w http.ResponseWriter, r *http.Request, remote string) (connections.Conn, error) {
	c, err := s.upgrader.Accept(w, r, wire.Subprotocols, s.session.Limits.Limits, s.Info(r, remote, "ws"))
	if err != nil {
		return nil, err // not a nil pointer in an interface
	}
	return c, nil
}

// AcceptWebSocket implements sockjs.Host.
func (s *Server) AcceptWebSocket(w http.ResponseWriter, r *http.Request, info session.Info) (*wire.WebSocket, error) {
	return s.upgrader.Accept(w, r, nil, s.session.Limits.Limits, info)
}

// Info implements sockjs.Host.
func (s *Server) Info(r *http.Request, remote, transport string) session.Info {
	info := session.Info{Transport: transport, Remote: remote}
	info.HTTPAuthorization, info.QueryToken, info.CookieToken = s.credentials(r)
	if r.TLS != nil {
		info.Transport += "s"
	}
	return info
}
