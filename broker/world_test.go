package broker

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/destination"
)

// A world is a Broker under everything that can happen to it at once. Where
// the model of model_test.go knows exactly what comes next, a world keeps
// account: after each step it looks into the queues and the Store, and every
// message that comes or goes needs a reason.
type world struct {
	t     *testing.T
	r     *rand.Rand
	seed  uint64
	b     *Broker
	store *lazyStore // nil: none
	// window bounds the stored messages that the Broker has in memory.
	window   int
	held     int // the bytes that a consumer has in memory
	policies Policies
	quota    int          // of StoredPerUser
	mu       sync.Mutex   // held by Deliver
	offset   atomic.Int64 // of the wall clock, which timers read
	back     bool         // it was set back
	stepped  time.Time    // when it was set last

	clients   []*worldClient
	consumers []*consumer // those that may hold something
	serial    int
	arrivals  int

	sent  map[string]*Message // by body; nil: it was refused
	dests map[string]worldQueue
	there map[spot]int // messages after the last step
	// came is when a message came to a queue; it does so once.
	came      map[spot]int64
	notBefore map[spot]int64 // it was refused, and waits for its delay
	order     map[string]int // the last arrival by queue and priority
	arrival   map[string]int // by body
	// kept are those that the Store has, now and before the step.
	kept, keptBefore map[spot]bool
	// away has the queues of which messages wait for their bodies, to go elsewhere.
	away map[string]bool
	step deeds
	log  []string
}

// A spot is a message in a queue.
type spot struct{ queue, body string }

type worldQueue struct {
	named   destination.Destination // that the policy goes by
	private bool
}

// deeds are the events of a step that may explain missing messages.
type deeds struct {
	acked    map[spot]int
	refused  map[spot]bool   // by NACK, or by their consumer's end
	wiped    map[string]bool // queues that were purged, deleted, moved from, or ended
	restart  bool
	policies []Policies // in force during the step
}

// A lazyStore calls back when it is told to.
type lazyStore struct {
	Memory
	lazy    bool
	waiting []func()
}

func (s *lazyStore) Apply(b Batch, done func(error)) {
	if done == nil {
		s.Memory.Apply(b, nil)
		return
	}
	s.Memory.Apply(b, func(err error) { s.later(func() { done(err) }) })
}

func (s *lazyStore) Read(r Range, f func(Page)) {
	s.Memory.Read(r, func(p Page) { s.later(func() { f(p) }) })
}

func (s *lazyStore) later(f func()) {
	s.mu.Lock()
	if s.lazy {
		s.waiting = append(s.waiting, f)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	f()
}

// release lets the waiting calls go on, and delays later ones again.
func (s *lazyStore) release(lazy bool) {
	s.mu.Lock()
	s.lazy = lazy
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	for _, f := range waiting {
		f()
	}
}

var worldQueues = []string{"/queue/a", "/queue/b", "/queue/c"}

const worldDead = "/queue/dead"

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 11)), sent: make(map[string]*Message), dests: make(map[string]worldQueue),
		there: make(map[spot]int), came: make(map[spot]int64), arrival: make(map[string]int)}
	if w.r.IntN(4) > 0 {
		w.store = &lazyStore{}
		if w.r.IntN(3) == 0 {
			w.store.Limit = 2000
		}
	}
	w.window = w.r.IntN(8)
	w.held = []int{0, 1, 500}[w.r.IntN(3)]
	if w.r.IntN(2) == 0 {
		w.quota = 1000 + w.r.IntN(storedChunk)
	}
	w.policies = w.somePolicies()
	for i := range 4 {
		w.clients = append(w.clients, &worldClient{owner: destination.Owner{User: fmt.Sprint("u", i), Connection: fmt.Sprint("c", i)}})
	}
	w.begin()
	w.open()
	return w
}

// begin forgets the last step, but keeps reasons for messages that may still
// go while they wait for their bodies.
func (w *world) begin() {
	last := w.step
	w.step = deeds{acked: make(map[spot]int), refused: make(map[spot]bool), wiped: make(map[string]bool), policies: []Policies{w.policies}}
	for s := range last.refused {
		w.step.refused[s] = w.away[s.queue]
	}
	if len(w.away) > 0 {
		w.step.policies = append(w.step.policies, last.policies...)
	}
}

func (w *world) now() int64 { return time.Now().Add(time.Duration(w.offset.Load())).UnixMilli() }

func (w *world) open() {
	o := Options{Policies: w.policies, Quotas: Quotas{StoredPerUser: w.quota}, window: w.window, held: w.held, Clock: func() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }}
	if w.store != nil {
		o.Store = w.store
	}
	var err error
	if w.b, err = New(o); err != nil {
		w.t.Fatal(err)
	}
	w.consumers, w.order, w.notBefore = nil, make(map[string]int), make(map[spot]int64)
	for _, c := range w.clients {
		w.connect(c)
	}
}

func (w *world) connect(c *worldClient) {
	*c = worldClient{owner: c.owner, p: w.b.NewPublisher()}
	c.p.ActFor(c.owner.User)
}

func (w *world) somePolicies() Policies {
	dead := readDestination(w.t, worldDead, alice)
	all := map[string]Policy{}
	for _, match := range append(worldQueues, "/topic/**") {
		p := Policy{Durable: w.r.IntN(4) > 0}
		if w.r.IntN(2) == 0 {
			p.Overflow = FullPolicy(w.r.IntN(3))
			if p.MaxMessages = 1 + w.r.IntN(40); w.r.IntN(2) == 0 {
				p.MaxMessages, p.MaxBytes = 0, 400+w.r.IntN(8000)
			}
		}
		if w.r.IntN(3) == 0 {
			p.TTL = time.Duration(1+w.r.IntN(20)) * time.Second
		}
		if w.r.IntN(3) == 0 {
			p.RedeliveryDelay = Backoff{Initial: time.Duration(1+w.r.IntN(5)) * time.Second, Multiplier: 2}
		}
		if w.r.IntN(2) == 0 {
			p.DeadLetter = dead
		}
		if w.r.IntN(3) == 0 {
			p.MaxDeliveries = 1 + w.r.IntN(3)
		}
		all[match] = p
	}
	return rules(w.t, all)
}

func (w *world) note(format string, a ...any) {
	if len(w.log) == 60 {
		w.log = w.log[1:]
	}
	w.log = append(w.log, fmt.Sprintf(format, a...))
}

func (w *world) fail(format string, a ...any) {
	w.t.Helper()
	w.t.Fatalf("MODEL_SEED=%d: %s\nlast steps:\n%s", w.seed, fmt.Sprintf(format, a...), strings.Join(w.log, "\n"))
}

// key names a queue, and remembers its kind.
func (w *world) key(q *queue) string {
	key := q.dest.Key()
	if q.passing() {
		key = fmt.Sprintf("%p", q)
	}
	w.dests[key] = worldQueue{q.named(), q.private}
	return key
}

func (w *world) all() []*queue {
	all := w.b.queues.all()
	for q := range w.b.queues.passing.Range {
		all = append(all, q.(*queue))
	}
	return all
}

// look finds every message, and compares the queues in memory with the store.
func (w *world) look() map[spot]int {
	found, kept := make(map[spot]int), make(map[spot]bool)
	w.away = make(map[string]bool)
	held := make(map[*queue][]entry)
	w.consumers = slices.DeleteFunc(w.consumers, func(c *consumer) bool {
		for i := range c.held.len() {
			if d := c.held.at(i); d.settle != settled {
				held[c.q] = append(held[c.q], d.entry)
			}
		}
		return c.released
	})
	for _, q := range w.all() {
		key := w.key(q)
		waiting := q.inMemory()
		if len(held[q]) != q.held {
			w.fail("%s: %d are held, and it counts %d", key, len(held[q]), q.held)
		}
		stored := w.stored(q.id)
		for _, body := range stored {
			kept[spot{key, body}] = true
		}
		for _, e := range append(waiting, held[q]...) {
			body := stored[e.position()]
			if !e.msg.bodiless() {
				body = string(e.msg.Body())
			}
			found[spot{key, body}]++
			if !e.stored() {
				continue
			}
			if stored[e.position()] != body {
				for _, e := range append(waiting, held[q]...) {
					w.note("%v, stored %v; looks %v, policy %+v", e.position(), e.stored(), q.look, *q.policy)
				}
				w.note("delayed %d, behind %d, horizon %v, fresh %d, soon %d; held %d", q.backlog.delayed.count, q.backlog.delayed.behind.Count, q.backlog.delayed.horizon, len(q.backlog.delayed.fresh), q.backlog.delayed.soon.len(), len(held[q]))
				w.fail("%s: %s is at %v, where the store has %q", key, body, e.position(), stored[e.position()])
			}
			delete(stored, e.position())
		}
		behind := q.backlog.delayed.behind.Count
		for _, l := range q.backlog.lanes {
			behind += l.behind.Count
		}
		if away := q.moving + q.taken; behind+away != len(stored) {
			w.fail("%s: the store has %d beside those in memory; %d are counted as behind, and %d wait for their bodies", key, len(stored), behind, away)
		} else if away > 0 {
			w.away[key] = true
		}
		for _, body := range stored {
			found[spot{key, body}]++
		}
	}
	w.kept, w.keptBefore = kept, w.kept
	return found
}

// inMemory are the entries in the queue's lists.
func (q *queue) inMemory() (all []entry) {
	for _, p := range q.backlog.piles() {
		all = append(all, p.sorted()...)
	}
	for _, l := range q.backlog.lanes {
		for _, d := range []*deque[entry]{&l.window, &l.loose} {
			for i := range d.len() {
				all = append(all, *d.at(i))
			}
		}
	}
	return all
}

// stored are the bodies that the Store has of a queue.
func (w *world) stored(id QueueID) map[Position]string {
	all := make(map[Position]string)
	if w.store == nil || w.store.queues[id] == nil {
		return all
	}
	for _, l := range w.store.queues[id].lanes {
		for at, m := range l.messages {
			all[at] = string(m.Message.Body())
		}
	}
	return all
}

// check looks at everything after a step.
func (w *world) check() {
	w.t.Helper()
	time.Sleep(time.Millisecond) // in a bubble, so all work that is due is done
	synctest.Wait()
	checkQueues(w.t, w.b)
	if w.store != nil {
		checkStored(w.t, w.b, &w.store.Memory)
	}
	found := w.look()
	w.checkGone(found)
	w.checkCome(found)
	w.there = found
	w.checkLive()
	checkBooks(w.t, w.b)
	if w.t.Failed() {
		w.fail("the invariants do not hold")
	}
	w.begin()
}

// checkGone wants a reason for all that is not there any more. Where the policy
// has a dead letter queue, dead messages are in it.
func (w *world) checkGone(found map[spot]int) {
	dead := readDestination(w.t, worldDead, alice).Key()
	buried := make(map[string]int)
	for s, n := range w.there {
		lost := n - found[s] - w.step.acked[s]
		switch {
		case lost <= 0:
		case w.step.wiped[s.queue], w.step.restart && !w.wasStored(s):
		case !w.mayDie(s):
			m := w.sent[s.body]
			w.fail("%s: %s is gone, which came at %d with priority %d, expires %d, due %d; now %d, policy %+v", s.queue, s.body, w.came[s], m.priority, m.Expires(), m.rarely().due, w.now(), *w.policies.For(w.dests[s.queue].named))
		case w.goesToDead(s):
			buried[s.body] += lost
			w.note("%.9s has died in %q, refused %v, came at %d", s.body, s.queue, w.step.refused[s], w.came[s])
		}
	}
	for body, n := range buried {
		s := spot{dead, body}
		came := found[s] - w.there[s] + w.step.acked[s]
		// It may have died there, too, if it was there before, or was delivered and
		// rejected in the same step.
		again := w.mayDie(s) && (w.there[s] > 0 || w.step.refused[s])
		if came < n && !w.step.wiped[dead] && !again {
			for _, r := range DropReasons() {
				w.note("dropped for %s: %d", r, w.b.Stats().DroppedFor(r))
			}
			for _, q := range w.all() {
				w.note("%q: %+v, moving %d, policy %+v", q.dest.Key(), q.depths(), q.moving, *q.policy)
			}
			w.fail("%s has died %d times, and came to the dead letter queue %d times", body, n, came)
		}
	}
}

// wasStored tells whether a message outlives the process.
func (w *world) wasStored(s spot) bool { return w.store != nil && w.keptBefore[s] }

func (w *world) mayDie(s spot) bool {
	m, back := w.sent[s.body], int64(0)
	if w.back {
		back = 1 << 40 // it came at a time that is not known
	}
	if w.step.refused[s] || w.now() >= m.Expires()-back && m.Expires() != 0 {
		return true
	}
	for _, all := range w.step.policies {
		p := all.For(w.dests[s.queue].named)
		if w.dests[s.queue].private {
			continue
		}
		if p.Overflow == DropHead && p.MaxMessages+p.MaxBytes > 0 || p.TTL > 0 && w.now()-w.came[s] >= p.TTL.Milliseconds()-5000-back {
			return true
		}
	}
	return false
}

func (w *world) goesToDead(s spot) bool {
	for _, all := range w.step.policies {
		if all.For(w.dests[s.queue].named).DeadLetter.Kind == 0 {
			return false
		}
	}
	return true
}

// checkCome wants each message to come to a queue once, and only if it was
// taken.
func (w *world) checkCome(found map[spot]int) {
	dead := readDestination(w.t, worldDead, alice).Key()
	for s, n := range found {
		if w.sent[s.body] == nil {
			w.fail("%s: %s is there, and its sender was refused", s.queue, s.body)
		}
		if n > 1 && s.queue != dead {
			w.fail("%s: %s is there %d times", s.queue, s.body, n)
		}
		if n <= w.there[s] || s.queue == dead {
			continue
		}
		if _, again := w.came[s]; again {
			w.fail("%s: %s is back", s.queue, s.body)
		}
		w.came[s] = w.now()
	}
}

// checkLive wants that no message waits that a consumer could have.
func (w *world) checkLive() {
	if w.store != nil && w.store.lazy {
		return
	}
	for _, c := range w.consumers {
		if d := c.q.depth(); d.Ready > 0 && c.ready() {
			w.fail("%s: %d wait, and a consumer has room", c.q.dest.Key(), d.Ready)
		}
		// The wall clock is looked at every few seconds.
		const late = 10 * time.Second
		if it := c.q.backlog.delayed.soon.first(); it != nil && c.ready() && time.Since(w.stepped) > late && w.now()-it.at > late.Milliseconds() {
			w.fail("%s: %d is late by %d ms, and a consumer has room", c.q.dest.Key(), it.seq, w.now()-it.at)
		}
	}
}

func TestWorld(t *testing.T) { forSeeds(t, 8, runWorld) }

// forSeeds runs a test in bubbles with the first few seeds; with MODEL=1m, with
// new ones for so long; and with MODEL_SEED, with that one.
func forSeeds(t *testing.T, few uint64, f func(t *testing.T, seed uint64)) {
	t.Helper()
	run := func(seed uint64) { synctest.Test(t, func(t *testing.T) { f(t, seed) }) }
	if seed, err := strconv.ParseUint(os.Getenv("MODEL_SEED"), 10, 64); err == nil {
		run(seed)
		return
	}
	during, err := time.ParseDuration(os.Getenv("MODEL"))
	if err != nil {
		for seed := range few {
			run(seed)
		}
		return
	}
	n := 0
	for end := time.Now().Add(during); time.Now().Before(end) && !t.Failed(); n++ {
		run(rand.Uint64())
	}
	t.Logf("%d seeds", n)
}

func runWorld(t *testing.T, seed uint64) {
	w := newWorld(t, seed)
	for range 600 {
		w.act()
		w.check()
	}
	w.drain()
}
