package broker

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A numberer is a Sink that remembers the numbers of messages by their bodies.
type numberer struct {
	*recorder
	t       *testing.T
	numbers map[string]uint64
}

func (n *numberer) Deliver(d Delivery) {
	n.mu.Lock()
	body := string(d.Message.Body())
	was, again := n.numbers[body]
	if n.numbers[body] = d.Seq; again && was != d.Seq {
		n.t.Errorf("%s has number %d, and had %d", body, d.Seq, was)
	}
	n.mu.Unlock()
	n.recorder.Deliver(d)
}

// A message keeps its number when more become due at once than memory takes, so that
// it moves to the end of those on disk, and after a restart. No other message has it.
func TestNumbersStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages = 2*windowMessages - 100
		store := &Memory{}
		numbers := make(map[string]uint64)
		o := Options{Store: store, Policies: rules(t, map[string]Policy{"/queue/q": {Durable: true, RedeliveryDelay: Backoff{Initial: time.Minute, Multiplier: 1}}})}
		for run := range 2 {
			x := newTesterWith(t, o)
			sink := &numberer{newRecorder(), t, numbers}
			s := mustSubscribe(x.b, SubscribeOptions{Destination: readDestination(t, "/queue/q", alice), Ack: AckClient, Prefetch: 2 * messages, Sink: sink})
			if run == 0 {
				x.send("/queue/q", strings.Join(bodiesOf(messages), " "))
			}
			synctest.Wait()
			for range 2 {
				last := sink.delivery(sink.count() - 1)
				x.must(s.Nack(last.tag, true, nil))
				pass(2 * time.Minute)
			}
			if n := sink.count(); n != 3*messages {
				t.Fatalf("%d were delivered", n)
			}
			if tag, ok := s.TagOf(numbers["m7"], -1); !ok || string(sink.delivery(int(tag-1)).msg.Body()) != "m7" {
				t.Errorf("m7 is not found by its number: tag %d, %v", tag, ok)
			}
			s.Unsubscribe()
			x.b.Close()
		}
		moved := 0
		for _, l := range store.queues {
			for _, l := range l.lanes {
				for _, m := range l.messages {
					moved += int(m.State.Shift)
				}
			}
		}
		if moved == 0 {
			t.Error("no message has moved")
		}
		seen := make(map[uint64]string)
		for body, n := range numbers {
			if other, twice := seen[n]; twice {
				t.Errorf("%s and %s have number %d", body, other, n)
			}
			seen[n] = body
		}
	})
}

func bodiesOf(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint("m", i))
	}
	return all
}

// Moving an entry keeps its other flags, and its number as far as it can.
func TestEntryMoves(t *testing.T) {
	e := entry{seq: 10, flags: marksOf(State{Attempts: 65535, Failures: 65535}) | storedMark | notedMark}
	e.attempted()
	e.failed()
	for _, seq := range []uint64{11, 1000, 10 + maxShift} {
		e.moveTo(seq)
		want := State{Attempts: 65535, Failures: 65535, Shift: uint32(seq - 10)}
		if e.number() != 10 || e.seq != seq || e.state() != want || !e.stored() || !e.noted() {
			t.Errorf("at %d: number %d, %+v", seq, e.number(), e.state())
		}
		if s, err := ParseState(AppendState(nil, e.state())); err != nil || s != want {
			t.Errorf("%+v, error %v", s, err)
		}
	}
	e.moveTo(11 + maxShift)
	if want := (State{Attempts: 65535, Failures: 65535}); e.number() != e.seq || e.state() != want {
		t.Errorf("beyond: number %d, %+v", e.number(), e.state())
	}
	if math.MaxUint64/shift != maxShift || maxShift != 1<<30-1 {
		t.Errorf("maxShift is %d", uint64(maxShift))
	}
}
