// Package fakebroker is a scripted STOMP server for tests of clients: the test
// determines, frame by frame, the frames that the broker expects and sends. It
// routes nothing.
package fakebroker

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/go-stomp/stomp/v3/frame"
)

// Peer is the broker's end of one connection. Its methods end the script and
// fail the test when an expectation fails; they may be called only from the
// script's goroutine.
type Peer struct {
	t      testing.TB
	reader *frame.Reader
	writer *frame.Writer

	// Kinds are the WebSocket messages received so far, "text" or "binary", heart-beats included. Empty on TCP.
	Kinds []string
}

// Want returns the next frame after any heart-beats. It must have this command.
func (p *Peer) Want(command string) *frame.Frame {
	p.t.Helper()
	for {
		f, err := p.reader.Read()
		switch {
		case err != nil:
			p.fail("the broker waits for %s: %v", command, err)
		case f == nil:
			continue
		case f.Command != command:
			p.fail("the broker waits for %s and got %s %s", command, f.Command, f.Body)
		default:
			return f
		}
	}
}

// WantEnd reads until the client closes. Only heart-beats, and a DISCONNECT
// that crossed the broker's last frame, may come before.
func (p *Peer) WantEnd() {
	p.t.Helper()
	for {
		f, err := p.reader.Read()
		if err != nil {
			return
		}
		if f != nil && f.Command != frame.DISCONNECT {
			p.fail("the broker waits for the end and got %s", f.Command)
		}
	}
}

// Send writes a frame with these headers (name, value, ...).
func (p *Peer) Send(command, body string, headers ...string) {
	p.t.Helper()
	f := frame.New(command, headers...)
	f.Body = []byte(body)
	if err := p.writer.Write(f); err != nil {
		p.fail("the broker sends %s: %v", command, err)
	}
}

// Receipt answers the receipt header of f, which must have one.
func (p *Peer) Receipt(f *frame.Frame) {
	p.t.Helper()
	id, ok := f.Header.Contains(frame.Receipt)
	if !ok {
		p.fail("%s asks for no receipt", f.Command)
	}
	p.Send(frame.RECEIPT, "", frame.ReceiptId, id)
}

// Accept answers CONNECT with CONNECTED, version 1.2, no heart-beats, and returns the CONNECT frame.
func (p *Peer) Accept() *frame.Frame {
	p.t.Helper()
	f := p.Want(frame.CONNECT)
	p.Send(frame.CONNECTED, "", frame.Version, "1.2", frame.HeartBeat, "0,0")
	return f
}

// Disconnect expects DISCONNECT, answers its receipt and waits for the client to close.
func (p *Peer) Disconnect() {
	p.t.Helper()
	p.Receipt(p.Want(frame.DISCONNECT))
	p.WantEnd()
}

func (p *Peer) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Errorf(format, args...)
	runtime.Goexit()
}

// TCP serves one connection with script and returns its address, tcp:// or, with a TLS configuration, tcps://.
// The test does not end before the script has.
func TCP(t testing.TB, config *tls.Config, script func(*Peer)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "tcp://" + l.Addr().String()
	if config != nil {
		l, address = tls.NewListener(l, config), "tcps://"+l.Addr().String()
	}
	var done sync.WaitGroup
	done.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return // no client came: the test reports the reason
		}
		defer c.Close()
		script(newPeer(t, c))
	})
	t.Cleanup(func() {
		_ = l.Close()
		done.Wait()
	})
	return address
}

// WebSocket serves every upgrade with script and returns the address, ws:// or,
// if secure, wss:// with the certificate of net/http/httptest. The returned
// server provides the TLS configuration for clients.
func WebSocket(t testing.TB, secure bool, script func(*Peer)) (*httptest.Server, string) {
	t.Helper()
	var scripts sync.WaitGroup
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols:       []string{"v12.stomp"},
			InsecureSkipVerify: true, // scripts look at Origin themselves
		})
		if err != nil {
			t.Errorf("upgrade: %v", err)
			return
		}
		c.SetReadLimit(-1)
		scripts.Add(1)
		defer scripts.Done()
		defer c.CloseNow()
		stream := &messages{conn: c}
		p := newPeer(t, stream)
		stream.peer = p
		script(p)
	}))
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(func() {
		scripts.Wait()
		s.Close()
	})
	return s, strings.Replace(s.URL, "http", "ws", 1) + "/ws"
}

func newPeer(t testing.TB, rw io.ReadWriter) *Peer {
	return &Peer{t: t, reader: frame.NewReader(rw), writer: frame.NewWriterSize(rw, 1<<20)}
}

// messages reads WebSocket messages and fails the test when one is not exactly one frame or one heart-beat.
type messages struct {
	conn    *websocket.Conn
	peer    *Peer
	pending []byte
}

func (m *messages) Read(p []byte) (int, error) {
	if len(m.pending) == 0 {
		kind, b, err := m.conn.Read(context.Background())
		if err != nil {
			return 0, err
		}
		if err := oneFrame(b); err != nil {
			m.peer.t.Errorf("a WebSocket message of %d bytes: %v", len(b), err)
		}
		m.peer.Kinds = append(m.peer.Kinds, strings.ToLower(strings.TrimPrefix(kind.String(), "Message")))
		m.pending = b
	}
	n := copy(p, m.pending)
	m.pending = m.pending[n:]
	return n, nil
}

func (m *messages) Write(p []byte) (int, error) {
	return len(p), m.conn.Write(context.Background(), websocket.MessageText, p)
}

// oneFrame returns an error when b is not one frame, or one heart-beat, and nothing else.
func oneFrame(b []byte) error {
	r := bufio.NewReaderSize(strings.NewReader(string(b)), len(b)+1)
	if _, err := frame.NewReader(r).Read(); err != nil {
		return err
	}
	if r.Buffered() > 0 {
		return errors.New("more than one frame")
	}
	return nil
}
