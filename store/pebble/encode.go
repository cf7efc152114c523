package pebble

import (
	"fmt"
	"slices"

	cockroach "github.com/cockroachdb/pebble/v2"

	"hoofbeat/broker"
)

// An encoder writes steps into a Pebble batch and counts them. It belongs to
// the committer, which holds Store.state while it is used.
type encoder struct {
	s       *Store
	batch   *cockroach.Batch
	touched []*queue
	due     []laneID // lanes with heads to be looked up
	key     []byte
	value   []byte

	bodies  map[uint64]*sharedBody   // of shared messages, those that were used last
	changed []uint64                 // of bodies, in the batch in hand
	cleared map[*broker.Op]clearance // of the Clears of the application in hand
}

// open makes the batch, if there is none yet.
func (e *encoder) open() {
	if e.batch == nil {
		e.batch = e.s.db.NewBatch(cockroach.WithInitialSizeBytes(1<<20), cockroach.WithMaxRetainedSizeBytes(chunkSize*2))
	}
}

type laneID struct {
	queue broker.QueueID
	lane  broker.Lane
}

// maxBatch bounds a write, by broker.Batch.Size. Pebble ends at 4 GiB.
const maxBatch = 1 << 30

// idBlock is how many ids are reserved at once. So many are lost in a crash,
// of 2^64.
const idBlock = 1000

// apply encodes all steps of an application.
func (e *encoder) apply(ops []broker.Op) error {
	for i := range ops {
		if err := e.step(&ops[i]); err != nil {
			return err
		}
	}
	return nil
}

// refusal gives the reason why steps cannot be done.
func (e *encoder) refusal(ops []broker.Op) error {
	if broker.Batch(ops).OnlyDrops() {
		return nil
	}
	for i := range ops {
		op := &ops[i]
		if why := e.s.refused[op.Queue]; why != nil {
			return why
		}
		switch q := e.s.queues[op.Queue]; op.Kind {
		case broker.Put:
			if q == nil && !described(ops[:i], op.Queue) {
				return fmt.Errorf("queue %d was not described before its first message", op.Queue)
			}
		case broker.Describe:
			if q != nil && q.meta.Destination != op.Meta.Destination {
				return fmt.Errorf("queue %d is %s and cannot become %s", op.Queue, q.meta.Destination, op.Meta.Destination)
			}
		}
	}
	return nil
}

func described(ops []broker.Op, id broker.QueueID) bool {
	return slices.ContainsFunc(ops, func(op broker.Op) bool { return op.Kind == broker.Describe && op.Queue == id })
}

// step encodes a step. Steps of an unknown queue do nothing.
func (e *encoder) step(op *broker.Op) error {
	q := e.s.queues[op.Queue]
	if q == nil {
		if op.Kind == broker.Describe {
			return e.create(op)
		}
		return nil
	}
	switch op.Kind {
	case broker.Describe:
		return e.describe(q, op.Meta)
	case broker.Drop:
		return e.drop(q)
	case broker.Vanish:
		return e.vanish(q)
	case broker.Put:
		return e.put(q, op)
	case broker.Note:
		e.value = broker.AppendState(e.value[:0], op.State)
		return e.batch.Set(append(e.messageKey(op), noteSuffix), e.value, nil)
	case broker.Delete:
		return e.delete(q, op)
	case broker.Clear:
		return e.clear(q, op)
	}
	return nil
}

func (e *encoder) messageKey(op *broker.Op) []byte {
	e.key = appendMessageKey(e.key[:0], op.Queue, op.At)
	return e.key
}

func (e *encoder) create(op *broker.Op) error {
	q := &queue{id: op.Queue}
	e.s.queues[op.Queue] = q
	e.touch(q)
	if err := e.reserve(uint64(op.Queue)); err != nil {
		return err
	}
	return e.describe(q, op.Meta)
}

func (e *encoder) describe(q *queue, meta *broker.QueueMeta) error {
	q.meta = *meta
	e.key = appendQueueKey(e.key[:0], prefixQueue, q.id)
	e.value = broker.AppendQueueMeta(e.value[:0], q.meta)
	return e.batch.Set(e.key, e.value, nil)
}

func (e *encoder) drop(q *queue) error {
	delete(e.s.queues, q.id)
	q.touched = false
	switch {
	case q.shared > 0:
		e.s.dropped = append(e.s.dropped, q.id)
		if err := e.batch.Set(appendQueueKey(e.key[:0], prefixDropped, q.id), nil, nil); err != nil {
			return err
		}
	case !q.empty():
		e.s.reclaimer.dead += int64(q.size())
		from, to := queueSpan(q.id)
		if err := e.batch.DeleteRange(from, to, nil); err != nil {
			return err
		}
	}
	for _, prefix := range []byte{prefixQueue, prefixCounters} {
		e.key = appendQueueKey(e.key[:0], prefix, q.id)
		if err := e.batch.Delete(e.key, nil); err != nil {
			return err
		}
	}
	return nil
}

// vanish drops a queue, unless the broker has lost count of its messages.
func (e *encoder) vanish(q *queue) error {
	if q.empty() {
		return e.drop(q)
	}
	e.s.options.Log.Error("The broker took a queue for empty that holds messages; they stay, and are delivered after a restart.",
		"queue", q.meta.Destination.String())
	return nil
}

func (e *encoder) put(q *queue, op *broker.Op) error {
	e.touch(q)
	q.put(op.At, op.Size)
	if op.Shared != 0 {
		return e.putShared(q, op)
	}
	e.value = broker.AppendMessage(e.value[:0], op.Message, op.State, q.meta.Destination)
	return e.batch.Set(e.messageKey(op), e.value, nil)
}

// delete takes a message with a SingleDelete, which vanishes together with
// the record that it deletes: each Put is followed by one Delete, or by a
// range deletion. A state was written any number of times, but only if it is
// not zero.
func (e *encoder) delete(q *queue, op *broker.Op) error {
	e.touch(q)
	l := q.use(op.At.Lane, placeOf(op.At))
	e.s.count(q, l, 1, op.Size)
	if op.Shared != 0 {
		q.shared--
		e.refer(op.Shared, -1)
	}
	if l.deletes++; l.deletes == headInterval {
		e.due = append(e.due, laneID{q.id, l.lane})
	}
	if err := e.batch.SingleDelete(e.messageKey(op), nil); err != nil || op.State == (broker.State{}) {
		return err
	}
	return e.batch.Delete(append(e.key, noteSuffix), nil)
}

func (e *encoder) clear(q *queue, op *broker.Op) error {
	if op.Count == 0 {
		return nil
	}
	e.touch(q)
	for _, id := range e.cleared[op] {
		q.shared--
		e.refer(id, -1)
	}
	e.s.count(q, q.use(op.At.Lane, placeOf(op.At)), op.Count, op.Size)
	return e.batch.DeleteRange(append(e.messageKey(op), nextSuffix), appendLaneEnd(nil, q.id, op.At.Lane), nil)
}

// touch has the queue's counters written with the batch.
func (e *encoder) touch(q *queue) {
	if !q.touched {
		q.touched = true
		e.touched = append(e.touched, q)
	}
}

// counters encodes the counters of all queues that were touched and still
// exist.
func (e *encoder) counters() error {
	for _, q := range e.touched {
		if !q.touched {
			continue
		}
		q.touched = false
		e.key = appendQueueKey(e.key[:0], prefixCounters, q.id)
		e.value = q.appendCounters(e.value[:0])
		if err := e.batch.Set(e.key, e.value, nil); err != nil {
			return err
		}
	}
	clear(e.touched)
	e.touched = e.touched[:0]
	return e.settleBodies()
}

// count takes messages off a lane's counters. That there are less is the
// broker's fault, and seen by Check; the Store must be able to go on with it.
func (s *Store) count(q *queue, l *lane, count, size int) {
	if l.count < count || l.size < size {
		s.options.Log.Error("The store was told to forget more messages than a queue holds; check it.",
			"queue", q.meta.Destination.String(), "lane", l.lane, "count", l.count-count, "size", l.size-size)
	}
	l.dead = true
	s.reclaimer.dead += int64(size)
	l.count = max(0, l.count-count)
	l.size = max(0, l.size-size)
	if l.count == 0 {
		l.size = 0
	}
}
