package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"hoofbeat/connections"
	"hoofbeat/frames"
	"hoofbeat/session"
)

// subprotocols are those of STOMP, preferred first. The client's order does not
// matter.
var subprotocols = []string{"v12.stomp", "v11.stomp", "v10.stomp"}

// Handler returns the WebSocket endpoint, for use in any http.Server. It
// answers other requests, and handshakes that are not allowed, with a status
// and one sentence.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.upgrade) }

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
	hs := &http.Server{
		Handler: s.turnAwayHTTP(s.guardHosts(s.endpoint(path))), ConnContext: withSocket, ReadHeaderTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, IdleTimeout: timeout,
		MaxHeaderBytes: 32 << 10,
		ErrorLog:       slog.NewLogLogger(s.conns.Log().Handler(), slog.LevelDebug),
	}
	defer hs.Close()
	err := hs.Serve(l)
	if s.conns.Closing() {
		s.finish(hs)
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
func (s *Server) finish(hs *http.Server) {
	if !s.sockJS.wait() && s.handshakes.Load() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastResponses)
	defer cancel()
	_ = hs.Shutdown(ctx) // remaining connections are closed by the caller
}

// endpoint serves path, and with SockJS everything below it.
func (s *Server) endpoint(path string) http.Handler {
	mux := http.NewServeMux()
	if s.options.Elsewhere != nil && path != "/" {
		mux.Handle("/", s.options.Elsewhere)
	}
	if !s.options.SockJS.Enabled {
		mux.Handle(path, s.Handler())
		return mux
	}
	h := s.SockJSHandler(path)
	mux.Handle(path, h)
	if below := strings.TrimSuffix(path, "/") + "/"; below != path {
		mux.Handle(below, h)
	}
	return mux
}

func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	s.upgradeTo(s.accept, w, r)
}

// An accepter turns a request into a connection. On an error it has answered
// the request.
type accepter func(w http.ResponseWriter, r *http.Request, remote string) (connections.Conn, error)

func (s *Server) upgradeTo(accept accepter, w http.ResponseWriter, r *http.Request) {
	s.handshakes.Add(1) // before begin, so that finish sees every handshake that began before close
	defer s.handshakes.Add(-1)
	if !s.conns.Begin() {
		refuseHTTP(w, http.StatusServiceUnavailable, stopping)
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
func (s *Server) welcome(accept accepter, w http.ResponseWriter, r *http.Request) (c connections.Conn, release func()) {
	remote := s.RemoteOf(r)
	if !s.checkOrigin(w, r, remote) {
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

// checkOrigin returns false if it has refused the request because of its
// Origin.
func (s *Server) checkOrigin(w http.ResponseWriter, r *http.Request, remote string) bool {
	if s.origins.allow(r) {
		return true
	}
	s.conns.Refused(remote, "origin", quoted(r.Header.Get("Origin")))
	http.Error(w, "The Origin of this page may not connect (listen.websocket.origins).", http.StatusForbidden)
	return false
}

// quoted makes a client's text safe for the log.
func quoted(text string) string { return strconv.QuoteToASCII(text) }

// place takes a place for a connection; release gives it back. It returns nil
// if it has answered the request with a refusal.
func (s *Server) place(w http.ResponseWriter, remote string) (release func()) {
	release, refusal := s.conns.Admit(addr(remote))
	if refusal != nil {
		s.conns.Refused(remote, refusal.Word, refusal.Text)
		refuseHTTP(w, http.StatusServiceUnavailable, refusal.Text)
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
		refuseHTTP(w, http.StatusServiceUnavailable, refusal.Text)
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

func refuseHTTP(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, why, status)
}

func (s *Server) accept(w http.ResponseWriter, r *http.Request, remote string) (connections.Conn, error) {
	r, bits := takeWindow(r)
	c, err := s.acceptWS(w, r, remote, subprotocols, bits)
	if err != nil {
		return nil, err // not a nil pointer in an interface
	}
	if c.ws != nil {
		c.compression = s.compressionFor(bits)
	}
	return c, nil
}

func (s *Server) acceptWS(w http.ResponseWriter, r *http.Request, remote string, subprotocols []string, window int) (*wsConn, error) {
	mode := websocket.CompressionDisabled
	if s.options.Compression {
		// No context takeover: the dictionary would cost 64 KiB per connection.
		mode = websocket.CompressionNoContextTakeover
	}
	h := &hijacker{ResponseWriter: w, window: window}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:       subprotocols,
		InsecureSkipVerify: true, // the origin was checked by our rules
		CompressionMode:    mode,
	})
	if err != nil {
		return nil, err
	}
	info := s.infoOf(r, remote, "ws")
	info.Version = versionOf(ws.Subprotocol())
	compressed := h.Header().Get(extensions) != ""
	return newWSConn(ws, h.conn, compressed, s.session.Limits.Limits, info), nil
}

// compressionFor returns the compression of a connection whose window has so many
// bits; 0: as many as there are.
func (s *Server) compressionFor(bits int) *compression {
	if bits == 0 || 1<<bits == maxWindow {
		return s.compression
	}
	c := *s.compression
	c.window = 1 << bits
	return &c
}

// infoOf describes the connection of a request. With TLS, an s is appended to
// transport.
func (s *Server) infoOf(r *http.Request, remote, transport string) session.Info {
	info := session.Info{Transport: transport, Remote: remote}
	info.HTTPAuthorization, info.QueryToken, info.CookieToken = s.credentials(r)
	if r.TLS != nil {
		info.Transport += "s"
	}
	return info
}

func versionOf(subprotocol string) frames.Version {
	for i, p := range subprotocols {
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
