package transport_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/internal/servertest"
	"hoofbeat/internal/stomptest"
)

// inBubble runs a test in a synctest bubble, where waiting costs no time.
// Connections in it are pipes, not sockets.
func inBubble(t *testing.T, f func(w *world), edit ...func(*servertest.Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newWorld(t, edit...)) })
}

// A pipeListener accepts pipes.
type pipeListener struct {
	accepted chan any // a net.Conn or an error
	closed   chan struct{}
	once     sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{accepted: make(chan any, 10), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case a := <-l.accepted:
		if err, ok := a.(error); ok {
			return nil, err
		}
		return a.(net.Conn), nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipeListener) dial(t testing.TB) net.Conn {
	here, there := stomptest.Pipe(64 << 10)
	t.Cleanup(func() { _ = here.Close() })
	l.accepted <- there
	return here
}

// pipeTCP, pipeTLS and pipeWS serve the connections of a pipeListener.
func (w *world) pipeTCP() *pipeListener {
	l := newPipeListener()
	w.serve(func() error { return w.server.ServeTCP(l, nil) })
	return l
}

func (w *world) pipeTLS() *pipeListener {
	l := newPipeListener()
	w.serve(func() error { return w.server.ServeTCP(l, serverTLS()) })
	return l
}

func (w *world) pipeWS() *pipeListener {
	l := newPipeListener()
	w.serve(func() error { return w.server.ServeWebSocket(l, path, nil) })
	return l
}

const handshake = "GET " + path + handshakeRest

const handshakeRest = " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"

// A rawWS is a WebSocket client that sends and reads single frames.
type rawWS struct {
	net.Conn
	t     testing.TB
	r     *bufio.Reader
	limit time.Duration // for one frame
}

// upgrade performs a WebSocket handshake on a connection; the frames are sent
// in the same write as the request.
func upgrade(t testing.TB, c net.Conn, frames ...string) *rawWS {
	t.Helper()
	return upgradeAt(t, c, path, frames...)
}

func upgradeAt(t testing.TB, c net.Conn, path string, frames ...string) *rawWS {
	t.Helper()
	ws := &rawWS{c, t, bufio.NewReader(c), stomptest.DefaultLimit}
	ws.write("GET " + path + handshakeRest + strings.Join(frames, ""))
	resp, err := http.ReadResponse(ws.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the status is %s", resp.Status)
	}
	return ws
}

func (ws *rawWS) write(text string) {
	ws.t.Helper()
	if _, err := io.WriteString(ws, text); err != nil {
		ws.t.Fatal(err)
	}
}

// Opcodes of RFC 6455.
const (
	opText, opBinary        = 1, 2
	opClose, opPing, opPong = 8, 9, 10
)

// masked encodes a client's frame with an all-zero mask. The payload must be
// short.
func masked(op byte, payload string) string {
	if len(payload) > 125 {
		panic("too long")
	}
	return string([]byte{0x80 | op, 0x80 | byte(len(payload)), 0, 0, 0, 0}) + payload
}

// next reads one frame from the server.
func (ws *rawWS) next() (op byte, payload string) {
	ws.t.Helper()
	must := func(err error) {
		if err != nil {
			ws.t.Fatalf("no frame came: %v", err)
		}
	}
	must(ws.SetReadDeadline(time.Now().Add(ws.limit)))
	var head [2]byte
	_, err := io.ReadFull(ws.r, head[:])
	must(err)
	if head[0]&0x80 == 0 || head[1]&0x80 != 0 {
		ws.t.Fatalf("the frame is a part, or masked: % x", head)
	}
	n := uint64(head[1])
	var long [8]byte
	switch n {
	case 126:
		_, err = io.ReadFull(ws.r, long[6:])
		n = binary.BigEndian.Uint64(long[:])
	case 127:
		_, err = io.ReadFull(ws.r, long[:])
		n = binary.BigEndian.Uint64(long[:])
	}
	must(err)
	b := make([]byte, n)
	_, err = io.ReadFull(ws.r, b)
	must(err)
	return head[0] & 0xf, string(b)
}

// wantText expects a text message that contains part.
func (ws *rawWS) wantText(part string) {
	ws.t.Helper()
	if op, p := ws.next(); op != opText || !strings.Contains(p, part) {
		ws.t.Fatalf("got opcode %d and %q, want %q in a text", op, p, part)
	}
}

// wantClose expects a close frame.
func (ws *rawWS) wantClose(code uint16, reason string) {
	ws.t.Helper()
	op, p := ws.next()
	if want := string(binary.BigEndian.AppendUint16(nil, code)) + reason; op != opClose || p != want {
		ws.t.Fatalf("got opcode %d and %q, want %d and %q", op, p, opClose, want)
	}
}

// wantEnd expects the connection to end, and returns everything read before.
func wantEnd(t testing.TB, c net.Conn) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(stomptest.DefaultLimit)); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Fatalf("the connection is open; it sent %q", b)
	}
	return string(b)
}
