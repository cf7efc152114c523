package dialects

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
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

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the time limit for every step.
const patience = 30 * time.Second

// A world is a broker with listeners for WebSocket and TCP.
type world struct {
	t        testing.TB
	broker   *broker.Broker
	options  session.Options
	ws, tcp  string // addresses
	deadMail string // destination of dead letters from /queue/work.**
}

func newWorld(t testing.TB, edit ...func(*session.Options)) *world {
	t.Helper()
	w := &world{t: t, deadMail: "/queue/dead"}
	var err error
	if w.broker, err = broker.New(broker.Options{Policies: w.policies()}); err != nil {
		t.Fatal(err)
	}
	w.options = session.DefaultOptions(w.broker)
	w.options.CloseGrace = 0 // most tests wait for the end
	w.options.Server = "hoofbeat/(devel)"
	w.options.HeartBeat.Min = 10 * time.Millisecond
	for _, e := range edit {
		e(&w.options)
	}
	o := servertest.Options{Options: connections.Options{Session: w.options}}
	o.SockJS.Enabled = true
	s := servertest.New(o)
	ws, tcp := listen(t), listen(t)
	w.ws, w.tcp = "ws://"+ws.Addr().String()+"/ws", tcp.Addr().String()
	var serving sync.WaitGroup
	for _, serve := range []func() error{
		func() error { return s.ServeWebSocket(ws, "/ws", nil) },
		func() error { return s.ServeTCP(tcp, nil) },
	} {
		serving.Go(func() {
			if err := serve(); err != nil && !errors.Is(err, transport.ErrServerClosed) {
				t.Errorf("serve: %v", err)
			}
		})
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		serving.Wait()
		w.options.Timers.Close()
		w.broker.Close()
	})
	return w
}

// policies allow two deliveries of a message of /queue/work.
func (w *world) policies() broker.Policies {
	w.t.Helper()
	n := destination.DefaultNamespace()
	work, err := n.ForPolicy("/queue/work.**")
	if err != nil {
		w.t.Fatal(err)
	}
	dead, err := n.ForPolicy(w.deadMail)
	if err != nil {
		w.t.Fatal(err)
	}
	return broker.Policies{Rules: []broker.PolicyRule{{Match: work, Policy: broker.Policy{MaxDeliveries: 2, DeadLetter: dead}}}}
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// wantNoConsumers waits until no queue has a consumer.
func (w *world) wantNoConsumers() {
	w.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); slices.ContainsFunc(w.broker.Queues(), func(q broker.QueueInfo) bool { return q.Consumers > 0 }); <-tick.C {
		if time.Now().After(end) {
			w.t.Fatal("a consumer is still there")
		}
	}
}

// plain returns a client that speaks STOMP 1.2 by the specification.
func (w *world) plain() *stomptest.Client {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.tcp)
	if err != nil {
		w.t.Fatal(err)
	}
	c := stomptest.New(w.t, conn)
	c.Connect("1.2")
	return c
}

// A peer is one connection of a client with its dialect.
type peer struct {
	dialect
	w      *world
	t      testing.TB
	ws     *websocket.Conn
	stream *stomptest.Client // instead of ws
	closed error
	ids    map[string]string // destinations of subscriptions, by id
}

// dial opens a connection and sends nothing on it.
func (w *world) dial(d dialect) *peer {
	w.t.Helper()
	p := &peer{dialect: d, w: w, t: w.t, ids: map[string]string{}}
	if d.tcp {
		conn, err := net.Dial("tcp", w.tcp)
		if err != nil {
			w.t.Fatal(err)
		}
		p.stream = stomptest.New(w.t, conn)
		return p
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, w.ws+d.below, &websocket.DialOptions{Subprotocols: d.offers})
	if err != nil {
		w.t.Fatal(err)
	}
	ws.SetReadLimit(-1)
	w.t.Cleanup(func() { _ = ws.CloseNow() })
	if got := ws.Subprotocol(); got != d.subprotocol {
		w.t.Errorf("the subprotocol is %q, want %q", got, d.subprotocol)
	}
	p.ws = ws
	if d.sockJS {
		if _, data, err := ws.Read(ctx); err != nil || string(data) != "o" {
			w.t.Fatalf("a SockJS session began with %q, %v", data, err)
		}
	}
	return p
}

// connect opens a connection and sends the client's CONNECT, with further
// headers.
func (w *world) connect(d dialect, headers ...string) *peer {
	w.t.Helper()
	p := w.dial(d)
	p.send(d.opening, append(d.connect(), headers...), "")
	f := p.want("CONNECTED")
	if got := f.headers["version"]; got != d.version {
		w.t.Fatalf("version %q was negotiated, want %q", got, d.version)
	}
	return p
}

// send sends a frame in the client's encoding.
func (p *peer) send(command string, headers []string, body string) {
	p.t.Helper()
	for _, m := range p.write(command, headers, body) {
		p.raw(m)
	}
}

// raw sends one message, or bytes on a stream.
func (p *peer) raw(m message) {
	p.t.Helper()
	if p.stream != nil {
		p.stream.Write(m.data)
		return
	}
	if err := p.tryRaw(m); err != nil {
		p.t.Fatalf("write: %v", err)
	}
}

// tryRaw is raw on a WebSocket that the peer may have closed.
func (p *peer) tryRaw(m message) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	data := []byte(m.data)
	if p.sockJS {
		var err error
		if data, err = json.Marshal([]string{m.data}); err != nil {
			return err
		}
	}
	return p.ws.Write(ctx, m.kind, data)
}

// next returns the next message as the client parses it. A heart-beat is a
// frame without a command.
func (p *peer) next() (frame, error) {
	p.t.Helper()
	if p.stream != nil {
		f, err := p.stream.TryNext()
		if err != nil {
			p.closed = err
			return frame{}, err
		}
		return p.read(message{websocket.MessageText, f.Raw})
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kind, data, err := p.ws.Read(ctx)
	if err == nil && p.sockJS {
		data, err = unwrap(data)
	}
	if err != nil {
		p.closed = err
		return frame{}, err
	}
	f, err := p.read(message{kind, string(data)})
	if err != nil {
		p.t.Fatalf("%s cannot digest this (%v): %.300q", p.name, err, data)
	}
	return f, nil
}

// unwrap returns the single message of a SockJS frame. The end of a session is
// an error with its close code.
func unwrap(data []byte) ([]byte, error) {
	var code int
	if n, _ := fmt.Sscanf(string(data), "c[%d,", &code); n == 1 {
		return nil, websocket.CloseError{Code: websocket.StatusCode(code)}
	}
	var all []string
	if data[0] != 'a' || json.Unmarshal(data[1:], &all) != nil || len(all) != 1 {
		return nil, fmt.Errorf("%q is not one message of SockJS", data)
	}
	return []byte(all[0]), nil
}

// want expects a frame with this command, after any heart-beats.
func (p *peer) want(command string) frame {
	p.t.Helper()
	for {
		f, err := p.next()
		if err != nil {
			p.t.Fatalf("want %s: %v", command, err)
		}
		if f.command == "" {
			continue
		}
		if f.command != command {
			p.t.Fatalf("got %+v, want %s", f, command)
		}
		return f
	}
}

// subscribe subscribes in the client's way, with a plain receipt header, and
// returns when the RECEIPT has come.
func (p *peer) subscribe(destination string, headers ...string) {
	p.t.Helper()
	id := p.id(destination)
	p.ids[id] = destination
	lines := append(p.subscription(id, destination), headers...)
	p.send("SUBSCRIBE", append(lines, "receipt:s-"+id), "")
	if got := p.want("RECEIPT").headers["receipt-id"]; got != "s-"+id {
		p.t.Fatalf("the receipt is %q", got)
	}
}

// message expects a MESSAGE that the client can assign to its subscription.
func (p *peer) message(destination, body string) frame {
	p.t.Helper()
	f := p.want("MESSAGE")
	switch {
	case f.headers["destination"] != destination:
		p.t.Fatalf("the destination is %q, want %q", f.headers["destination"], destination)
	case p.ids[f.headers["subscription"]] != destination:
		p.t.Fatalf("the subscription is %q; there are %q", f.headers["subscription"], p.ids)
	case f.headers["message-id"] == "":
		p.t.Fatalf("no message-id: %+v", f)
	case f.body != body:
		p.t.Fatalf("the body is %.100q, want %.100q", f.body, body)
	}
	return f
}

// ended expects the connection to end with a close code.
func (p *peer) ended(code websocket.StatusCode) {
	p.t.Helper()
	for p.closed == nil {
		if f, err := p.next(); err == nil && f.command != "" {
			p.t.Fatalf("got %+v, want the end", f)
		}
	}
	if p.ws == nil {
		return
	}
	if got := websocket.CloseStatus(p.closed); got != code {
		p.t.Fatalf("it ended with %v, want close code %d", p.closed, code)
	}
}
