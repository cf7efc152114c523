package pebble

import (
	"bytes"
	"fmt"
	"math"
	"weak"

	cockroach "github.com/cockroachdb/pebble/v2"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

// A request is for the reader.
type request struct {
	group uint64 // which must be readable before
	do    func(*reader)
}

// Read implements broker.Store. Ranges are read one after the other, in the
// order of the calls.
func (s *Store) Read(r broker.Range, f func(broker.Page)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle {
		go f(broker.Page{Err: ErrClosed})
		return
	}
	group := s.gathering.number
	if len(s.gathering.applications) == 0 {
		group--
	}
	s.requests = append(s.requests, request{group, func(reader *reader) { f(reader.page(r)) }})
	s.read.Signal()
}

// ask appends a request for the reader.
func (s *Store) ask(group uint64, do func(*reader)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, request{group, do})
	s.read.Signal()
}

// readLoop is the reader. It ends when nothing more can come.
func (s *Store) readLoop() {
	defer close(s.wasRead)
	r := reader{s: s}
	for {
		q, ok := s.nextRequest()
		if !ok {
			return
		}
		q.do(&r)
	}
}

// nextRequest waits for the next request. Once the Store has failed, it waits
// no more for batches that will never be readable.
func (s *Store) nextRequest() (request, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.requests) == 0 || s.requests[0].group > s.applied && !s.hasFailed() {
		if len(s.requests) == 0 && s.drained {
			return request{}, false
		}
		s.read.Wait()
	}
	q := s.requests[0]
	s.requests[0] = request{}
	s.requests = s.requests[1:]
	return q, true
}

// A reader has the state of the goroutine of that name.
type reader struct {
	s        *Store
	from, to []byte
	key      []byte
	// recent are the shared messages that were read last, as long as somebody
	// has them: many subscriptions read the same ones.
	recent map[uint64]weak.Pointer[broker.Message]
}

// maxRecent bounds recent.
const maxRecent = 4096

// page reads a range.
func (r *reader) page(rg broker.Range) broker.Page {
	dest, ok := r.seek(rg)
	if !ok {
		return broker.Page{End: true}
	}
	it, err := r.s.db.NewIter(&cockroach.IterOptions{LowerBound: r.from, UpperBound: r.to})
	if err != nil {
		return broker.Page{Err: r.s.unreadable(err)}
	}
	p := broker.Page{}
	s := scanner{it: it, r: r, dest: dest, more: it.First()}
	for size := 0; ; {
		m, ok := s.next()
		if !ok {
			p.End = s.err == nil
			break
		}
		size += m.Message.Size()
		if n := len(p.Messages); n == rg.Messages || n > 0 && size > rg.Size {
			break
		}
		p.Messages = append(p.Messages, m)
	}
	if err := firstError(s.err, s.close()); err != nil {
		p.End, p.Err = false, r.s.unreadable(err)
	}
	return p
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (s *Store) unreadable(err error) error {
	return fmt.Errorf("the store in %s cannot be read: %w; repair the disk or restore a backup", s.dir, err)
}

// seek sets the bounds of a range, and returns the default destination of its
// messages. False means that the lane is empty.
func (r *reader) seek(rg broker.Range) (destination.Destination, bool) {
	r.s.state.Lock()
	defer r.s.state.Unlock()
	l := r.s.lane(laneID{rg.Queue, rg.After.Lane})
	if l == nil || l.count == 0 {
		return destination.Destination{}, false
	}
	if placeOf(rg.After).before(l.head) {
		r.from = appendMessageKey(r.from[:0], rg.Queue, l.headPosition())
	} else {
		r.from = append(appendMessageKey(r.from[:0], rg.Queue, rg.After), nextSuffix)
	}
	r.to = appendLaneEnd(r.to[:0], rg.Queue, rg.After.Lane)
	return r.s.queues[rg.Queue].meta.Destination, true
}

// A scanner makes messages of keys.
type scanner struct {
	it   *cockroach.Iterator
	r    *reader
	dest destination.Destination
	more bool
	err  error
	// bodies finds shared messages as they were when it began; nil: none yet.
	bodies *cockroach.Iterator
}

func (s *scanner) close() error {
	if s.bodies == nil {
		return s.it.Close()
	}
	return firstError(s.bodies.Close(), s.it.Close())
}

// shared reads the message that a record refers to.
func (s *scanner) shared(record []byte) (*broker.Message, broker.State, error) {
	id, state, err := broker.ParseReference(record)
	if err != nil {
		return nil, state, err
	}
	if m := s.r.recent[id].Value(); m != nil {
		return m, state, nil
	}
	m, err := s.body(id)
	if err != nil {
		return nil, state, err
	}
	if s.r.recent == nil || len(s.r.recent) >= maxRecent {
		s.r.recent = make(map[uint64]weak.Pointer[broker.Message])
	}
	s.r.recent[id] = weak.Make(m)
	return m, state, nil
}

func (s *scanner) body(id uint64) (m *broker.Message, err error) {
	if s.bodies == nil {
		from, to := prefixSpan(prefixBody)
		s.bodies, err = s.it.Clone(cockroach.CloneOptions{IterOptions: &cockroach.IterOptions{LowerBound: from, UpperBound: to}})
		if err != nil {
			return nil, err
		}
	}
	s.r.key = appendSharedKey(s.r.key[:0], prefixBody, id)
	if !s.bodies.SeekGE(s.r.key) || !bytes.Equal(s.bodies.Key(), s.r.key) {
		return nil, firstError(s.bodies.Error(), fmt.Errorf("%w: the shared message %d is missing", broker.ErrRecord, id))
	}
	value, err := s.bodies.ValueAndErr()
	if err != nil {
		return nil, err
	}
	return broker.ParseShared(value, id)
}

// next is the next message, with its state.
func (s *scanner) next() (m broker.Stored, ok bool) {
	for s.more {
		_, at, rest, ok := parseMessageKey(s.it.Key())
		switch {
		case !ok:
			s.err = fmt.Errorf("%w: a key %x", broker.ErrRecord, s.it.Key())
			return m, false
		case len(rest) > 0: // a state without a message, which Check reports
			s.more = s.it.Next()
			continue
		}
		m.At = at
		return m, s.message(&m)
	}
	s.err = s.it.Error()
	return m, false
}

func (s *scanner) message(m *broker.Stored) bool {
	value, err := s.it.ValueAndErr()
	switch {
	case err != nil:
	case broker.IsReference(value):
		m.Message, m.State, err = s.shared(value)
	default:
		m.Message, m.State, err = broker.ParseMessage(value, s.dest)
	}
	if err != nil {
		s.err = fmt.Errorf("message %d in lane %d: %w", m.At.Seq, m.At.Lane, err)
		return false
	}
	s.r.key = append(append(s.r.key[:0], s.it.Key()...), noteSuffix)
	if s.more = s.it.Next(); s.more && bytes.Equal(s.it.Key(), s.r.key) {
		return s.note(m)
	}
	return true
}

func (s *scanner) note(m *broker.Stored) bool {
	value, err := s.it.ValueAndErr()
	if err == nil {
		m.State, err = broker.ParseState(value)
	}
	if err != nil {
		s.err = fmt.Errorf("message %d in lane %d: %w", m.At.Seq, m.At.Lane, err)
		return false
	}
	s.more = s.it.Next()
	return true
}

// refreshHead looks up the first message of a lane.
func (r *reader) refreshHead(id laneID) {
	if _, ok := r.seek(broker.Range{Queue: id.queue, After: broker.Position{Lane: id.lane, At: math.MinInt64}}); !ok {
		r.endRefresh(id, place{})
		return
	}
	var found place
	it, err := r.s.db.NewIter(&cockroach.IterOptions{LowerBound: r.from, UpperBound: r.to})
	if err == nil {
		if it.First() {
			if _, at, _, ok := parseMessageKey(it.Key()); ok {
				found = placeOf(at)
			}
		}
		err = it.Close()
	}
	if err != nil { // every reader will learn of it
		found = place{}
	}
	r.endRefresh(id, found)
}

func (r *reader) endRefresh(id laneID, found place) {
	r.s.state.Lock()
	defer r.s.state.Unlock()
	if l := r.s.lane(id); l != nil {
		l.endRefresh(found)
	}
}

// lane gives a lane, or nil if there is none. s.state is held.
func (s *Store) lane(id laneID) *lane {
	if q := s.queues[id.queue]; q != nil {
		return q.lane(id.lane)
	}
	return nil
}
