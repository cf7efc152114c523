package session

import (
	"sync"
	"time"

	"hoofbeat/broker"
	"hoofbeat/frames"
	"hoofbeat/internal/memory"
)

// An outbox is the bounded queue of frames that a session has to write, and
// the goroutine that writes them, which exists only while there are some.
type outbox struct {
	conn  Conn
	limit int // bytes, queued and being written
	slow  SlowPolicy
	// closeGrace is that of Options.
	closeGrace time.Duration
	// encode turns an item into a frame, in two parts as Conn.WriteFrame takes
	// them, the first behind dst, and says whether it is text; an empty frame is
	// not written. It is called by the writer.
	encode func(dst []byte, it *item) (frame []byte, tail *frames.Tail, text bool)
	counts *shard // counters of topics' messages
	tracer Tracer // may be nil
	// onEnd is called when the outbox ends the session by itself: with the fault of
	// the slow-consumer policy, once, and without one if a write has failed.
	onEnd func(slow *Fault)
	// account is charged for waiting frames.
	account *memory.Account

	// busy holds a value while a batch is written and settled.
	busy chan struct{}
	// waitedFor is the batch that settled has waited for in vain. Owned by the
	// session's reader.
	waitedFor int64

	mu    sync.Mutex // guards the fields below
	items []item
	bytes int
	// large is the number of bytes beyond limit that may wait, because of a
	// message of more than half of it: such a message is admitted, and the
	// frames behind it are no fault of the client. aside has the bytes of a
	// batch with such a message that is being written: they do not count, as
	// the client may have read and answered all of it before the writer is
	// back.
	large, aside int
	// charged is the number of bytes for the account, and told the part that
	// the account knows. It is told when they differ by outboxGrain.
	charged, told int
	state         outboxState
	// held keeps the writer from taking more, so that the next items follow
	// the last ones in one piece.
	held    bool
	writing bool // the writer exists
	paused  bool // queues find no room, and are not told when there is
	refused []*subscription
	code    CloseCode
	reason  string
	lastOut time.Time // when something was last written
	batches int64     // number of batches that the writer has taken
	dropped int64     // messages of topics for which there was no room
	stats   written

	// grace is how long the client has to close the connection itself; 0 if
	// nothing was said last.
	grace  time.Duration
	gone   alarm         // rings when nothing more can be read
	ending alarm         // rings when nothing more is taken
	done   chan struct{} // closed when the connection is
}

type outboxState uint8

const (
	open     outboxState = iota
	draining             // nothing more is accepted; queued items are written
	finished
)

// An item is one frame to be written: either a message for a subscription, or
// a control frame that is encoded already.
type item struct {
	sub     *subscription
	msg     *broker.Message
	control []byte
	tag     uint64
	attempt int
	seq     uint64 // see broker.NumberedSink; 0: a topic's
}

// written counts sent frames. topics are messages without a tag, and lost
// those of them whose subscription had ended.
type written struct {
	frames, messages, bytes int64
	topics, lost            int64
}

// controlOverhead is the cost of a control frame beyond its bytes.
const controlOverhead = 64

func newOutbox(conn Conn, l Limits) *outbox {
	return &outbox{conn: conn, limit: l.Outbound, slow: l.SlowConsumer, lastOut: time.Now(), busy: make(chan struct{}, 1), done: make(chan struct{})}
}

// deliver takes a message for a subscription; see broker.Sink.
func (o *outbox) deliver(it item) bool {
	size, share := it.msg.Size(), 0
	if it.tag == 0 { // else it is charged to its queue, or its consumer
		share = it.msg.Share()
	}
	o.mu.Lock()
	if o.state != open {
		o.mu.Unlock()
		return o.lose(it)
	}
	if it.tag != 0 && o.paused {
		o.mu.Unlock()
		return false
	}
	if it.tag != 0 {
		// A queue keeps its messages until there is room, and fills only half
		// of it, so that it does not push out the messages of topics.
		if o.bytes > 0 && o.bytes+size > o.limit/2 {
			o.refuse(it.sub)
			o.mu.Unlock()
			return false
		}
	} else if o.full(size) && !o.overflow(size) {
		o.mu.Unlock()
		return true
	}
	o.add(it, size, share)
	return true
}

// topics is 1 for a message of a topic that goes to its subscriber directly.
func (it *item) topics() int64 {
	if it.msg != nil && it.tag == 0 {
		return 1
	}
	return 0
}

// lose counts a message that will not be written, and returns whether nobody
// will deliver it again.
func (o *outbox) lose(it item) bool {
	if it.tag == 0 {
		o.counts.lost.Add(1)
	}
	return it.tag == 0
}

// loseAll counts items that will not be written.
func (o *outbox) loseAll(items []item) {
	n := int64(0)
	for i := range items {
		n += items[i].topics()
	}
	if n > 0 {
		o.counts.lost.Add(n)
	}
}

// control takes a frame of the session's own; false says that the outbox is
// closed, or was full and closes now.
func (o *outbox) control(frame []byte) bool {
	o.mu.Lock()
	if o.state != open {
		o.mu.Unlock()
		return false
	}
	size := len(frame) + controlOverhead
	if o.bytes > 0 && o.waiting()+size > o.limit+o.large {
		o.endSlow(o.slowFault())
		o.mu.Unlock()
		return false
	}
	o.add(item{control: frame}, size, size)
	return true
}

// charge counts bytes for the account. The lock is held.
func (o *outbox) charge(n int) {
	o.charged += n
	if d := o.charged - o.told; d >= outboxGrain || d <= -outboxGrain {
		o.tell()
	}
}

// outboxGrain is how much the account may be behind.
const outboxGrain = 16 << 10

// tell tells the account all. The lock is held.
func (o *outbox) tell() {
	o.account.Add(o.charged - o.told)
	o.told = o.charged
}

// add queues an item and starts the writer; it unlocks.
func (o *outbox) add(it item, size, share int) {
	o.charge(share)
	if o.items == nil {
		o.items = takeItems()
	}
	o.items = append(o.items, it)
	o.bytes += size
	o.large = max(o.large, size-o.limit/2)
	o.startAndUnlock()
}

func (o *outbox) startAndUnlock() {
	start := !o.writing && !o.held
	o.writing = o.writing || start
	o.mu.Unlock()
	if start {
		go o.write()
	}
}

func (o *outbox) refuse(sub *subscription) {
	if !sub.refused {
		sub.refused = true
		o.refused = append(o.refused, sub)
	}
}

// pause takes no more messages of queues.
func (o *outbox) pause() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.paused = true
}

// hold keeps new items from being written until release.
func (o *outbox) hold() {
	o.mu.Lock()
	o.held = true
	o.mu.Unlock()
}

func (o *outbox) release() {
	o.mu.Lock()
	o.held = false
	if len(o.items) == 0 && len(o.refused) == 0 && o.state == open {
		o.mu.Unlock()
		return
	}
	o.startAndUnlock()
}

// close writes the queued items, then last, and then ends the connection, all
// within the timeout. With discard, queued items are not written. Only the
// first call counts.
func (o *outbox) close(last []byte, code CloseCode, reason string, timeout time.Duration, discard bool) {
	o.mu.Lock()
	if o.state != open {
		o.mu.Unlock()
		return
	}
	o.drain(last, code, reason, timeout, discard)
	o.startAndUnlock()
}

// drain is close with the lock held; the caller starts the writer. If the
// outbox is held, the goroutine that holds it lets go soon.
func (o *outbox) drain(last []byte, code CloseCode, reason string, timeout time.Duration, discard bool) {
	o.state, o.code, o.reason = draining, code, reason
	o.ending.ring()
	if discard {
		o.loseAll(o.items)
		clear(o.items)
		o.items = o.items[:0]
	}
	if last != nil {
		o.items = append(o.items, item{control: last})
		o.grace = min(o.closeGrace, timeout/4)
	}
	o.conn.SetWriteDeadline(time.Now().Add(timeout))
}

// settled waits, at most for limit, until written messages are acknowledged.
// The socket may have to take them first, so only callers that act for the
// client wait here, and only once for each batch: the broker then reads from
// a client again that reads nothing. Messages that it has not taken are
// delivered again, as redelivered.
func (o *outbox) settled(limit time.Duration) {
	select {
	case o.busy <- struct{}{}:
		<-o.busy
		return
	default:
	}
	number, _ := o.batch()
	if number == o.waitedFor {
		return
	}
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case o.busy <- struct{}{}:
		<-o.busy
	case <-t.C:
		o.waitedFor = number
	}
}

// batch is the number of the batch that the writer has taken last, and whether
// there is a writer.
func (o *outbox) batch() (number int64, writing bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.batches, o.writing
}

// fail ends the outbox after a write went wrong.
func (o *outbox) fail() {
	o.onEnd(nil)
	o.mu.Lock()
	if o.state == open {
		o.code, o.reason = ClosePolicy, "the client does not read"
	}
	o.grace = 0
	o.finishAndUnlock()
}

// finishAndUnlock closes the connection, which lets the reader go on.
func (o *outbox) finishAndUnlock() {
	o.loseAll(o.items)
	o.state, o.items, o.refused, o.writing = finished, nil, nil, false
	o.charged = 0
	o.tell()
	code, reason, grace := o.code, o.reason, o.grace
	o.mu.Unlock()
	o.ending.ring()
	o.giveTime(grace)
	o.conn.Close(code, reason)
	close(o.done)
}

// giveTime waits until the client has closed the connection, at most so long.
func (o *outbox) giveTime(d time.Duration) {
	if d == 0 || o.gone.hasRung() {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-o.gone.channel():
	}
}

// abandon ends the outbox without writing anything more: the peer is gone.
func (o *outbox) abandon() {
	o.mu.Lock()
	switch o.state {
	case finished:
		o.mu.Unlock()
		return
	case open:
		o.drain(nil, CloseNormal, "", 0, true)
	case draining:
		o.conn.SetWriteDeadline(time.Now())
	}
	o.startAndUnlock()
}

// idleSince tells since when nothing was written; ok is false while something
// waits to be.
func (o *outbox) idleSince() (t time.Time, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lastOut, len(o.items) == 0
}
