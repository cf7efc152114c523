package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/destination"
	"hoofbeat/frames"
)

// How a Store writes messages and queues. Numbers are varints, texts are
// preceded by their length. A record says which of its parts are there, so
// that later versions can add some; a reader refuses those that it does not
// know.

// Parts of a message's record.
const (
	hasDestination = 1 << iota // it is not that of the queue
	hasHeader                  // its header is not written alike in all versions
	hasPriority                // it is not DefaultPriority
	hasExpires
	hasDue
	hasState
	hasArrived

	messageParts = 1<<iota - 1
)

// ErrRecord is wrapped by the errors of ParseMessage and ParseQueueMeta for a
// record that no version up to this one has written.
var ErrRecord = errors.New("damaged record")

// AppendMessage appends a message, with its state, as a Store of the queue
// keeps it.
func AppendMessage(dst []byte, m *Message, s State, queue destination.Destination) []byte {
	at := len(dst)
	var parts byte
	dst = append(dst, 0)
	number := func(part byte, n uint64) {
		parts |= part
		dst = binary.AppendUvarint(dst, n)
	}
	if m.to != queue {
		parts |= hasDestination
		dst = m.to.AppendRecord(dst)
	}
	rare := m.rarely()
	if rare.header != nil {
		parts |= hasHeader
	}
	if m.priority != DefaultPriority {
		number(hasPriority, uint64(m.priority))
	}
	if rare.expires != 0 {
		number(hasExpires, uint64(rare.expires))
	}
	if rare.due != 0 {
		number(hasDue, uint64(rare.due))
	}
	if s != (State{}) {
		parts |= hasState
		dst = AppendState(dst, s)
	}
	if m.arrived != 0 {
		number(hasArrived, uint64(m.arrived))
	}
	dst[at] = parts
	dst = binary.AppendUvarint(dst, uint64(m.bodyLen))
	return append(dst, m.tail.Bytes...)
}

// ParseMessage is the inverse of AppendMessage. Its result shares no memory
// with b.
func ParseMessage(b []byte, queue destination.Destination) (*Message, State, error) {
	r := reader{rest: b}
	parts := r.byte()
	if parts&^messageParts != 0 {
		return nil, State{}, fmt.Errorf("%w: a message with unknown parts (%#x)", ErrRecord, parts)
	}
	m := &Message{to: queue, priority: DefaultPriority, restored: true}
	var s State
	if parts&hasDestination != 0 {
		m.to = r.destination()
	}
	if parts&hasPriority != 0 {
		m.priority = uint8(r.number(MaxPriority))
	}
	if parts&hasExpires != 0 {
		m.change().expires = r.millis()
	}
	if parts&hasDue != 0 {
		m.change().due = r.millis()
	}
	if parts&hasState != 0 {
		s = r.state()
	}
	if parts&hasArrived != 0 {
		m.arrived = r.millis()
	}
	m.bodyLen = int(r.number(uint64(len(b))))
	if r.bad || m.bodyLen+1 > len(r.rest) || r.rest[len(r.rest)-1] != 0 {
		return nil, State{}, fmt.Errorf("%w: a message that is cut off or malformed", ErrRecord)
	}
	m.tail.Bytes = append([]byte(nil), r.rest...)
	m.utf8 = utf8.Valid(m.Body())
	if parts&hasHeader != 0 {
		if err := m.readHeader(); err != nil {
			return nil, State{}, err
		}
	}
	m.measure()
	return m, s, nil
}

// isReference begins a record that names a shared message in place of it.
const isReference = 1 << 7

// AppendReference appends a record for a shared message, with its state in a
// queue. The message is kept elsewhere, by AppendMessage for no queue.
func AppendReference(dst []byte, shared uint64, s State) []byte {
	return AppendState(binary.AppendUvarint(append(dst, isReference), shared), s)
}

// IsReference reports whether a message's record is one of AppendReference.
func IsReference(b []byte) bool { return len(b) > 0 && b[0] == isReference }

// ParseReference is the inverse of AppendReference.
func ParseReference(b []byte) (shared uint64, s State, err error) {
	if !IsReference(b) {
		return 0, s, fmt.Errorf("%w: no reference", ErrRecord)
	}
	r := reader{rest: b[1:]}
	shared = r.number(math.MaxUint64)
	s = r.state()
	if r.bad || len(r.rest) > 0 || shared == 0 {
		return 0, State{}, fmt.Errorf("%w: a reference to a shared message", ErrRecord)
	}
	return shared, s, nil
}

// ParseShared makes a shared message of a record that AppendMessage wrote for
// no queue.
func ParseShared(b []byte, shared uint64) (*Message, error) {
	m, _, err := ParseMessage(b, destination.Destination{})
	if err != nil {
		return nil, err
	}
	m.ShareAs(shared)
	return m, nil
}

// readHeader makes the header out of the tail.
func (m *Message) readHeader() error {
	h, ok := frames.ParseHeader(string(m.tail.Bytes[:len(m.tail.Bytes)-1-m.bodyLen]))
	if !ok {
		return fmt.Errorf("%w: a message whose header is malformed", ErrRecord)
	}
	h.Del(frame.ContentLength)
	m.setHeader(h)
	return nil
}

// AppendState appends the state of a Note. Shift, which is mostly 0, is
// written above Attempts.
func AppendState(dst []byte, s State) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(s.Attempts)|uint64(s.Shift)<<16), uint64(s.Failures))
}

// ParseState is the inverse of AppendState.
func ParseState(b []byte) (State, error) {
	r := reader{rest: b}
	s := r.state()
	if r.bad || len(r.rest) > 0 {
		return State{}, fmt.Errorf("%w: the state of a message", ErrRecord)
	}
	return s, nil
}

// Parts of a queue's record.
const (
	hasTopic = 1 << iota
	hasAbandoned
	isExpiring
	isKept
	hasOwner

	queueParts = 1<<iota - 1
)

// AppendQueueMeta appends a queue's description as a Store keeps it.
func AppendQueueMeta(dst []byte, q QueueMeta) []byte {
	at := len(dst)
	dst = append(dst, 0)
	dst = q.Destination.AppendRecord(dst)
	if q.Topic.Kind != 0 {
		dst[at] |= hasTopic
		dst = q.Topic.AppendRecord(dst)
	}
	if q.Expiring {
		dst[at] |= isExpiring
	}
	if q.Kept {
		dst[at] |= isKept
	}
	if q.Abandoned != 0 {
		dst[at] |= hasAbandoned
		dst = binary.AppendUvarint(dst, uint64(q.Abandoned))
	}
	if q.Owner != "" {
		dst[at] |= hasOwner
		dst = append(binary.AppendUvarint(dst, uint64(len(q.Owner))), q.Owner...)
	}
	return dst
}

// ParseQueueMeta is the inverse of AppendQueueMeta.
func ParseQueueMeta(b []byte) (QueueMeta, error) {
	r := reader{rest: b}
	parts := r.byte()
	q := QueueMeta{Destination: r.destination(), Expiring: parts&isExpiring != 0, Kept: parts&isKept != 0}
	if parts&hasTopic != 0 {
		q.Topic = r.destination()
	}
	if parts&hasAbandoned != 0 {
		q.Abandoned = r.millis()
	}
	if parts&hasOwner != 0 {
		q.Owner = r.text()
	}
	if r.bad || len(r.rest) > 0 || parts&^queueParts != 0 {
		return QueueMeta{}, fmt.Errorf("%w: the description of a queue", ErrRecord)
	}
	return q, nil
}

// A reader takes parts off a record. After a fault, bad is set and all that it
// gives is zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) fail() {
	r.bad, r.rest = true, nil
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) number(most uint64) uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > most {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) millis() int64 { return int64(r.number(1<<63 - 1)) }

func (r *reader) state() State {
	n := r.number(maxShift<<16 | math.MaxUint16)
	return State{Attempts: uint16(n), Shift: uint32(n >> 16), Failures: uint16(r.number(math.MaxUint16))}
}

func (r *reader) text() string {
	n := int(r.number(uint64(len(r.rest))))
	if n > len(r.rest) {
		r.fail()
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

func (r *reader) destination() destination.Destination {
	d, rest, ok := destination.CutRecord(r.rest)
	if !ok {
		r.fail()
		return d
	}
	r.rest = rest
	return d
}
