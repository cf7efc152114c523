package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// faults are deliberate faults of a fake broker. Numbers count its SEND frames
// from 1; 0 means never.
type faults struct {
	lose, double, swap int // a message that is lost, delivered twice, or overtaken by the next
	fail               int // a message answered with ERROR
	hangUp             int // a message after which the publisher is disconnected
	refuse             bool
	told               func(n int) // called with the number of each SEND
	acceptBytes        int         // bytes that a subscriber may be behind; 0: no limit
}

// fakeBroker is a minimal broker for these tests.
type fakeBroker struct {
	faults   faults
	work     sync.WaitGroup
	listener net.Listener // nil behind an HTTP server

	mu          sync.Mutex
	subscribers map[string][]*fakeClient
	clients     map[*fakeClient]bool
	sends, acks int
	held        func()
}

// fakeClient is the broker's side of a connection.
type fakeClient struct {
	broker *fakeBroker
	conn   net.Conn
	ack    bool

	mu     sync.Mutex
	more   *sync.Cond
	out    []byte
	closed bool
}

// startTCP starts a fake broker on TCP and returns its URL.
func startTCP(t testing.TB, f faults) (*fakeBroker, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := newFakeBroker(f, l)
	b.work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b.work.Go(func() { b.serve(conn) })
		}
	})
	t.Cleanup(b.stop)
	return b, "tcp://" + l.Addr().String()
}

// startWebSocket starts a fake broker behind coder/websocket, with or without
// TLS, and returns its URL and the server (for its certificate).
func startWebSocket(t testing.TB, f faults, secure bool) (*fakeBroker, string, *httptest.Server) {
	t.Helper()
	b := newFakeBroker(f, nil)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"v12.stomp"}})
		if err != nil {
			return
		}
		b.serve(websocket.NetConn(context.Background(), c, websocket.MessageText))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // rejected certificates are part of a test
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(func() {
		b.stop()
		s.Close()
	})
	return b, "ws" + strings.TrimPrefix(s.URL, "http") + "/ws", s
}

// newFakeBroker returns a broker that serves no listener yet.
func newFakeBroker(f faults, l net.Listener) *fakeBroker {
	return &fakeBroker{faults: f, listener: l, subscribers: map[string][]*fakeClient{}, clients: map[*fakeClient]bool{}}
}

// wait stops accepting and waits for the clients to leave.
func (b *fakeBroker) wait() {
	_ = b.listener.Close()
	b.work.Wait()
}

// stop ends all connections and waits. It may be called after wait.
func (b *fakeBroker) stop() {
	if b.listener != nil {
		_ = b.listener.Close()
	}
	b.mu.Lock()
	for c := range b.clients {
		c.close()
	}
	b.mu.Unlock()
	b.work.Wait()
}

// serve serves one connection.
func (b *fakeBroker) serve(conn net.Conn) {
	c := &fakeClient{broker: b, conn: conn}
	c.more = sync.NewCond(&c.mu)
	b.mu.Lock()
	b.clients[c] = true
	b.mu.Unlock()
	var writer sync.WaitGroup
	writer.Go(c.write)
	in := bufio.NewReaderSize(conn, 64<<10)
	for {
		command, headers, body, err := readFakeFrame(in)
		if err != nil || !b.handle(c, command, headers, body) {
			break
		}
	}
	c.finish()
	writer.Wait()
	_ = conn.Close()
	b.mu.Lock()
	delete(b.clients, c)
	b.mu.Unlock()
}

// readFakeFrame reads a frame.
func readFakeFrame(in *bufio.Reader) (command string, headers map[string]string, body []byte, err error) {
	for command == "" {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", nil, nil, err
		}
		command = strings.TrimRight(line, "\r\n")
	}
	headers = map[string]string{}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", nil, nil, err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		headers[name] = value
	}
	if length, ok := headers["content-length"]; ok {
		n, err := strconv.Atoi(length)
		if err != nil {
			return "", nil, nil, err
		}
		body = make([]byte, n+1)
		_, err = io.ReadFull(in, body)
		return command, headers, body[:n], err
	}
	body, err = in.ReadBytes(0)
	return command, headers, body[:max(0, len(body)-1)], err
}

// handle handles a frame; false ends the connection.
func (b *fakeBroker) handle(c *fakeClient, command string, headers map[string]string, body []byte) bool {
	switch command {
	case "CONNECT":
		c.push("CONNECTED\nversion:1.2\nserver:fake/1\n\n\x00\n")
	case "SUBSCRIBE":
		if b.faults.refuse {
			c.push("ERROR\nmessage:no\\centry\ncontent-length:4\n\nnone\x00")
			return false
		}
		b.mu.Lock()
		c.ack = headers["ack"] != "auto"
		b.subscribers[headers["destination"]] = append(b.subscribers[headers["destination"]], c)
		b.mu.Unlock()
	case "SEND":
		if !b.route(c, headers["destination"], body) {
			return false
		}
	case "ACK":
		b.mu.Lock()
		b.acks++
		b.mu.Unlock()
	case "DISCONNECT":
		return false
	}
	if id, ok := headers["receipt"]; ok {
		c.push("RECEIPT\nreceipt-id:" + id + "\n\n\x00\n")
	}
	return true
}

// route delivers a message, or commits one of the faults.
func (b *fakeBroker) route(from *fakeClient, destination string, body []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sends++
	f, n := b.faults, b.sends
	if f.told != nil {
		f.told(n)
	}
	deliver := func() {
		tail := fmt.Sprintf("destination:%s\ncontent-length:%d\n\n%s\x00", destination, len(body), body)
		for _, c := range b.subscribers[destination] {
			head := "MESSAGE\nsubscription:0\nmessage-id:" + strconv.Itoa(n) + "\n"
			if c.ack {
				head += "ack:" + strconv.Itoa(n) + "\n"
			}
			c.push(head, tail)
		}
	}
	switch n {
	case f.fail:
		from.push("ERROR\nmessage:quota\n\nno more today\x00")
		return false
	case f.hangUp:
		return false
	case f.lose:
		return true
	case f.swap:
		b.held = deliver
		return true
	case f.double:
		deliver()
	}
	deliver()
	if b.held != nil {
		b.held()
		b.held = nil
	}
	return true
}

// push appends to the output.
func (c *fakeClient) push(parts ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit := c.broker.faults.acceptBytes; limit > 0 && len(c.out) > limit {
		c.closed = true
		_ = c.conn.Close()
	}
	if c.closed {
		return
	}
	for _, p := range parts {
		c.out = append(c.out, p...)
	}
	c.more.Signal()
}

// write writes the output until the connection is finished.
func (c *fakeClient) write() {
	var spare []byte
	for {
		c.mu.Lock()
		for len(c.out) == 0 && !c.closed {
			c.more.Wait()
		}
		out := c.out
		c.out = spare[:0]
		c.mu.Unlock()
		if len(out) == 0 {
			return
		}
		if _, err := c.conn.Write(out); err != nil && !errors.Is(err, io.EOF) {
			c.finish()
			return
		}
		spare = out
	}
}

// finish ends the writer after the remaining output.
func (c *fakeClient) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.more.Signal()
}

// close ends the connection at once.
func (c *fakeClient) close() {
	c.finish()
	_ = c.conn.Close()
}
