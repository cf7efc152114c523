package durable

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
)

// smallDisk mounts a separate file system for the program's directory.
func (w *world) smallDisk(size string) {
	w.t.Helper()
	dir := filepath.Join(w.dir, "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	mount := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir)
	if out, err := mount.CombinedOutput(); err != nil {
		w.t.Skipf("no file system can be mounted here: %v: %s", err, out)
	}
	w.t.Cleanup(func() {
		w.kill()
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			w.t.Errorf("umount: %v: %s", err, out)
		}
	})
}

// TestDiskFull: when little space is left, messages are refused while consumers
// continue; when there is room again, messages are accepted.
func TestDiskFull(t *testing.T) {
	w := newWorld(t)
	w.smallDisk("128m")
	w.configure("min_free: 48MiB")
	w.start()
	n := w.sendUntilRefused()
	if status := w.ready(); status != http.StatusServiceUnavailable {
		t.Errorf("readiness is %d", status)
	}
	t.Logf("%d messages were accepted", n)
	w.take(n)
	for deadline := time.Now().Add(patience); w.ready() != http.StatusOK; {
		if time.Now().After(deadline) {
			t.Fatalf("there is no room although the queue is empty:\n%s", w.log)
		}
		time.Sleep(50 * time.Millisecond) // compaction frees space
	}
	if err := w.sendOne(0); err != nil {
		t.Errorf("there is room, and a message is refused: %v", err)
	}
	w.take(1)
	w.stop()
	w.check()
}

// TestDiskOverfull: a completely full disk loses no message that has a RECEIPT,
// and the program says how to proceed.
func TestDiskOverfull(t *testing.T) {
	w := newWorld(t)
	w.smallDisk("96m")
	w.configure("min_free: 0")
	w.start()
	n := w.sendUntilRefused()
	if status := w.ready(); status != http.StatusServiceUnavailable {
		t.Errorf("readiness is %d", status)
	}
	if log := w.log.String(); !strings.Contains(log, "no space left") {
		t.Errorf("the log does not say why:\n%s", log)
	}
	w.kill()
	if out, err := exec.Command("mount", "-o", "remount,size=256m", filepath.Join(w.dir, "data")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.check()
	w.start()
	w.take(n)
	w.stop()
}

// errRefused is the broker's answer when it cannot store a message.
var errRefused = errors.New("storage-failed")

// sendOne sends message n and waits for the answer.
func (w *world) sendOne(n int) error {
	answer := make(chan error, 2)
	c, err := connect(w.address, func(_ *client, f frames.Inbound) {
		switch {
		case f.Command == frame.RECEIPT:
			answer <- nil
		case f.Header.Get(frame.Message) == "storage-failed" && f.Header.Get(frame.ReceiptId) != "":
			answer <- errRefused
		default:
			answer <- errors.New(f.Header.Get(frame.Message))
		}
	})
	if err != nil {
		return err
	}
	defer c.Close()
	body := strings.Repeat(string(incompressible(n)), 64)
	c.Send("SEND\ndestination:/queue/full\nn:%d\nreceipt:r\ncontent-length:%d\n\n%s\x00", n, len(body), body)
	select {
	case err := <-answer:
		return err
	case <-time.After(patience):
		return errors.New("no answer")
	}
}

// sendUntilRefused returns the number of messages that were accepted.
func (w *world) sendUntilRefused() int {
	w.t.Helper()
	for n := range 10_000 {
		switch err := w.sendOne(n); {
		case errors.Is(err, errRefused):
			return n
		case err != nil:
			w.t.Fatalf("message %d: %v\n%s", n, err, w.log)
		}
	}
	w.t.Fatal("the disk is never full")
	return 0
}

// take takes n messages in order, and possibly one more: one whose sender got
// an ERROR although it was stored.
func (w *world) take(n int) {
	w.t.Helper()
	answers := make(chan string, 16)
	next := 0
	c, err := connect(w.address, func(c *client, f frames.Inbound) {
		switch f.Command {
		case frame.MESSAGE:
			if got := f.Header.Get("n"); got != strconv.Itoa(next) {
				answers <- "message " + got + " instead of " + strconv.Itoa(next)
			}
			next++
			c.Send("ACK\nid:%s\nreceipt:%d\n\n\x00", f.Header.Get(frame.Ack), next)
		case frame.RECEIPT:
			if f.Header.Get(frame.ReceiptId) == strconv.Itoa(n) {
				answers <- ""
			}
		default:
			answers <- f.Header.Get(frame.Message)
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	c.Send("SUBSCRIBE\nid:1\ndestination:/queue/full\nack:client-individual\nprefetch-count:4\n\n\x00")
	select {
	case fault := <-answers:
		if fault != "" {
			w.t.Fatalf("%s\n%s", fault, w.log)
		}
	case <-time.After(patience):
		w.t.Fatalf("%d of %d messages came:\n%s", next, n, w.log)
	}
}

// ready returns the status of the readiness page.
func (w *world) ready() int {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.admin+"/readyz", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode
}
