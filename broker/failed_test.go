package broker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// spoil makes the Store refuse a change of a queue, as if by a fault.
func (x *tester) spoil(text string) {
	q := x.b.queues.lookup(readDestination(x, text, alice).Key())
	q.mu.Lock()
	for range 60 {
		q.do(Op{Kind: Note, Queue: q.id, At: Position{Seq: 99}})
	}
	q.unlock()
	synctest.Wait()
}

// failing runs a broker until one of its queues has failed, and starts it
// again. The new broker has no policies, so that it shows the store as it
// finds it: with them it would go on with the work that the old one could not
// do, such as expiring messages.
func failing(t *testing.T, all map[string]Policy, do func(x *tester)) (again *tester) {
	for name, p := range all {
		p.Durable = true
		all[name] = p
	}
	o := Options{Store: &Memory{Limit: 4000}, Policies: rules(t, all)}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	x := &tester{TB: t, b: b, p: b.NewPublisher()}
	do(x)
	synctest.Wait()
	if n := b.Stats().Faults.Load(); n != 1 {
		t.Errorf("%d queues failed", n)
	}
	b.Close()
	for name, p := range all {
		all[name] = Policy{Durable: p.Durable}
	}
	o.Policies = rules(t, all)
	return newTesterWith(t, o)
}

// A queue that has failed does not make other queues fail: neither those that
// its messages would move to, nor those with messages that would move to it.
func TestFailureStays(t *testing.T) {
	const q, dead = "/queue/q", "/queue/dead"
	for name, c := range map[string]struct {
		policy Policy
		spoilt string
		do     func(x *tester, p *peer)
		ready  int
	}{
		"Expired": {Policy{TTL: time.Minute, DeadLetter: toDead(t)}, q, func(x *tester, p *peer) { p.sub.Unsubscribe(); pass(time.Hour) }, 4},
		"Lost":    {Policy{MaxDeliveries: 1, DeadLetter: toDead(t)}, q, func(x *tester, p *peer) { p.sub.ConnectionLost() }, 4},
		"Moved": {Policy{}, q, func(x *tester, p *peer) {
			p.sub.Unsubscribe()
			_, err := x.b.Move(context.Background(), readDestination(t, q, alice), toDead(t), 0)
			if !errors.Is(err, ErrQueueFailed) {
				t.Errorf("the error of a move is %v", err)
			}
		}, 4},
		"Dead": {Policy{DeadLetter: toDead(t)}, dead, func(x *tester, p *peer) {
			var done counter
			x.must(p.sub.Nack(p.tag("1"), false, done.done))
			synctest.Wait()
			done.want(t, 1, ErrQueueFailed)
			p.ack("2")
			p.arrived("1 2 3 4")
			p.sub.Unsubscribe()
		}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := failing(t, map[string]Policy{q: c.policy}, func(x *tester) {
					x.send(dead, "0")
					x.send(q, "1 2 3 4")
					p := x.subscribe(q, AckClientIndividual, 2)
					synctest.Wait()
					x.spoil(c.spoilt)
					c.do(x, p)
				})
				if d, _ := x.b.Depth(readDestination(t, q, alice)); d.Ready != c.ready {
					t.Errorf("after a restart, %d messages are in the queue, want %d", d.Ready, c.ready)
				}
				x.wantDepth(dead, 1, 0)
			})
		})
	}
}

// Senders that wait for room in a queue that has failed are told.
func TestFailureEndsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failing(t, map[string]Policy{"/queue/q": {MaxMessages: 1, Overflow: BlockSender}}, func(x *tester) {
			x.send("/queue/q", "1")
			stored, loose := x.b.NewPublisher(), x.b.NewPublisher()
			m := x.message("/queue/q", "3")
			m.transient = true
			first, second := stored.Send(x.message("/queue/q", "2"), nil), loose.Send(m, nil)
			x.spoil("/queue/q")
			var done counter
			select {
			case <-first:
				<-second
				if stored.Send(x.message("/queue/q", "2"), done.done) != nil || loose.Send(m, done.done) != nil {
					t.Error("they are to wait again")
				}
				done.want(t, 2, ErrQueueFailed)
			default:
				t.Error("nobody tells them")
			}
		})
	})
}
