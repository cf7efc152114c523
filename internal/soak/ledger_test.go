package soak

import (
	"fmt"
	"sync"
)

// A place is a queue in which a message of a lane can be.
type place uint8

const (
	in   place = iota // the queue of its producer
	out               // the target of moving transactions
	dead              // the dead letter queue
	places
)

func (p place) String() string { return [...]string{"in", "out", "dead"}[p] }

// A lane is a queue, the queues to which its messages move, and the record of
// its messages. Messages are numbered densely, so a note costs a few bytes.
type lane struct {
	name  string
	queue string
	out   string // empty: its messages are not moved

	faults *faults
	mu     sync.Mutex // a leaf; guards notes
	notes  []note
}

// A note is the history of one message.
type note struct {
	confirmed bool // a RECEIPT confirms that it is in the queue
	refused   bool // an ERROR says that it is not in the queue
	at        [places]mark
}

// A mark is the history of a message in one place.
type mark struct {
	first   bool  // it was delivered without redelivered
	used    bool  // an ACK was sent outside a transaction
	settled uint8 // number of the delivery whose ACK has a RECEIPT; 0: none
}

func newLane(name, queue, out string, f *faults) *lane {
	return &lane{name: name, queue: queue, out: out, faults: f}
}

// add assigns a number to a new message.
func (l *lane) add() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = append(l.notes, note{})
	return len(l.notes) - 1
}

// update changes a message's note. A number that was never assigned is a fault.
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

// came records delivery number count of a message. The rest of a closed
// connection may be read late, so deliveries may be recorded out of order.
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

// A tally counts a lane's messages by their fate.
type tally struct{ sent, confirmed, refused, used, moved, dead int }

// check reports missing messages when all queues are empty. A message without
// an answer may have arrived or not.
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

// faults are the failures of a run; only the first are kept.
type faults struct {
	mu    sync.Mutex // a leaf; guards the fields below
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
