package pebble

import (
	"errors"

	cockroach "github.com/cockroachdb/pebble/v2"

	"hoofbeat/broker"
)

// A queue that was dropped with shared messages in it has to give back their
// references. That takes time, and so it is done later and in pieces, between
// other commits. A record under prefixDropped says that it is to be done, until
// it was: a crash or a restart goes on with it.

// dropPiece is how many records are looked at between two commits.
const dropPiece = 1000

// release gives back a piece of the references of a dropped queue. It reports
// whether there was anything to do.
func (c *committer) release() (bool, error) {
	s := c.s
	if len(s.dropped) == 0 || s.hasFailed() {
		return false, nil
	}
	id := s.dropped[0]
	ids, last, err := s.someReferences(id)
	if err != nil {
		return true, err
	}
	e := &c.encoder
	e.open()
	for _, id := range ids {
		if err := e.recallBody(id); err != nil {
			return true, err
		}
		e.refer(id, -1)
	}
	from, to := queueSpan(id)
	if last != nil {
		to = append(last, nextSuffix)
	} else if err := e.batch.Delete(appendQueueKey(nil, prefixDropped, id), nil); err != nil {
		return true, err
	}
	err = firstError(e.batch.DeleteRange(from, to, nil), e.settleBodies())
	if err != nil {
		return true, err
	}
	if err := s.write(e.batch, func() {}); err != nil {
		return true, err
	}
	e.batch.Reset()
	if last == nil {
		s.dropped = s.dropped[1:]
	}
	return true, nil
}

// someReferences returns the next references of a dropped queue, and the key up to
// which they reach; nil: to the end. Damaged ones are skipped, as such a queue has
// nothing to lose: the bodies that they refer to stay, and store check finds them.
func (s *Store) someReferences(queue broker.QueueID) (ids []uint64, last []byte, err error) {
	from, to := queueSpan(queue)
	it, err := s.db.NewIter(&cockroach.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return nil, nil, err
	}
	n, damaged := 0, 0
	for more := it.First(); more; more = it.Next() {
		if n++; n > dropPiece {
			s.skipped(queue, damaged)
			return ids, last, it.Close()
		}
		switch _, id, err := reference(it); {
		case errors.Is(err, broker.ErrRecord):
			damaged++
		case err != nil:
			return nil, nil, errors.Join(err, it.Close())
		case id != 0:
			ids = append(ids, id)
		}
		last = append(last[:0], it.Key()...)
	}
	err = firstError(it.Error(), it.Close())
	if cockroach.IsCorruptionError(err) { // records behind it cannot be read, ever
		s.options.Log.Error("The files of a dropped queue are damaged; messages that it shared with others may stay on the disk.", "queue", queue, "error", err)
		err = nil
	}
	s.skipped(queue, damaged)
	return ids, nil, err
}

// skipped logs damaged references.
func (s *Store) skipped(queue broker.QueueID, damaged int) {
	if damaged > 0 {
		s.options.Log.Error("References of a dropped queue are damaged; the messages that they are to stay on the disk.", "queue", queue, "references", damaged)
	}
}

// loadDropped finds the queues that are to be released.
func (s *Store) loadDropped() error {
	return s.each(prefixDropped, func(id broker.QueueID, _ []byte) error {
		s.dropped = append(s.dropped, id)
		return nil
	})
}
