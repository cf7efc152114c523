package transport

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// SockJS configures the endpoints for pages that use sockjs-client, below the
// path of the WebSocket endpoint. See docs/adr.
type SockJS struct {
	Enabled bool
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
func (o SockJS) heartbeat() time.Duration {
	if o.Heartbeat == 0 {
		return 25 * time.Second
	}
	return o.Heartbeat
}

func (o SockJS) disconnectDelay() time.Duration {
	if o.DisconnectDelay == 0 {
		return 5 * time.Second
	}
	return o.DisconnectDelay
}

func (o SockJS) responseBytes() int {
	if o.ResponseBytes == 0 {
		return 128 << 10
	}
	return o.ResponseBytes
}

// SockJSHandler returns the endpoint at a path with SockJS below it, for use in
// any http.Server:
//
//	path                               WebSocket, or a greeting
//	path/websocket                     WebSocket
//	path/info                          the endpoint, as JSON
//	path/{server}/{session}/websocket  SockJS in WebSocket
//	path/{server}/{session}/xhr_streaming, xhr, xhr_send
func (s *Server) SockJSHandler(path string) http.Handler {
	base := strings.TrimSuffix(path, "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.Path, base)
		switch {
		case ok && (rest == "" || rest == "/"):
			s.greet(w, r)
		case ok && rest == "/websocket":
			s.upgrade(w, r)
		case ok && rest == "/info":
			s.info(w, r)
		case ok && rest[0] == '/':
			s.sockSession(w, r, rest[1:])
		default:
			http.NotFound(w, r)
		}
	})
}

func (s *Server) greet(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header.Get("Upgrade") != "" {
		s.upgrade(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	_, _ = io.WriteString(w, "Welcome to SockJS!\n") // the client may have gone
}

// sockSession serves /{server}/{session}/{transport}. The server part exists
// for load balancers and is ignored here.
func (s *Server) sockSession(w http.ResponseWriter, r *http.Request, rest string) {
	server, rest, _ := strings.Cut(rest, "/")
	id, transport, _ := strings.Cut(rest, "/")
	if !validPart(server) || !validPart(id) {
		http.NotFound(w, r)
		return
	}
	switch transport {
	case "websocket":
		s.upgradeSockJS(w, r)
	case "xhr", "xhr_streaming":
		if s.crossOrigin(w, r, http.MethodPost) {
			s.receive(w, r, id, transport == "xhr_streaming")
		}
	case "xhr_send":
		if s.crossOrigin(w, r, http.MethodPost) {
			s.take(w, r, id)
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
func (s *Server) upgradeSockJS(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet:
		wrongMethod(w, http.MethodGet)
	case !strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		http.Error(w, `Can "Upgrade" only to "WebSocket".`, http.StatusBadRequest)
	case !strings.Contains(strings.ToLower(r.Header.Get("Connection")), "upgrade"):
		http.Error(w, `"Connection" must be "Upgrade".`, http.StatusBadRequest)
	default:
		s.upgradeTo(s.acceptSockJS, w, r)
	}
}

func wrongMethod(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	w.WriteHeader(http.StatusMethodNotAllowed)
}

// info describes the endpoint. Its entropy is for browsers that have no random
// source.
func (s *Server) info(w http.ResponseWriter, r *http.Request) {
	if !s.crossOrigin(w, r, http.MethodGet) {
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
func (s *Server) crossOrigin(w http.ResponseWriter, r *http.Request, method string) bool {
	h := w.Header()
	h.Add("Vary", "Origin")
	if !s.checkOrigin(w, r, s.RemoteOf(r)) {
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
