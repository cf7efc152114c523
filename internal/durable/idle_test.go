package durable

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/store/pebble"
)

const (
	idleQueues      = 100_000
	idleMessages    = 10
	idleQueueMemory = 2 << 10
)

// TestIdleQueues: many queues without consumers use little memory, after they
// were filled and after a restart.
func TestIdleQueues(t *testing.T) {
	if testing.Short() {
		t.Skip("a million messages")
	}
	w := newWorld(t)
	w.start()
	before := w.memory("VmRSS")
	w.stop()

	dir := filepath.Join(w.dir, "data")
	heap := heapInUse()
	b, store := openBroker(t, dir)
	fillIdle(t, b)
	if each := (heapInUse() - heap) / idleQueues; each > idleQueueMemory {
		t.Errorf("a queue that was filled takes %d bytes of memory", each)
	} else {
		t.Logf("a queue that was filled takes %d bytes of memory", each)
	}
	b.Close()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	w.start()
	if each := (w.memory("VmRSS") - before) / idleQueues; each > idleQueueMemory {
		t.Errorf("a queue takes %d bytes of memory after a restart", each)
	} else {
		t.Logf("a queue takes %d bytes of memory after a restart", each)
	}
	w.stop()
	w.check()
}

func heapInUse() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func openBroker(t *testing.T, dir string) (*broker.Broker, *pebble.Store) {
	t.Helper()
	store, err := pebble.Open(dir, pebble.Options{Sync: pebble.SyncAlways})
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.New(broker.Options{Store: store, Policies: broker.Policies{Default: broker.Policy{Durable: true}}})
	if err != nil {
		t.Fatal(err)
	}
	return b, store
}

func fillIdle(t *testing.T, b *broker.Broker) {
	t.Helper()
	f := frame.New(frame.SEND)
	f.Body = []byte(strings.Repeat("x", 128))
	room := make(chan struct{}, 4096)
	done := func(err error) {
		if err != nil {
			t.Error(err)
		}
		<-room
	}
	p := b.NewPublisher()
	for range idleMessages {
		for i := range idleQueues {
			to, err := destination.DefaultNamespace().ForSend(fmt.Sprintf("/queue/idle.%d", i), destination.Owner{})
			if err != nil {
				t.Fatal(err)
			}
			room <- struct{}{}
			p.Send(broker.NewMessage(to, broker.Content{Header: f.Header, Body: f.Body}, broker.Properties{Priority: broker.DefaultPriority}), done)
		}
	}
	for range cap(room) {
		room <- struct{}{}
	}
}
