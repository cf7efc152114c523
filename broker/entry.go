package broker

import "math"

// An entry is a message in a queue.
type entry struct {
	msg *Message
	seq uint64
	// at is when it becomes visible, if it is kept in lane Delayed; it stays
	// set when that time has come, as it is part of its position in the Store.
	at int64
	// flags are the State and two flags, in one word because entries are copied at
	// every step: a processor waits when it copies a value that was just written in
	// parts.
	flags uint64
}

const (
	failure    uint64 = 1 << 16         // one of State.Failures; Attempts are below
	storedMark uint64 = 1 << 32         // the Store keeps it
	notedMark         = storedMark << 1 // and perhaps a Note of it
	shift             = notedMark << 1  // one of State.Shift
)

// maxShift is the largest State.Shift.
const maxShift = math.MaxUint64 / shift

func marksOf(s State) uint64 {
	return uint64(s.Attempts) | uint64(s.Failures)*failure | uint64(s.Shift)*shift
}

// storedEntry is one that was read from the Store.
func storedEntry(s *Stored) entry {
	e := entry{msg: s.Message, seq: s.At.Seq, at: s.At.At, flags: marksOf(s.State) | storedMark}
	if s.State != (State{}) {
		e.flags |= notedMark
	}
	return e
}

func (e *entry) stored() bool { return e.flags&storedMark != 0 }
func (e *entry) noted() bool  { return e.flags&notedMark != 0 }
func (e *entry) state() State {
	return State{Attempts: uint16(e.flags), Failures: uint16(e.flags / failure), Shift: uint32(e.flags / shift)}
}

// number is the first seq that the message had in the queue. Clients see it, so it
// stays when the message moves to the end.
func (e *entry) number() uint64 { return e.seq - e.flags/shift }

// moveTo gives the entry another place in the order of arrival. Its number stays,
// unless more than a thousand million messages came since it did.
func (e *entry) moveTo(seq uint64) {
	by := seq - e.number()
	if by > maxShift {
		by = 0
	}
	e.seq = seq
	e.flags = e.flags%shift | by*shift
}

// attempted counts a delivery.
func (e *entry) attempted() {
	if uint16(e.flags) < math.MaxUint16 {
		e.flags++
	}
}

// failed counts a failure.
func (e *entry) failed() {
	if uint16(e.flags/failure) < math.MaxUint16 {
		e.flags += failure
	}
}

func (e *entry) position() Position {
	if e.at != 0 {
		return Position{Lane: Delayed, At: e.at, Seq: e.seq}
	}
	return Position{Lane: LaneOf(e.msg.priority), Seq: e.seq}
}

// due is the order in which entries become visible.
func (e *entry) due(o *entry) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }
