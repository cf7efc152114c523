package transport_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"hoofbeat/broker"
	"hoofbeat/connections"
	"hoofbeat/destination"
	"hoofbeat/internal/servertest"
	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
	"hoofbeat/transport"
)

// A goroutine of go-stomp 3.1.5 that waits for the RECEIPT of an UNSUBSCRIBE
// may be left over: it reads the state and then waits, and misses a change in
// between (see gostomp.unsubscribe).
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/go-stomp/stomp/v3.waitWithTimeout.func1"),
		goleak.IgnoreAnyFunction("github.com/go-stomp/stomp/v3.(*Subscription).Unsubscribe"))
}

// A world is a broker with a server and its listeners. At the end of its test
// the server is shut down, and no session may be left.
type world struct {
	t       testing.TB
	broker  *broker.Broker
	options servertest.Options
	server  *servertest.Server
	log     logbook
	serving sync.WaitGroup
}

const path = "/ws"

func newWorld(t testing.TB, edit ...func(*servertest.Options)) *world {
	t.Helper()
	b, err := broker.New(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, broker: b, options: servertest.Options{Options: connections.Options{Session: session.DefaultOptions(b)}}}
	w.options.Session.CloseGrace = 0 // most tests wait for the end
	w.options.Session.Log = slog.New(slog.NewTextHandler(&w.log, nil))
	for _, e := range edit {
		e(&w.options)
	}
	w.server = servertest.New(w.options)
	t.Cleanup(w.end)
	return w
}

// end stops the server. Calling it again is harmless.
func (w *world) end() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		w.t.Errorf("shutdown: %v", err)
	}
	w.serving.Wait()
	w.options.Session.Timers.Close()
	if n := w.server.Sessions(); n != 0 {
		w.t.Errorf("%d sessions are left", n)
	}
}

func (w *world) listen() net.Listener {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// serve runs one of the server's Serve methods, and fails the test if that
// fails.
func (w *world) serve(f func() error) {
	w.serving.Go(func() {
		if err := f(); err != nil && !errors.Is(err, transport.ErrServerClosed) {
			w.t.Errorf("serve: %v", err)
		}
	})
}

// tcp and ws listen and return the address. A config adds TLS.
func (w *world) tcp(config *tls.Config) string {
	l := w.listen()
	w.serve(func() error { return w.server.ServeTCP(l, config) })
	return l.Addr().String()
}

func (w *world) ws(config *tls.Config) string {
	l := w.listen()
	w.serve(func() error { return w.server.ServeWebSocket(l, path, config) })
	return l.Addr().String()
}

// dialTCP opens a plain TCP connection.
func dialTCP(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

func dialTLS(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", address, trust())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// dialWS opens a WebSocket; o may be nil.
func dialWS(t testing.TB, url string, o *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	c, _, err := tryWS(t, url, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tryWS(t testing.TB, url string, o *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
	if o == nil {
		o = &websocket.DialOptions{}
	}
	web := &http.Transport{TLSClientConfig: trust()}
	t.Cleanup(web.CloseIdleConnections)
	o.HTTPClient = &http.Client{Transport: web}
	ctx, cancel := context.WithTimeout(context.Background(), stomptest.DefaultLimit)
	defer cancel()
	c, r, err := websocket.Dial(ctx, url, o)
	if err == nil {
		c.SetReadLimit(-1)
		t.Cleanup(func() { _ = c.CloseNow() })
	}
	return c, r, err
}

// messages turns a WebSocket into a stream: each Write is one message, and Read
// concatenates messages.
type messages struct {
	ws          *websocket.Conn
	kind        websocket.MessageType // of the messages written
	message     io.Reader
	done        context.CancelFunc // cancels the context of message
	read, write time.Time          // deadlines
}

func (m *messages) Read(p []byte) (int, error) {
	for {
		if m.message == nil {
			ctx, cancel := until(m.read)
			_, r, err := m.ws.Reader(ctx)
			if err != nil {
				cancel()
				return 0, err
			}
			m.message, m.done = r, cancel
		}
		n, err := m.message.Read(p)
		if err != nil {
			m.done()
		}
		if errors.Is(err, io.EOF) {
			m.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (m *messages) Write(p []byte) (int, error) {
	ctx, cancel := until(m.write)
	defer cancel()
	if err := m.ws.Write(ctx, m.kind, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func until(t time.Time) (context.Context, context.CancelFunc) {
	if t.IsZero() {
		return context.WithCancel(context.Background())
	}
	return context.WithDeadline(context.Background(), t)
}

func (m *messages) Close() error                       { return m.ws.CloseNow() }
func (m *messages) SetReadDeadline(t time.Time) error  { m.read = t; return nil }
func (m *messages) SetWriteDeadline(t time.Time) error { m.write = t; return nil }

// converse returns a STOMP client over a WebSocket.
func converse(t testing.TB, ws *websocket.Conn) *stomptest.Client {
	return stomptest.New(t, &messages{ws: ws, kind: websocket.MessageText})
}

// certificate returns a self-signed certificate for 127.0.0.1.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, &x509.Certificate{}, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

func serverTLS() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{certificate()}} }

func trust() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(certificate().Leaf)
	return &tls.Config{RootCAs: roots}
}

// A logbook records log output.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// eventually polls for a condition that offers nothing to wait for.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(stomptest.DefaultLimit); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("still not so: %s", what)
		}
	}
}

func (w *world) depth(text string) broker.Depth {
	w.t.Helper()
	d, err := w.options.Session.Namespace.ForSubscribe(text, destination.Owner{})
	if err != nil {
		w.t.Fatal(err)
	}
	depth, _ := w.broker.Depth(d)
	return depth
}

// wantDepth waits until a queue has these numbers of messages.
func (w *world) wantDepth(text string, ready, unacked int) {
	w.t.Helper()
	want := broker.Depth{Ready: ready, Unacked: unacked}
	eventually(w.t, text+" holds what it should", func() bool { return w.depth(text) == want })
}
