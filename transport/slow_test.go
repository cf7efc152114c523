package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"hoofbeat/internal/servertest"
	"hoofbeat/internal/stomptest"
)

// heap returns the bytes in use after a collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // objects in pools survive the first
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A client that never reads does not affect other subscribers, and costs the
// broker no more memory than its limit.
func TestStalledSubscriber(t *testing.T) {
	const readers, n, size, limit = 20, 130, 64 << 10, 1 << 20
	w := newWorld(t, func(o *servertest.Options) { o.Session.Limits.Outbound = limit })
	address := w.ws(nil)
	socket := dialTCP(t, address)
	if err := socket.SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	stalled := upgrade(t, socket, masked(opText, "CONNECT\naccept-version:1.2\n\n\x00"),
		masked(opText, "SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:r\n\n\x00"))
	stalled.wantText("CONNECTED")
	stalled.wantText("receipt-id:r")
	var all []*websocket.Conn
	for range readers {
		ws := dialWS(t, "ws://"+address+path, nil)
		c := converse(t, ws)
		c.Connect("1.2")
		subscribe(c, "/topic/a")
		all = append(all, ws)
	}
	publisher := converse(t, dialWS(t, "ws://"+address+path, nil))
	publisher.Connect("1.2")
	before, most := heap(), uint64(0)
	body := strings.Repeat("b", size)
	for i := range n {
		// All receive it before the next is sent, so that only one client falls
		// behind.
		publisher.Send("SEND", "destination:/topic/a", "", fmt.Sprintf("%04d", i)+body)
		var wg sync.WaitGroup
		for _, c := range all {
			wg.Go(func() { skim(t, c, i, size) })
		}
		wg.Wait()
		if i%20 == 19 {
			most = max(most, heap())
		}
	}
	if extra := int64(most) - int64(before); extra > 8*limit {
		t.Errorf("the heap has grown by %d bytes, while %d were sent", extra, n*size)
	}
	eventually(t, "the stalled client is disconnected", func() bool { return w.server.Sessions() == readers+1 })
	if log := w.log.String(); strings.Count(log, "reason=slow-consumer") != 1 {
		t.Error(log)
	}
	_ = stalled.Close()
}

// skim quickly reads a message whose body begins with the number i.
func skim(t *testing.T, ws *websocket.Conn, i, size int) {
	_, r, err := ws.Reader(context.Background())
	if err != nil {
		t.Error(err)
		return
	}
	var head [256]byte
	_, err1 := io.ReadFull(r, head[:])
	n, err2 := io.Copy(io.Discard, r)
	if err := errors.Join(err1, err2); err != nil || !strings.Contains(string(head[:]), fmt.Sprintf("\n\n%04dbbb", i)) || int(n) < size-len(head) {
		t.Errorf("got %q and %d bytes, %v, want the message %d", head, n, err, i)
	}
}

func wantNumber(t *testing.T, c *stomptest.Client, i int) {
	f, err := c.TryNext()
	if err != nil || f.Command != "MESSAGE" || !strings.HasPrefix(string(f.Body), fmt.Sprintf("%04d", i)) {
		t.Errorf("got %.100q, %v, want the message %d", f.Raw, err, i)
	}
}

// A stalled consumer of a queue holds only the messages that fit, and loses
// none.
func TestStalledConsumer(t *testing.T) {
	const n, size = 200, 64 << 10
	w := newWorld(t, func(o *servertest.Options) { o.Session.Limits.Outbound = 1 << 20 })
	url := "ws://" + w.ws(nil) + path
	ws := dialWS(t, url, nil)
	stalled := converse(t, ws)
	stalled.Connect("1.2")
	subscribe(stalled, "/queue/a", "ack:client", "prefetch-count:1000")
	c := converse(t, dialWS(t, url, &websocket.DialOptions{}))
	c.Connect("1.2")
	body := strings.Repeat("b", size)
	for i := range n {
		c.Send("SEND", "destination:/queue/a", "", fmt.Sprintf("%04d", i)+body)
	}
	c.Barrier()
	if d := w.depth("/queue/a"); d.Ready+d.Unacked != n || d.Unacked == n {
		t.Errorf("the queue holds %+v", d)
	}
	for i := range n {
		wantNumber(t, stalled, i)
	}
	w.wantDepth("/queue/a", 0, n)
}
