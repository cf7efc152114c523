package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	cockroach "github.com/cockroachdb/pebble/v2"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

// Check reads all of a store that nobody has open, and changes nothing. It
// reports each fault, and returns an error if it could not look at everything
// or has found any. Of the Options, only FS and Log matter.
func Check(dir string, o Options, report func(string)) error {
	s := newStore(dir, o)
	if _, err := s.options.FS.Stat(dir); err != nil {
		return fmt.Errorf("there is no store in %s: %w", dir, err)
	}
	if err := s.acquire(); err != nil {
		return err
	}
	if err := s.start(true); err != nil {
		return errors.Join(err, s.release())
	}
	c := checker{s: s, report: report, actual: make(map[laneID]*content), shared: make(map[uint64]*sharedContent)}
	err := errors.Join(c.all(), s.guard(s.db.Close), s.release())
	switch {
	case err != nil:
		return fmt.Errorf("the store in %s could not be checked to the end: %w", dir, err)
	case c.faults > 0:
		return fmt.Errorf("the store in %s has %d faults", dir, c.faults)
	}
	return nil
}

// A checker compares stored messages with the counters.
type checker struct {
	s      *Store
	report func(string)
	faults int
	actual map[laneID]*content
	shared map[uint64]*sharedContent
}

// A sharedContent counts the records of a shared message.
type sharedContent struct {
	body             *int // the message's Size; nil: it is missing
	said, references int
}

// A content is what a lane really has.
type content struct {
	count, size int
	shared      int // of them, references
	first       place
	highest     uint64
}

func (c *checker) fault(format string, a ...any) {
	c.faults++
	c.report(fmt.Sprintf(format, a...))
}

func (c *checker) all() error {
	if err := c.queues(); err != nil {
		return err
	}
	if err := firstError(c.s.loadDropped(), c.bodies()); err != nil {
		return err
	}
	if err := c.messages(); err != nil {
		return err
	}
	c.compareShared()
	for _, id := range slices.Sorted(maps.Keys(c.s.queues)) {
		c.compare(c.s.queues[id])
	}
	return c.strangers()
}

// queues reads descriptions and counters.
func (c *checker) queues() error {
	err := c.s.each(prefixQueue, func(id broker.QueueID, value []byte) error {
		meta, err := broker.ParseQueueMeta(value)
		if err != nil {
			c.fault("queue %d: %v", id, err)
		}
		if id > c.s.ids {
			c.fault("queue %d: its number is above %d, the highest that was given", id, c.s.ids)
		}
		c.s.queues[id] = &queue{id: id, meta: meta}
		return nil
	})
	if err != nil {
		return err
	}
	counted := make(map[broker.QueueID]bool)
	err = c.s.each(prefixCounters, func(id broker.QueueID, value []byte) error {
		counted[id] = true
		q := c.s.queues[id]
		if q == nil {
			c.fault("queue %d: it has counters but no description", id)
		} else if err := q.parseCounters(value); err != nil {
			c.fault("queue %d: %v", id, err)
		}
		return nil
	})
	for _, id := range slices.Sorted(maps.Keys(c.s.queues)) {
		if !counted[id] {
			c.fault("queue %d: it has no counters", id)
		}
	}
	return err
}

// messages reads everything under prefixMessage.
func (c *checker) messages() error {
	from, to := prefixSpan(prefixMessage)
	it, err := c.s.db.NewIter(&cockroach.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	var last []byte // the key of the last message
	for more := it.First(); more; more = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return errors.Join(err, it.Close())
		}
		key := it.Key()
		id, at, rest, ok := parseMessageKey(key)
		switch {
		case !ok || len(rest) > 1 || len(rest) == 1 && rest[0] != noteSuffix:
			c.fault("the key %x is no message's", key)
		case len(rest) == 1:
			c.note(id, at, bytes.Equal(key[:len(key)-1], last), value)
		default:
			last = append(last[:0], key...)
			c.message(id, at, value)
		}
	}
	return errors.Join(it.Error(), it.Close())
}

func (c *checker) note(id broker.QueueID, at broker.Position, known bool, value []byte) {
	if !known {
		c.fault("queue %d, lane %d: a state of %d, which is no message", id, at.Lane, at.Seq)
	}
	if _, err := broker.ParseState(value); err != nil {
		c.fault("queue %d, lane %d: state of message %d: %v", id, at.Lane, at.Seq, err)
	}
}

func (c *checker) message(id broker.QueueID, at broker.Position, value []byte) {
	q := c.s.queues[id]
	size, err := c.size(q, value)
	switch {
	case q == nil && slices.Contains(c.s.dropped, id):
		return // it is on its way out
	case q == nil:
		c.fault("queue %d, lane %d: message %d is in no queue that is known", id, at.Lane, at.Seq)
		return
	}
	if err != nil {
		c.fault("queue %d, lane %d: message %d: %v", id, at.Lane, at.Seq, err)
		return
	}
	t := c.actual[laneID{id, at.Lane}]
	if t == nil {
		t = &content{first: placeOf(at)}
		c.actual[laneID{id, at.Lane}] = t
	}
	t.count++
	t.size += size
	if broker.IsReference(value) {
		t.shared++
	}
	t.highest = max(t.highest, at.Seq)
}

// size is that of a message in a queue, which may be nil.
func (c *checker) size(q *queue, value []byte) (int, error) {
	if broker.IsReference(value) {
		id, _, err := broker.ParseReference(value)
		if err != nil {
			return 0, err
		}
		t := c.sharedContent(id)
		if t.references++; t.body == nil {
			return 0, fmt.Errorf("the shared message %d is missing", id)
		}
		return *t.body, nil
	}
	d := destination.Destination{}
	if q != nil {
		d = q.meta.Destination
	}
	m, _, err := broker.ParseMessage(value, d)
	if err != nil {
		return 0, err
	}
	return m.Size(), nil
}

func (c *checker) sharedContent(id uint64) *sharedContent {
	t := c.shared[id]
	if t == nil {
		t = &sharedContent{}
		c.shared[id] = t
	}
	return t
}

// bodies reads the shared messages and how many references they are said to have.
func (c *checker) bodies() error {
	err := c.s.each(prefixBody, func(id broker.QueueID, value []byte) error {
		m, err := broker.ParseShared(value, uint64(id))
		if err != nil {
			c.fault("shared message %d: %v", id, err)
			return nil
		}
		if id > c.s.ids {
			c.fault("shared message %d: its number is above %d, the highest that was given", id, c.s.ids)
		}
		size := m.Size()
		c.sharedContent(uint64(id)).body = &size
		return nil
	})
	return firstError(err, c.s.each(prefixCount, func(id broker.QueueID, value []byte) error {
		n := numbers{rest: value}
		if c.sharedContent(uint64(id)).said = int(n.unsigned()); n.bad {
			c.fault("shared message %d: its count is damaged", id)
		}
		return nil
	}))
}

// compareShared compares references with their counters.
func (c *checker) compareShared() {
	for _, id := range slices.Sorted(maps.Keys(c.shared)) {
		switch t := c.shared[id]; {
		case t.references != t.said:
			c.fault("shared message %d: it is said to have %d references, and has %d", id, t.said, t.references)
		case t.references == 0:
			c.fault("shared message %d: nothing refers to it", id)
		}
	}
}

// compare compares a queue with its counters.
func (c *checker) compare(q *queue) {
	shared := 0
	defer func() {
		if shared != q.shared {
			c.fault("queue %d: it is said to hold %d references to shared messages, and holds %d", q.id, q.shared, shared)
		}
	}()
	for l := range broker.Lane(broker.Lanes) {
		said := q.lane(l)
		if said == nil {
			said = &lane{lane: l}
		}
		t := c.actual[laneID{q.id, l}]
		if t == nil {
			t = &content{first: said.head}
		}
		shared += t.shared
		if said.count != t.count || said.size != t.size {
			c.fault("queue %d, lane %d: it is said to hold %d messages of %d bytes, and holds %d of %d", q.id, l, said.count, said.size, t.count, t.size)
		}
		if t.first.before(said.head) {
			c.fault("queue %d, lane %d: it is said to begin at %v, and begins at %v", q.id, l, said.head, t.first)
		}
		if t.highest > q.lastSeq {
			c.fault("queue %d, lane %d: message %d is above %d, which is said to be the last", q.id, l, t.highest, q.lastSeq)
		}
	}
}

// strangers reports keys of no known kind.
func (c *checker) strangers() error {
	it, err := c.s.db.NewIter(nil)
	if err != nil {
		return err
	}
	known := []byte{prefixBody, prefixCount, prefixCounters, prefixDropped, prefixFormat, prefixIDs, prefixMessage, prefixQueue}
	for more := it.First(); more; {
		key := it.Key()
		if len(key) > 0 && bytes.IndexByte(known, key[0]) >= 0 {
			more = it.SeekGE([]byte{key[0] + 1})
			continue
		}
		c.fault("the key %x is of no known kind", key)
		more = it.Next()
	}
	return errors.Join(it.Error(), it.Close())
}
