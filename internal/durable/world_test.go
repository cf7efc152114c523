package durable

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"hoofbeat/internal/proctest"
)

// A world is a program, its directory, and the record of its messages.
type world struct {
	t       *testing.T
	program string
	dir     string
	address string // of STOMP over TCP
	admin   string // of the operators' listener
	ledger  *ledger
	lanes   []*lane
	broker  *proctest.Program
	log     *proctest.Log
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), ledger: newLedger()}
	w.program = proctest.Build(t, w.dir)
	w.address, w.admin = proctest.FreeAddress(t), proctest.FreeAddress(t)
	w.configure("min_free: 0")
	t.Cleanup(w.kill)
	return w
}

// configure writes the configuration, with additional storage keys.
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
	broker, err := proctest.Start(w.program, "serve", "--config", filepath.Join(w.dir, "hoofbeat.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.broker, w.log = broker, broker.Log
	if err := broker.WaitFor(w.address); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) kill() { w.end(syscall.SIGKILL) }
func (w *world) stop() { w.end(syscall.SIGTERM) }

func (w *world) end(s syscall.Signal) {
	if w.broker == nil {
		return
	}
	if err := w.broker.End(s); err != nil {
		w.t.Error(err)
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
