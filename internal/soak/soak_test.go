package soak

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hoofbeat/frames"
	"hoofbeat/internal/proctest"
)

// TestSoak runs a population twice: briefly, to measure the resources in use
// after all clients have left, and for long, after which they must be the same.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	o := readOptions(t)
	t.Logf("SOAK_SEED=%d, %v with %d connections, after %v of warm-up", o.seed, o.traffic, o.connections, o.warmup)
	w := newWorld(t, o)
	w.episode(1, o.warmup)
	before := w.settled(figures{})
	t.Logf("after the warm-up: %v", before)
	peak := w.episode(2, o.traffic)
	after := w.settled(before)
	t.Logf("at most: %d connections, %d goroutines, %d fds, %.1f MiB heap", peak.connections, peak.goroutines, peak.fds, float64(peak.heap)/(1<<20))
	t.Logf("before: %v", before)
	t.Logf("after:  %v", after)

	w.compare(before, after)
	w.checkCounters()
	w.checkLanes()
	w.checkVariety()
	w.stop()
	w.checkLog()
	all, n := w.faults.list()
	for _, f := range all {
		t.Error(f)
	}
	if n > len(all) {
		t.Errorf("and %d more", n-len(all))
	}
}

// episode lets all clients come, act for d and leave; then it empties the
// queues.
func (w *world) episode(number uint64, d time.Duration) (most peaks) {
	for i := range w.keeps {
		w.attach(i)
	}
	p := w.populate(number)
	r := rand.New(rand.NewPCG(w.o.seed, number))
	var others sync.WaitGroup
	others.Go(func() { most = p.watch() })
	others.Go(func() { p.operate(r) })
	others.Go(p.reconfigure)
	others.Go(p.troubleProxy)
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
	case <-w.broker.Ended:
	}
	began := time.Now()
	p.leave()
	others.Wait()
	left := time.Since(began)
	select {
	case <-w.broker.Ended:
		w.t.Fatalf("the broker has ended: %v\n%s", w.broker.Result(), lastWords(w.broker.Log.String()))
	default:
	}
	w.drain()
	w.t.Logf("all have left after %v, all queues were empty after %v", left.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	return most
}

// attach creates a durable subscription before anything is published, so that
// it must receive every message.
func (w *world) attach(index int) {
	subscribed := make(chan struct{})
	c := w.reach(rand.New(rand.NewPCG(w.o.seed, 0)), keeperIdentity(index), &role{name: "keeper", hear: func(*client, frames.Inbound) { close(subscribed) }})
	if c == nil {
		return
	}
	defer c.end()
	w.keep(c)
	select {
	case <-subscribed:
		c.disconnect()
	case <-time.After(proctest.StepTimeout):
		w.faults.add("a durable subscription has no RECEIPT")
	}
}

// settled waits until no client is left and the program uses no more resources
// than before, and returns the least that it used meanwhile. If it gives up
// waiting, the caller's comparison fails.
func (w *world) settled(before figures) (now figures) {
	o := newOperator(w.admin)
	if !w.until(func() bool { return w.nobody(o) }) {
		w.faults.add("somebody or something is left: %s", w.left(o))
	}
	w.fillTables(o)
	began := int64(-1)
	w.within(2*proctest.StepTimeout, func() bool {
		s, err := o.scrape()
		if err != nil {
			w.faults.add("%v", err)
			return true
		}
		f, err := w.figures(o)
		if err != nil {
			w.faults.add("%v", err)
			return true
		}
		collected := s.one("go_gc_duration_seconds_count")
		if began < 0 {
			began, now = collected, f
		}
		now = now.least(f)
		if collected < began+collections {
			w.litter()
			return false
		}
		return before == figures{} || len(before.exceeded(now)) == 0
	})
	return now
}

// collections is the number of garbage collections after which pools and
// finalizers keep nothing.
const collections = 6

var garbage = strings.Repeat("x", 256<<10)

// fillTables writes so much that the store's memory tables, which start small
// and grow to 16 MiB each, have their full size. Otherwise the size at the end
// would depend on chance.
func (w *world) fillTables(o *operator) {
	const messages = 400 // of 256 KiB: three tables, twice
	stored := make(chan struct{})
	as := identity{user: politeUser, headers: credentials(politeUser, forever), from: loopback(9)}
	c := w.reach(rand.New(rand.NewPCG(w.o.seed, 0)), as, &role{name: "sender of much", hear: func(*client, frames.Inbound) { close(stored) }})
	if c == nil {
		return
	}
	defer c.end()
	for n := range messages {
		receipt := ""
		if n == messages-1 {
			receipt = "receipt:all\n"
		}
		c.Send("SEND\ndestination:/queue/filler\n%s\n%s\x00", receipt, garbage)
	}
	select {
	case <-stored:
		if err := o.post("/api/v1/queue/purge", map[string]string{"name": "/queue/filler"}); err != nil {
			w.faults.add("%v", err)
		}
		c.disconnect()
	case <-c.Done:
		w.faults.add("the sender of much was not let")
	case <-time.After(3 * proctest.StepTimeout):
		w.faults.add("%d messages were not stored in %v", messages, 3*proctest.StepTimeout)
	}
}

// litter creates garbage in the broker, which triggers collections.
func (w *world) litter() {
	as := identity{user: politeUser, headers: credentials(politeUser, forever), from: loopback(9)}
	c := w.reach(rand.New(rand.NewPCG(w.o.seed, 0)), as, &role{name: "sender of garbage", hear: heardNothing})
	if c == nil {
		return
	}
	defer c.end()
	for range 64 {
		c.Send("SEND\ndestination:/topic/nobody\n\n%s\x00", garbage)
	}
	c.disconnect()
}

// nobody reports whether nothing is left of all clients.
func (w *world) nobody(o *operator) bool {
	all, err := o.overview()
	if err != nil {
		w.faults.add("%v", err)
		return true
	}
	return all.Connections+all.Subscriptions+all.Queues+all.Topics+all.MessagesReady+all.MessagesUnacked+all.MessagesDelayed+all.OutboundBytes == 0
}

// Tolerances between the warm-up and the end.
const (
	// moreHeap covers the store's read cache, which is 8 MiB and fills up with
	// use, and recent garbage.
	moreHeap = 16 << 20
	// moreTables covers the store's files, whose number depends on compaction.
	moreTables = 32
)

// exceeded lists the figures that have grown beyond the tolerance.
func (f figures) exceeded(now figures) (all []string) {
	compare := func(what string, was, is, more int64) {
		if is > was+more {
			all = append(all, fmt.Sprintf("%d %s are left, %d more than before (at most %d more)", is, what, is-was, more))
		}
	}
	compare("goroutines", f.goroutines, now.goroutines, 0)
	compare("sockets", int64(f.sockets), int64(now.sockets), 0)
	compare("other files", int64(f.others), int64(now.others), 0)
	compare("files of the store", int64(f.tables), int64(now.tables), moreTables)
	compare("bytes of heap", f.heap, now.heap, moreHeap)
	return all
}

func (w *world) compare(before, after figures) {
	for _, fault := range before.exceeded(after) {
		w.faults.add("%s", fault)
	}
}

// checkCounters checks the equations between counters.
func (w *world) checkCounters() {
	o := newOperator(w.admin)
	// Figures of queues may be a second old.
	w.until(func() bool { s, err := o.scrape(); return err != nil || s.sum("queue_messages") == 0 })
	s, err := o.scrape()
	if err != nil {
		w.faults.add("%v", err)
		return
	}
	for _, e := range equations {
		if text := e.check(s); text != "" {
			w.faults.add("the counters do not add up: %s", text)
		}
	}
	for _, term := range []string{"connections", "subscriptions", "queues", "queue_messages", "queue_consumers", "topics", "outbound_bytes", "queue_messages_dropped_total{reason=missing}", "store_read_errors_total"} {
		if n := s.sum(term); n != 0 {
			w.faults.add("hoofbeat_%s is %d at the end", term, n)
		}
	}
	for _, term := range []string{
		"slow_consumers_total", "queue_messages_dead_total{reason=rejected}", "queue_messages_dead_total{reason=max-deliveries}",
		"queue_messages_dead_total{reason=expired}", "queue_messages_dead_total{reason=overflow}", "queue_messages_dropped_total{reason=expired}",
		"queue_messages_nacked_total", "queue_messages_redelivered_total", "messages_refused_total{reason=queue-full}", "sessions_closed_total{reason=heart-beat-timeout}",
		"connects_refused_total{reason=connect-timeout}", "topic_messages_dropped_total", "token_expiries_total", "config_reloads_total{result=refused}",
	} {
		if s.sum(term) == 0 {
			w.faults.add("hoofbeat_%s is 0: this soak has not tried that", term)
		}
	}
	w.t.Logf("%d connections, %d messages in, %d MESSAGEs out, %d acknowledged, %d dead lettered, %d dropped",
		s.sum("connections_opened_total"), s.sum("messages_received_total"), s.sum("frames_sent_total{command=MESSAGE}"),
		s.sum("queue_messages_acked_total"), s.sum("queue_messages_dead_lettered_total"), s.sum("queue_messages_dropped_total"))
}

// checkLanes reports missing messages.
func (w *world) checkLanes() {
	for _, l := range slices.Concat(w.lanes, w.keeps) {
		t := l.check()
		if t.confirmed == 0 {
			w.faults.add("%s: nothing has a RECEIPT", l.name)
		}
		w.t.Logf("%-10s %6d sent, %6d with RECEIPT, %4d refused, %6d acknowledged, %5d moved, %5d dead", l.name, t.sent, t.confirmed, t.refused, t.used, t.moved, t.dead)
	}
}

// checkVariety reports events that never happened.
func (w *world) checkVariety() {
	all := w.heard.all()
	for _, what := range slices.Sorted(maps.Keys(all)) {
		w.t.Logf("%8d %s", all[what], what)
	}
	wanted := []string{
		"left by DISCONNECT", "left by RST", "left without a word", "vanished", "answers", "moved by transactions", "taken in mode auto",
		"configurations refused", "configurations in force", "closed by an operator", "strangers that got an ERROR", "connected over tcp", "connected over websocket",
		"connected over sockjs websocket", "connected over xhr streaming", "connected over xhr polling", "responses abandoned half-way",
		"left while they waited for a full queue", "vanished while they waited for a full queue", "ended by an ERROR while they waited for a full queue",
		"ERROR queue-full", "ERROR heart-beat-timeout", "ERROR token-expired", "ERROR access-denied", "ERROR closed-by-operator",
	}
	if w.nginx != nil {
		wanted = append(wanted, "reloads of nginx", "restarts of nginx", "connected over tcp through nginx", "connected over websocket through nginx",
			"connected over tcp through nginx with TLS", "connected over websocket through nginx with TLS")
	}
	for _, what := range wanted {
		if all[what] == 0 {
			w.faults.add("%q has not happened: this soak has not tried that", what)
		}
	}
}

// stop ends the program as an operator does, and checks its directory. After a
// fault, it first prints the goroutines.
func (w *world) stop() {
	if _, n := w.faults.list(); n > 0 {
		w.broker.Signal(syscall.SIGQUIT)
		<-w.broker.Ended
		log, dump, _ := strings.Cut(w.broker.Log.String(), "SIGQUIT")
		w.t.Logf("the end of the log:\n%s", lastLines(log, 30))
		w.t.Logf("goroutines:\n%s", gather(dump))
		return
	}
	if err := w.broker.End(syscall.SIGTERM); err != nil {
		w.faults.add("%v", err)
	}
	if err := w.broker.Result(); err != nil {
		w.faults.add("the broker has ended with %v", err)
	}
	program := filepath.Join(w.dir, "hoofbeat")
	if out, err := exec.Command(program, "store", "check", filepath.Join(w.dir, "data")).CombinedOutput(); err != nil {
		w.faults.add("store check: %v\n%s", err, out)
	}
}

// gather counts goroutines by their creator and position.
func gather(dump string) string {
	counts := make(map[string]int)
	began, starts := regexp.MustCompile(`(?m)^goroutine \d+ .*$`), regexp.MustCompile(`(?m)^created by (\S+)`)
	for one := range strings.SplitSeq(dump, "\n\n") {
		head := began.FindString(one)
		if head == "" {
			continue
		}
		_, state, _ := strings.Cut(head, " [")
		state, _, _ = strings.Cut(state, "]")
		state, _, _ = strings.Cut(state, ",")
		by := "main"
		if m := starts.FindStringSubmatch(one); m != nil {
			by = m[1]
		}
		counts[by+" ["+state+"]"]++
	}
	var all []string
	for what, n := range counts {
		all = append(all, fmt.Sprintf("%6d %s", n, what))
	}
	slices.Sort(all)
	slices.Reverse(all)
	return strings.Join(all, "\n")
}

// checkLog reports unexpected log lines.
func (w *world) checkLog() {
	log, _, _ := strings.Cut(w.broker.Log.String(), "SIGQUIT")
	var warnings []string
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		switch {
		case strings.Contains(line, "panic"), strings.Contains(line, "level=ERROR") && !strings.Contains(line, refusedLine):
			w.faults.add("the log has: %s", line)
		case strings.Contains(line, "level=WARN") && !strings.Contains(line, "over the limits"):
			warnings = append(warnings, line)
		}
	}
	if len(warnings) > 0 {
		w.t.Logf("%d warnings, such as: %s", len(warnings), warnings[0])
	}
}

// lastWords returns the reason for the program's end: a panic with its
// position, or the last log lines.
func lastWords(log string) string {
	for _, begin := range []string{"\npanic: ", "\nfatal error: ", "\nSIG"} {
		if at := strings.Index(log, begin); at >= 0 {
			lines := strings.Split(log[at+1:], "\n")
			return strings.Join(lines[:min(60, len(lines))], "\n")
		}
	}
	return lastLines(log, 30)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
