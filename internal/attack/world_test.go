package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"hoofbeat/internal/proctest"
)

// Limits of the attacked broker. They are small, so that attacks can be small.
const (
	memoryBudget   = 96 << 20         // limits.memory
	connectionPart = memoryBudget / 4 // limits.memory_per_connection
	bodyLimit      = 8 << 20          // limits.frame_body_bytes
	// volume is the number of bytes that each attack tries to make the broker
	// hold. Unchecked, it would exceed memoryBound.
	volume = 3 * memoryBudget
)

// memoryBound is the memory that the process may use, given base before the
// attack. Besides the budget there are buffers of the store (56 MiB) and
// garbage: Go's memory limit is set to the budget plus a quarter, and is a soft
// limit.
func memoryBound(base int) int { return base + memoryBudget*5/2 }

// A world is an attacked broker.
type world struct {
	dir     string
	address string // of STOMP over TCP
	admin   string // of the operators' listener
	broker  *proctest.Program

	fillOnce sync.Once // for largeQueue
}

// newWorld starts the broker. The hash belongs to bystanderPasscode and has the
// minimal cost, which determines the time of failed logins.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{dir: filepath.Join(dir, "data"), address: proctest.FreeAddress(t), admin: proctest.FreeAddress(t)}
	config := filepath.Join(dir, "hoofbeat.yaml")
	text := fmt.Sprintf(`
listen:
  websocket: { address: "" }
  tcp: { address: %q }
  admin: { address: %q, metrics_without_token: true }
auth:
  anonymous: true
  users: [{ name: bystander, hash: "$2a$04$tOa9Pg/mcELo5BZpIt3X0urRQ2t1ZfJvin4Q/AaEFUkkgxq.u.GgK", roles: [operator] }]
acl:
  - { allow: [send, subscribe], destinations: ["/queue/**", "/topic/**"] }
  - { roles: [operator], allow: ["admin:write"] }
storage: { directory: %q, min_free: 0 }
destinations: [{ match: /queue/memory.**, durable: false }]
limits:
  memory: %d
  memory_per_connection: %d
  frame_body_bytes: %d
  transaction_bytes_per_connection: 16MiB
  outbound_bytes_per_connection: 4MiB
`, w.address, w.admin, w.dir, memoryBudget, connectionPart, bodyLimit)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.broker, err = proctest.Start(proctest.Build(t, dir), "serve", "--config", config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.broker.End(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("%s", w.broker.Log)
		}
	})
	for _, address := range []string{w.address, w.admin} {
		if err := w.broker.WaitFor(address); err != nil {
			t.Fatal(err)
		}
	}
	return w
}
