// Package sockjs serves pages that use sockjs-client, below the path of the
// WebSocket endpoint: SockJS over WebSocket, and over HTTP requests (docs/adr/0016).
package sockjs

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"hoofbeat/connections"
	"hoofbeat/session"
	"hoofbeat/transport/internal/wire"
)

// Options configure [New].
type Options struct {
	Enabled bool // for the server: whether it has the endpoint
	// Heartbeat is the silence after which an h frame is sent; 0: 25 s.
	Heartbeat time.Duration
	// DisconnectDelay is how long an HTTP session survives without a request
	// that waits for its messages; 0: 5 s.
	DisconnectDelay time.Duration
	// ResponseBytes is the size at which a streaming response ends, so that the
	// browser can free its memory; 0: 128 KiB.
	ResponseBytes int
}

// The defaults are those of the protocol's test suite.
func (o Options) heartbeat() time.Duration {
	if o.Heartbeat == 0 {
		return 25 * time.Second
	}
	return o.Heartbeat
}

func (o Options) disconnectDelay() time.Duration {
	if o.DisconnectDelay == 0 {
		return 5 * time.Second
	}
	return o.DisconnectDelay
}

func (o Options) responseBytes() int {
	if o.ResponseBytes == 0 {
		return 128 << 10
	}
	return o.ResponseBytes
}

// A Host is the server with the WebSocket endpoint that SockJS is below. Its methods
// may be called from any goroutine.
type Host interface {
	// RemoteOf returns the address of a request's client.
	RemoteOf(r *http.Request) string
	// Info describes the connection of a request. With TLS, an s is appended to
	// transport.
	Info(r *http.Request, remote, transport string) session.Info
	// CheckOrigin returns false if it has refused the request because of its
	// Origin.
	CheckOrigin(w http.ResponseWriter, r *http.Request, remote string) bool
	// Enter takes a place for a session that is not the only one of its
	// connection; leave gives it back. Shutdown waits for that. leave is nil if
	// the request was answered with a refusal.
	Enter(w http.ResponseWriter, remote string) (leave func())
	// Refuse answers a request with a status, a sentence, and the time to wait.
	Refuse(w http.ResponseWriter, status int, why string)
	// Upgrade serves a request for the WebSocket endpoint itself.
	Upgrade(w http.ResponseWriter, r *http.Request)
	// UpgradeTo checks a request, accepts it as a connection, and runs a session
	// on that.
	UpgradeTo(accept Accepter, w http.ResponseWriter, r *http.Request)
	// AcceptWebSocket performs a handshake without a subprotocol. On an error it
	// has answered the request.
	AcceptWebSocket(w http.ResponseWriter, r *http.Request, info session.Info) (*wire.WebSocket, error)
}

// An Accepter turns a request into a connection. On an error it has answered
// the request.
type Accepter = func(w http.ResponseWriter, r *http.Request, remote string) (connections.Conn, error)

// An Endpoint serves SockJS below a path. Its sessions over HTTP live in it.
type Endpoint struct {
	host     Host
	conns    *connections.Registry
	session  *session.Options // that of conns
	options  Options
	base     string
	sessions *sessionTable
	guesses  *guesses
}

// New returns the endpoint at a path of the host.
func New(h Host, r *connections.Registry, path string, o Options) *Endpoint {
	return &Endpoint{
		host: h, conns: r, session: r.Session(), options: o, base: strings.TrimSuffix(path, "/"),
		sessions: newSessionTable(), guesses: newGuesses(),
	}
}

// Wait waits until all sessions over HTTP have ended. It reports whether there was
// one.
func (e *Endpoint) Wait() bool { return e.sessions.wait() }

// ServeHTTP implements http.Handler:
//
//	path                               WebSocket, or a greeting
//	path/websocket                     WebSocket
//	path/info                          the endpoint, as JSON
//	path/{server}/{session}/websocket  SockJS in WebSocket
//	path/{server}/{session}/xhr_streaming, xhr, xhr_send
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, e.base)
	switch {
	case ok && (rest == "" || rest == "/"):
		e.greet(w, r)
	case ok && rest == "/websocket":
		e.host.Upgrade(w, r)
	case ok && rest == "/info":
		e.info(w, r)
	case ok && rest[0] == '/':
		e.serveSession(w, r, rest[1:])
	default:
		http.NotFound(w, r)
	}
}

func (e *Endpoint) greet(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header.Get("Upgrade") != "" {
		e.host.Upgrade(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	_, _ = io.WriteString(w, "Welcome to SockJS!\n") // the client may have gone
}

// serveSession serves /{server}/{session}/{transport}. The server part exists
// for load balancers and is ignored here.
func (e *Endpoint) serveSession(w http.ResponseWriter, r *http.Request, rest string) {
	server, rest, _ := strings.Cut(rest, "/")
	id, transport, _ := strings.Cut(rest, "/")
	if !validPart(server) || !validPart(id) {
		http.NotFound(w, r)
		return
	}
	switch transport {
	case "websocket":
		e.upgradeWS(w, r)
	case "xhr", "xhr_streaming":
		if e.crossOrigin(w, r, http.MethodPost) {
			e.receive(w, r, id, transport == "xhr_streaming")
		}
	case "xhr_send":
		if e.crossOrigin(w, r, http.MethodPost) {
			e.take(w, r, id)
		}
	default:
		http.NotFound(w, r)
	}
}

// validPart reports whether p may be a part of a session's URL. A dot marks a
// file.
func validPart(p string) bool {
	const longest = 128 // clients make 8 characters, or a UUID
	return p != "" && len(p) <= longest && !strings.Contains(p, ".")
}

// upgradeSockJS serves SockJS over WebSocket. It answers requests that are no
// handshake as the protocol demands.
func (e *Endpoint) upgradeWS(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet:
		wrongMethod(w, http.MethodGet)
	case !strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		http.Error(w, `Can "Upgrade" only to "WebSocket".`, http.StatusBadRequest)
	case !strings.Contains(strings.ToLower(r.Header.Get("Connection")), "upgrade"):
		http.Error(w, `"Connection" must be "Upgrade".`, http.StatusBadRequest)
	default:
		e.host.UpgradeTo(e.acceptWS, w, r)
	}
}

func wrongMethod(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	w.WriteHeader(http.StatusMethodNotAllowed)
}

// info describes the endpoint. Its entropy is for browsers that have no random
// source.
func (e *Endpoint) info(w http.ResponseWriter, r *http.Request) {
	if !e.crossOrigin(w, r, http.MethodGet) {
		return
	}
	var b [4]byte
	rand.Read(b[:]) // never fails, see its documentation
	noCaching(w, "application/json; charset=UTF-8")
	_, _ = fmt.Fprintf(w, `{"websocket":true,"cookie_needed":false,"origins":["*:*"],"entropy":%d}`, binary.BigEndian.Uint32(b[:]))
}

// crossOrigin applies CORS: the pages that may open a WebSocket may send
// requests. It returns false if it has answered the request itself: the page is
// refused, the request is a preflight, or its method is not the allowed one.
func (e *Endpoint) crossOrigin(w http.ResponseWriter, r *http.Request, method string) bool {
	h := w.Header()
	h.Add("Vary", "Origin")
	if !e.host.CheckOrigin(w, r, e.host.RemoteOf(r)) {
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		// sockjs-client always sends credentials, and then the header must name
		// the origin: * is not allowed.
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	switch r.Method {
	case method:
		return true
	case http.MethodOptions:
		preflight(h, r, method)
		w.WriteHeader(http.StatusNoContent)
	default:
		wrongMethod(w, "OPTIONS, "+method)
	}
	return false
}

func preflight(h http.Header, r *http.Request, method string) {
	const year = 365 * 24 * time.Hour
	seconds := fmt.Sprint(int(year.Seconds()))
	h.Set("Access-Control-Allow-Methods", "OPTIONS, "+method)
	h.Set("Access-Control-Max-Age", seconds)
	if wanted := r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
		h.Set("Access-Control-Allow-Headers", wanted)
	}
	h.Set("Cache-Control", "public, max-age="+seconds)
	h.Set("Expires", time.Now().Add(year).UTC().Format(http.TimeFormat))
}

// noCaching sets the headers of a response that must not be cached.
func noCaching(w http.ResponseWriter, contentType string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store, no-cache, no-transform, must-revalidate, max-age=0")
}
