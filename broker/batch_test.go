package broker

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// smallBatches is a disk that takes few bytes as one, and a broker on it.
func smallBatches(t *testing.T, all map[string]Policy) (x *tester, again func() *tester) {
	o := Options{Store: &Memory{Limit: 4000}, Policies: rules(t, all)}
	return newTesterWith(t, o), func() *tester {
		x.b.Close()
		return newTesterWith(t, o)
	}
}

// fifty sends messages that take many batches together.
func fifty(x *tester, to string) {
	for i := range 50 {
		x.send(to, fmt.Sprint(i, strings.Repeat("x", 500)))
	}
	synctest.Wait()
}

// Steps that concern many messages at once are stored in batches that the
// store takes, and a restart finds their result.
func TestBatchesAreSplit(t *testing.T) {
	backoff := Backoff{Initial: time.Second}
	const q = "/queue/q"
	for name, c := range map[string]struct {
		policy            Policy
		do                func(x *tester, p *peer)
		ready, dead, late int
	}{
		"Nack":    {Policy{}, func(x *tester, p *peer) { x.must(p.sub.Nack(50, true, nil)) }, 50, 0, 0},
		"Delay":   {Policy{RedeliveryDelay: backoff}, func(x *tester, p *peer) { x.must(p.sub.Nack(50, true, nil)) }, 0, 0, 50},
		"Dead":    {Policy{DeadLetter: toDead(t)}, func(x *tester, p *peer) { x.must(p.sub.Nack(50, false, nil)) }, 0, 50, 0},
		"Reject":  {Policy{}, func(x *tester, p *peer) { x.must(p.sub.Nack(50, false, nil)) }, 0, 0, 0},
		"Close":   {Policy{}, func(x *tester, p *peer) { p.sub.ConnectionLost() }, 50, 0, 0},
		"Expire":  {Policy{DeadLetter: toDead(t), TTL: time.Minute}, func(x *tester, p *peer) { p.sub.Unsubscribe(); pass(time.Hour) }, 0, 50, 0},
		"Move":    {Policy{}, func(x *tester, p *peer) { p.sub.Unsubscribe(); x.move(q, "/queue/dead") }, 0, 50, 0},
		"Purge":   {Policy{}, func(x *tester, p *peer) { p.sub.Unsubscribe(); x.purge(q) }, 0, 0, 0},
		"NackAck": {Policy{}, func(x *tester, p *peer) { x.must(p.sub.Nack(50, true, nil)); x.must(p.sub.Ack(100, nil)) }, 0, 0, 0},
		"DelayAck": {Policy{RedeliveryDelay: backoff}, func(x *tester, p *peer) {
			x.must(p.sub.Nack(50, true, nil))
			pass(time.Minute)
			var done counter
			x.must(p.sub.Ack(100, done.done))
			synctest.Wait()
			done.want(t, 1, nil)
		}, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.policy.Durable = true
				x, again := smallBatches(t, map[string]Policy{q: c.policy})
				fifty(x, q)
				p := x.subscribe(q, AckClient, 100)
				synctest.Wait()
				c.do(x, p)
				synctest.Wait()
				if c.dead+c.ready+c.late > 0 && c.ready > 0 {
					p.sub.Unsubscribe()
				}
				checkQueues(t, x.b)
				x = again()
				d, _ := x.b.Depth(readDestination(t, q, alice))
				dead, _ := x.b.Depth(toDead(t))
				if d != (Depth{Ready: c.ready, Delayed: c.late}) || dead.Ready != c.dead {
					t.Errorf("after a restart: %+v, and %d are dead; want %d, %d delayed, %d dead", d, dead.Ready, c.ready, c.late, c.dead)
				}
			})
		})
	}
}

func (x *tester) move(from, to string) {
	x.Helper()
	_, err := x.b.Move(x.ctx(), readDestination(x, from, alice), readDestination(x, to, alice), 0)
	x.must(err)
}

func (x *tester) purge(text string) {
	x.Helper()
	_, err := x.b.Purge(x.ctx(), readDestination(x, text, alice))
	x.must(err)
}

// A transaction that the store cannot write as one is refused before anything
// has happened, whatever makes it large.
func TestCommitTooLarge(t *testing.T) {
	const q = "/queue/q"
	for name, c := range map[string]struct {
		policy Policy
		fill   func(x *tester, p *peer, tx *Transaction)
	}{
		"Sends": {Policy{}, func(x *tester, _ *peer, tx *Transaction) {
			for range 9 {
				tx.Send(x.message("/queue/other", strings.Repeat("x", 500)))
			}
		}},
		"Delay": {Policy{RedeliveryDelay: Backoff{Initial: time.Second}}, func(x *tester, p *peer, tx *Transaction) { x.must(tx.Nack(p.sub, 9, true)) }},
		"Dead":  {Policy{DeadLetter: toDead(t)}, func(x *tester, p *peer, tx *Transaction) { x.must(tx.Nack(p.sub, 9, false)) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.policy.Durable = true
				x, again := smallBatches(t, map[string]Policy{q: c.policy})
				fifty(x, q)
				p := x.subscribe(q, AckClient, 9)
				synctest.Wait()
				tx := x.p.Begin()
				c.fill(x, p, tx)
				var done counter
				tx.Commit(done.done)
				synctest.Wait()
				done.want(t, 1, ErrTooLarge)
				if d, _ := x.b.Depth(readDestination(t, q, alice)); d.Ready+d.Unacked != 50 {
					t.Errorf("the queue holds %+v", d) // a claim makes room for more
				}
				x.wantDepth("/queue/other", -1, 0)
				x.wantDepth("/queue/dead", -1, 0)
				small := x.p.Begin() // the rest of its parts
				small.Send(x.message("/queue/other", "1"))
				x.must(small.Ack(p.sub, 9))
				small.Commit(done.done)
				synctest.Wait()
				done.want(t, 2, nil)
				x = again()
				x.wantDepth(q, 41, 0)
				x.wantDepth("/queue/other", 1, 0)
			})
		})
	}
}

// A message that the store cannot write is refused by a queue that is stored.
func TestMessageTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, _ := smallBatches(t, map[string]Policy{"/queue/memory": {}})
		var done counter
		for i, c := range []struct {
			to   string
			want error
		}{{"/queue/q", ErrTooLarge}, {"/queue/memory", nil}, {"/topic/a", nil}} {
			x.p.Send(x.message(c.to, strings.Repeat("x", 2000)), done.done)
			synctest.Wait()
			done.want(t, i+1, c.want)
		}
		x.wantDepth("/queue/q", -1, 0)
		x.wantDepth("/queue/memory", 1, 0)
	})
}

// After the store has refused a change, its queue confirms nothing any more,
// and a restart finds all that was confirmed.
func TestRefusedBatchEndsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Store: &Memory{Limit: 4000}, Policies: durably}
		b, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		x := &tester{TB: t, b: b, p: b.NewPublisher()}
		x.send("/queue/q", "1 2 3")
		x.send("/queue/other", "1")
		p, other := x.subscribe("/queue/q", AckClientIndividual, 2), x.subscribe("/queue/other", AckClientIndividual, 2)
		synctest.Wait()
		p.ack("1")
		p.arrived("1 2 3")
		q := b.queues.lookup(readDestination(t, "/queue/q", alice).Key())
		q.mu.Lock() // a fault: a batch that is too large
		for range 40 {
			q.do(Op{Kind: Note, Queue: q.id, At: Position{Seq: 99}})
		}
		q.unlock()
		synctest.Wait()
		for _, err := range []error{p.sub.Ack(p.tag("2"), nil), p.sub.Nack(p.tag("2"), true, nil), x.p.Begin().Ack(p.sub, p.tag("3"))} {
			if !errors.Is(err, ErrQueueFailed) {
				t.Errorf("the error of an ACK is %v", err)
			}
		}
		var done counter
		x.p.Send(x.message("/queue/q", "4"), done.done)
		done.want(t, 1, ErrQueueFailed)
		p.sub.Unsubscribe()
		late := x.subscribe("/queue/q", AckClientIndividual, 9)
		late.arrived("")
		x.must(other.sub.Ack(other.tag("1"), done.done))
		synctest.Wait()
		done.want(t, 2, nil)
		if n := b.Stats().Faults.Load(); n != 1 {
			t.Errorf("%d faults were counted", n)
		}
		b.Close()
		x = newTesterWith(t, o)
		x.subscribe("/queue/q", AckClientIndividual, 9).arrived("2 3")
		x.wantDepth("/queue/other", 0, 0)
	})
}
