package broker

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func (x *tester) ctx() context.Context { return x.Context() }

func (x *tester) browse(text string, skip, limit int) string {
	x.Helper()
	all, err := x.b.Browse(x.ctx(), readDestination(x, text, alice), skip, limit)
	x.must(err)
	var got []string
	for _, m := range all {
		got = append(got, string(m.Message.Body()))
	}
	return strings.Join(got, " ")
}

func TestOperators(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(map[string]Policy) *tester) {
		x := start(map[string]Policy{"/queue/small": {MaxMessages: 2}})
		q, other := readDestination(t, "/queue/q", alice), readDestination(t, "/queue/other", alice)
		if _, err := x.b.Browse(x.ctx(), q, 0, 1); !errors.Is(err, ErrUnknownQueue) {
			t.Errorf("error is %v", err)
		}
		x.send("/queue/q", "1 2 3 4 5 6")
		m := x.message("/queue/q", "delayed")
		m.setTimes(0, time.Now().Add(time.Hour).UnixMilli())
		x.p.Send(m, nil)
		if got := x.browse("/queue/q", 0, 99); got != "1 2 3 4 5 6 delayed" {
			t.Errorf("browsed %s", got)
		}
		if got := x.browse("/queue/q", 2, 3); got != "3 4 5" {
			t.Errorf("browsed %s", got)
		}
		p := x.subscribe("/queue/q", AckClientIndividual, 2)
		p.arrived("1 2")
		if got := x.browse("/queue/q", 0, 99); got != "3 4 5 6 delayed" {
			t.Errorf("browsed %s", got)
		}
		if n, err := x.b.Move(x.ctx(), q, other, 3); n != 3 || err != nil {
			t.Fatalf("moved %d, %v", n, err)
		}
		if _, err := x.b.DeleteQueue(x.ctx(), q); !errors.Is(err, ErrQueueInUse) {
			t.Errorf("error is %v", err)
		}
		p.sub.Unsubscribe()
		if got := x.browse("/queue/q", 0, 99); got != "1 2 6 delayed" {
			t.Errorf("browsed %s", got)
		}
		if got := x.browse("/queue/other", 0, 99); got != "3 4 5" {
			t.Errorf("browsed %s", got)
		}
		small := readDestination(t, "/queue/small", alice)
		moved, err := x.b.Move(x.ctx(), other, small, 0)
		if moved != 2 || !errors.Is(err, ErrQueueFull) {
			t.Errorf("moved %d, %v", moved, err)
		}
		x.wantDepth("/queue/other", 1, 0)
		if n, err := x.b.DeleteQueue(x.ctx(), small); n != 2 || err != nil {
			t.Errorf("deleted %d, %v", n, err)
		}
		if n, err := x.b.Purge(x.ctx(), q); n != 4 || err != nil {
			t.Errorf("purged %d, %v", n, err)
		}
		x.wantDepth("/queue/q", -1, 0)
		if n, err := x.b.DeleteQueue(x.ctx(), other); n+moved != 3 || err != nil {
			t.Errorf("deleted %d, %v", n, err)
		}
		if all := x.b.Queues(); len(all) != 0 {
			t.Errorf("queues are %v", all)
		}
		if s, ok := x.b.queues.store.(*Memory); ok && s.Len() != 0 {
			t.Errorf("%d messages are stored", s.Len())
		}
	})
}
