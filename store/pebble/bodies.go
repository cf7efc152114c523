package pebble

import (
	"encoding/binary"
	"errors"
	"math"

	cockroach "github.com/cockroachdb/pebble/v2"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

// A shared message is kept once, under prefixBody, with the number of its
// references under prefixCount. The committer alone changes both, in the batch
// that puts and deletes the references, so that a crash finds them in step.

// A sharedBody is the committer's record of a shared message.
type sharedBody struct {
	count   int
	stored  bool            // it is on disk, or in the batch in hand
	message *broker.Message // until it is stored
	touched bool            // in the batch in hand
}

// maxBodies is how many bodies the committer remembers. Of others it reads the
// count, which is a lookup of a few bytes for each message of a backlog.
const maxBodies = 32 << 10

func appendSharedKey(dst []byte, prefix byte, id uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, prefix), id)
}

// recall loads the records of the shared messages of some steps. Nothing is
// locked: it may have to read.
func (e *encoder) recall(ops []broker.Op) error {
	for i := range ops {
		if id := ops[i].Shared; id != 0 {
			if err := e.recallBody(id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *encoder) recallBody(id uint64) error {
	if e.bodies[id] != nil {
		return nil
	}
	e.key = appendSharedKey(e.key[:0], prefixCount, id)
	value, closer, err := e.s.db.Get(e.key)
	b := &sharedBody{}
	switch {
	case errors.Is(err, cockroach.ErrNotFound):
	case err != nil:
		return err
	default:
		n, size := binary.Uvarint(value)
		b.count, b.stored = int(n), size > 0
		if err := closer.Close(); err != nil {
			return err
		}
	}
	if e.bodies == nil {
		e.bodies = make(map[uint64]*sharedBody)
	}
	e.bodies[id] = b
	return nil
}

// refer counts n more references to a shared message, which was recalled.
func (e *encoder) refer(id uint64, n int) *sharedBody {
	b := e.bodies[id]
	b.count += n
	if !b.touched {
		b.touched = true
		e.changed = append(e.changed, id)
	}
	return b
}

// putShared encodes a reference.
func (e *encoder) putShared(q *queue, op *broker.Op) error {
	q.shared++
	if b := e.refer(op.Shared, 1); !b.stored {
		b.message = op.Message
	}
	e.value = broker.AppendReference(e.value[:0], op.Shared, op.State)
	return e.batch.Set(e.messageKey(op), e.value, nil)
}

// settleBodies encodes the bodies and counts that have changed, and forgets
// those without references.
func (e *encoder) settleBodies() error {
	for _, id := range e.changed {
		b := e.bodies[id]
		b.touched = false
		if err := e.settleBody(id, b); err != nil {
			return err
		}
		b.message = nil
		if b.count <= 0 {
			delete(e.bodies, id)
		}
	}
	e.changed = e.changed[:0]
	if len(e.bodies) > maxBodies {
		clear(e.bodies)
	}
	return nil
}

func (e *encoder) settleBody(id uint64, b *sharedBody) error {
	if b.count < 0 {
		e.s.options.Log.Error("A shared message has lost more references than it had; check the store.", "message", id, "count", b.count)
	}
	switch {
	case b.count <= 0 && !b.stored:
		return nil
	case b.count <= 0:
		e.s.reclaimer.bodies = true
		e.s.reclaimer.dead++ // more than that, but it is not known here
		if err := e.batch.SingleDelete(appendSharedKey(e.key[:0], prefixBody, id), nil); err != nil {
			return err
		}
		return e.batch.Delete(appendSharedKey(e.key[:0], prefixCount, id), nil)
	case !b.stored:
		b.stored = true
		if err := e.reserve(id); err != nil {
			return err
		}
		e.value = broker.AppendMessage(e.value[:0], b.message, broker.State{}, destination.Destination{})
		if err := e.batch.Set(appendSharedKey(e.key[:0], prefixBody, id), e.value, nil); err != nil {
			return err
		}
	}
	e.value = binary.AppendUvarint(e.value[:0], uint64(b.count))
	return e.batch.Set(appendSharedKey(e.key[:0], prefixCount, id), e.value, nil)
}

// reserve makes sure that Load never gives an id again.
func (e *encoder) reserve(id uint64) error {
	if broker.QueueID(id) <= e.s.ids {
		return nil
	}
	e.s.ids = broker.QueueID(id + min(idBlock, math.MaxUint64-id))
	e.value = binary.AppendUvarint(e.value[:0], uint64(e.s.ids))
	return e.batch.Set([]byte{prefixIDs}, e.value, nil)
}

// A clearance is the references that a Clear forgets.
type clearance map[broker.Position]uint64

// hasClear reports whether steps have a Clear, which is written by itself: to find its
// references, everything before must be readable.
func hasClear(ops []broker.Op) bool {
	for i := range ops {
		if ops[i].Kind == broker.Clear && ops[i].Count > 0 {
			return true
		}
	}
	return false
}

// findCleared looks up the shared messages that the Clears of an application
// forget, and recalls them. Nothing is locked: the committer alone changes
// these records.
func (e *encoder) findCleared(ops []broker.Op) error {
	clear(e.cleared)
	for i := range ops {
		op := &ops[i]
		if op.Kind != broker.Clear || op.Count == 0 {
			continue
		}
		found, err := e.findClearance(ops[:i], op)
		if err != nil {
			return err
		}
		for _, id := range found {
			if err := e.recallBody(id); err != nil {
				return err
			}
		}
		if e.cleared == nil {
			e.cleared = make(map[*broker.Op]clearance)
		}
		e.cleared[op] = found
	}
	return nil
}

// findClearance reads the messages that a Clear forgets, after the steps
// before it.
func (e *encoder) findClearance(before []broker.Op, op *broker.Op) (clearance, error) {
	found := make(clearance)
	if q := e.s.queues[op.Queue]; q != nil && q.shared > 0 {
		from := append(appendMessageKey(nil, op.Queue, op.At), nextSuffix)
		err := e.s.eachReference(from, appendLaneEnd(nil, op.Queue, op.At.Lane), func(at broker.Position, id uint64) { found[at] = id })
		if err != nil {
			return nil, err
		}
	}
	for i := range before {
		b := &before[i]
		if b.Queue != op.Queue || b.At.Lane != op.At.Lane {
			continue
		}
		switch behind := b.At.Compare(op.At) > 0; {
		case b.Kind == broker.Delete:
			delete(found, b.At)
		case b.Kind == broker.Put && b.Shared != 0 && behind:
			found[b.At] = b.Shared
		case b.Kind == broker.Clear && b.Count > 0:
			for at := range found {
				if at.Compare(b.At) > 0 {
					delete(found, at)
				}
			}
		}
	}
	return found, nil
}

// eachReference calls f for the references in a range of messages.
func (s *Store) eachReference(from, to []byte, f func(broker.Position, uint64)) error {
	it, err := s.db.NewIter(&cockroach.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	for more := it.First(); more; more = it.Next() {
		at, id, err := reference(it)
		if err != nil {
			return errors.Join(err, it.Close())
		}
		if id != 0 {
			f(at, id)
		}
	}
	return firstError(it.Error(), it.Close())
}

// reference gives the shared message that the record at an iterator refers to,
// 0 if it is none.
func reference(it *cockroach.Iterator) (at broker.Position, id uint64, err error) {
	_, at, rest, ok := parseMessageKey(it.Key())
	if !ok || len(rest) > 0 {
		return at, 0, nil
	}
	value, err := it.ValueAndErr()
	if err != nil || !broker.IsReference(value) {
		return at, 0, err
	}
	id, _, err = broker.ParseReference(value)
	return at, id, err
}
