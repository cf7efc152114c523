package broker

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// A watched is a Memory that records its batches.
type watched struct {
	*Memory
	look func(Batch)
}

func (s *watched) Apply(b Batch, done func(error)) {
	s.look(b)
	s.Memory.Apply(b, done)
}

// A message that moves to another queue leaves the old one in the batch that
// puts it into the new one, whatever else has to be written: a crash between
// two batches would lose it.
func TestMovesAreWhole(t *testing.T) {
	const q = "/queue/q"
	for name, do := range map[string]func(x *tester, p *peer){
		"Dead": func(x *tester, p *peer) { x.must(p.sub.Nack(50, false, nil)) },
		"Move": func(x *tester, p *peer) { p.sub.Unsubscribe(); x.move(q, "/queue/dead") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &watched{Memory: &Memory{Limit: 4000}, look: func(Batch) {}}
				x := newTesterWith(t, Options{Store: store, Policies: rules(t, map[string]Policy{
					q:             {Durable: true, DeadLetter: toDead(t)},
					"/queue/dead": {Durable: true, MaxMessages: 300, MaxBytes: 50_000, Overflow: DropHead},
				})})
				x.send("/queue/dead", strings.Repeat("s ", 250))
				for i := range 50 {
					x.send(q, fmt.Sprint(i, strings.Repeat("x", 400+7*i)))
				}
				p := x.subscribe(q, AckClient, 100)
				synctest.Wait()
				dead := x.b.queues.lookup(toDead(t).Key()).id
				moved := 0
				store.look = func(b Batch) {
					puts, deletes := 0, 0
					for _, op := range b {
						switch {
						case op.Kind == Put && op.Queue == dead:
							puts++
						case op.Kind == Delete && op.Queue != dead:
							deletes++
						}
					}
					if moved += puts; puts != deletes {
						t.Errorf("a batch puts %d messages into the one queue, and deletes %d of the other", puts, deletes)
					}
				}
				do(x, p)
				synctest.Wait()
				if moved != 50 {
					t.Errorf("%d messages moved", moved)
				}
				if n := x.b.Stats().Faults.Load(); n != 0 {
					t.Errorf("%d queues failed", n)
				}
			})
		})
	}
}
