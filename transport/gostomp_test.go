package transport_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-stomp/stomp/v3"

	"hoofbeat/connections"
	"hoofbeat/internal/client"
	"hoofbeat/internal/servertest"
	"hoofbeat/internal/stomptest"
)

// A gostomp runs go-stomp's client against a broker, in one version over one
// transport.
type gostomp struct {
	*world
	url     string
	version stomp.Version
}

func (g gostomp) dial(edit ...func(*client.Options)) *stomp.Conn {
	g.t.Helper()
	o := client.Options{Versions: []stomp.Version{g.version}, ReceiptTimeout: stomptest.DefaultLimit, Pending: 2000}
	for _, e := range edit {
		e(&o)
	}
	ctx, cancel := context.WithTimeout(context.Background(), stomptest.DefaultLimit)
	defer cancel()
	c, err := client.Dial(ctx, g.url, o)
	if err != nil {
		g.t.Fatal(err)
	}
	if c.Version() != g.version {
		g.t.Fatalf("version %s was negotiated", c.Version())
	}
	return c
}

func (g gostomp) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g gostomp) subscribe(c *stomp.Conn, destination string, mode stomp.AckMode) *stomp.Subscription {
	g.t.Helper()
	sub, err := c.Subscribe(destination, mode)
	g.must(err)
	// A RECEIPT for a later frame means that the subscription is in force.
	g.must(c.Send("/topic/barrier", "", nil, stomp.SendOpt.Receipt))
	return sub
}

// unsubscribe waits for the RECEIPT, which closes sub.C. Unsubscribe itself may
// miss the RECEIPT and time out: it reads the state and waits for its next
// change in two steps (go-stomp 3.1.5).
func (g gostomp) unsubscribe(sub *stomp.Subscription) {
	g.t.Helper()
	failed := make(chan error, 1)
	go func() { failed <- sub.Unsubscribe() }()
	limit := time.After(stomptest.DefaultLimit)
	for {
		select {
		case m, open := <-sub.C:
			if !open {
				return
			}
			g.must(m.Err)
		case err := <-failed:
			g.must(err)
			failed = nil
		case <-limit:
			g.t.Fatal("UNSUBSCRIBE had no RECEIPT")
		}
	}
}

func (g gostomp) next(sub *stomp.Subscription, body string) *stomp.Message {
	g.t.Helper()
	select {
	case m := <-sub.C:
		g.must(m.Err)
		if string(m.Body) != body {
			g.t.Fatalf("got %q, want %q", m.Body, body)
		}
		return m
	case <-time.After(stomptest.DefaultLimit):
		g.t.Fatalf("%q did not come", body)
	}
	return nil
}

func TestGoStomp(t *testing.T) {
	for name, f := range map[string]func(gostomp){
		"topic": gostompTopic, "queue": gostompQueue, "transactions": gostompTransactions,
		"many messages": gostompMany, "error": gostompError,
	} {
		for _, way := range []string{"tcp", "ws"} {
			for _, v := range []stomp.Version{stomp.V10, stomp.V11, stomp.V12} {
				t.Run(fmt.Sprintf("%s over %s in %s", name, way, v), func(t *testing.T) {
					t.Parallel()
					f(newGostomp(t, way, v))
				})
			}
		}
	}
}

func newGostomp(t *testing.T, way string, v stomp.Version) gostomp {
	w := newWorld(t)
	if way == "tcp" {
		return gostomp{w, "tcp://" + w.tcp(nil), v}
	}
	return gostomp{w, "ws://" + w.ws(nil) + path, v}
}

// TestGoStompBeats: heart-beats keep both sides connected. The cases wait
// together, because there are more than may run in parallel.
func TestGoStompBeats(t *testing.T) {
	var all sync.WaitGroup
	for _, way := range []string{"tcp", "ws"} {
		for _, v := range []stomp.Version{stomp.V11, stomp.V12} {
			all.Go(func() {
				t.Run(fmt.Sprintf("over %s in %s", way, v), func(t *testing.T) { gostompBeats(newGostomp(t, way, v)) })
			})
		}
	}
	all.Wait()
}

func gostompTopic(g gostomp) {
	c := g.dial()
	sub := g.subscribe(c, "/topic/a.**", stomp.AckAuto)
	g.must(c.Send("/topic/a.b", "text/plain", []byte("grüße"), stomp.SendOpt.Receipt, stomp.SendOpt.Header("k", "a:b\\c")))
	m := g.next(sub, "grüße")
	if m.Destination != "/topic/a.b" || m.ContentType != "text/plain" {
		g.t.Errorf("got %+v", m)
	}
	if k := m.Header.Get("k"); g.version != stomp.V10 && k != "a:b\\c" {
		g.t.Errorf("the header is %q", k)
	}
	g.unsubscribe(sub)
	g.must(c.Disconnect())
}

func gostompQueue(g gostomp) {
	c, sender := g.dial(), g.dial()
	sub := g.subscribe(c, "/queue/a", stomp.AckClientIndividual)
	for _, body := range []string{"x", "y", "z"} {
		g.must(sender.Send("/queue/a", "", []byte(body), stomp.SendOpt.Receipt))
	}
	x, _, z := g.next(sub, "x"), g.next(sub, "y"), g.next(sub, "z")
	g.must(c.Ack(x))
	if g.version == stomp.V10 { // 1.0 has no NACK
		g.must(c.Ack(z))
		g.wantDepth("/queue/a", 0, 1)
	} else {
		g.must(c.Nack(z))
		if again := g.next(sub, "z"); again.Header.Get("redelivered") != "true" {
			g.t.Errorf("headers are %v", again.Header)
		}
		g.wantDepth("/queue/a", 0, 2)
	}
	g.must(c.Disconnect())
	g.must(sender.Disconnect())
	g.wantDepth("/queue/a", 1+btoi(g.version != stomp.V10), 0)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func gostompTransactions(g gostomp) {
	c := g.dial()
	sub := g.subscribe(c, "/queue/a", stomp.AckClientIndividual)
	tx := c.Begin()
	g.must(tx.Send("/queue/a", "", []byte("never")))
	g.must(tx.Abort())
	tx = c.Begin()
	g.must(tx.Send("/queue/a", "", []byte("one")))
	g.must(tx.Commit())
	m := g.next(sub, "one")
	tx = c.Begin()
	g.must(tx.Ack(m))
	g.must(tx.Send("/queue/b", "", []byte("done")))
	g.must(tx.Commit())
	g.wantDepth("/queue/a", 0, 0)
	g.wantDepth("/queue/b", 1, 0)
	g.must(c.Disconnect())
}

func gostompMany(g gostomp) {
	const n = 1000
	c, d := g.dial(), g.dial()
	there := g.subscribe(d, "/queue/there", stomp.AckClient)
	back := g.subscribe(c, "/queue/back", stomp.AckAuto)
	errs := make(chan error, 1)
	go func() { errs <- echo(d, there, n) }()
	go func() {
		for i := range n {
			if err := c.Send("/queue/there", "", fmt.Append(nil, i)); err != nil {
				g.t.Error(err)
			}
		}
	}()
	for i := range n {
		g.next(back, fmt.Sprint(i))
	}
	g.must(<-errs)
	g.wantDepth("/queue/there", 0, 0)
	g.wantDepth("/queue/back", 0, 0)
	g.must(c.Disconnect())
	g.must(d.Disconnect())
}

// echo sends each message back, and acknowledges every tenth cumulatively.
func echo(c *stomp.Conn, sub *stomp.Subscription, n int) error {
	for i := range n {
		m := <-sub.C
		if m.Err != nil {
			return m.Err
		}
		if err := c.Send("/queue/back", "", m.Body); err != nil {
			return err
		}
		if (i+1)%10 == 0 {
			if err := c.Ack(m); err != nil {
				return err
			}
		}
	}
	return nil
}

func gostompBeats(g gostomp) {
	const interval = 2 * time.Second // a busy machine may stop this process for a second or two
	c := g.dial(func(o *client.Options) { o.HeartBeat = interval })
	sub := g.subscribe(c, "/topic/a", stomp.AckAuto)
	select {
	case m := <-sub.C:
		g.t.Fatalf("got %+v", m)
	case <-time.After(3 * interval): // either side would have given up by now
	}
	g.must(c.Send("/topic/a", "", []byte("alive")))
	g.next(sub, "alive")
	g.must(c.Disconnect())
}

func gostompError(g gostomp) {
	c := g.dial()
	err := c.Send("/nowhere", "", nil, stomp.SendOpt.Receipt)
	if f := client.ErrorFrame(err); f == nil || f.Header.Get("message") != "unknown-destination" {
		g.t.Errorf("got %v", err)
	}
	_ = c.MustDisconnect() // it is already disconnected
}

func TestGoStompIsRefused(t *testing.T) {
	w := newWorld(t, func(o *servertest.Options) { o.Limits.Connections = 1 })
	address := "tcp://" + w.tcp(nil)
	first := gostomp{w, address, stomp.V12}.dial()
	_, err := client.Dial(context.Background(), address, client.Options{})
	if f := client.ErrorFrame(err); f == nil || f.Header.Get("message") != connections.TooManyConnections {
		t.Errorf("got %v, want the ERROR", err)
	}
	if err := first.Disconnect(); err != nil {
		t.Error(err)
	}
}
