package broker

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"hoofbeat/destination"
)

func TestCommit(t *testing.T) {
	x := newTester(t, nil)
	x.send("/queue/in", "1 2 3")
	in := x.subscribe("/queue/in", AckClientIndividual, 3)
	a := x.subscribe("/queue/a", AckClient, 9)
	topic := x.subscribe("/topic/t", AckAuto, 0)
	var done counter
	tx := x.p.Begin()
	tx.Send(x.message("/queue/a", "a1"))
	tx.Send(x.message("/queue/b", "b1"))
	tx.Send(x.message("/topic/t", "t1"))
	tx.Send(x.message("/queue/a", "a2"))
	x.must(tx.Ack(in.sub, in.tag("1")))
	x.must(tx.Nack(in.sub, in.tag("2"), true))
	x.must(tx.Nack(in.sub, in.tag("3"), false))
	if n := tx.Len(); n != 7 {
		t.Errorf("the transaction has %d steps, want 7", n)
	}
	in.want("1 2 3")
	a.want("")
	topic.want("")
	x.wantDepth("/queue/b", -1, 0)
	x.wantDepth("/queue/in", 0, 3)

	tx.Commit(done.done)
	done.want(t, 1, nil)
	in.want("2#2")
	a.want("a1 a2")
	topic.want("t1")
	x.wantDepth("/queue/b", 1, 0)
	x.wantDepth("/queue/in", 0, 1)
	s := x.b.Stats()
	if s.Sent() != 3+4 || s.Flow().Acked != 1 || s.Requeued.Load() != 1 || s.Dropped.Load() != 1 {
		t.Errorf("sent %d, acked %d, requeued %d, dropped %d", s.Sent(), s.Flow().Acked, s.Requeued.Load(), s.Dropped.Load())
	}
}

func TestAbort(t *testing.T) {
	x := newTester(t, nil)
	x.send("/queue/in", "1 2 3 4 5")
	in := x.subscribe("/queue/in", AckClientIndividual, 2)
	in.want("1 2")
	tx := x.p.Begin()
	tx.Send(x.message("/queue/a", "a1"))
	tx.Send(x.message("/topic/t", "t1"))
	x.must(tx.Ack(in.sub, in.tag("1")))
	in.want("3") // the acknowledgement made room
	x.must(tx.Nack(in.sub, in.tag("2"), true))
	in.want("4")
	tx.Abort()
	in.want("")
	x.wantDepth("/queue/in", 1, 4)
	x.wantDepth("/queue/a", -1, 0)
	in.ack("1")
	in.want("") // three are pending, two are allowed
	in.ack("2 3")
	in.want("5")
	tx.Abort()
	tx.Commit(nil)
	x.wantDepth("/queue/in", 0, 2)
}

func TestClaimTwice(t *testing.T) {
	x := newTester(t, nil)
	x.send("/queue/q", "1 2 3")
	p := x.subscribe("/queue/q", AckClientIndividual, 3)
	one, two := x.p.Begin(), x.p.Begin()
	x.must(one.Ack(p.sub, p.tag("1")))
	x.wantLate(one.Ack(p.sub, p.tag("1")))
	x.wantLate(two.Ack(p.sub, p.tag("1")))
	x.wantLate(two.Nack(p.sub, p.tag("1"), true))
	x.wantLate(p.sub.Ack(p.tag("1"), nil))
	x.wantLate(p.sub.Nack(p.tag("1"), false, nil))
	x.wantUnknown(two.Ack(p.sub, 77))
	x.must(two.Ack(p.sub, p.tag("2")))
	if one.Len() != 1 || two.Len() != 1 {
		t.Errorf("the transactions have %d and %d steps", one.Len(), two.Len())
	}
	one.Abort()
	x.must(two.Ack(p.sub, p.tag("1")))
	two.Commit(nil)
	x.wantDepth("/queue/q", 0, 1)

	auto := x.subscribe("/queue/auto", AckAuto, 3)
	topic := x.subscribe("/topic/t", AckAuto, 3)
	x.send("/queue/auto", "1")
	x.wantUnknown(one.Ack(auto.sub, 1))
	x.wantUnknown(one.Ack(topic.sub, 0))
}

func TestClaimCumulative(t *testing.T) {
	x := newTester(t, nil)
	x.send("/queue/q", "1 2 3 4 5 6 7")
	p := x.subscribe("/queue/q", AckClient, 5)
	p.want("1 2 3 4 5")
	tx := x.p.Begin()
	x.must(tx.Ack(p.sub, p.tag("2")))
	p.want("6 7")
	p.ack("4") // of those before it, 1 and 2 are the transaction's
	x.wantDepth("/queue/q", 0, 5)
	x.must(tx.Nack(p.sub, p.tag("6"), true))
	x.wantLate(tx.Ack(p.sub, p.tag("5")))
	tx.Commit(nil)
	p.want("5#2 6#2")
	x.wantDepth("/queue/q", 0, 3)

	tx = x.p.Begin()
	x.must(tx.Ack(p.sub, p.tag("6")))
	tx.Abort()
	p.ack("6")
	x.wantDepth("/queue/q", 0, 0)
}

// TestLongTransaction: a transaction may acknowledge more than the prefetch.
func TestLongTransaction(t *testing.T) {
	x := newTester(t, nil)
	p := x.subscribe("/queue/q", AckClientIndividual, 1)
	tx := x.p.Begin()
	for i := range 1000 {
		x.send("/queue/q", fmt.Sprint(i))
		x.must(tx.Ack(p.sub, p.tag(fmt.Sprint(i))))
	}
	x.wantDepth("/queue/q", 0, 1000)
	tx.Commit(nil)
	x.wantDepth("/queue/q", 0, 0)
	p.sub.Unsubscribe()
	x.wantSize(0, 0)
}

// TestClaimAmongSettled: claims of a transaction stay while thousands of
// other deliveries come and go.
func TestClaimAmongSettled(t *testing.T) {
	x := newTester(t, nil)
	p := x.subscribe("/queue/q", AckClientIndividual, 3)
	x.send("/queue/q", "pending claimed")
	tx := x.p.Begin()
	x.must(tx.Ack(p.sub, p.tag("claimed")))
	for i := range 1000 {
		x.send("/queue/q", fmt.Sprint(i))
		p.ack(fmt.Sprint(i))
	}
	x.wantDepth("/queue/q", 0, 2)
	tx.Abort()
	p.ack("claimed pending")
	x.wantDepth("/queue/q", 0, 0)
}

// TestAbortKeepsOrder: several acknowledgements of a subscription that ended
// go back together, not one by one to the next waiting consumer.
func TestAbortKeepsOrder(t *testing.T) {
	x := newTester(t, nil)
	x.send("/queue/q", "1 2 3 4")
	p := x.subscribe("/queue/q", AckClientIndividual, 4)
	tx := x.p.Begin()
	for _, body := range []string{"4", "2", "1", "3"} {
		x.must(tx.Ack(p.sub, p.tag(body)))
	}
	p.sub.Unsubscribe()
	next := x.subscribe("/queue/q", AckClientIndividual, 4)
	tx.Abort()
	next.want("1#2 2#2 3#2 4#2")
}

func TestTransactionOutlivesSubscription(t *testing.T) {
	tests := []struct {
		name   string
		end    func(*Transaction)
		then   string
		queues int
	}{
		{"abort", (*Transaction).Abort, "1#2 2#2 3#2", 1},
		{"commit", func(tx *Transaction) { tx.Commit(nil) }, "2#2 3#2", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := newTester(t, nil)
			x.send("/queue/q", "1 2 3")
			p := x.subscribe("/queue/q", AckClientIndividual, 3)
			tx := x.p.Begin()
			x.must(tx.Ack(p.sub, p.tag("1")))
			x.must(tx.Nack(p.sub, p.tag("3"), true))
			p.sub.Unsubscribe()
			x.wantDepth("/queue/q", 1, 2)
			x.wantLate(p.sub.Ack(p.tag("2"), nil))
			tt.end(tx)
			x.subscribe("/queue/q", AckClient, 9).want(tt.then)
			x.wantSize(0, tt.queues)
		})
	}
}

// TestQueueStaysForTransaction: a queue vanishes only when no transaction
// holds anything of it, and then it does.
func TestQueueStaysForTransaction(t *testing.T) {
	for _, requeue := range []bool{false, true} {
		x := newTester(t, nil)
		x.send("/queue/q", "1")
		p := x.subscribe("/queue/q", AckClient, 3)
		tx := x.p.Begin()
		x.must(tx.Nack(p.sub, p.tag("1"), requeue))
		p.sub.Unsubscribe()
		x.wantSize(0, 1)
		tx.Commit(nil)
		if requeue {
			x.wantDepth("/queue/q", 1, 0)
		} else {
			x.wantSize(0, 0)
		}
	}
}

func TestCommitTopicClaims(t *testing.T) {
	x := newTester(t, &Memory{})
	p := x.subscribe("/topic/t", AckClient, 1)
	x.send("/topic/t", "1 2 3")
	tx := x.p.Begin()
	x.must(tx.Ack(p.sub, p.tag("1")))
	p.want("1 2")
	x.must(tx.Nack(p.sub, p.tag("2"), true))
	p.want("3")
	p.sub.Unsubscribe()
	var done counter
	tx.Commit(done.done)
	done.want(t, 1, nil)
	x.wantSize(0, 0)
}

func TestCommitToTemporary(t *testing.T) {
	x := newTester(t, nil)
	d := readDestination(t, "/temp-queue/r", alice)
	x.b.MakeTemporary(d, "", 1<<20, nil)
	tx := x.p.Begin()
	tx.Send(x.message(destination.ReplyTo(d), "1"))
	tx.Send(x.message("/reply-queue/gone.r", "2"))
	tx.Commit(nil)
	x.wantDepth("/temp-queue/r", 1, 0)
	if n := x.b.Stats().Unroutable.Load(); n != 1 {
		t.Errorf("%d unroutable, want 1", n)
	}
}

func TestCommitIsOneBatch(t *testing.T) {
	s := &slowStore{}
	x := newTester(t, s)
	in := x.subscribe("/queue/in", AckClientIndividual, 3)
	x.send("/queue/in", "1 2 3")
	s.finish(nil)
	var done counter
	tx := x.p.Begin()
	tx.Send(x.message("/queue/a", "a1"))
	tx.Send(x.message("/queue/b", "b1"))
	tx.Send(x.message("/topic/t", "t1"))
	x.must(tx.Ack(in.sub, in.tag("1")))
	x.must(tx.Nack(in.sub, in.tag("2"), true))
	x.must(tx.Nack(in.sub, in.tag("3"), false))
	tx.Commit(done.done)
	done.want(t, 0, nil)
	if len(s.waiting) != 1 {
		t.Fatalf("%d batches, want 1", len(s.waiting))
	}
	if got, want := s.steps(), "delete:1 note:2 delete:3 put:1 put:1"; got != want {
		t.Errorf("steps are %s, want %s", got, want)
	}
	broken := errors.New("disk full")
	s.finish(broken)
	done.want(t, 1, broken)

	tx = x.p.Begin()
	tx.Send(x.message("/topic/t", "t2"))
	done = counter{}
	tx.Commit(done.done)
	done.want(t, 1, nil) // nothing to keep
	if len(s.waiting) != 0 {
		t.Error("an empty batch was applied")
	}
}

// A pairing is a sink that, for a message of one queue, remembers that the
// message must be in the other, too.
type pairing struct {
	recorder
	news chan string
}

func (p *pairing) Deliver(d Delivery) {
	p.recorder.Deliver(d)
	p.news <- string(d.Message.Body())
}

// TestCommitIsAtomic: a client that has got a message of a transaction from
// one queue finds that all of the transaction has happened in the others.
func TestCommitIsAtomic(t *testing.T) {
	const commits = 300
	x := newTester(t, nil)
	seen := &pairing{recorder: recorder{room: -1}, news: make(chan string, 4*commits)}
	for _, q := range []string{"/queue/a", "/queue/c"} {
		mustSubscribe(x.b, SubscribeOptions{Destination: readDestination(t, q, alice), Ack: AckClient, Prefetch: 4 * commits, Sink: seen})
	}
	var wg sync.WaitGroup
	for g := range 2 {
		wg.Go(func() {
			p := x.b.NewPublisher()
			for range commits {
				tx := p.Begin()
				for _, q := range [][]string{{"/queue/a", "/queue/b", "/queue/c"}, {"/queue/c", "/queue/b", "/queue/a"}}[g] {
					tx.Send(x.message(q, q))
				}
				tx.Commit(nil)
			}
		})
	}
	got := map[string]int{}
	b := readDestination(t, "/queue/b", alice)
	for range 4 * commits {
		got[<-seen.news]++
		d, _ := x.b.Depth(b)
		if n := max(got["/queue/a"], got["/queue/c"]); d.Ready < n {
			t.Fatalf("%d transactions were seen, %d messages are in the other queue", n, d.Ready)
		}
	}
	wg.Wait()
	x.wantDepth("/queue/b", 2*commits, 0)
}

// TestCommitRaces: queues vanish and come again while transactions want them.
func TestCommitRaces(t *testing.T) { synctest.Test(t, testCommitRaces) }

func testCommitRaces(t *testing.T) {
	x := newTester(t, &Memory{})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			p := x.b.NewPublisher()
			for i := range 300 {
				q := fmt.Sprintf("/queue/%d", (g+i)%3)
				tx := p.Begin()
				tx.Send(x.message(q, "1"))
				tx.Send(x.message("/queue/all", "1"))
				tx.Commit(nil)
				for _, q := range []string{q, "/queue/all"} {
					r := newRecorder()
					s := mustSubscribe(x.b, SubscribeOptions{Destination: readDestination(t, q, alice), Ack: AckClient, Prefetch: 3, Sink: r})
					if n := r.count(); n > 0 {
						tx = p.Begin()
						if err := tx.Ack(s, uint64(n)); err != nil {
							t.Error(err)
						}
						s.Unsubscribe()
						tx.Commit(nil)
					}
					s.Unsubscribe()
				}
			}
		})
	}
	wg.Wait()
	drained := 0
	for _, q := range []string{"/queue/0", "/queue/1", "/queue/2", "/queue/all"} {
		s := x.subscribe(q, AckClient, 1<<20)
		synctest.Wait()
		if n := s.count(); n > 0 {
			drained += n
			x.must(s.sub.Ack(s.got[n-1].tag, nil))
		}
		s.sub.Unsubscribe()
	}
	if n := x.b.Stats().Flow().Acked; n != 4*300*2 {
		t.Errorf("%d acknowledged (%d at the end), want %d", n, drained, 4*300*2)
	}
	x.wantSize(0, 0)
}
