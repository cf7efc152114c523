package broker

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"hoofbeat/internal/memory"
)

// A user's limit of memory also applies in a transaction, whatever else is in
// it: a message that is stored, or an acknowledgement of one.
func TestCommitWithinMemory(t *testing.T) {
	const q = "/queue/q"
	for name, fill := range map[string]func(x *tester, p *peer, tx *Transaction){
		"Alone":   func(*tester, *peer, *Transaction) {},
		"Beside":  func(x *tester, _ *peer, tx *Transaction) { tx.Send(x.message(q, "stored")) },
		"InPlace": func(x *tester, p *peer, tx *Transaction) { x.must(tx.Ack(p.sub, p.tag(strings.Repeat("x", 300_000)))) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTester(t, &Memory{})
				user := memory.New(1 << 20).EnterUser("alice")
				x.p.ChargeTo(user)
				x.send(q, strings.Repeat("x", 300_000))
				p := x.subscribe(q, AckClientIndividual, 1)
				synctest.Wait()
				loose := func() *Message {
					m := x.message(q, strings.Repeat("y", 300_000))
					m.transient = true
					return m
				}
				x.p.Send(loose(), nil)
				x.wantDepth(q, 1, 1)
				tx := x.p.Begin()
				fill(x, p, tx)
				tx.Send(loose())
				var done counter
				tx.Commit(done.done)
				synctest.Wait()
				done.want(t, 1, ErrNoMemory)
				if n := user.Used(); n > 400_000 {
					t.Errorf("the user is charged with %d bytes", n)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // leaving messages make room
		x := newTester(t, &Memory{})
		x.p.ChargeTo(memory.New(1 << 20).EnterUser("alice"))
		body := strings.Repeat("y", 300_000)
		m := x.message(q, body)
		m.transient = true
		x.p.Send(m, nil)
		p := x.subscribe(q, AckClientIndividual, 1)
		synctest.Wait()
		tx := x.p.Begin()
		x.must(tx.Ack(p.sub, p.tag(body)))
		tx.Send(m)
		var done counter
		tx.Commit(done.done)
		synctest.Wait()
		done.want(t, 1, nil)
	})
}

// A user with a little in each of many queues is charged for it.
func TestManyQueuesWithinMemory(t *testing.T) {
	b, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	x := &tester{TB: t, b: b, p: b.NewPublisher()}
	user := memory.New(1 << 30).EnterUser("alice")
	x.p.ChargeTo(user)
	const queues, size = 5 * manyQueues, 4000
	body := strings.Repeat("x", size)
	for i := range queues {
		x.p.Send(x.message(fmt.Sprint("/queue/", i), body), nil)
	}
	if n := user.Used(); n < (queues-manyQueues)*size {
		t.Errorf("the user is charged with %d bytes of %d", n, queues*size)
	}
	for i := range queues {
		p := x.subscribe(fmt.Sprint("/queue/", i), AckClientIndividual, 1)
		x.must(p.sub.Ack(1, nil))
		p.sub.Unsubscribe()
	}
	if n := user.Used(); n != 0 {
		t.Errorf("the user is charged with %d bytes for nothing", n)
	}
}

// A consumer for which there was no memory still gets one delivery at a time
// once it has acknowledged its messages: others may hold the memory for ever.
func TestStarvedConsumerGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTester(t, &Memory{})
		account := memory.New(0).Open(1000, nil)
		p := x.subscribeWith(newRecorder(), SubscribeOptions{Destination: readDestination(t, "/queue/q", alice), Ack: AckClientIndividual, Prefetch: 9, Account: account})
		x.send("/queue/q", "1")
		account.Add(5000) // something else
		x.send("/queue/q", "2 3 4")
		p.arrived("1")
		p.ack("1")
		p.arrived("2")
		p.ack("2")
		p.arrived("3")
		account.Add(-5000)
		account.Feed()
		p.arrived("4")
		p.sub.Unsubscribe()
		account.Feed()
	})
}
