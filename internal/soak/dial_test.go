package soak

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"hoofbeat/internal/proctest"
	"hoofbeat/internal/socktest"
)

// A carrier is a transport of STOMP.
type carrier int

const (
	overTCP carrier = iota
	overWebSocket
	overSockJS // on WebSocket
	overStreaming
	overPolling
)

func (c carrier) String() string {
	return [...]string{"tcp", "websocket", "sockjs websocket", "xhr streaming", "xhr polling"}[c]
}

func (c carrier) bySockJS() bool { return c >= overSockJS }

// A way is the route between a client and the broker.
type way int

const (
	direct way = iota
	byNginx
	byNginxWithTLS
)

func (w way) String() string { return [...]string{"", " through nginx", " through nginx with TLS"}[w] }

// A path is a client's route and transport.
type path struct {
	by  carrier
	way way
}

func (p path) String() string { return p.by.String() + p.way.String() }

func (p path) byNginx() bool { return p.way != direct }

// address returns the address at the start of a path.
func (w *world) address(p path) string {
	all := [][2]string{{w.tcp, w.ws}}
	if w.nginx != nil {
		all = append(all, [2]string{w.nginx.tcp, w.nginx.ws}, [2]string{w.nginx.tls, w.nginx.wss})
	}
	if p.by == overTCP {
		return all[p.way][0]
	}
	return all[p.way][1]
}

// url returns the URL of the endpoint at the start of a path.
func (w *world) url(p path) string {
	scheme := "http://"
	if p.way == byNginxWithTLS {
		scheme = "https://"
	}
	return scheme + w.address(p) + "/ws"
}

// A wire is a connection on which nothing has been sent.
type wire struct {
	net.Conn
	below *sockets     // nil: it uses no operating-system sockets
	sock  sockJS       // the Conn if that is a SockJS session; else nil
	end   func() error // frees the remaining resources when the sockets are closed
}

// A sockJS is a SockJS session over any carrier.
type sockJS interface {
	net.Conn
	Err() error
}

// sockets are the TCP connections of one client; SockJS over HTTP has several.
type sockets struct {
	dialer net.Dialer
	buffer int
	mu     sync.Mutex // a leaf; guards all
	all    []*net.TCPConn
}

// dial opens a TCP connection.
func (s *sockets) dial(ctx context.Context, _, address string) (net.Conn, error) {
	conn, err := s.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	if s.buffer > 0 {
		_ = tcp.SetReadBuffer(s.buffer)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, tcp)
	return tcp, nil
}

func (s *sockets) each(f func(*net.TCPConn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, tcp := range s.all {
		f(tcp)
	}
}

// dial connects from a loopback address. This must not be the proxy's own
// address, because the broker trusts connections from there. buffer limits the
// bytes that the client receives without reading them; 0: the system's default.
func (w *world) dial(p path, from net.IP, buffer int) (over *wire, err error) {
	below := &sockets{dialer: net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}, buffer: buffer}
	ctx, cancel := context.WithTimeout(context.Background(), proctest.StepTimeout)
	defer cancel()
	switch p.by {
	case overTCP:
		over, err = w.dialTCP(ctx, p, below)
	case overStreaming, overPolling:
		over, err = w.dialHTTP(ctx, p, below)
	default:
		over, err = w.dialWebSocket(ctx, p, below)
	}
	if err != nil {
		below.each(func(tcp *net.TCPConn) { _ = tcp.Close() })
	}
	return over, err
}

func (w *world) dialTCP(ctx context.Context, p path, below *sockets) (*wire, error) {
	conn, err := below.dial(ctx, "", w.address(p))
	if err != nil {
		return nil, err
	}
	over := &wire{Conn: conn, below: below, end: conn.Close}
	if p.way == byNginxWithTLS {
		c := tls.Client(conn, w.nginx.trust)
		over.Conn = c
		err = c.HandshakeContext(ctx)
	}
	return over, err
}

// web returns the HTTP transport of one client.
func (w *world) web(p path, below *sockets) *http.Transport {
	// nginx closes idle connections after 75 s, the broker after 20 s.
	t := &http.Transport{DialContext: below.dial, IdleConnTimeout: 10 * time.Second}
	if p.way == byNginxWithTLS {
		t.TLSClientConfig = w.nginx.trust
	}
	return t
}

func (w *world) dialWebSocket(ctx context.Context, p path, below *sockets) (*wire, error) {
	web, url := w.web(p, below), w.url(p)
	o := &websocket.DialOptions{HTTPClient: &http.Client{Transport: web}, Subprotocols: []string{"v12.stomp"}}
	if p.by == overSockJS {
		url += newSession() + "/websocket"
		o.Subprotocols = nil
	}
	c, answer, err := websocket.Dial(ctx, url, o)
	if err != nil {
		web.CloseIdleConnections()
		if answer != nil && noUpstream(answer.StatusCode) {
			err = errNoUpstream
		}
		return nil, err
	}
	if p.by == overSockJS {
		s := socktest.OverWebSocket(c, unread(below.buffer))
		return &wire{Conn: s, below: below, sock: s, end: s.Close}, nil
	}
	// Closing the TCP connection ends all reads and writes; CloseNow frees the
	// library's resources.
	return &wire{Conn: websocket.NetConn(context.Background(), c, websocket.MessageText), below: below, end: c.CloseNow}, nil
}

// dialHTTP opens a SockJS session over HTTP requests.
func (w *world) dialHTTP(ctx context.Context, p path, below *sockets) (*wire, error) {
	web := w.web(p, below)
	s, err := socktest.OverHTTP(ctx, &http.Client{Transport: web}, w.url(p)+newSession(), p.by == overStreaming, unread(below.buffer))
	if err != nil {
		web.CloseIdleConnections()
		if status := (*socktest.StatusError)(nil); errors.As(err, &status) && noUpstream(status.Status) {
			err = errNoUpstream
		}
		return nil, err
	}
	return &wire{Conn: s, below: below, sock: s, end: func() error {
		defer web.CloseIdleConnections()
		return s.Close()
	}}, nil
}

// newSession returns the path of an unused SockJS session.
func newSession() string { return "/000/" + rand.Text() }

// unread returns the number of bytes that a client may buffer without reading
// them, besides its sockets' buffers.
func unread(buffer int) int {
	if buffer > 0 {
		return buffer
	}
	return 64 << 10
}

var errNoUpstream = errors.New("the proxy has found no broker")

func noUpstream(status int) bool { return status == http.StatusBadGateway }

// close ends the connection without DISCONNECT.
func (w *wire) close() {
	if w.below != nil {
		w.below.each(func(tcp *net.TCPConn) { _ = tcp.Close() })
	}
	_ = w.end() // its sockets are closed already
}

// reset ends the connection with an RST.
func (w *wire) reset() {
	w.below.each(func(tcp *net.TCPConn) { _ = tcp.SetLinger(0) })
	w.close()
}

// patient sets a deadline for reads.
func (w *wire) patient(d time.Duration) {
	by := time.Now().Add(d)
	if w.sock != nil {
		_ = w.sock.SetReadDeadline(by)
		return
	}
	w.below.each(func(tcp *net.TCPConn) { _ = tcp.SetReadDeadline(by) })
}

// fault returns a violation of SockJS by the peer, or nil. Requests refused by
// a restarting proxy are no violation.
func (w *wire) fault(p path) error {
	if w.sock == nil {
		return nil
	}
	err := w.sock.Err()
	status := (*socktest.StatusError)(nil)
	if errors.Is(err, socktest.ErrProtocol) || errors.As(err, &status) && !(p.byNginx() && noUpstream(status.Status)) {
		return err
	}
	return nil
}
