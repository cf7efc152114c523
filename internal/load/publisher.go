package load

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// publisher sends stamped messages. Its fields are owned by the goroutine in
// publish, except for receipts, which is owned by the goroutine that serves the
// connection, and the fields marked as shared.
type publisher struct {
	*session
	clock    *buffers
	messages template
	batch    []byte
	interval float64 // ns between messages; 0: no rate limit
	began    int64   // start of publish, in ns on the run's clock

	gate     *gate // shared: opened by the subscribers
	receipts *gate // shared: opened by receipts; nil if none are requested
	count    uint64
	sent     atomic.Uint64 // shared: messages written

	receipted atomic.Uint64 // shared: receipts received
	ended     chan struct{} // shared: closed when its connection is no longer served
}

// template is an encoded message, with positions of the parts that change
// with each message.
type template struct {
	bytes   []byte
	payload int // start of the frame
	receipt int // position of the eight digits of the receipt id; 0: none
	body    int // start of the body
	framing framer
}

// newTemplate encodes the message of one publisher.
func newTemplate(o *Options, number int, destination string, p protocol, framing framer) template {
	message, body, receipt := p.send(o, destination)
	t := template{framing: framing}
	t.bytes = framing.open(nil, p.opcode(), len(message))
	t.payload = len(t.bytes)
	t.bytes = append(t.bytes, message...)
	t.body = t.payload + body
	if receipt > 0 {
		t.receipt = t.payload + receipt
	}
	putHex(t.bytes[t.body:], uint32(number))
	return t
}

// appendTo appends the message with this sequence number and time of sending.
func (t *template) appendTo(dst []byte, sequence uint32, at int64) []byte {
	start := len(dst)
	dst = append(dst, t.bytes...)
	message := dst[start:]
	putStamp(message[t.body:], sequence, at)
	if t.receipt > 0 {
		putHex(message[t.receipt:], sequence)
	}
	t.framing.seal(message, t.payload)
	return dst
}

// newPublisher returns a publisher that is throttled by a gate.
func newPublisher(s *session, o *Options, number int, destination string, clock *buffers, g *gate) *publisher {
	p := &publisher{
		session:  s,
		clock:    clock,
		messages: newTemplate(o, number, destination, s.conn.protocol, newFramer(s.conn.framer.websocket, o.Mask)),
		gate:     g,
		ended:    make(chan struct{}),
		count:    o.Count,
	}
	if o.Receipt {
		p.receipts = newGate(o.Window, 1)
	}
	if o.Rate > 0 {
		p.interval = 1e9 / o.Rate
	}
	return p
}

// publish sends until count messages are sent or stop is closed. With a rate, it then
// sends what was due by that time, until: latencies without the messages that a slow
// broker has kept back would look too good. batch limits the messages in one write. It
// returns an error if a write fails, or if a full window is outstanding and none
// arrives for timeout.
func (p *publisher) publish(ctx context.Context, stop <-chan struct{}, until func() int64, batch int, timeout time.Duration) error {
	p.began = p.clock.now()
	idle := time.NewTimer(timeout)
	defer idle.Stop()
	for sent := uint64(0); p.count == 0 || sent < p.count; p.sent.Store(sent) {
		select {
		case <-stop:
			owed := p.dueBefore(until())
			if owed <= sent {
				return nil
			}
			stop, p.count = nil, owed
		case <-ctx.Done():
			return nil // the caller knows the cause
		default:
		}
		n, blocked := p.allowed(sent, batch)
		if n == 0 {
			if blocked == nil {
				p.pause(sent)
				continue
			}
			idle.Reset(timeout)
			select {
			case <-blocked.wake:
			case <-stop:
			case <-ctx.Done():
			case <-idle.C:
				return p.stuck(sent, blocked, timeout)
			}
			continue
		}
		if err := p.write(sent, n); err != nil {
			return fmt.Errorf("SEND: %w", err)
		}
		sent += uint64(n)
	}
	return nil
}

// allowed returns how many messages may be sent now. If none, blocked is the
// gate that prevents it, or nil if it is the rate.
func (p *publisher) allowed(sent uint64, batch int) (n int, blocked *gate) {
	limit := uint64(batch)
	if p.count > 0 {
		limit = min(limit, p.count-sent)
	}
	if p.interval > 0 {
		due := uint64(float64(p.clock.now()-p.began)/p.interval) + 1
		if due <= sent {
			return 0, nil
		}
		limit = min(limit, due-sent)
	}
	for _, g := range []*gate{p.gate, p.receipts} {
		if g == nil {
			continue
		}
		credit := g.credit(sent)
		if credit == 0 {
			return 0, g
		}
		limit = min(limit, credit)
	}
	return int(limit), nil
}

// write sends n messages in one write.
func (p *publisher) write(sent uint64, n int) error {
	at := p.clock.now()
	p.batch = p.batch[:0]
	for i := range uint64(n) {
		if p.interval > 0 {
			// The time counts from when the message was due, so that a broker
			// does not look fast because it throttles the publisher.
			at = p.due(sent + i)
		}
		p.batch = p.messages.appendTo(p.batch, uint32(sent+i), at)
	}
	return p.conn.Write(p.batch)
}

// dueBefore returns how many messages are due before a time; 0 without a rate.
func (p *publisher) dueBefore(at int64) uint64 {
	if p.interval == 0 || at == math.MaxInt64 || at <= p.began {
		return 0
	}
	n := uint64(math.Ceil(float64(at-p.began) / p.interval))
	if p.count > 0 {
		n = min(n, p.count)
	}
	return n
}

// due returns the time at which a message is due, in ns on the run's clock.
func (p *publisher) due(message uint64) int64 {
	return p.began + int64(float64(message)*p.interval)
}

// pause waits until the next message is due, but at most 10 ms, to notice the
// end of the run.
func (p *publisher) pause(sent uint64) {
	wait := min(p.due(sent)-p.clock.now(), int64(10*time.Millisecond))
	if wait <= 0 {
		return
	}
	nap(wait)
}

// stuck describes a window that does not open.
func (p *publisher) stuck(sent uint64, blocked *gate, timeout time.Duration) error {
	what := "subscribers"
	if blocked == p.receipts {
		what = "receipts"
	}
	return fmt.Errorf("%d messages sent, the %s stopped at %d and nothing came for %s: lost or stalled",
		sent, what, blocked.open.Load(), timeout)
}

// hear waits a moment after a failed write, because an ERROR frame explains the
// failure better.
func (p *publisher) hear() {
	const moment = time.Second
	timer := time.NewTimer(moment)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
	}
}

// Begin implements Handler.
func (p *publisher) Begin(int64) {}

// End implements Handler.
func (p *publisher) End() error { return nil }

// Frame implements Handler.
func (p *publisher) Frame(f *Frame) error {
	switch f.Command {
	case CommandReceipt:
		if p.receipts == nil {
			return nil
		}
		n := p.receipted.Add(1)
		if n%p.receipts.step == 0 {
			p.receipts.pass(n)
		}
		return nil
	case CommandError:
		return brokerError(f)
	default:
		return nil
	}
}
