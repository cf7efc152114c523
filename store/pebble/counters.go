package pebble

import (
	"encoding/binary"
	"fmt"
	"math"

	"hoofbeat/broker"
)

// A queue is the Store's record of a queue, known without reading. There may
// be hundreds of thousands, so it is small.
type queue struct {
	id      broker.QueueID
	meta    broker.QueueMeta
	lastSeq uint64
	lanes   []lane // those that were ever used, in no order
	shared  int    // how many of its messages are references
	touched bool   // its counters are to be written with the batch in hand
}

// A lane is the Store's record of a lane.
type lane struct {
	lane broker.Lane
	// refreshing is set from when head is to be looked up until it was.
	refreshing bool
	// dead: messages were deleted, and their room was not asked for.
	dead bool
	// deletes is how many there were since head was looked up.
	deletes uint32
	count   int
	size    int
	// head is a position with no message in front of it, so that nobody has
	// to search among deleted messages.
	head place
	// lowest is the lowest position that was put while refreshing.
	lowest place
}

// A place is a position in a known lane.
type place struct {
	at  int64
	seq uint64
}

func placeOf(p broker.Position) place { return place{p.At, p.Seq} }

func (p place) before(o place) bool { return p.at < o.at || p.at == o.at && p.seq < o.seq }

// lane gives a lane, or nil if it was never used.
func (q *queue) lane(l broker.Lane) *lane {
	for i := range q.lanes {
		if q.lanes[i].lane == l {
			return &q.lanes[i]
		}
	}
	return nil
}

// use gives a lane, which begins at a place if it was never used.
func (q *queue) use(l broker.Lane, head place) *lane {
	if found := q.lane(l); found != nil {
		return found
	}
	// Most queues only ever use one.
	q.lanes = append(q.lanes[:len(q.lanes):len(q.lanes)], lane{lane: l, head: head})
	return &q.lanes[len(q.lanes)-1]
}

// headPosition is a position that no message of the lane is in front of.
func (l *lane) headPosition() broker.Position {
	return broker.Position{Lane: l.lane, At: l.head.at, Seq: l.head.seq}
}

// put counts a new message. The head may only go back here: messages in front
// of it may still exist for a reader, even if the lane is empty after all
// encoded steps.
func (q *queue) put(p broker.Position, size int) {
	at := placeOf(p)
	l := q.use(p.Lane, at)
	if at.before(l.head) {
		l.head = at
	}
	if l.refreshing && at.before(l.lowest) {
		l.lowest = at
	}
	l.count++
	l.size += size
	q.lastSeq = max(q.lastSeq, p.Seq)
}

// startRefresh begins to notice new messages while the head is looked up.
func (l *lane) startRefresh() {
	l.refreshing, l.deletes = true, 0
	l.lowest = place{math.MaxInt64, math.MaxUint64}
}

// endRefresh takes the first message that was found.
func (l *lane) endRefresh(found place) {
	l.refreshing = false
	if l.lowest.before(found) {
		found = l.lowest
	}
	if l.head.before(found) {
		l.head = found
	}
}

func (q *queue) empty() bool {
	for i := range q.lanes {
		if q.lanes[i].count != 0 {
			return false
		}
	}
	return true
}

// size is the bytes of the messages that it holds.
func (q *queue) size() (n int) {
	for i := range q.lanes {
		n += q.lanes[i].size
	}
	return n
}

func (q *queue) stored() broker.StoredQueue {
	s := broker.StoredQueue{ID: q.id, Meta: q.meta, LastSeq: q.lastSeq}
	for _, l := range q.lanes {
		s.Lanes[l.lane] = broker.Extent{Count: l.count, Size: l.size}
	}
	return s
}

// sharedMark stands where the number of a lane does, before that of references.
const sharedMark = 255

// appendCounters appends the stored form of the counters: the last number,
// then the number, count, size and head of each lane that is not empty, then
// the number of references.
func (q *queue) appendCounters(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, q.lastSeq)
	for i := range q.lanes {
		l := &q.lanes[i]
		if l.count == 0 {
			continue
		}
		dst = append(dst, byte(l.lane))
		dst = binary.AppendUvarint(dst, uint64(l.count))
		dst = binary.AppendUvarint(dst, uint64(l.size))
		dst = binary.AppendVarint(dst, l.head.at)
		dst = binary.AppendUvarint(dst, l.head.seq)
	}
	if q.shared > 0 {
		dst = binary.AppendUvarint(append(dst, sharedMark), uint64(q.shared))
	}
	return dst
}

// parseCounters is the inverse of appendCounters.
func (q *queue) parseCounters(b []byte) error {
	r := numbers{rest: b}
	q.lastSeq = r.unsigned()
	for len(r.rest) > 0 {
		l := lane{lane: broker.Lane(r.rest[0])}
		r.rest = r.rest[1:]
		if l.lane == sharedMark {
			q.shared = int(r.unsigned())
			continue
		}
		l.count, l.size = int(r.unsigned()), int(r.unsigned())
		l.head.at, l.head.seq = r.signed(), r.unsigned()
		if l.lane > broker.Delayed || l.count <= 0 || l.size < 0 || q.lane(l.lane) != nil {
			r.bad = true
		}
		*q.use(l.lane, l.head) = l
	}
	if r.bad {
		return fmt.Errorf("%w: the counters of queue %d", broker.ErrRecord, q.id)
	}
	return nil
}

// numbers takes varints off a record. After a fault, bad is set and nothing
// is left.
type numbers struct {
	rest []byte
	bad  bool
}

func (r *numbers) took(size int) {
	if size <= 0 {
		r.rest, r.bad = nil, true
		return
	}
	r.rest = r.rest[size:]
}

func (r *numbers) unsigned() uint64 {
	n, size := binary.Uvarint(r.rest)
	r.took(size)
	return n
}

func (r *numbers) signed() int64 {
	n, size := binary.Varint(r.rest)
	r.took(size)
	return n
}
