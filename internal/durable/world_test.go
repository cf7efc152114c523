package durable

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A world is a program, its directory, and what is known of it.
type world struct {
	t       *testing.T
	program string
	dir     string
	address string // of STOMP over TCP
	admin   string // of the operators' listener
	ledger  *ledger
	lanes   []*lane
	broker  *exec.Cmd
	log     *bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), ledger: newLedger()}
	w.program = filepath.Join(w.dir, "hoofbeat")
	build := exec.Command("go", "build", "-trimpath", "-o", w.program, "hoofbeat/cmd/hoofbeat")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build has it
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.address, w.admin = freeAddress(t), freeAddress(t)
	w.configure("min_free: 0")
	t.Cleanup(w.kill)
	return w
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// configure writes the configuration, with more keys for storage.
func (w *world) configure(storage string) {
	w.t.Helper()
	config := fmt.Sprintf("listen: { websocket: { address: '' }, tcp: { address: %q }, admin: { address: %q } }\nauth: { anonymous: true }\nstorage: { directory: %q, %s }\n",
		w.address, w.admin, filepath.Join(w.dir, "data"), storage)
	if err := os.WriteFile(filepath.Join(w.dir, "hoofbeat.yaml"), []byte(config), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// start starts the broker and waits until it listens.
func (w *world) start() {
	w.t.Helper()
	w.log = &bytes.Buffer{}
	w.broker = exec.Command(w.program, "serve", "--config", filepath.Join(w.dir, "hoofbeat.yaml"))
	w.broker.Stdout, w.broker.Stderr = w.log, w.log
	if err := w.broker.Start(); err != nil {
		w.t.Fatal(err)
	}
	exited := make(chan struct{})
	broker := w.broker
	go func() { defer close(exited); _, _ = broker.Process.Wait() }()
	for deadline := time.Now().Add(patience); ; {
		c, err := net.Dial("tcp", w.address)
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-exited:
			w.t.Fatalf("the broker has ended:\n%s", w.log)
		case <-time.After(5 * time.Millisecond): // between two attempts to connect
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the broker does not listen:\n%s", w.log)
		}
	}
}

func (w *world) kill() { w.signal(syscall.SIGKILL) }
func (w *world) stop() { w.signal(syscall.SIGTERM) }

func (w *world) signal(s syscall.Signal) {
	if w.broker == nil {
		return
	}
	_ = w.broker.Process.Signal(s)
	for deadline := time.Now().Add(patience); w.broker.Process.Signal(syscall.Signal(0)) == nil && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // the other goroutine waits for the process
	}
	w.broker = nil
}

// check runs store check on the directory.
func (w *world) check() {
	w.t.Helper()
	out, err := exec.Command(w.program, "store", "check", filepath.Join(w.dir, "data")).CombinedOutput()
	if err != nil {
		w.t.Errorf("store check: %v\n%s", err, strings.TrimSpace(string(out)))
	}
}
