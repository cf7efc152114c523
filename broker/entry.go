package broker

import "math"

// An entry is a message in a queue.
type entry struct {
	msg *Message
	seq uint64
	// at is when it becomes visible, if it is kept in lane Delayed; it stays
	// set when that time has come, as it says where the Store has it.
	at int64
	// marks are the State and two flags. They are one word because entries
	// are copied at every step, and a processor that copies what was just
	// written in parts has to wait for it.
	marks uint64
}

const (
	storedMark uint64 = 1 << (32 + iota) // the Store keeps it
	notedMark                            // and perhaps a Note of it
)

func marksOf(s State) uint64 { return uint64(s.Attempts) | uint64(s.Failures)<<16 }

// storedEntry is one that was read from the Store.
func storedEntry(s *Stored) entry {
	e := entry{msg: s.Message, seq: s.At.Seq, at: s.At.At, marks: marksOf(s.State) | storedMark}
	if s.State != (State{}) {
		e.marks |= notedMark
	}
	return e
}

func (e *entry) stored() bool { return e.marks&storedMark != 0 }
func (e *entry) noted() bool  { return e.marks&notedMark != 0 }
func (e *entry) state() State {
	return State{Attempts: uint16(e.marks), Failures: uint16(e.marks >> 16)}
}

// attempted counts a delivery.
func (e *entry) attempted() {
	if uint16(e.marks) < math.MaxUint16 {
		e.marks++
	}
}

// failed counts a failure.
func (e *entry) failed() {
	if uint16(e.marks>>16) < math.MaxUint16 {
		e.marks += 1 << 16
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
