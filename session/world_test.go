package session_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-stomp/stomp/v3/frame"
	"go.uber.org/goleak"

	"hoofbeat/broker"
	"hoofbeat/connections"
	"hoofbeat/destination"
	"hoofbeat/internal/memory"
	"hoofbeat/internal/servertest"
	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a broker with its server, in a bubble with its own time.
type world struct {
	t       testing.TB
	broker  *broker.Broker
	setup   broker.Options
	edit    []func(*session.Options)
	options session.Options
	server  *servertest.Server
	log     logbook
	clients []*stomptest.Client
	socket  int // the size of the buffers between client and server
	// durables are the subscriptions that a test leaves behind.
	durables []destination.Destination
}

// socketBytes is as much as a socket takes before anybody reads it.
const socketBytes = 64 << 10

// converse runs a test in a bubble. When it ends, so do all sessions; then
// nothing may be left of them but messages in queues.
func converse(t *testing.T, f func(t *testing.T, w *world), edit ...func(*session.Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, broker.Options{}, edit...)
		defer w.end()
		f(t, w)
	})
}

func newWorld(t testing.TB, bo broker.Options, edit ...func(*session.Options)) *world {
	b, err := broker.New(bo)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, broker: b, setup: bo, edit: edit, options: session.DefaultOptions(b), socket: socketBytes}
	w.options.Memory = memory.New(0)
	w.options.CloseGrace = 0 // most tests close themselves, or wait for the end
	w.options.Log = slog.New(&w.log)
	for _, e := range edit {
		e(&w.options)
	}
	w.server = servertest.New(servertest.Options{Options: connections.Options{Session: w.options}})
	return w
}

// dial opens a connection on which nothing was said.
func (w *world) dial() *stomptest.Client {
	return w.dialInfo(session.Info{Transport: "test", Remote: "test"})
}

func (w *world) dialInfo(info session.Info) *stomptest.Client {
	here, there := stomptest.Pipe(w.socket)
	w.server.Serve(there, info)
	c := stomptest.New(w.t, here)
	w.clients = append(w.clients, c)
	return c
}

// connect opens a connection of STOMP 1.2.
func (w *world) connect(headers ...string) *stomptest.Client {
	w.t.Helper()
	c := w.dial()
	c.Connect("1.2", headers...)
	return c
}

// stop leaves, and stops the server.
func (w *world) stop() {
	w.t.Helper()
	for _, c := range w.clients {
		c.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		w.t.Errorf("sessions did not end with their connections: %v", err)
	}
	w.options.Timers.Close()
	if n := w.server.Sessions(); n != 0 {
		w.t.Errorf("%d sessions are left", n)
	}
	w.checkBooks()
	if n := w.options.Memory.Stats().Stray; n != 0 {
		w.t.Errorf("%d bytes were charged to sessions that had ended", n)
	}
}

// restart continues after the end of the process: a new broker on the same
// store.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.broker.Close()
	durables := w.durables
	*w = *newWorld(w.t, w.setup, w.edit...)
	w.durables = durables
}

// end stops the world, and checks that nothing is left.
func (w *world) end() {
	w.t.Helper()
	w.stop()
	defer w.broker.Close()
	for _, d := range w.durables {
		if err := w.broker.DeleteDurable(d, nil); err != nil {
			w.t.Errorf("%s: %v", d, err)
		}
	}
	if topics, _ := w.broker.Size(); topics != 0 {
		w.t.Errorf("%d topics are left", topics)
	}
	w.drain()
	if topics, queues := w.broker.Size(); topics != 0 || queues != 0 {
		w.t.Errorf("%d topics and %d queues are left when all messages were taken", topics, queues)
	}
	if n := w.options.Memory.Used(); n != 0 {
		w.t.Errorf("%d bytes are charged to somebody when nothing is there", n)
	}
}

// drain empties the queues that tests use.
func (w *world) drain() {
	for _, name := range []string{"a", "b", "c", "d"} {
		k := &sink{}
		sub, err := w.broker.Subscribe(broker.SubscribeOptions{Destination: w.destination("/queue/" + name), Prefetch: 1 << 20, Sink: k})
		if err != nil {
			w.t.Error(err)
		}
		synctest.Wait() // some may have to be read
		sub.Written(k.tag.Load())
		sub.Unsubscribe()
	}
}

// A sink takes everything.
type sink struct{ tag atomic.Uint64 }

// TakeCredit implements broker.Sink.
func (*sink) TakeCredit(int) bool { return true }

// Deliver implements broker.Sink.
func (k *sink) Deliver(d broker.Delivery) { k.tag.Store(d.Tag) }

// Overrun implements broker.Sink.
func (k *sink) Overrun() broker.Overflow { return broker.DropNewest }

func (w *world) destination(text string) destination.Destination {
	w.t.Helper()
	d, err := w.options.Namespace.ForSubscribe(text, destination.Owner{})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) depth(text string) broker.Depth {
	w.t.Helper()
	d, _ := w.broker.Depth(w.destination(text))
	return d
}

// wantDepth waits until the bubble is quiet, and compares.
func (w *world) wantDepth(text string, ready, unacked int) {
	w.t.Helper()
	synctest.Wait()
	if d := w.depth(text); d != (broker.Depth{Ready: ready, Unacked: unacked}) {
		w.t.Fatalf("%s holds %+v, want %d ready and %d unacked", text, d, ready, unacked)
	}
}

// A logbook keeps the records of the log.
type logbook struct {
	mu      sync.Mutex
	records []slog.Record
}

func (l *logbook) Enabled(context.Context, slog.Level) bool { return true }
func (l *logbook) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logbook) WithGroup(string) slog.Handler            { return l }

// Handle implements slog.Handler.
func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r)
	return nil
}

// last gives the attributes of the last record with that message.
func (l *logbook) last(message string) map[string]slog.Value {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.records) - 1; i >= 0; i-- {
		if l.records[i].Message == message {
			attrs := map[string]slog.Value{}
			l.records[i].Attrs(func(a slog.Attr) bool { attrs[a.Key] = a.Value; return true })
			return attrs
		}
	}
	return nil
}

// message makes one as a SEND would.
func message(to, body string, headers ...string) *broker.Message {
	d, err := destination.DefaultNamespace().ForSend(to, destination.Owner{})
	if err != nil {
		panic(err)
	}
	f := frame.New(frame.SEND, append([]string{frame.Destination, to}, headers...)...)
	f.Body = []byte(body)
	return broker.NewMessage(d, broker.Content{Header: f.Header, Body: f.Body}, broker.Properties{Priority: broker.DefaultPriority})
}

// A rule is a policy for the destinations of a pattern.
func rule(pattern string, p broker.Policy) broker.PolicyRule {
	d, err := destination.DefaultNamespace().ForPolicy(pattern)
	if err != nil {
		panic(err)
	}
	return broker.PolicyRule{Match: d, Policy: p}
}

// queueD is the dead letter queue of tests.
func queueD() destination.Destination { return rule("/queue/d", broker.Policy{}).Match }

// durably is converse with a broker that keeps its messages in a store, by
// these rules.
func durably(t *testing.T, rules []broker.PolicyRule, f func(t *testing.T, w *world), edit ...func(*session.Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		for i := range rules {
			rules[i].Policy.Durable = true
		}
		w := newWorld(t, broker.Options{Store: &broker.Memory{}, Policies: broker.Policies{Rules: rules, Default: broker.Policy{Durable: true}}}, edit...)
		defer w.end()
		f(t, w)
	})
}

// pass lets time go by.
func pass(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

// wantSilence wants that nothing has come for a client that the broker does
// not listen to.
func wantSilence(t *testing.T, c *stomptest.Client) {
	t.Helper()
	limit := c.Limit
	defer func() { c.Limit = limit }()
	c.Limit = time.Millisecond
	if f, err := c.TryNext(); err == nil {
		t.Fatalf("got %q, want nothing", f.Raw)
	}
}

// depthOf is how many messages a queue holds; topics hold none.
func (w *world) depthOf(d destination.Destination) int {
	depth, _ := w.broker.Depth(d)
	return depth.Ready + depth.Unacked
}
