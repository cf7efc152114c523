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

// before is the order of delivery.
func (e *entry) before(o *entry) bool {
	if e.msg.priority != o.msg.priority {
		return e.msg.priority > o.msg.priority
	}
	return e.seq < o.seq
}

// entries is a heap in the order of delivery.
type entries []entry

func (e entries) Len() int           { return len(e) }
func (e entries) Less(i, j int) bool { return e[i].before(&e[j]) }
func (e entries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *entries) Push(x any)        { *e = append(*e, x.(entry)) }
func (e *entries) Pop() any          { return popLast((*[]entry)(e)) }

// byTime is a heap in the order in which entries become visible.
type byTime []entry

func (e byTime) Len() int { return len(e) }
func (e byTime) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e byTime) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *byTime) Push(x any)   { *e = append(*e, x.(entry)) }
func (e *byTime) Pop() any     { return popLast((*[]entry)(e)) }

func popLast(e *[]entry) entry {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = entry{}
	if *e = (*e)[:last]; last == 0 {
		*e = nil // what was long once is not kept for ever
	}
	return x
}
