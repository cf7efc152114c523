package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"hoofbeat/internal/proctest"
)

// A path is how a client gets to the broker.
type path int

const (
	overTCP path = iota
	overWebSocket
	overTCPByNginx
	overWebSocketByNginx
	paths
)

func (p path) String() string {
	return [...]string{"tcp", "websocket", "tcp through nginx", "websocket through nginx"}[p]
}

func (p path) byNginx() bool { return p == overTCPByNginx || p == overWebSocketByNginx }

// A wire is a connection that nothing was said on.
type wire struct {
	net.Conn
	tcp *net.TCPConn // below Conn, or Conn itself; nil: it is no connection of the system
	end func()       // gives back what is left when tcp is closed
}

// dial connects from one of the addresses of loopback. The proxy's own is none
// of them, as the broker takes whoever comes from there for the proxy. buffer
// bounds what is received without being read; 0: the system's default.
func (w *world) dial(p path, from net.IP, buffer int) (*wire, error) {
	d := net.Dialer{Timeout: proctest.Patience, LocalAddr: &net.TCPAddr{IP: from}}
	switch p {
	case overTCP:
		return dialTCP(&d, w.tcp, buffer)
	case overTCPByNginx:
		return dialTCP(&d, w.nginx.tcp, buffer)
	case overWebSocket:
		return dialWebSocket(&d, w.ws, buffer)
	}
	return dialWebSocket(&d, w.nginx.ws, buffer)
}

func dialTCP(d *net.Dialer, address string, buffer int) (*wire, error) {
	conn, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	if buffer > 0 {
		_ = tcp.SetReadBuffer(buffer)
	}
	return &wire{Conn: conn, tcp: tcp, end: func() {}}, nil
}

func dialWebSocket(d *net.Dialer, address string, buffer int) (*wire, error) {
	var below *wire
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		var err error
		below, err = dialTCP(d, address, buffer)
		if err != nil {
			return nil, err
		}
		return below.tcp, nil
	}}
	ctx, cancel := context.WithTimeout(context.Background(), proctest.Patience)
	defer cancel()
	c, answer, err := websocket.Dial(ctx, "ws://"+address+"/ws", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{"v12.stomp"},
	})
	if err != nil {
		transport.CloseIdleConnections()
		if answer != nil && answer.StatusCode == http.StatusBadGateway {
			return nil, errNoUpstream
		}
		return nil, err
	}
	// Closing the connection below ends all reading and writing; CloseNow gives
	// back what the library has.
	return &wire{
		Conn: websocket.NetConn(context.Background(), c, websocket.MessageText), tcp: below.tcp,
		end: func() { _ = c.CloseNow() },
	}, nil
}

var errNoUpstream = errors.New("the proxy has found no broker")

// close ends the connection without a word.
func (w *wire) close() {
	if w.tcp != nil {
		_ = w.tcp.Close()
	}
	w.end()
}

// reset ends it with an RST.
func (w *wire) reset() {
	_ = w.tcp.SetLinger(0)
	w.close()
}

// A vanishing peer is one whose network is gone from one moment to the next:
// between a client and the broker, what has forwarded forwards no more.
type vanishing struct {
	client, broker net.Conn // the ends of the forwarder
	copying        sync.WaitGroup
}

// vanish connects over TCP through a forwarder: the client's end, and the
// forwarder.
func (w *world) vanish(from net.IP) (net.Conn, *vanishing, error) {
	broker, err := w.dial(overTCP, from, 0)
	if err != nil {
		return nil, nil, err
	}
	client, end := net.Pipe()
	v := &vanishing{client: end, broker: broker.Conn}
	for _, way := range [][2]net.Conn{{v.client, v.broker}, {v.broker, v.client}} {
		v.copying.Go(func() {
			if _, err := io.Copy(way[0], way[1]); err == nil {
				_ = v.client.Close() // one of the two has left before it could vanish
			}
		})
	}
	return client, v, nil
}

// freeze stops forwarding; both ends stay open.
func (v *vanishing) freeze() {
	past := time.Now()
	_ = v.client.SetDeadline(past)
	_ = v.broker.SetDeadline(past)
	v.copying.Wait()
}

// ended reads what the broker has said to nobody, to the end. It returns an
// error if there is no end.
func (v *vanishing) ended() error {
	defer func() { _ = v.client.Close(); _ = v.broker.Close() }()
	if err := v.broker.SetDeadline(time.Now().Add(proctest.Patience)); err != nil {
		return nil // it is closed
	}
	_, err := io.Copy(io.Discard, v.broker)
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("a peer that has vanished was kept for %v", proctest.Patience)
	}
	return nil
}
