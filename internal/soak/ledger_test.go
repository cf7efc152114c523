package soak

import (
	"fmt"
	"sync"
)

// A place is where a message of a lane can be.
type place uint8

const (
	in   place = iota // the queue that its producer sends to
	out               // where a transaction moves it to
	dead              // the dead letter queue
	places
)

func (p place) String() string { return [...]string{"in", "out", "dead"}[p] }

// A lane is a queue with where its messages go on to, and all that is known
// of them. Numbers of messages are dense, so that a note of each costs a few
// bytes.
type lane struct {
	name  string
	queue string
	out   string // empty: none are moved

	faults *faults
	mu     sync.Mutex // a leaf; guards notes
	notes  []note
}

// A note is what is known of one message.
type note struct {
	confirmed bool // a RECEIPT says that it is in the queue
	refused   bool // an ERROR says that it is not
	at        [places]mark
}

// A mark is what is known of a message in one place.
type mark struct {
	first   bool  // it came, and was not called redelivered
	used    bool  // an ACK of it was sent, outside of a transaction
	settled uint8 // the delivery of which a RECEIPT says that it was acknowledged; 0: none
}

func newLane(name, queue, out string, f *faults) *lane {
	return &lane{name: name, queue: queue, out: out, faults: f}
}

// add gives a new message its number.
func (l *lane) add() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = append(l.notes, note{})
	return len(l.notes) - 1
}

// update changes what is known of a message. What a client says of one that
// there never was is a fault.
func (l *lane) update(n int, f func(*note)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 0 || n >= len(l.notes) {
		l.faults.add("%s: number %d was never sent", l.name, n)
		return
	}
	f(&l.notes[n])
}

func (l *lane) confirm(n int) { l.update(n, func(x *note) { x.confirmed = true }) }
func (l *lane) refuse(n int)  { l.update(n, func(x *note) { x.refused = true }) }

// came notes a delivery, which is the count-th of this message. What is read
// from a dying connection may come to be known late, but says then which
// delivery it was.
func (l *lane) came(p place, n int, again bool, count uint8) {
	l.update(n, func(x *note) {
		m := &x.at[p]
		switch {
		case !again && m.first:
			l.faults.add("%s: there are two of %d in %v", l.name, n, p)
		case m.settled > 0 && count > m.settled:
			l.faults.add("%s: %d came from %v for the %d. time, although the ACK of the %d. has a RECEIPT", l.name, n, p, count, m.settled)
		case x.refused:
			l.faults.add("%s: %d came from %v, although an ERROR says that it was refused", l.name, n, p)
		}
		m.first = m.first || !again
	})
}

func (l *lane) use(p place, n int) { l.update(n, func(x *note) { x.at[p].used = true }) }

func (l *lane) settle(p place, n int, count uint8) {
	l.update(n, func(x *note) { x.at[p].settled = max(x.at[p].settled, count) })
}

// A tally says how many messages of a lane went which way.
type tally struct{ sent, confirmed, refused, used, moved, dead int }

// check finds what is missing, when all queues are empty. What was sent and has
// no answer may have come or not.
func (l *lane) check() (t tally) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.sent = len(l.notes)
	var lost []int
	for n, x := range l.notes {
		t.confirmed += one(x.confirmed)
		t.refused += one(x.refused)
		t.moved += one(x.at[out].first)
		t.dead += one(x.at[dead].first)
		used := x.at[in].used || x.at[out].used || x.at[dead].used
		t.used += one(used)
		if x.confirmed && !used {
			lost = append(lost, n)
		}
	}
	if len(lost) > 0 {
		l.faults.add("%s: %d messages have a RECEIPT and never came, or came and were never acknowledged: %v", l.name, len(lost), lost[:min(10, len(lost))])
	}
	return t
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// faults are what went wrong, of which the first are kept.
type faults struct {
	mu    sync.Mutex // a leaf; guards what follows
	all   []string
	count int
}

const mostFaults = 50

func (f *faults) add(format string, a ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count++; len(f.all) < mostFaults {
		f.all = append(f.all, fmt.Sprintf(format, a...))
	}
}

func (f *faults) list() (all []string, count int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all, f.count
}
