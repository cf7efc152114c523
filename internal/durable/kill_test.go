package durable

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
	"hoofbeat/internal/proctest"
)

const (
	lanes = 3
	// patience is the time limit for every step.
	patience = proctest.StepTimeout
)

// rounds returns how often the program is killed.
func rounds(tb testing.TB) int {
	text := os.Getenv("CRASH_ROUNDS")
	if text == "" {
		return 20
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// TestKill kills the broker at random moments under load, always on the same
// directory. Even without fsync, a crash of the process must not lose a
// message.
func TestKill(t *testing.T) {
	n := rounds(t)
	for _, mode := range []struct {
		sync   string
		rounds int
	}{{"always", n}, {"interval", 1 + n/10}, {"never", 1 + n/10}} {
		t.Run(mode.sync, func(t *testing.T) { testKill(t, mode.sync, mode.rounds) })
	}
}

func testKill(t *testing.T, sync string, n int) {
	w := newWorld(t)
	w.configure("min_free: 0, sync: " + sync)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range lanes {
		w.lanes = append(w.lanes, &lane{l: w.ledger, number: i, next: 1, r: rand.New(rand.NewPCG(seed, uint64(2+i)))})
	}
	for round := 1; round <= n && len(w.ledger.faults) == 0; round++ {
		w.round(round, time.Duration(r.IntN(250))*time.Millisecond)
	}
	w.drain(n + 1)
	messages, moved := w.ledger.check(lanes)
	for _, f := range w.ledger.faults {
		t.Error(f)
	}
	if messages < 10*n || moved < n {
		t.Errorf("only %d messages, and %d moved, in %d rounds", messages, moved, n)
	}
	t.Logf("%d rounds, %d messages in queues, %d moved by transactions", n, messages, moved)
	w.check()
}

// round is one life of the broker.
func (w *world) round(session int, life time.Duration) {
	w.start()
	stop := make(chan struct{})
	var all sync.WaitGroup
	for _, l := range w.lanes {
		l.open(session)
		all.Go(func() { l.run(w.address, stop) })
	}
	time.Sleep(life) // the moment of the crash
	w.kill()
	close(stop)
	all.Wait()
	if session%10 == 0 {
		w.check()
	}
}

// drain empties all queues, each up to a last message that it sends.
func (w *world) drain(session int) {
	w.start()
	for _, l := range w.lanes {
		l.open(session)
		l.draining = true
		in, err := l.consume(w.address, inQueue(l.number), l.move)
		if err != nil {
			w.t.Fatal(err)
		}
		w.last(l, inQueue(l.number))
		for _, queue := range []string{pairQueue(l.number), outQueue(l.number)} {
			c, err := l.consume(w.address, queue, l.use(queue))
			if err != nil {
				w.t.Fatal(err)
			}
			w.last(l, queue)
			c.Close()
		}
		in.Close()
	}
	w.stop()
}

// last sends the last message of a queue and waits until it was acknowledged.
func (w *world) last(l *lane, queue string) {
	c, err := connect(w.address, func(*client, frames.Inbound) {})
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	// The lowest priority makes it come last, even after requeued messages.
	c.Send("%s\ndestination:%s\nend:yes\npriority:0\n\n\x00", frame.SEND, queue)
	select {
	case <-l.ended:
	case <-time.After(patience):
		w.t.Fatalf("%s is not empty:\n%s", queue, w.log)
	}
}
