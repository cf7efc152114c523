package attack

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
	"hoofbeat/internal/proctest"
)

const (
	bystanderName     = "bystander"
	bystanderPasscode = "quiet"
	// bystanderPatience is how long a message may take from the bystander and
	// back. It is generous, since the attackers use the same processors.
	bystanderPatience = 10 * time.Second
	bystanderEvery    = 20 * time.Millisecond
)

// A bystander repeatedly sends a message to a topic and waits until it comes
// back.
type bystander struct {
	client *proctest.Client
	came   chan struct{}
	stop   chan struct{}
	done   chan struct{}

	mu      sync.Mutex // guards the fields below
	rounds  int
	slowest time.Duration
	fault   error
}

func (w *world) bystander(t *testing.T) *bystander {
	t.Helper()
	b := &bystander{came: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	var err error
	b.client, err = proctest.Connect(w.address, "login:"+bystanderName+"\npasscode:"+bystanderPasscode+"\n", b.take)
	if err != nil {
		t.Fatal(err)
	}
	b.client.Send("SUBSCRIBE\nid:1\ndestination:/topic/bystander\n\n\x00")
	go func() {
		defer close(b.done)
		b.run()
	}()
	t.Cleanup(func() {
		close(b.stop)
		<-b.done
		b.client.Close()
	})
	return b
}

func (b *bystander) take(_ *proctest.Client, f frames.Inbound) {
	switch f.Command {
	case frame.MESSAGE:
		b.came <- struct{}{}
	case frame.ERROR:
		b.fail(fmt.Errorf("the bystander got an ERROR: %s: %s", f.Header.Get(frame.Message), f.Body))
	}
}

func (b *bystander) run() {
	tick := time.NewTicker(bystanderEvery)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
		}
		if !b.round() {
			return
		}
	}
}

// round sends one message and waits for it.
func (b *bystander) round() bool {
	late := time.NewTimer(bystanderPatience)
	defer late.Stop()
	began := time.Now()
	b.client.Send("SEND\ndestination:/topic/bystander\n\nhello\x00")
	select {
	case <-b.stop:
		return false
	case <-b.client.Done:
		b.fail(fmt.Errorf("the bystander was cut off"))
		return false
	case <-late.C:
		b.fail(fmt.Errorf("the bystander waited for its message for %v", bystanderPatience))
		return false
	case <-b.came:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rounds++
	b.slowest = max(b.slowest, time.Since(began))
	return true
}

// fail records the first fault.
func (b *bystander) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fault == nil {
		b.fault = err
	}
}

// heard reports whether there is anything to report.
func (b *bystander) heard() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rounds > 0 || b.fault != nil
}

// report returns the results since the last report.
func (b *bystander) report() (rounds int, slowest time.Duration, fault error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rounds, slowest, fault = b.rounds, b.slowest, b.fault
	b.rounds, b.slowest = 0, 0
	return rounds, slowest, fault
}
