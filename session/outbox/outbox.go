// Package outbox is the bounded queue of frames that a session has to write to its
// client, the policy for clients that read too slowly, and the goroutine that writes,
// which exists only while there is something to write.
package outbox

import (
	"sync"
	"sync/atomic"
	"time"

	"hoofbeat/broker"
	"hoofbeat/frames"
	"hoofbeat/internal/memory"
)

// A Conn is what an outbox needs of a connection. Its methods are described at
// session.Conn.
type Conn interface {
	WriteFrame(p []byte, tail *frames.Tail, text bool) error
	Flush() error
	SetWriteDeadline(t time.Time)
}

// A Host is the session of an outbox.
type Host interface {
	// Encode turns a message into a frame, in two parts as WriteFrame takes them, the
	// first behind dst, and says whether it is text; an empty frame is not written.
	// The writer calls it.
	Encode(dst []byte, it *Item) (frame []byte, tail *frames.Tail, text bool)
	// Trace is told of each batch that was written, if Options.Traced is set.
	Trace(batch []Item)
	// Overrun returns how to end the session of a client that does not read. It is
	// called once, with the outbox locked.
	Overrun() Ending
	// Failed hangs up after a write has failed.
	Failed()
}

// Options configure an [Outbox].
type Options struct {
	Conn  Conn
	Host  Host
	Limit int // bytes that wait or are being written; see Policy
	Slow  Policy
	// CloseGrace is how long a client may take to close the connection itself after
	// it was told the reason of the end.
	CloseGrace time.Duration
	Account    *memory.Account // is charged for waiting frames
	Counts     Counts
	Traced     bool // Host.Trace is called
}

// Counts are counters of the messages of topics, except those of queues: those that
// were written, dropped by the policy, and lost with their subscription or connection.
type Counts struct{ Written, Dropped, Lost *atomic.Int64 }

// An Ending is how an outbox ends.
type Ending struct {
	Last    []byte        // a last frame; nil: none
	HangUp  func()        // closes the connection when all is written
	Timeout time.Duration // for all of that
	Discard bool          // queued frames are not written
}

// An Outbox takes frames from any goroutine and writes them in order.
type Outbox struct {
	options Options

	// busy holds a value while a batch is written and settled.
	busy chan struct{}
	// waitedFor is the batch that AwaitSettled has waited for in vain. Owned by the
	// session's reader.
	waitedFor int64

	mu    sync.Mutex // guards the fields below
	items []Item
	bytes int
	// granted is the credit that was taken for messages which Deliver has not brought
	// yet.
	granted int
	// large is the number of bytes beyond the limit that may wait, because of a
	// message of more than half of it: such a message is admitted, and the
	// frames behind it are no fault of the client. aside has the bytes of a
	// batch with such a message that is being written: they do not count, as
	// the client may have read and answered all of it before the writer is
	// back.
	large, aside int
	// charged is the number of bytes for the account, and told the part that
	// the account knows. It is told when they differ by grain.
	charged, told int
	state         state
	// held keeps the writer from taking more, so that the next items follow
	// the last ones in one piece.
	held    bool
	writing bool // the writer exists
	paused  bool // queues find no room, and are not told when there is
	refused []*Source
	hangUp  func()
	lastOut time.Time // when something was last written
	batches int64     // number of batches that the writer has taken
	stats   Stats

	// grace is how long the client has to close the connection itself; 0 if
	// nothing was said last.
	grace time.Duration

	// Gone rings when nothing more can be read; the session rings it.
	Gone Alarm
	// Ending rings when nothing more is taken, or the session is failing.
	Ending Alarm
	// Done is closed when the connection is.
	Done chan struct{}
}

type state uint8

const (
	open     state = iota
	draining       // nothing more is accepted; queued items are written
	finished
)

// A Source is a subscription as its outbox sees it.
type Source struct {
	Owner
	refused bool // guarded by the outbox's lock
}

// An Owner is told of its messages. The outbox calls it with no lock held.
type Owner interface {
	// Resume says that there is credit again after it was refused.
	Resume()
	// Written says that all messages up to a tag were written.
	Written(tag uint64)
}

// An Item is one frame to be written: either a message for a subscription, or
// a control frame that is encoded already.
type Item struct {
	From    *Source
	Message *broker.Message
	control []byte
	Tag     uint64 // of a queue's delivery; 0: the message comes from a topic
	Attempt int
	Seq     uint64 // see broker.Delivery; 0: a topic's
}

// Stats are sums since the start.
type Stats struct {
	Frames, Messages, Bytes int64
	Dropped                 int64 // messages of topics for which there was no room
}

// controlOverhead is the cost of a control frame beyond its bytes.
const controlOverhead = 64

// New returns an outbox. It has no goroutine as long as nothing is to be written.
func New(o Options) *Outbox {
	return &Outbox{options: o, lastOut: time.Now(), busy: make(chan struct{}, 1), Done: make(chan struct{})}
}

// Stats returns the sums, and Load how many messages were written and how many bytes
// wait.
func (o *Outbox) Stats() Stats {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stats
}

// Load is described at Stats.
func (o *Outbox) Load() (messages int64, bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stats.Messages, o.bytes
}

// TakeCredit takes room for a message of a queue, of so many bytes, which Deliver then
// brings; see broker.Sink. Queues keep their messages until there is room, and fill
// only half of it, so that they do not push out the messages of topics.
func (o *Outbox) TakeCredit(from *Source, size int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state != open || o.paused {
		return false
	}
	if taken := o.bytes + o.granted; taken > 0 && taken+size > o.options.Limit/2 {
		o.refuse(from)
		return false
	}
	o.granted += size
	return true
}

// Deliver takes a message for a subscription; see broker.Sink. A message of a queue is
// not written if the outbox is closed: it stays with its consumer, and goes back to the
// queue with that one's end.
func (o *Outbox) Deliver(it Item) {
	size, share := it.Message.Size(), 0
	if it.Tag == 0 { // else it is charged to its queue, or its consumer
		share = it.Message.Share()
	}
	o.mu.Lock()
	if it.Tag != 0 {
		o.granted -= size
	}
	switch {
	case o.state != open:
		o.mu.Unlock()
		o.CountLost(it)
	case it.Tag == 0 && o.full(size) && !o.overflow(size):
		o.mu.Unlock()
	default:
		o.add(it, size, share)
	}
}

// topics is 1 for a message of a topic that goes to its subscriber directly.
func (it *Item) topics() int64 {
	if it.Message != nil && it.Tag == 0 {
		return 1
	}
	return 0
}

// CountLost counts a message that will not be written, unless a queue has it.
func (o *Outbox) CountLost(it Item) {
	if it.Tag == 0 {
		o.options.Counts.Lost.Add(1)
	}
}

// loseAll counts items that will not be written.
func (o *Outbox) loseAll(items []Item) {
	n := int64(0)
	for i := range items {
		n += items[i].topics()
	}
	if n > 0 {
		o.options.Counts.Lost.Add(n)
	}
}

// Control takes a frame of the session's own; false says that the outbox is
// closed, or was full and closes now.
func (o *Outbox) Control(frame []byte) bool {
	o.mu.Lock()
	if o.state != open {
		o.mu.Unlock()
		return false
	}
	size := len(frame) + controlOverhead
	if o.bytes > 0 && o.waiting()+size > o.options.Limit+o.large {
		o.endSlow(o.options.Host.Overrun())
		o.mu.Unlock()
		return false
	}
	o.add(Item{control: frame}, size, size)
	return true
}

// charge counts bytes for the account. The lock is held.
func (o *Outbox) charge(n int) {
	o.charged += n
	if d := o.charged - o.told; d >= grain || d <= -grain {
		o.tell()
	}
}

// grain is how much the account may be behind.
const grain = 16 << 10

// tell tells the account all. The lock is held.
func (o *Outbox) tell() {
	o.options.Account.Add(o.charged - o.told)
	o.told = o.charged
}

// add queues an item and starts the writer; it unlocks.
func (o *Outbox) add(it Item, size, share int) {
	o.charge(share)
	if o.items == nil {
		o.items = takeItems()
	}
	o.items = append(o.items, it)
	o.bytes += size
	o.large = max(o.large, size-o.options.Limit/2)
	o.startAndUnlock()
}

func (o *Outbox) startAndUnlock() {
	start := !o.writing && !o.held
	o.writing = o.writing || start
	o.mu.Unlock()
	if start {
		go o.write()
	}
}

func (o *Outbox) refuse(from *Source) {
	if !from.refused {
		from.refused = true
		o.refused = append(o.refused, from)
	}
}

// Pause takes no more messages of queues.
func (o *Outbox) Pause() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.paused = true
}

// Hold keeps new items from being written until release.
func (o *Outbox) Hold() {
	o.mu.Lock()
	o.held = true
	o.mu.Unlock()
}

func (o *Outbox) Release() {
	o.mu.Lock()
	o.held = false
	if len(o.items) == 0 && len(o.refused) == 0 && o.state == open {
		o.mu.Unlock()
		return
	}
	o.startAndUnlock()
}

// Close writes the queued items, then the last frame, and then hangs up, all within
// the timeout. Only the first call counts.
func (o *Outbox) Close(e Ending) {
	o.mu.Lock()
	if o.state != open {
		o.mu.Unlock()
		return
	}
	o.drain(e)
	o.startAndUnlock()
}

// drain is Close with the lock held; the caller starts the writer. If the
// outbox is held, the goroutine that holds it lets go soon.
func (o *Outbox) drain(e Ending) {
	o.state, o.hangUp = draining, e.HangUp
	o.Ending.Ring()
	if e.Discard {
		o.loseAll(o.items)
		clear(o.items)
		o.items = o.items[:0]
	}
	if e.Last != nil {
		o.items = append(o.items, Item{control: e.Last})
		o.grace = min(o.options.CloseGrace, e.Timeout/4)
	}
	o.options.Conn.SetWriteDeadline(time.Now().Add(e.Timeout))
}

// AwaitSettled waits, at most for limit, until written messages are acknowledged.
// The socket may have to take them first, so only callers that act for the
// client wait here, and only once for each batch: the broker then reads from
// a client again that reads nothing. Messages that it has not taken are
// delivered again, as redelivered.
func (o *Outbox) AwaitSettled(limit time.Duration) {
	select {
	case o.busy <- struct{}{}:
		<-o.busy
		return
	default:
	}
	number, _ := o.Batch()
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

// Batch returns the number of the batch that the writer has taken last, and whether
// there is a writer.
func (o *Outbox) Batch() (number int64, writing bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.batches, o.writing
}

// fail ends the outbox after a write went wrong.
func (o *Outbox) fail() {
	o.mu.Lock()
	if o.state == open {
		o.hangUp = o.options.Host.Failed
	}
	o.grace = 0
	o.finishAndUnlock()
}

// finishAndUnlock hangs up, which lets the reader go on.
func (o *Outbox) finishAndUnlock() {
	o.loseAll(o.items)
	o.state, o.items, o.refused, o.writing = finished, nil, nil, false
	o.charged = 0
	o.tell()
	hangUp, grace := o.hangUp, o.grace
	o.mu.Unlock()
	o.Ending.Ring()
	o.giveTime(grace)
	hangUp()
	close(o.Done)
}

// giveTime waits until the client has closed the connection, at most so long.
func (o *Outbox) giveTime(d time.Duration) {
	if d == 0 || o.Gone.HasRung() {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-o.Gone.Channel():
	}
}

// Abandon hangs up without writing anything more: the peer is gone.
func (o *Outbox) Abandon(hangUp func()) {
	o.mu.Lock()
	switch o.state {
	case finished:
		o.mu.Unlock()
		return
	case open:
		o.drain(Ending{HangUp: hangUp, Discard: true})
	case draining:
		o.options.Conn.SetWriteDeadline(time.Now())
	}
	o.startAndUnlock()
}

// IdleSince tells since when nothing was written; ok is false while something
// waits to be.
func (o *Outbox) IdleSince() (t time.Time, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lastOut, len(o.items) == 0
}
