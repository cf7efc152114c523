package transport_test

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
)

// idle opens raw connections with a subscription each, which then say and are
// told nothing. Neither client nor server keeps a goroutine for the client's
// end.
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

// A connection that has waited, and then is used, works as before.
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

// BenchmarkIdle tells what an idle connection costs.
func BenchmarkIdle(b *testing.B) {
	const n = 2000
	for b.Loop() {
		w := newWorld(b)
		address := w.ws(nil)
		before := memory()
		all := idle(b, w, address, n)
		b.ReportMetric(float64(memory()-before)/n, "B/connection") // the client's end is a few hundred of them
		for _, c := range all {
			_ = c.Close()
		}
		w.end()
	}
}

// memory is what heap and stacks use.
func memory() uint64 {
	heap()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
