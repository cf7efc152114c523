package transport_test

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
)

// idle opens raw connections that subscribe and are silent from then on.
// Neither the test's nor the server's side keeps a goroutine for the test's
// side.
func idle(t testing.TB, w *world, address string, n int) []net.Conn {
	all := make([]net.Conn, n)
	buf := make([]byte, 4096)
	for i := range all {
		c := dialTCP(t, address)
		fmt.Fprint(c, handshake, masked(opText, "CONNECT\naccept-version:1.2\n\n\x00"),
			masked(opText, fmt.Sprintf("SUBSCRIBE\nid:1\ndestination:/topic/%d\nreceipt:r\n\n\x00", i)))
		for seen := ""; !strings.Contains(seen, "receipt-id:r\n\n\x00"); {
			k, err := c.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			seen += string(buf[:k])
		}
		all[i] = c
	}
	eventually(t, "all are connected", func() bool { return w.server.Sessions() == n })
	return all
}

func TestIdleGoroutines(t *testing.T) {
	const n = 1000
	w := newWorld(t)
	address := w.ws(nil)
	before := runtime.NumGoroutine()
	all := idle(t, w, address, n)
	eventually(t, "each connection has one goroutine", func() bool { return runtime.NumGoroutine()-before <= n+2 })
	t.Logf("%d goroutines for %d connections", runtime.NumGoroutine()-before, n)
	for _, c := range all {
		_ = c.Close()
	}
	eventually(t, "all are closed", func() bool { return w.server.Sessions() == 0 })
	if topics, queues := w.broker.Size(); topics+queues > 0 {
		t.Errorf("%d topics and %d queues are left", topics, queues)
	}
}

// An idle connection holds no read buffer, whatever it received before.
func TestIdleMemory(t *testing.T) {
	const n, most = 300, 16 << 10 // the size of a read buffer
	w := newWorld(t)
	address := w.ws(nil)
	before := heap()
	all := idle(t, w, address, n)
	if each := (int64(heap()) - int64(before)) / n; each > most {
		t.Errorf("an idle connection takes %d bytes of heap", each)
	}
	runtime.KeepAlive(all)
}

// A connection works as before after it was idle.
func TestIdleWakes(t *testing.T) {
	w := newWorld(t)
	c := converse(t, dialWS(t, "ws://"+w.ws(nil)+path, nil))
	c.Connect("1.2")
	subscribe(c, "/topic/a")
	for range 100 {
		c.Send("SEND", "destination:/topic/a", "", "x")
		c.Want("MESSAGE", "", "x")
	}
}

// BenchmarkIdle measures the memory of an idle connection.
func BenchmarkIdle(b *testing.B) {
	const n = 2000
	for b.Loop() {
		w := newWorld(b)
		address := w.ws(nil)
		before := memory()
		all := idle(b, w, address, n)
		b.ReportMetric(float64(memory()-before)/n, "B/connection") // includes a few hundred bytes for the client's end
		for _, c := range all {
			_ = c.Close()
		}
		w.end()
	}
}

// memory returns the bytes in use by heap and stacks.
func memory() uint64 {
	heap()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
