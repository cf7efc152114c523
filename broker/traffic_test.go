package broker

import (
	"strconv"
	"testing"
	"testing/synctest"

	"hoofbeat/destination"
)

func (x *tester) wantFlow(text string, want Flow) {
	x.Helper()
	i, there := x.b.Queue(readDestination(x, text, alice))
	if !there || i.Flow != want {
		x.Errorf("through %s has gone %+v, want %+v", text, i.Flow, want)
	}
}

func TestFlowOfQueue(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/a": {MaxDeliveries: 2, DeadLetter: readDestination(t, "/queue/dead", alice)}})
		x.send("/queue/b", "other")
		x.send("/queue/a", "1 2 3")
		p := x.subscribe("/queue/a", AckClientIndividual, 10)
		p.arrived("1 2 3")
		p.ack("1")
		p.nack("2", true)
		p.arrived("2#2")
		x.wantFlow("/queue/a", Flow{Enqueued: 3, Delivered: 4, Redelivered: 1, Acked: 1})
		p.nack("2", true) // dead
		x.wantFlow("/queue/a", Flow{Enqueued: 3, Delivered: 4, Redelivered: 1, Acked: 1})
		x.wantFlow("/queue/dead", Flow{Enqueued: 1})
		x.wantFlow("/queue/b", Flow{Enqueued: 1})
		if f := x.b.Stats().Flow(); f != (Flow{Enqueued: 5, Delivered: 4, Redelivered: 1, Acked: 1}) {
			t.Errorf("through all has gone %+v", f)
		}
		if n := x.b.Stats().Sent(); n != 4 {
			t.Errorf("%d were sent", n)
		}
	})
}

// Deliveries to a topic's subscribers by way of queues are counted there.
func TestFlowOfTopic(t *testing.T) {
	x := newTester(t, nil)
	want := func(text string, want TopicInfo) {
		t.Helper()
		if got, there := x.b.Topic(readDestination(t, text, alice)); got != want || there != (want.Subscribers > 0) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
	for range 3 {
		x.subscribe("/topic/a", AckAuto, 0)
	}
	pattern := x.subscribe("/topic/*", AckAuto, 0)
	x.subscribe("/topic/a", AckClient, 10)
	x.must(x.b.MakeDurable(destination.DurableSubscription("alice", "", "d"), readDestination(t, "/topic/a", alice), nil))
	x.send("/topic/a", "1 2")
	x.send("/topic/b", "3")
	want("/topic/a", TopicInfo{5, TopicFlow{2, 2 * 3}})
	want("/topic/*", TopicInfo{1, TopicFlow{3, 3}})
	want("/topic/b", TopicInfo{})
	pattern.sub.Unsubscribe()
	want("/topic/*", TopicInfo{})
	if n := x.b.Stats().Published(); n != 2*3+3 {
		t.Errorf("%d deliveries", n)
	}
}

// A client that learns that a message was taken or refused, or gets it, finds
// it counted.
func TestCountedBeforeAnybodyHears(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {}, "/queue/full": {MaxMessages: 1}, "/topic/kept": {MaxMessages: 1}})
		x.must(x.b.MakeDurable(destination.DurableSubscription("alice", "", "d"), readDestination(t, "/topic/kept", alice), nil))
		for _, text := range []string{"/queue/q", "/topic/t", "/temp-queue/t"} {
			mustSubscribe(x.b, SubscribeOptions{Destination: readDestination(t, text, alice), Sink: heard{x}})
		}
		x.send("/queue/full", "1")
		want := x.b.Stats().Sent()
		hear := func(what string) func(error) {
			return func(error) {
				if n := x.b.Stats().Sent(); n != want {
					t.Errorf("%s: %d were counted when it was told, want %d", what, n, want)
				}
			}
		}
		for _, text := range []string{"/queue/q", "/queue/full", "/topic/t", "/topic/kept", "/topic/kept", "/temp-queue/t"} {
			want++
			if wait := x.p.Send(x.message(text, strconv.FormatInt(want, 10)), hear(text)); wait != nil {
				t.Fatalf("%s makes its sender wait", text)
			}
			synctest.Wait() // a Store tells later
		}
		for _, text := range []string{"/queue/q", "/queue/full", "/topic/t"} {
			want++
			tx := x.p.Begin()
			tx.Send(x.message(text, strconv.FormatInt(want, 10)))
			tx.Commit(hear("transaction with " + text))
			synctest.Wait()
		}
		if n := x.b.Stats().Sent(); n != want {
			t.Errorf("%d were counted, want %d", n, want)
		}
	})
}

// heard is a Sink for messages with the number of messages sent so far as
// their body.
type heard struct{ x *tester }

func (h heard) TakeCredit(int) bool { return true }

func (h heard) Deliver(d Delivery) {
	if n := h.x.b.Stats().Sent(); strconv.FormatInt(n, 10) != string(d.Message.Body()) {
		h.x.Errorf("%d were counted when number %s came", n, d.Message.Body())
	}
}

func (heard) Overrun() Overflow { return DropNewest }
