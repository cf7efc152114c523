package broker

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestReject(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		size := start(nil).message("/queue/q", "1").Size()
		x := start(map[string]Policy{"/queue/q": {MaxMessages: 3}, "/queue/b": {MaxBytes: 3 * size}})
		for _, q := range []string{"/queue/q", "/queue/b"} {
			x.send(q, "1 2 3")
			var refused, ok counter
			x.p.Send(x.message(q, "4"), refused.done)
			refused.want(t, 1, ErrQueueFull)
			tx := x.p.Begin()
			tx.Send(x.message("/queue/other", "5"))
			tx.Send(x.message(q, "5"))
			tx.Commit(ok.done)
			ok.want(t, 1, ErrQueueFull)
			x.wantDepth("/queue/other", -1, 0)
			p := x.subscribe(q, AckClientIndividual, 9)
			p.arrived("1 2 3")
			x.p.Send(x.message(q, "6"), refused.done)
			refused.want(t, 2, ErrQueueFull) // delivered ones count
			p.ack("1")
			x.send(q, "7")
			p.arrived("7")
		}
		if n := x.b.Stats().Refused.Load(); n != 8 {
			t.Errorf("%d were refused, want 8", n)
		}
	})
}

func TestDropHead(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {MaxMessages: 3, Overflow: DropHead, DeadLetter: toDead(t)}})
		for i := range 7 {
			x.send("/queue/q", fmt.Sprint(i))
			synctest.Wait()
		}
		x.wantDepth("/queue/q", 3, 0)
		p := x.subscribe("/queue/q", AckClientIndividual, 2)
		p.arrived("4 5")
		x.send("/queue/q", "7")
		synctest.Wait()
		p.ack("4 5")
		p.arrived("7")
		dead := x.subscribe("/queue/dead", AckClient, 9)
		dead.arrived("0 1 2 3 6")
		if got := dead.header("death-reason"); got != "overflow" {
			t.Errorf("it died as %s", got)
		}
	})
}

func TestBlock(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/q": {MaxMessages: 2, Overflow: BlockSender, TTL: time.Minute}})
		x.send("/queue/q", "1 2")
		var done counter
		wait := x.p.Send(x.message("/queue/q", "3"), done.done)
		tx := x.b.NewPublisher().Begin()
		tx.Send(x.message("/queue/q", "4"))
		if wait == nil || tx.Commit(done.done) == nil {
			t.Fatal("a full queue takes more")
		}
		done.want(t, 0, nil)
		p := x.subscribe("/queue/q", AckClientIndividual, 1)
		p.arrived("1")
		select {
		case <-wait:
			t.Fatal("there is room too early")
		default:
		}
		p.ack("1")
		<-wait
		if x.p.Send(x.message("/queue/q", "3"), done.done) != nil {
			t.Fatal("there is no room")
		}
		if wait = tx.Commit(done.done); wait == nil {
			t.Fatal("there is room")
		}
		pass(time.Minute)
		<-wait // expiry makes room as well
		if tx.Commit(done.done) != nil {
			t.Fatal("there is no room")
		}
		synctest.Wait()
		done.want(t, 2, nil)
		// A message that never fits is refused, or its sender would wait for
		// ever.
		tx = x.p.Begin()
		for range 3 {
			tx.Send(x.message("/queue/q", "5"))
		}
		if tx.Commit(done.done) != nil {
			t.Fatal("it waits for what never comes")
		}
		synctest.Wait()
		done.want(t, 3, ErrQueueFull)
	})
}

// TestRoomIsEnough: a sender is woken when there is room for its message, and
// when it need not wait any more.
func TestRoomIsEnough(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		policy := Policy{MaxMessages: 2, Overflow: BlockSender}
		x := start(map[string]Policy{"/queue/q": policy})
		policy.Durable = x.b.queues.store != nil
		open := func(wait <-chan struct{}) bool {
			select {
			case <-wait:
				return true
			default:
				return false
			}
		}
		x.send("/queue/q", "1")
		two := x.p.Begin()
		two.Send(x.message("/queue/q", "2"))
		two.Send(x.message("/queue/q", "3"))
		var done counter
		wait := two.Commit(done.done)
		if wait == nil || open(wait) {
			t.Fatal("two messages fit where there is room for one")
		}
		p := x.subscribe("/queue/q", AckClientIndividual, 9)
		p.arrived("1")
		// The acknowledgements of a transaction make room for its messages.
		x.must(two.Ack(p.sub, p.tag("1")))
		if two.Commit(done.done) != nil {
			t.Fatal("the room that it makes does not count")
		}
		p.arrived("2 3")
		wait = x.p.Send(x.message("/queue/q", "4"), nil)
		if wait == nil || open(wait) {
			t.Fatal("there is room in a full queue")
		}
		policy.Overflow = RejectNewest
		x.b.SetPolicies(rules(t, map[string]Policy{"/queue/q": policy}))
		if !open(wait) {
			t.Error("it waits where nobody is to wait any more")
		}
		policy.Overflow = BlockSender
		x.b.SetPolicies(rules(t, map[string]Policy{"/queue/q": policy}))
		three := x.p.Begin()
		three.Send(x.message("/queue/q", "5"))
		three.Send(x.message("/queue/q", "6"))
		wait = three.Commit(nil)
		policy.MaxMessages = 1
		x.b.SetPolicies(rules(t, map[string]Policy{"/queue/q": policy}))
		if wait == nil || !open(wait) {
			t.Error("it waits for what will never fit")
		}
	})
}

// TestRefusalDropsNothing: a message that another queue refuses makes no room
// in this one.
func TestRefusalDropsNothing(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{
			"/queue/drops": {MaxMessages: 2, Overflow: DropHead}, "/queue/refuses": {MaxMessages: 1},
		})
		for range 10 { // the order in which queues are asked is not fixed
			x.send("/queue/drops", "1 2")
			x.send("/queue/refuses", "1")
			synctest.Wait()
			dropped := x.b.Stats().Dropped.Load()
			tx := x.p.Begin()
			tx.Send(x.message("/queue/drops", "3"))
			tx.Send(x.message("/queue/refuses", "3"))
			var done counter
			tx.Commit(done.done)
			done.want(t, 1, ErrQueueFull)
			synctest.Wait()
			if n := x.b.Stats().Dropped.Load(); n != dropped {
				t.Fatalf("%d messages were dropped for what was refused", n-dropped)
			}
		}
	})
}
