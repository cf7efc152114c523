package broker

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/destination"
)

// group finds the group of a policy and kind in a new survey; the zero Group if
// there is none.
func (x *tester) group(policy string, kind destination.Kind) Group {
	for _, g := range x.b.Survey().Groups {
		if g.Policy == policy && g.Kind == kind {
			return g
		}
	}
	return Group{}
}

func (x *tester) wantGroup(want Group) {
	x.Helper()
	if got := x.group(want.Policy, want.Kind); got != want {
		x.Errorf("the survey has %+v, want %+v", got, want)
	}
}

func TestSurvey(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/a.**": {}})
		size := int64(x.message("/queue/x", "1").Size())
		x.send("/queue/a.1", "1 2 3")
		pass(time.Minute)
		x.send("/queue/a.2", "4")
		x.send("/queue/b", "5")
		p := x.subscribe("/queue/a.2", AckClient, 1)
		p.arrived("4")
		x.wantGroup(Group{
			Policy: "/queue/a.**", Kind: destination.Queue, Queues: 2, Depth: Depth{Ready: 3, Unacked: 1}, Bytes: 4 * size,
			Consumers: 1, Unattended: 1, Age: time.Minute,
		})
		x.wantGroup(Group{Kind: destination.Queue, Queues: 1, Depth: Depth{Ready: 1}, Bytes: size, Unattended: 1})
		p.ack("4")
		p.sub.Unsubscribe()
		if g := x.group("/queue/a.**", destination.Queue); g.Queues != 1 || g.Consumers != 0 {
			t.Errorf("of one queue that is left: %+v", g)
		}
	})
}

// The head's age is right wherever the head is.
func TestSurveyAge(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(nil)
		age := func(want time.Duration) {
			t.Helper()
			synctest.Wait()
			if got := x.group("", destination.Queue).Age; got != want {
				t.Errorf("the oldest has waited for %v, want %v", got, want)
			}
		}
		age(0)
		x.send("/queue/a", "1")
		pass(time.Second)
		x.send("/queue/a", "2 3")
		pass(time.Second)
		age(2 * time.Second)
		p := x.subscribe("/queue/a", AckClientIndividual, 1)
		p.arrived("1")
		age(time.Second)
		p.sub.Unsubscribe() // it goes back
		age(2 * time.Second)
		p = x.subscribe("/queue/a", AckClientIndividual, 1)
		p.arrived("1#2")
		p.ack("1")
		p.arrived("2")
		pass(time.Second)
		age(2 * time.Second) // of 3
		p.sub.Unsubscribe()
		age(2 * time.Second)
	})
}

// TestSurveyAgeAfterStart: the Store is asked when the heads of a backlog
// arrived, and once only.
func TestSurveyAgeAfterStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &countingStore{Memory: &Memory{}}
		x := newTester(t, store)
		x.send("/queue/a", "1 2 3")
		pass(time.Minute)
		x.send("/queue/b", "4")
		x = newTester(t, store)
		if g := x.group("", destination.Queue); g.Age != 0 {
			t.Errorf("the age %v is known before anybody can have asked", g.Age)
		}
		synctest.Wait()
		for range 3 {
			if g := x.group("", destination.Queue); g.Age != time.Minute {
				t.Errorf("the oldest has waited for %v, want a minute", g.Age)
			}
			synctest.Wait()
		}
		if store.reads != 2 {
			t.Errorf("%d reads for two queues", store.reads)
		}
		x.send("/queue/a", "5")
		p := x.subscribe("/queue/a", AckClient, 9)
		p.arrived("1 2 3 5")
		p.ack("5")
		if g := x.group("", destination.Queue); g.Age != 0 || g.Ready != 1 {
			t.Errorf("what is left, and came just now, is %+v", g)
		}
	})
}

// A countingStore counts reads.
type countingStore struct {
	*Memory
	reads int
}

func (s *countingStore) Read(r Range, f func(Page)) {
	s.reads++
	s.Memory.Read(r, f)
}

// TestSurveyBounded: after a start with many queues, a survey asks for a few
// heads only, and all are known in the end.
func TestSurveyBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &countingStore{Memory: &Memory{}}
		x := newTester(t, store)
		const n = 2*maxLearning + 10
		for i := range n {
			x.send(fmt.Sprint("/queue/", i), "1")
		}
		pass(time.Minute)
		x = newTester(t, store)
		for want := maxLearning; ; want += maxLearning {
			x.b.Survey()
			synctest.Wait()
			if store.reads != min(n, want) {
				t.Fatalf("%d reads, want %d", store.reads, min(n, want))
			}
			if want > n {
				break
			}
		}
	})
}

// TestSurveyOfSubscriptions: kinds other than queues, of which there is nothing
// left when they have ended.
func TestSurveyOfSubscriptions(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/topic/t": {}})
		p := x.subscribe("/topic/t", AckClient, 2)
		durable := SubscribeOptions{Destination: readDestination(t, "/topic/t", alice), Durable: destination.DurableSubscription("alice", "", "d"), Ack: AckClient, Prefetch: 1}
		d := x.subscribeWith(newRecorder(), durable)
		temp := readDestination(t, "/temp-queue/r", alice)
		x.b.MakeTemporary(temp, "", 0, nil)
		x.send("/topic/t", "1 2 3")
		p.arrived("1 2")
		d.arrived("1")
		for kind, want := range map[destination.Kind]Depth{destination.Topic: {Ready: 1, Unacked: 2}, destination.Durable: {Ready: 2, Unacked: 1}} {
			if g := x.group("/topic/t", kind); g.Queues != 1 || g.Depth != want || g.Consumers != 1 {
				t.Errorf("kind %d: %+v, want %+v", kind, g, want)
			}
		}
		if g := x.group("", destination.TempQueue); g.Queues != 1 {
			t.Errorf("temporary queues: %+v", g)
		}
		s := x.b.Stats()
		if n := s.Subscriptions.Load(); n != 2 {
			t.Errorf("%d subscriptions, want 2", n)
		}
		if n := x.b.Survey().Topics; n != 1 {
			t.Errorf("%d topics, want 1", n)
		}
		p.sub.Unsubscribe()
		d.sub.Unsubscribe()
		x.b.DropTemporary(temp)
		x.must(x.b.DeleteDurable(durable.Durable, nil))
		if all := x.b.Survey(); len(all.Groups) != 0 || all.Topics != 0 || s.Subscriptions.Load() != 0 {
			t.Errorf("left are %+v, and %d subscriptions", all, s.Subscriptions.Load())
		}
		if ended, deleted := s.DroppedFor(DropEnded), s.DroppedFor(DropDeleted); ended != 3 || deleted != 3 {
			t.Errorf("%d dropped with subscriptions, %d with durable ones, want 3 and 3", ended, deleted)
		}
	})
}

// TestSurveyNames: names that clients make up make no groups.
func TestSurveyNames(t *testing.T) {
	x := newTesterWith(t, Options{Policies: rules(t, map[string]Policy{"/queue/a.**": {}})})
	for i := range 5000 {
		x.send(fmt.Sprint("/queue/a.", i), "1")
		x.send(fmt.Sprint("/queue/b.", i), "1")
	}
	all := x.b.Survey().Groups
	if len(all) != 2 || all[0].Queues != 5000 || all[1].Queues != 5000 {
		t.Errorf("groups are %+v", all)
	}
}

// Queues that come and go do not make others be missed or counted twice.
func TestSurveyWhileQueuesCome(t *testing.T) {
	x := newTesterWith(t, Options{Policies: rules(t, map[string]Policy{"/queue/stays.**": {}})})
	const stay = 3000
	for i := range stay {
		x.send(fmt.Sprint("/queue/stays.", i), "1")
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		r, p := rand.New(rand.NewPCG(1, 2)), x.b.NewPublisher()
		for {
			select {
			case <-stop:
				return
			default:
			}
			name := fmt.Sprint("/queue/goes.", r.IntN(500))
			d := readDestination(t, name, alice)
			if r.IntN(2) == 0 {
				p.Send(makeMessage(d, name, "1"), nil)
			} else {
				_, _ = x.b.Purge(t.Context(), d) // there may be none
			}
		}
	}()
	for range 40 {
		if n := x.group("/queue/stays.**", destination.Queue).Ready; n != stay {
			t.Fatalf("%d messages in %d queues", n, stay)
		}
	}
	close(stop)
	<-stopped
}

func TestRedelivered(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(nil)
		x.send("/queue/a", "1 2 3")
		p := x.subscribe("/queue/a", AckClientIndividual, 9)
		p.arrived("1 2 3")
		p.nack("2", true)
		p.arrived("2#2")
		p.nack("3", false)
		p.ack("1")
		s := x.b.Stats()
		if r, n := s.Flow().Redelivered, s.Nacked.Load(); r != 1 || n != 2 {
			t.Errorf("%d redelivered, %d nacked, want 1 and 2", r, n)
		}
	})
}

// TestMissing: messages that the Store has lost are counted as dropped.
func TestMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &Memory{}
		x := newTester(t, store)
		x.send("/queue/a", "1 2 3")
		synctest.Wait()
		for _, q := range store.queues {
			l := &q.lanes[LaneOf(DefaultPriority)]
			delete(l.messages, l.order[1])
		}
		p := x.subscribe("/queue/a", AckClient, 9)
		p.arrived("1 3")
		if n := x.b.Stats().DroppedFor(DropMissing); n != 1 {
			t.Errorf("%d are missing, want 1", n)
		}
	})
}

func BenchmarkSurvey100000(b *testing.B) {
	x := newTester(b, nil)
	for i := range 100_000 {
		x.send(fmt.Sprint("/queue/", i), "1")
	}
	for b.Loop() {
		x.b.Survey()
	}
}
