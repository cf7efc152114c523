package durable

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/frames"
)

// The promised figures: the number of messages of 1 KiB in one queue, and the
// memory of the process.
const (
	backlogBytes  = 1 << 10
	memoryLimit   = 256 << 20
	startupLimit  = 5 * time.Second
	defaultBigger = 300_000 // more than memoryLimit
)

// TestBacklog fills a queue beyond the memory limit, starts the program on it,
// and drains it.
func TestBacklog(t *testing.T) {
	n := defaultBigger
	if text := os.Getenv("BACKLOG_MESSAGES"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t)
	began := time.Now()
	fill(t, filepath.Join(w.dir, "data"), n)
	t.Logf("filled with %d messages of %d bytes in %v", n, backlogBytes, time.Since(began).Round(time.Millisecond))

	began = time.Now()
	w.start()
	if took := time.Since(began); took > startupLimit {
		t.Errorf("it took %v to start", took)
	} else {
		t.Logf("started in %v with %d MiB", took.Round(time.Millisecond), w.memory("VmRSS")>>20)
	}
	began = time.Now()
	w.consume(n)
	took := time.Since(began)
	peak := w.memory("VmHWM")
	t.Logf("drained in %v, %.0f messages/s, at most %d MiB", took.Round(time.Millisecond), float64(n)/took.Seconds(), peak>>20)
	if peak > memoryLimit {
		t.Errorf("the process has taken %d MiB of memory", peak>>20)
	}
	w.kill()
	w.check()
}

// fill puts messages into one queue without the program.
func fill(t *testing.T, dir string, n int) {
	t.Helper()
	b, store := openBroker(t, dir)
	to, err := destination.DefaultNamespace().ForSend("/queue/backlog", destination.Owner{})
	if err != nil {
		t.Fatal(err)
	}
	room := make(chan struct{}, 4096)
	done := func(err error) {
		if err != nil {
			t.Error(err)
		}
		<-room
	}
	p := b.NewPublisher()
	for i := range n {
		f := frame.New(frame.SEND, "n", strconv.Itoa(i))
		f.Body = incompressible(i)
		room <- struct{}{}
		p.Send(broker.NewMessage(to, broker.Content{Header: f.Header, Body: f.Body}, broker.Properties{Priority: broker.DefaultPriority}), done)
	}
	for range cap(room) {
		room <- struct{}{}
	}
	b.Close()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

// incompressible returns a body that takes its full size on disk.
func incompressible(i int) []byte {
	body := make([]byte, backlogBytes)
	x := uint64(i)*0x9e3779b97f4a7c15 + 1
	for k := 0; k < len(body); k += 8 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		for j := range 8 {
			body[k+j] = byte(x >> (8 * j))
		}
	}
	return body
}

// consume takes n messages in order and acknowledges them.
func (w *world) consume(n int) {
	w.t.Helper()
	ended := make(chan struct{})
	next := 0
	c, err := connect(w.address, func(c *client, f frames.Inbound) {
		if f.Command == frame.RECEIPT {
			close(ended)
			return
		}
		if got := f.Header.Get("n"); got != strconv.Itoa(next) || !bytes.Equal(f.Body, incompressible(next)) {
			w.t.Errorf("%s came instead of %d", got, next)
		}
		next++
		switch {
		case next == n:
			c.Send("ACK\nid:%s\nreceipt:end\n\n\x00", f.Header.Get(frame.Ack))
		case next%100 == 0:
			c.Send("ACK\nid:%s\n\n\x00", f.Header.Get(frame.Ack))
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	c.Send("SUBSCRIBE\nid:1\ndestination:/queue/backlog\nack:client\nprefetch-count:1000\n\n\x00")
	select {
	case <-ended:
	case <-c.Done:
		w.t.Fatalf("the connection has ended:\n%s", w.log)
	case <-time.After(patience + time.Duration(n)*time.Millisecond):
		w.t.Fatalf("the queue is not drained:\n%s", w.log)
	}
}

// memory returns a figure of the program's status, in bytes.
func (w *world) memory(name string) int {
	w.t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(w.broker.PID()), "status"))
	if err != nil {
		w.t.Skip("how much memory a process has is not known here: ", err)
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name+":" {
			kib, err := strconv.Atoi(f[1])
			if err != nil {
				w.t.Fatal(err)
			}
			return kib << 10
		}
	}
	w.t.Fatalf("no %s in\n%s", name, status)
	return 0
}
