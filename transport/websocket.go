package transport

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"crypto/tls"

	"github.com/coder/websocket"

	"hoofbeat/frames"
	"hoofbeat/session"
)

// subprotocols are those of STOMP, the best first: whatever the order in which
// a client offers them, the first one here that it offers is chosen.
var subprotocols = []string{"v12.stomp", "v11.stomp", "v10.stomp"}

// Handler returns the WebSocket endpoint, for use in any http.Server. It
// answers requests that are no WebSocket handshake, or that may not be one,
// with a status and a sentence.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.upgrade) }

// ServeWebSocket serves the endpoint at a path on the connections of a
// listener until that is closed, or the server is shut down; then it returns
// nil. A tls.Config makes it wss.
func (s *Server) ServeWebSocket(l net.Listener, path string, config *tls.Config) error {
	if !s.addListener(l) {
		return ErrServerClosed
	}
	defer s.removeListener(l)
	if config != nil {
		l = tls.NewListener(l, config)
	}
	mux := http.NewServeMux()
	mux.Handle(path, s.Handler())
	timeout := s.options.Session.ConnectTimeout
	hs := &http.Server{
		Handler: mux, ReadHeaderTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, IdleTimeout: timeout,
		MaxHeaderBytes: 32 << 10,
		ErrorLog:       slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
		BaseContext:    func(net.Listener) context.Context { return s.context },
	}
	defer hs.Close()
	if err := hs.Serve(l); !s.closing() && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		refuseHTTP(w, http.StatusServiceUnavailable, "The broker stops; come back later.")
		return
	}
	c, release := s.welcome(w, r)
	if c == nil {
		s.wait.Done()
		return
	}
	// The handler returns, so that all that net/http holds for the request
	// can go.
	go func() {
		defer s.wait.Done()
		defer release()
		s.run(c)
	}()
}

// welcome checks a request and makes it a WebSocket, with the place that it
// takes; or it answers the request and returns nil.
func (s *Server) welcome(w http.ResponseWriter, r *http.Request) (c *wsConn, release func()) {
	remote := s.remoteOf(r)
	if !s.origins.allow(r) {
		s.refused(remote, "origin", strconv.QuoteToASCII(r.Header.Get("Origin")))
		http.Error(w, "The Origin of this page may not connect (listen.websocket.origins).", http.StatusForbidden)
		return nil, nil
	}
	release, refusal := s.admit(addr(remote))
	if refusal != nil {
		s.refused(remote, refusal.Word, refusal.Text)
		refuseHTTP(w, http.StatusServiceUnavailable, refusal.Text)
		return nil, nil
	}
	c, err := s.accept(w, r, remote)
	if err != nil {
		release() // Accept has answered
		s.options.Log.Info("WebSocket handshake failed", "remote", remote, "error", err)
		return nil, nil
	}
	return c, release
}

func refuseHTTP(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, why, status)
}

func (s *Server) accept(w http.ResponseWriter, r *http.Request, remote string) (*wsConn, error) {
	mode := websocket.CompressionDisabled
	if s.options.Compression {
		// Without a dictionary that stays, which would be 64 KiB for each
		// connection.
		mode = websocket.CompressionNoContextTakeover
	}
	h := &hijacker{ResponseWriter: w}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:       subprotocols,
		InsecureSkipVerify: true, // the origin was checked, with rules of ours
		CompressionMode:    mode,
	})
	if err != nil {
		return nil, err
	}
	info := session.Info{Transport: "ws", Remote: remote, Version: versionOf(ws.Subprotocol())}
	info.HTTPAuthorization, info.QueryToken, info.CookieToken = s.credentials(r)
	if r.TLS != nil {
		info.Transport = "wss"
	}
	compressed := h.Header().Get("Sec-WebSocket-Extensions") != ""
	return newWSConn(ws, h.conn, compressed, s.options.Session.Limits.Limits, info), nil
}

func versionOf(subprotocol string) frames.Version {
	for i, p := range subprotocols {
		if strings.EqualFold(p, subprotocol) { // the library echoes what the client wrote
			return frames.V12 - frames.Version(i)
		}
	}
	return 0
}

// A hijacker gives the WebSocket library a connection that gathers writes, and
// buffers that are small: thousands of connections wait for something to do.
type hijacker struct {
	http.ResponseWriter
	conn *gatherer
}

const (
	wsReadBuffer  = 256 // headers of WebSocket frames; what is behind them is read past it
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
	return h.conn, bufio.NewReadWriter(bufio.NewReaderSize(h.conn, wsReadBuffer), bufio.NewWriterSize(h.conn, wsWriteBuffer)), nil
}
