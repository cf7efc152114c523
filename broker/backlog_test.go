package broker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A plainMessage is a message of the model. Its place is that of its entry.
type plainMessage struct {
	entry
	expires int64
	waits   bool // for its time
	held    bool // with a consumer
}

// plainBacklog is the model: all messages in one list, which is also what the Store
// has. It looks at all of them.
type plainBacklog struct {
	all []*plainMessage
	now int64
}

// head returns the message to deliver next; nil: there is none.
func (m *plainBacklog) head() (best *plainMessage) {
	for _, x := range m.all {
		if x.held || x.waits {
			continue
		}
		if best == nil || x.msg.priority > best.msg.priority || x.msg.priority == best.msg.priority && x.seq < best.seq {
			best = x
		}
	}
	return best
}

func (m *plainBacklog) count(f func(*plainMessage) bool) (n int) {
	for _, x := range m.all {
		if f(x) {
			n++
		}
	}
	return n
}

func (m *plainBacklog) remove(seq uint64) {
	m.all = slices.DeleteFunc(m.all, func(x *plainMessage) bool { return x.seq == seq })
}

func (m *plainBacklog) find(seq uint64) *plainMessage {
	i := slices.IndexFunc(m.all, func(x *plainMessage) bool { return x.seq == seq })
	if i < 0 {
		return nil
	}
	return m.all[i]
}

// page reads as the Store does.
func (m *plainBacklog) page(after Position, n int) (p Page) {
	for _, x := range m.all {
		if at := x.position(); x.stored() && at.Lane == after.Lane && at.Compare(after) > 0 {
			p.Messages = append(p.Messages, Stored{At: at, Message: x.msg, State: x.state()})
		}
	}
	slices.SortFunc(p.Messages, func(a, b Stored) int { return a.At.Compare(b.At) })
	if p.End = len(p.Messages) <= n; !p.End {
		p.Messages = p.Messages[:n]
	}
	return p
}

// A backlogTest does the same to a backlog and to the model.
type backlogTest struct {
	*testing.T
	r   *rand.Rand
	b   backlog
	m   plainBacklog
	seq uint64
	w   Extent // the window
}

// expires is that of the model: messages have no policy.
func (x *backlogTest) expires(m *Message) int64 { return m.rarely().expires }

// Random arrivals, deliveries, returns, expiries and times leave the backlog with the
// messages of the model, and its head is the model's, wherever the messages are.
func TestBacklogOfQueue(t *testing.T) {
	for seed := range uint64(100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 5))
			x := &backlogTest{T: t, r: r, b: newBacklog(), m: plainBacklog{now: 1000}, w: Extent{2 + r.IntN(6), 1 << 20}}
			for range 1500 {
				x.step()
				x.check()
			}
		})
	}
}

func (x *backlogTest) step() {
	switch x.r.IntN(10) {
	case 0, 1, 2:
		x.arrive()
	case 3, 4, 5:
		x.deliver()
	case 6:
		x.end()
	case 7:
		x.m.now += int64(x.r.IntN(20))
		x.ripen()
	case 8:
		x.expire()
	case 9:
		if x.m.count(func(m *plainMessage) bool { return m.held }) == 0 {
			x.b.forget()
		}
	}
}

// arrive puts in a message, as queue.append does.
func (x *backlogTest) arrive() {
	x.seq++
	msg := &Message{priority: uint8(x.r.IntN(3))}
	e := entry{msg: msg, seq: x.seq}
	if x.r.IntN(3) > 0 {
		e.flags |= storedMark
	}
	if x.r.IntN(3) == 0 {
		msg.setTimes(x.m.now+int64(x.r.IntN(200)), 0)
	}
	wanted := x.r.IntN(4) > 0
	if x.r.IntN(3) == 0 {
		e.at = x.m.now + 1 + int64(x.r.IntN(100))
		x.b.schedule(e, x.expires(msg), wanted, x.w)
	} else {
		l := x.b.lane(msg.priority)
		l.add(e, wanted && (l.window.len() == 0 || l.window.len() < x.w.Count))
	}
	x.m.all = append(x.m.all, &plainMessage{entry: e, expires: x.expires(msg), waits: e.at != 0})
}

// deliver takes the head, as queue.pop does, reading pages as long as it is unread.
func (x *backlogTest) deliver() {
	x.ripen()
	want := x.m.head()
	l, from := x.b.head()
	for from == unread {
		expected := l.behind
		page := x.m.page(Position{Lane: LaneOf(l.priority), Seq: l.after}, 1+x.r.IntN(4))
		if missing := l.load(page, expected); missing.Count != 0 {
			x.Fatalf("%d messages are missing", missing.Count)
		}
		l, from = x.b.head()
	}
	if from == nowhere {
		if want != nil {
			x.Fatalf("no head; want %d", want.seq)
		}
		return
	}
	e := l.pop(from)
	if want == nil || e.seq != want.seq {
		x.Fatalf("the head is %d, want %+v", e.seq, want)
	}
	if x.r.IntN(4) == 0 {
		x.b.giveBack(e, x.expires(e.msg))
		return
	}
	want.held, want.entry = true, e
}

// end ends a delivery: the message is acknowledged or comes back.
func (x *backlogTest) end() {
	for _, m := range x.m.all {
		if !m.held {
			continue
		}
		if x.r.IntN(2) == 0 {
			x.m.remove(m.seq)
			return
		}
		m.held = false
		x.b.giveBack(m.entry, m.expires)
		return
	}
}

// ripen makes due messages visible, as queue.promote does.
func (x *backlogTest) ripen() {
	s := &x.b.delayed
	for {
		it := s.soon.first()
		for ; it != nil && it.at <= x.m.now; it = s.soon.first() {
			s.leave(&it.entry)
			e := x.b.pick(it)
			x.b.ripe(x.b.lane(e.msg.priority)).push(e, x.expires(e.msg))
		}
		if !s.wants(x.w) {
			break
		}
		after := s.horizon
		after.Lane = Delayed
		if missing := x.b.loadSchedule(x.m.page(after, 1+x.r.IntN(4)), s.behind, x.expires); missing.Count != 0 {
			x.Fatalf("%d delayed messages are missing", missing.Count)
		}
	}
	for _, m := range x.m.all {
		m.waits = m.waits && m.at > x.m.now
	}
}

// expire takes out what has expired in piles.
func (x *backlogTest) expire() {
	for it := x.b.index.expiries.first(); it != nil && it.expires <= x.m.now; it = x.b.index.expiries.first() {
		e := x.b.pick(it)
		if m := x.m.find(e.seq); m == nil || m.held || m.expires != it.expires {
			x.Fatalf("%d expires at %d, the model has %+v", e.seq, it.expires, m)
		}
		x.m.remove(e.seq)
	}
}

func (x *backlogTest) check() {
	x.Helper()
	if got, want := x.b.listed(), x.m.count(func(m *plainMessage) bool { return !m.held }); got != want {
		x.Fatalf("%d messages wait, want %d", got, want)
	}
	if x.b.delayed.count != x.b.delayed.listed() {
		x.Fatalf("%d are delayed, and %d listed", x.b.delayed.count, x.b.delayed.listed())
	}
	if last := x.b.last(); last != nil {
		for _, m := range x.m.all {
			if !m.held && !m.waits && m.msg.priority < last.priority && m.at == 0 {
				x.Fatalf("the last lane has priority %d, and %d waits with %d", last.priority, m.seq, m.msg.priority)
			}
		}
	}
}
