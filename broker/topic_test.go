package broker

import (
	"fmt"
	"sync"
	"testing"

	"hoofbeat/destination"
)

func TestTopicOverlap(t *testing.T) {
	x := newTester(t, nil)
	exact := x.subscribe("/topic/a.b", AckAuto, 0)
	again := x.subscribe("/topic/a/b", AckAuto, 0)
	star := x.subscribe("/topic/a.*", AckAuto, 0)
	deep := x.subscribe("/topic/**", AckAuto, 0)
	hash := x.subscribe("/topic/a.#", AckClient, 10)
	other := x.subscribe("/topic/b.*", AckAuto, 0)
	x.wantSize(5, 0)
	x.send("/topic/a/b", "1 2")
	for _, p := range []*peer{exact, again, star, deep, hash} {
		p.want("1 2")
	}
	other.want("")
	exact.sub.Unsubscribe()
	deep.sub.Unsubscribe()
	x.send("/topic/a.b", "3")
	x.send("/topic/b.b", "4")
	x.send("/queue/a.b", "5")
	exact.want("")
	deep.want("")
	again.want("3")
	star.want("3")
	hash.want("3")
	other.want("4")
	// The subscriber that acknowledges has a queue, which counts its
	// deliveries.
	if p, d := x.b.Stats().Published(), x.b.Stats().Flow().Delivered; p != 8+2+1 || d != 2+1 {
		t.Errorf("%d deliveries counted, and %d from queues", p, d)
	}
	for _, p := range []*peer{again, star, hash, other} {
		p.sub.Unsubscribe()
	}
	x.wantSize(0, 1)
}

// TestRouteFollows: a Publisher remembers its last destination, and still
// sees subscribers come and go there.
func TestRouteFollows(t *testing.T) {
	x := newTester(t, nil)
	x.send("/topic/t", "0")
	a := x.subscribe("/topic/t", AckAuto, 0)
	x.send("/topic/t", "1")
	b := x.subscribe("/topic/t", AckAuto, 0)
	w := x.subscribe("/topic/*", AckAuto, 0)
	x.send("/topic/t", "2")
	a.sub.Unsubscribe()
	x.send("/topic/t", "3")
	b.sub.Unsubscribe()
	c := x.subscribe("/topic/t", AckAuto, 0)
	x.send("/topic/t", "4")
	a.want("1 2")
	b.want("2 3")
	w.want("2 3 4")
	c.want("4")
}

func TestTopicWithAck(t *testing.T) {
	x := newTester(t, nil)
	p := x.subscribe("/topic/t", AckClientIndividual, 2)
	auto := x.subscribe("/topic/t", AckAuto, 0)
	x.wantSize(1, 0) // its queue has no name
	x.send("/topic/t", "1 2 3 4")
	auto.want("1 2 3 4")
	p.want("1 2")
	p.ack("2")
	p.want("3")
	p.nack("1", true)
	p.want("1#2")
	p.nack("1", false)
	p.want("4")
	x.wantUnknown(auto.sub.Ack(0, nil))
	x.wantLate(p.sub.Ack(p.tag("2"), nil))
	p.sub.Unsubscribe()
	auto.sub.Unsubscribe()
	x.wantSize(0, 0)
}

func TestBacklog(t *testing.T) {
	tests := []struct {
		name     string
		overflow Overflow
		then     string // after 1, delivered once there is credit
		overruns int
		dropped  int64
	}{
		{"newest", DropNewest, "2 3", 3, 3},
		{"oldest", DropOldest, "5 6", 3, 3},
		{"disconnect", Disconnect, "2 3", 3, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := newTester(t, nil)
			size := x.message("/topic/t", "1").Size()
			r := newRecorder()
			r.overflow = tt.overflow
			p := x.subscribeWith(r, SubscribeOptions{
				Destination: readDestination(t, "/topic/*", alice), Ack: AckClientIndividual, Prefetch: 1, Backlog: 3*size + size/2,
			})
			other := x.subscribe("/topic/t", AckAuto, 0)
			x.send("/topic/t", "1 2 3 4 5 6")
			other.want("1 2 3 4 5 6")
			p.want("1")
			if r.overruns != tt.overruns {
				t.Errorf("Overrun was asked %d times, want %d", r.overruns, tt.overruns)
			}
			p.sub.consumer.prefetch = 10
			p.ack("1")
			p.want(tt.then)
			if n := x.b.Stats().Dropped.Load(); n != tt.dropped {
				t.Errorf("%d messages dropped, want %d", n, tt.dropped)
			}
			x.send("/topic/t", "7") // the acknowledgement made room
			p.want("7")
		})
	}
}

// TestBacklogAllDelivered: DropOldest does not drop messages that the
// subscriber holds.
func TestBacklogAllDelivered(t *testing.T) {
	x := newTester(t, nil)
	r := newRecorder()
	r.overflow = DropOldest
	p := x.subscribeWith(r, SubscribeOptions{Destination: readDestination(t, "/topic/t", alice), Ack: AckClient, Prefetch: 10, Backlog: 1})
	x.send("/topic/t", "1 2")
	p.want("1") // larger than the backlog, but alone
	p.ack("1")
	x.send("/topic/t", "3")
	p.want("3")
}

func TestTemporaryQueue(t *testing.T) {
	x := newTester(t, nil)
	d := readDestination(t, "/temp-queue/r", alice)
	reply := destination.ReplyTo(d)
	x.send(reply, "early")
	if n := x.b.Stats().Unroutable.Load(); n != 1 {
		t.Errorf("%d messages unroutable, want 1", n)
	}
	for range 2 { // once is enough
		x.must(x.b.MakeTemporary(d, "", 1<<20, nil))
	}
	x.wantSize(0, 1)
	x.send(reply, "1")
	x.wantDepth("/temp-queue/r", 1, 0)
	p := x.subscribe("/temp-queue/r", AckClient, 10)
	x.send(reply, "2")
	x.send("/temp-queue/r", "3")
	p.want("1 2 3")
	p.sub.Unsubscribe()
	x.wantDepth("/temp-queue/r", 3, 0) // it stays without a consumer
	p = x.subscribe("/temp-queue/r", AckClient, 2)
	p.want("1#2 2#2")
	x.b.DropTemporary(d)
	x.b.DropTemporary(d)
	x.wantSize(0, 0)
	x.send(reply, "late")
	if n := x.b.Stats().Unroutable.Load(); n != 2 {
		t.Errorf("%d messages unroutable, want 2", n)
	}
	p.ack("2")
	p.want("") // its messages are gone
	p.sub.Unsubscribe()
	x.wantSize(0, 0)
}

func TestTemporaryQueueIsBounded(t *testing.T) {
	x := newTester(t, nil)
	d := readDestination(t, "/temp-queue/r", alice)
	size := x.message("/temp-queue/r", "1").Size()
	x.b.MakeTemporary(d, "", 2*size, nil)
	x.send("/temp-queue/r", "1 2 3 4")
	x.wantDepth("/temp-queue/r", 2, 0)
	if n := x.b.Stats().Dropped.Load(); n != 2 {
		t.Errorf("%d messages dropped, want 2", n)
	}
}

func TestUserTopics(t *testing.T) {
	x := newTester(t, nil)
	a1 := x.subscribe("/user/queue/inbox", AckAuto, 0)
	a2 := x.subscribe("/user/queue/*", AckAuto, 0)
	topic := x.subscribe("/user/topic/inbox", AckAuto, 0)
	b := x.subscribeWith(newRecorder(), SubscribeOptions{Destination: readDestination(t, "/user/queue/inbox", bob)})
	x.send("/user/alice/queue/inbox", "1")
	x.send("/user/bob/queue/inbox", "2")
	x.send("/user/carol/queue/inbox", "3")
	a1.want("1")
	a2.want("1")
	b.want("2")
	topic.want("")
	if s := a1.got[0].msg.Destination(); s != "/user/queue/inbox" {
		t.Errorf("its destination is %q", s)
	}
	x.wantSize(4, 0)
}

// TestTopicLeaveTogether: one leaves while another is on its way out; those
// that stay must not lose their topic.
func TestTopicLeaveTogether(t *testing.T) {
	x := newTester(t, nil)
	a, b, stays := x.subscribe("/topic/t", AckAuto, 0), x.subscribe("/topic/t", AckAuto, 0), x.subscribe("/topic/t", AckAuto, 0)
	b.sub.closed.Store(true) // as far as Unsubscribe comes without the lock
	a.sub.Unsubscribe()
	x.b.topics.remove(b.sub)
	x.wantSize(1, 0)
	x.send("/topic/t", "1")
	a.want("")
	b.want("")
	stays.want("1")
	stays.sub.Unsubscribe()
	x.wantSize(0, 0)
}

// TestIdlePublisher: a Publisher that sent to a topic once does not keep its
// subscribers.
func TestIdlePublisher(t *testing.T) {
	x := newTester(t, nil)
	p := x.subscribe("/topic/t", AckAuto, 0)
	x.send("/topic/t", "1")
	p.sub.Unsubscribe()
	for _, topic := range x.p.route.topics {
		if n := len(*topic.subs.Load()); n > 0 {
			t.Errorf("the route leads to %d subscribers that are gone", n)
		}
	}
	x.send("/topic/t", "2")
	p.want("1")
}

func TestTopicThousandsJoinAndLeave(t *testing.T) {
	x := newTester(t, nil)
	stays := x.subscribe("/topic/t.1", AckAuto, 0)
	names := []string{"/topic/t.1", "/topic/t.*", "/topic/t.2", "/topic/**"}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := readDestination(t, names[g%4], alice)
			p := x.b.NewPublisher()
			m := makeMessage(readDestination(t, "/topic/t.1", alice), "/topic/t.1", fmt.Sprint(g))
			for range 5 {
				subs := make([]*Subscription, 400)
				for i := range subs {
					subs[i] = mustSubscribe(x.b, SubscribeOptions{Destination: r, Sink: discard{}})
				}
				p.Send(m, nil)
				for _, s := range subs {
					s.Unsubscribe()
				}
			}
		})
	}
	wg.Wait()
	x.wantSize(1, 0)
	if stays.count() != 8*5 {
		t.Errorf("who stayed got %d messages, want 40", stays.count())
	}
	if n := len(*stays.sub.topic.subs.Load()); n > 33 {
		t.Errorf("the topic remembers %d subscribers, one is there", n)
	}
	stays.sub.Unsubscribe()
	x.wantSize(0, 0)
}
