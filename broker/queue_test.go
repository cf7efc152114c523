package broker

import (
	"fmt"
	"strings"
	"testing"
)

func TestQueueOrderAndPrefetch(t *testing.T) {
	x := newTester(t, nil)
	x.send("/queue/q", "1 2 3 4 5")
	x.wantDepth("/queue/q", 5, 0)
	c := x.subscribe("/queue/q", AckClientIndividual, 2)
	c.want("1 2")
	x.wantDepth("/queue/q", 3, 2)
	c.ack("2")
	c.want("3")
	c.ack("1 3")
	c.want("4 5")
	x.send("/queue/q", "6 7")
	c.want("")
	c.ack("4")
	c.want("6")
	x.wantDepth("/queue/q", 1, 2)
}

func TestQueuePrefetchIsAtLeastOne(t *testing.T) {
	x := newTester(t, nil)
	x.send("/queue/q", "1 2")
	x.subscribe("/queue/q", AckClientIndividual, 0).want("1")
}

func TestQueueInTurn(t *testing.T) {
	x := newTester(t, nil)
	var peers [3]*peer
	for i := range peers {
		peers[i] = x.subscribe("/queue/q", AckClientIndividual, 3)
	}
	x.send("/queue/q", "1 2 3 4 5 6 7")
	peers[0].want("1 4 7")
	peers[1].want("2 5")
	peers[2].want("3 6")
	// The first has no credit; the others are served, then the next one with
	// credit.
	x.send("/queue/q", "8 9 10 11")
	peers[0].want("")
	peers[1].want("8")
	peers[2].want("9")
	peers[2].ack("3")
	peers[2].want("10")
	peers[0].ack("4")
	peers[0].want("11")
}

func TestAckModes(t *testing.T) {
	tests := []struct {
		mode    AckMode
		act     func(p *peer)
		unacked int
		then    string // deliveries to a new consumer after the first one left
	}{
		{AckClient, func(p *peer) { p.ack("2") }, 2, "3#2 4#2"},
		{AckClient, func(p *peer) { p.ack("4") }, 0, ""},
		{AckClient, func(p *peer) { p.ack("1 3") }, 1, "4#2"},
		{AckClient, func(p *peer) { p.nack("3", false) }, 1, "4#2"},
		{AckClientIndividual, func(p *peer) { p.ack("2") }, 3, "1#2 3#2 4#2"},
		{AckClientIndividual, func(p *peer) { p.ack("4 1") }, 2, "2#2 3#2"},
		{AckClientIndividual, func(p *peer) { p.nack("2 3", false) }, 2, "1#2 4#2"},
		{AckAuto, func(p *peer) { p.sub.Written(p.tag("2")) }, 2, "3#2 4#2"},
		{AckAuto, func(p *peer) { p.sub.Written(p.tag("4") + 10) }, 0, ""},
		{AckAuto, func(p *peer) { p.sub.Written(0) }, 4, "1#2 2#2 3#2 4#2"},
		{AckAuto, func(p *peer) { p.sub.Written(p.tag("3")); p.sub.Written(p.tag("1")) }, 1, "4#2"},
		{AckClient, func(p *peer) { p.sub.Written(p.tag("2")) }, 4, "1#2 2#2 3#2 4#2"},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%d-%s", i, tt.mode), func(t *testing.T) {
			x := newTester(t, nil)
			p := x.subscribe("/queue/q", tt.mode, 10)
			x.send("/queue/q", "1 2 3 4")
			p.want("1 2 3 4")
			tt.act(p)
			x.wantDepth("/queue/q", 0, tt.unacked)
			p.sub.Unsubscribe()
			x.subscribe("/queue/q", AckClient, 10).want(tt.then)
		})
	}
}

func TestNackRequeue(t *testing.T) {
	x := newTester(t, nil)
	x.send("/queue/q", "1 2 3 4 5")
	p := x.subscribe("/queue/q", AckClientIndividual, 3)
	p.want("1 2 3")
	p.nack("2", true)
	p.want("2#2") // before 4
	p.ack("1")
	p.want("4")

	// All of them go back in their order, whatever the order of the NACKs.
	p.setRoom(0)
	p.nack("4 2 3", true)
	x.wantDepth("/queue/q", 4, 0)
	p.setRoom(-1)
	p.sub.Resume()
	p.want("2#3 3#2 4#2")
}

func TestNackCumulative(t *testing.T) {
	x := newTester(t, nil)
	p := x.subscribe("/queue/q", AckClient, 4)
	x.send("/queue/q", "1 2 3 4 5")
	p.want("1 2 3 4")
	p.nack("3", true)
	p.want("1#2 2#2 3#2")
	x.wantDepth("/queue/q", 1, 4)
	p.ack("3") // delivered after 4
	p.want("5")
	x.wantDepth("/queue/q", 0, 1)
}

func TestUnknownDelivery(t *testing.T) {
	x := newTester(t, nil)
	for _, mode := range []AckMode{AckAuto, AckClient, AckClientIndividual} {
		queue := "/queue/" + mode.String()
		x.send(queue, "1 2 3 4 5")
		p := x.subscribe(queue, mode, 4)
		tag := p.tag("2")
		if mode != AckAuto {
			p.ack("2")
			x.must(p.sub.Nack(p.tag("4"), false, nil))
		}
		if mode != AckAuto {
			x.wantLate(p.sub.Ack(tag, nil))
			x.wantLate(p.sub.Nack(tag, true, nil))
			x.wantLate(p.sub.Nack(tag, false, nil))
		} else {
			x.wantUnknown(p.sub.Ack(tag, nil))
		}
		for _, unknown := range []uint64{0, 6, 1 << 20, 1 << 63, 1<<64 - 1} {
			x.wantUnknown(p.sub.Ack(unknown, nil))
			x.wantUnknown(p.sub.Nack(unknown, true, nil))
			x.wantUnknown(p.sub.Nack(unknown, false, nil))
		}
	}
	x.wantDepth("/queue/auto", 1, 4)
	x.wantDepth("/queue/client", 0, 1)
	x.wantDepth("/queue/client-individual", 0, 3)

	p := x.subscribe("/queue/other", AckClient, 1)
	x.send("/queue/other", "1")
	p.sub.Unsubscribe()
	x.wantLate(p.sub.Ack(p.tag("1"), nil))
	x.wantUnknown(p.sub.Ack(p.tag("1")+1, nil))
	x.wantDepth("/queue/other", 1, 0)
	if n := x.b.Stats().Flow().Acked + x.b.Stats().Dropped.Load(); n != 2+2+2 {
		t.Errorf("%d messages settled, want 6", n)
	}
}

func TestUnsubscribeGivesBack(t *testing.T) {
	x := newTester(t, nil)
	a := x.subscribe("/queue/q", AckClientIndividual, 3)
	b := x.subscribe("/queue/q", AckClientIndividual, 3)
	x.send("/queue/q", "1 2 3 4 5 6 7 8")
	a.want("1 3 5")
	b.want("2 4 6")
	b.setRoom(0)
	a.sub.Unsubscribe()
	a.sub.Unsubscribe()
	b.ack("4")
	b.setRoom(-1)
	b.sub.Resume()
	b.want("1#2")
	b.ack("1 2")
	b.want("3#2 5#2")
	b.sub.Unsubscribe()
	x.subscribe("/queue/q", AckClient, 9).want("3#3 5#3 6#2 7 8")
	if n := x.b.Stats().Requeued.Load(); n != 6 {
		t.Errorf("%d messages given back, want 6", n)
	}
}

func TestSinkRefuses(t *testing.T) {
	x := newTester(t, nil)
	a := x.subscribe("/queue/q", AckClientIndividual, 9)
	b := x.subscribe("/queue/q", AckClientIndividual, 9)
	a.setRoom(1)
	x.send("/queue/q", "1 2 3 4")
	a.want("1")
	b.want("2 3 4") // 3 was refused by a
	a.setRoom(-1)
	x.send("/queue/q", "5")
	a.want("") // it has not said Resume
	b.want("5")
	a.sub.Resume()
	a.sub.Resume()
	x.send("/queue/q", "6 7 8")
	if n := a.count() + b.count(); n != 8 || a.count() < 2 {
		t.Errorf("a has %d and b has %d", a.count(), b.count())
	}
}

func TestSinkRefusesAll(t *testing.T) {
	x := newTester(t, nil)
	a := x.subscribe("/queue/q", AckAuto, 9)
	a.setRoom(0)
	x.send("/queue/q", "1 2 3")
	x.wantDepth("/queue/q", 3, 0)
	a.setRoom(2)
	a.sub.Resume()
	a.want("1 2")
	a.setRoom(-1)
	a.sub.Written(a.tag("2"))
	a.want("")
	a.sub.Resume()
	a.want("3")
}

// TestHeldIsBounded: one old unacknowledged message does not keep the memory
// of all that were acknowledged behind it.
func TestHeldIsBounded(t *testing.T) {
	x := newTester(t, nil)
	p := x.subscribe("/queue/q", AckClientIndividual, 3)
	x.send("/queue/q", "old")
	most := 0
	for i := range 20000 {
		body := fmt.Sprint(i)
		x.send("/queue/q", body)
		p.ack(body)
		most = max(most, p.sub.consumer.held.len())
		p.got = nil
	}
	if most > 200 {
		t.Errorf("%d deliveries were held", most)
	}
	if ring := len(p.sub.consumer.held.table.ring); ring > 512 {
		t.Errorf("the ring has %d places", ring)
	}
	x.must(p.sub.Ack(1, nil))
	x.wantDepth("/queue/q", 0, 0)
}

func TestQueueVanishes(t *testing.T) {
	x := newTester(t, nil)
	p := x.subscribe("/queue/q", AckClient, 1)
	x.wantSize(0, 1)
	p.sub.Unsubscribe()
	x.wantSize(0, 0)
	x.wantDepth("/queue/q", -1, 0)

	x.send("/queue/q", "1")
	x.wantSize(0, 1)
	p = x.subscribe("/queue/q", AckClient, 1)
	other := x.subscribe("/queue/q", AckClient, 1)
	p.sub.Unsubscribe()
	x.wantSize(0, 1)
	other.want("1#2")
	other.ack("1")
	x.wantSize(0, 1)
	other.sub.Unsubscribe()
	x.wantSize(0, 0)
}

// TestLineIsBounded: consumers that come and go while there is nothing to
// deliver leave nothing behind.
func TestLineIsBounded(t *testing.T) {
	x := newTester(t, nil)
	stays := x.subscribe("/queue/q", AckClient, 1000)
	q := x.b.queues.lookup("/queue/q")
	for range 10000 {
		x.subscribe("/queue/q", AckClient, 1).sub.Unsubscribe()
		if q.turns.line.len() > 100 {
			t.Fatalf("%d consumers stand in line, one is open", q.turns.line.len())
		}
	}
	x.send("/queue/q", "1 2")
	stays.want("1 2")
	if q.turns.line.len() != 1 {
		t.Errorf("%d consumers stand in line", q.turns.line.len())
	}
}

func TestParseAckMode(t *testing.T) {
	for _, m := range []AckMode{AckAuto, AckClient, AckClientIndividual} {
		if got, ok := ParseAckMode(m.String()); !ok || got != m {
			t.Errorf("%s reads as %v, %v", m, got, ok)
		}
	}
	if m, ok := ParseAckMode(""); !ok || m != AckAuto {
		t.Error("no ack header does not mean auto")
	}
	for _, s := range []string{"Auto", "client ", "cumulative"} {
		if _, ok := ParseAckMode(s); ok {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestManyQueues(t *testing.T) {
	x := newTester(t, nil)
	for i := range 1000 {
		x.send(fmt.Sprintf("/queue/a.%d", i), "1")
	}
	x.wantSize(0, 1000)
	for i := range 1000 {
		p := x.subscribe(fmt.Sprintf("/queue/a/%d", i), AckAuto, 1)
		p.want("1")
		p.sub.Written(1)
		p.sub.Unsubscribe()
	}
	x.wantSize(0, 0)
}

// TestQueueInterleaved: given back messages and new ones, in every mix, come
// out in order of arrival.
func TestQueueInterleaved(t *testing.T) {
	x := newTester(t, nil)
	p := x.subscribe("/queue/q", AckClientIndividual, 100)
	x.send("/queue/q", "a b c d e f g h")
	p.setRoom(0)
	p.nack("g c e", true)
	x.send("/queue/q", "i j")
	p.nack("a", true)
	p.sub.Unsubscribe()
	last := x.subscribe("/queue/q", AckAuto, 100)
	var order []string
	for _, d := range last.got {
		order = append(order, string(d.msg.Body()))
	}
	if s := strings.Join(order, ""); s != "abcdefghij" {
		t.Errorf("order is %s", s)
	}
}
