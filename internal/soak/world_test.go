package soak

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hoofbeat/internal/proctest"
)

// A world is the program, the proxy in front of it, and the record of the run.
type world struct {
	t      *testing.T
	o      options
	dir    string
	broker *proctest.Program
	ws     string // addresses: STOMP over WebSocket,
	tcp    string // STOMP over TCP,
	admin  string // and the admin API
	nginx  *nginx // nil: not installed on this machine
	faults *faults
	heard  *tallies // events seen by clients

	lanes  []*lane
	keeps  []*lane    // of the durable subscriptions, which all receive the same messages
	keeper sync.Mutex // held while a message gets its number in all of keeps
	lives  atomic.Int64

	file generation // the configuration in force; owned by the goroutine that writes it
}

func newWorld(t *testing.T, o options) *world {
	w := &world{t: t, o: o, dir: t.TempDir(), faults: &faults{}, heard: newTallies()}
	w.ws, w.tcp, w.admin = proctest.FreeAddress(t), proctest.FreeAddress(t), proctest.FreeAddress(t)
	w.makeLanes()
	w.write(w.file.text(w))
	var err error
	if w.broker, err = proctest.Start(proctest.Build(t, w.dir), "serve", "--config", w.configFile()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.broker.Signal(syscall.SIGKILL) }) // a run without faults has stopped it already
	for _, address := range []string{w.ws, w.tcp, w.admin} {
		if err := w.broker.WaitFor(address); err != nil {
			t.Fatal(err)
		}
	}
	w.nginx = startNginx(t, w.ws, w.tcp)
	return w
}

func (w *world) configFile() string { return filepath.Join(w.dir, "hoofbeat.yaml") }

// write replaces the configuration by a rename, as editors do.
func (w *world) write(text string) {
	next := w.configFile() + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		w.faults.add("%v", err)
		return
	}
	if err := os.Rename(next, w.configFile()); err != nil {
		w.faults.add("%v", err)
	}
}

// A generation is the number of a configuration.
type generation int

// odd generations deny everybody the secrets, have no guest, and have other
// limits.
func (g generation) odd() bool { return g%2 == 1 }

// rests reports whether a run may end with this generation: it blocks no
// sender.
func (g generation) rests() bool { return g%jams == 0 }

const jams = 4

// jam returns the policy of the queues that block their senders.
func (g generation) jam() string {
	if g.rests() {
		return ""
	}
	return fmt.Sprintf(", max_messages: %d, overflow: block", [jams]int{0, 40, 10, 20}[g%jams])
}

// rule returns a name in the configuration by which operators recognise it.
func (g generation) rule() string { return fmt.Sprintf("this is configuration %d.", int(g)) }

const (
	secret    = "a secret of this test that is long enough to sign with"
	guestHash = "$2a$04$m0V2NAtDZuQIckzt6xKlvu/fOipbpaAhiJ16p9syfhL/wLjJcn9ZO"
	guestPass = "guest"

	// heartBeat is the interval that most connections negotiate. It is long, so
	// that a machine under load does not miss heart-beats.
	heartBeat = 20 * time.Second
)

func (g generation) text(w *world) string {
	var users, deny string
	bound, deliveries := 40, 5
	if g.odd() {
		bound, deliveries = 25, 4
		deny = "  - { name: nobody reads secrets, deny: [subscribe], destinations: ['/topic/secret.**'] }\n"
	} else {
		users = fmt.Sprintf("  users: [{ name: guest, hash: %q, roles: [client] }]\n", guestHash)
	}
	return fmt.Sprintf(`listen:
  websocket: { address: %q }
  tcp: { address: %q, proxy_protocol: true }
  admin: { address: %q }
auth:
  jwt: { algorithms: [HS256], secret: %q, leeway: 1s }
%sacl:
  - { name: %q, roles: [client], allow: [send, subscribe], destinations: ['/topic/**', '/queue/**', '/temp-queue/**'] }
%s  - { name: operators, roles: [operator], allow: [admin:write] }
destinations:
  - { match: '/queue/dead.**' }
  - { match: '/queue/work.**', max_deliveries: %d, redelivery_delay: 200ms, dead_letter: /queue/dead.work }
  - { match: '/queue/short.**', dead_letter: /queue/dead.short, max_deliveries: 20 }
  - { match: '/queue/fleeting.**', ttl: 300ms, durable: false }
  - { match: '/queue/bounded.**', max_messages: %d, overflow: drop-oldest, dead_letter: /queue/dead.bounded }
  - { match: '/queue/full.**', max_messages: %d, overflow: reject }
  - { match: '/queue/jam.**'%s }
  - { match: '/queue/rpc', ttl: 10s, durable: false }
storage: { directory: %q, min_free: 0 }
limits: { trusted_proxies: [127.0.0.1], connect_timeout: 20s, outbound_bytes_per_connection: 256KiB }
heartbeat: { server: %v }
log: { level: warn, audit: %q }
`, w.ws, w.tcp, w.admin, secret, users, g.rule(), deny, deliveries, bound, bound/2, g.jam(), filepath.Join(w.dir, "data"), heartBeat, w.auditFile())
}

func (w *world) auditFile() string { return filepath.Join(w.dir, "audit.log") }

// broken returns a configuration that must be refused, for one of several
// reasons.
func (g generation) broken(w *world) string {
	right := g.text(w)
	switch int(g) % 3 {
	case 0:
		return right + "surprise: yes\n"
	case 1:
		return strings.Replace(right, "overflow: reject", "overflow: perhaps", 1)
	}
	return right[:len(right)/2] // only half of it was written
}

// token returns a token for a user with a role and an expiry.
func token(user, role string, expires time.Time) string {
	claims, err := json.Marshal(map[string]any{"sub": user, "roles": []string{role}, "exp": expires.Unix()})
	if err != nil {
		panic(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// forever is longer than any soak.
const forever = 24 * time.Hour

const (
	workQueues    = 8
	autoQueues    = 2
	shortQueues   = 2
	durables      = 12
	boundedQueues = 2
	fullQueues    = 2
	jamQueues     = 2
)

// makeLanes creates the lanes of all queues whose messages are recorded. A
// lane's name tells the kind of its queue.
func (w *world) makeLanes() {
	add := func(kind string, n int) {
		for i := range n {
			name := fmt.Sprintf("%s.%d", kind, i)
			moved := ""
			if kind == "work" {
				moved = "/queue/out." + name
			}
			w.lanes = append(w.lanes, newLane(name, "/queue/"+name, moved, w.faults))
		}
	}
	add("work", workQueues)
	add("auto", autoQueues)
	add("short", shortQueues)
	add("bounded", boundedQueues)
	add("full", fullQueues)
	add("jam", jamQueues)
	for i := range durables {
		w.keeps = append(w.keeps, newLane(fmt.Sprintf("keep.%d", i), keepTopic, "", w.faults))
	}
}

const keepTopic = "/topic/keep"

// lanesOf returns the lanes of a kind.
func (w *world) lanesOf(kind string) []*lane {
	var all []*lane
	for _, l := range w.lanes {
		if strings.HasPrefix(l.name, kind+".") {
			all = append(all, l)
		}
	}
	return all
}

// laneNamed returns a message's lane, or nil.
func (w *world) laneNamed(name string) *lane {
	for _, l := range w.lanes {
		if l.name == name {
			return l
		}
	}
	return nil
}

// tallies count events by name.
type tallies struct {
	mu    sync.Mutex // a leaf; guards count
	count map[string]int
}

func newTallies() *tallies { return &tallies{count: make(map[string]int)} }

func (t *tallies) add(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count[what]++
}

// all returns a copy.
func (t *tallies) all() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[string]int, len(t.count))
	for k, v := range t.count {
		all[k] = v
	}
	return all
}
