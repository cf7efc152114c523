package durable

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
)

// TestWritten: messages that are consumed promptly are written to the disk
// about once. The disk must be busy enough for a sync to cover many messages,
// since every sync writes whole pages.
func TestWritten(t *testing.T) {
	const pairs, messages = 4, 40_000
	w := newWorld(t)
	w.start()
	defer w.stop()
	before := w.written()
	var all sync.WaitGroup
	size := 0
	for i := range pairs {
		send := fmt.Sprintf("SEND\ndestination:/queue/written.%d\npersistent:true\nreceipt:message-%d\n\n%s\x00", i, messages, strings.Repeat("x", 128))
		size += messages * len(send)
		all.Go(func() {
			if err := w.passThrough(fmt.Sprintf("/queue/written.%d", i), send, messages); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	ratio := float64(w.written()-before) / float64(size)
	t.Logf("%.2f bytes are written for each byte of a SEND of %d bytes", ratio, size/pairs/messages)
	if ratio > 1.5 {
		t.Errorf("%.2f bytes are written for each byte", ratio)
	}
}

// passThrough sends n messages to a queue, 256 at a time, and acknowledges
// them.
func (w *world) passThrough(queue, send string, n int) error {
	room, all := make(chan struct{}, 256), make(chan struct{})
	settled := 0
	c, err := connect(w.address, func(c *client, f frames.Inbound) {
		if f.Command == frame.MESSAGE {
			c.Send("ACK\nid:%s\nreceipt:acked\n\n\x00", f.Header.Get(frame.Ack))
		} else if f.Header.Get(frame.ReceiptId) == "acked" {
			<-room
			if settled++; settled == n {
				close(all)
			}
		}
	})
	if err != nil {
		return err
	}
	defer c.Close()
	c.Send("SUBSCRIBE\nid:1\ndestination:%s\nack:client-individual\nprefetch-count:1000\n\n\x00", queue)
	sender, err := connect(w.address, func(*client, frames.Inbound) {})
	if err != nil {
		return err
	}
	defer sender.Close()
	late := time.After(patience)
	for range n {
		select {
		case room <- struct{}{}:
			sender.Send("%s", send)
		case <-late:
			return fmt.Errorf("%s: nothing is acknowledged any more", queue)
		}
	}
	select {
	case <-all:
		return nil
	case <-late:
		return fmt.Errorf("%s: not all are acknowledged", queue)
	}
}

// written returns the number of bytes that the program has written to the disk.
func (w *world) written() int {
	w.t.Helper()
	io, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(w.broker.PID()), "io"))
	if err != nil {
		w.t.Skip("how much a process has written is not known here: ", err)
	}
	for line := range strings.Lines(string(io)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "write_bytes: "); ok {
			bytes, err := strconv.Atoi(n)
			if err != nil {
				w.t.Fatal(err)
			}
			return bytes
		}
	}
	w.t.Fatalf("no write_bytes in\n%s", io)
	return 0
}
