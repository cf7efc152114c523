package load

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// track is a subscriber's record of one publisher's messages.
type track struct {
	next       uint32 // sequence number expected next
	checkpoint uint32 // sequence number of the next call of gate.pass
	total      uint64 // messages received or missed; next without wrap-around
	received   uint64
	missed     uint64 // numbers skipped when a later one arrived
	late       uint64 // numbers that arrived after a later one, or twice
	gate       *gate
}

// subscriber receives, checks and counts messages. It is a Handler. All fields
// except received are owned by the goroutine that serves its connection, and
// may be read when that has ended.
type subscriber struct {
	*session
	ack string

	first  uint32  // number of the first of its publishers
	tracks []track // by publisher
	mask   uint32  // a message is timed if its number has none of these bits set
	times  recorder

	now     int64
	count   uint64 // messages received
	acks    []byte // frames to write at the end of a read
	ackID   []byte // the latest id, in mode client
	framing framer

	received atomic.Uint64 // count as of the last read
}

// newSubscriber returns a subscriber of the publishers with these gates. first
// is the number of the first publisher.
func newSubscriber(s *session, o *Options, first int, gates []*gate, l *latencies) *subscriber {
	sub := &subscriber{
		session: s,
		ack:     o.Ack,
		first:   uint32(first),
		mask:    sampleMask(o.Sample),
		framing: newFramer(s.conn.framer.websocket, o.Mask),
		times:   recorder{to: l},
		tracks:  make([]track, len(gates)),
	}
	for i, g := range gates {
		sub.tracks[i] = track{gate: g, checkpoint: uint32(g.step)}
	}
	return sub
}

// sampleMask returns a mask whose bits are 0 in every n-th number, with n
// rounded up to a power of two.
func sampleMask(n int) uint32 {
	mask := uint32(0)
	for int(mask)+1 < n {
		mask = mask<<1 | 1
	}
	return mask
}

// Begin implements Handler.
func (s *subscriber) Begin(at int64) { s.now = at }

// Frame implements Handler.
func (s *subscriber) Frame(f *Frame) error {
	switch f.Command {
	case CommandMessage:
		return s.message(f)
	case CommandError:
		return brokerError(f)
	default:
		return nil
	}
}

// message counts a message and queues its acknowledgement.
func (s *subscriber) message(f *Frame) error {
	if len(f.Body) < stampSize {
		return fmt.Errorf("got a message of %d bytes that is not of this run", len(f.Body))
	}
	publisher, sequence := unhex(f.Body)-s.first, unhex(f.Body[8:])
	if uint64(publisher) >= uint64(len(s.tracks)) {
		return fmt.Errorf("got a message that is not of this run: %.40q", f.Body)
	}
	t := &s.tracks[publisher]
	s.count++
	if sequence == t.next {
		t.received++
		t.advance()
	} else if err := t.disorder(sequence); err != nil {
		return err
	}
	if sequence&s.mask == 0 {
		s.times.record(stampTime(f.Body), s.now)
	}
	if s.ack == "auto" {
		return nil
	}
	return s.acknowledge(f)
}

// advance moves on by one number that was received or missed.
func (t *track) advance() {
	t.next++
	t.total++
	if t.next == t.checkpoint {
		t.checkpoint += uint32(t.gate.step)
		t.gate.pass(t.total)
	}
}

// disorder handles a sequence number other than the expected one.
func (t *track) disorder(sequence uint32) error {
	ahead := sequence - t.next
	if ahead >= 1<<31 {
		t.late++
		return nil
	}
	if uint64(ahead) > t.gate.window {
		return fmt.Errorf("got message %d, which cannot have been sent when %d was expected", sequence, t.next)
	}
	for range ahead {
		t.missed++
		t.advance()
	}
	t.received++
	t.advance()
	return nil
}

// acknowledge queues the ACK for a message.
func (s *subscriber) acknowledge(f *Frame) error {
	if f.Ack == nil {
		return errors.New("a message has no ack header")
	}
	if s.ack == "client" {
		s.ackID = append(s.ackID[:0], f.Ack...)
		return nil
	}
	s.acks = s.framing.ack(s.acks, f.Ack)
	return nil
}

// End implements Handler.
func (s *subscriber) End() error {
	// The reader of received may close the connection, so write the ACK frames
	// first.
	defer s.received.Store(s.count)
	if len(s.ackID) > 0 {
		// In mode client an ACK is cumulative.
		s.acks = s.framing.ack(s.acks, s.ackID)
		s.ackID = s.ackID[:0]
	}
	if len(s.acks) == 0 {
		return nil
	}
	err := s.conn.Write(s.acks)
	s.acks = s.acks[:0]
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("ACK: %w", err)
	}
	// After any other failure the connection is ending, and the next read
	// returns the reason, perhaps in an ERROR frame.
	return nil
}
