package broker

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"hoofbeat/destination"
)

// This file is for operators. Everything here may be called from any
// goroutine that holds no lock; functions with a context wait for the Store.

// ErrUnknownQueue: there is no such queue.
var ErrUnknownQueue = errors.New("there is no such queue")

// QueueInfo describes a queue, or a durable subscription.
type QueueInfo struct {
	Destination destination.Destination
	Topic       destination.Destination // of a durable subscription; Kind 0: none
	Durable     bool                    // the Store knows it
	Depth
	Flow
	Bytes     int // of all messages, by Message.Size
	Consumers int
	// Oldest is when the message at the head arrived, in ms since the epoch;
	// 0: there is none, or only the Store knows it.
	Oldest    int64
	Abandoned int64  // see QueueMeta
	Owner     string // the user who has it in the user's quota; "": nobody
	Policy    Policy
}

// OverLimits tells whether the queue holds more than its policy would let in.
func (i QueueInfo) OverLimits() bool {
	return i.Policy.over(i.Ready+i.Unacked+i.Delayed, i.Bytes)
}

func (q *queue) info() QueueInfo {
	i := QueueInfo{Destination: q.dest, Topic: q.topic, Owner: q.maker, Depth: q.depth()}
	q.mu.Lock()
	defer q.mu.Unlock()
	i.Flow = q.flow
	i.Durable, i.Bytes, i.Consumers, i.Abandoned, i.Policy = q.described, q.size, q.consumers, q.abandoned, *q.policy
	i.Oldest = q.oldest()
	return i
}

// Queues describes all queues and durable subscriptions, by name.
func (b *Broker) Queues() []QueueInfo {
	var all []QueueInfo
	for _, q := range b.queues.all() {
		if q.dest.Kind == destination.Queue || q.dest.Kind == destination.Durable {
			all = append(all, q.info())
		}
	}
	slices.SortFunc(all, func(x, y QueueInfo) int { return cmp.Compare(x.Destination.Key(), y.Destination.Key()) })
	return all
}

// OverLimits describes the queues that hold more than their policies would let
// in, in no order.
func (b *Broker) OverLimits() []QueueInfo {
	var over []QueueInfo
	for _, q := range b.queues.all() {
		q.mu.Lock()
		is := q.over(q.count, q.size)
		q.mu.Unlock()
		if is {
			over = append(over, q.info())
		}
	}
	return over
}

// Queue describes one; false if there is none.
func (b *Broker) Queue(d destination.Destination) (QueueInfo, bool) {
	if q := b.queues.lookup(d.Key()); q != nil {
		return q.info(), true
	}
	return QueueInfo{}, false
}

// Browsed is a message that waits in a queue.
type Browsed struct {
	Message *Message
	State   State
	Seq     uint64 // its number in the queue, which it keeps
	Visible int64  // from when, in ms since the epoch; 0: now
}

// maxBrowsed bounds the result of Browse, in bytes.
const maxBrowsed = 32 << 20

// Browse returns waiting messages in their order of delivery, as far as that
// is known, the delayed ones last. It returns at most limit, and fewer if
// they are large; at least one if there is one. It changes nothing and leaves
// out messages that consumers hold. The error is ErrUnknownQueue, the
// context's, or the Store's.
func (b *Broker) Browse(ctx context.Context, d destination.Destination, skip, limit int) ([]Browsed, error) {
	q := b.queues.lookup(d.Key())
	if q == nil {
		return nil, ErrUnknownQueue
	}
	w := &browser{q: q, skip: skip, limit: limit}
	for _, p := range q.parts() {
		for _, e := range p.memory {
			if err := w.addWhole(ctx, e); err != nil {
				return nil, err
			}
		}
		if err := w.read(ctx, p.disk); err != nil {
			return nil, err
		}
	}
	return w.found, nil
}

// A part is some of the waiting messages: first those in memory, and then the
// others, if disk names a queue.
type part struct {
	memory []entry
	disk   Range
}

// parts returns the waiting messages of the queue.
func (q *queue) parts() []part {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []part
	for _, l := range q.lanes {
		all = append(all, part{memory: l.due.sorted()})
		p, late := part{memory: l.back.sorted()}, part{}
		for _, d := range []*deque[entry]{&l.window, &l.loose} {
			for i := range d.len() {
				p.memory = append(p.memory, *d.at(i))
			}
		}
		slices.SortFunc(p.memory, func(a, b entry) int { return compare(a.seq < b.seq) })
		if l.behind.Count > 0 {
			i := slices.IndexFunc(p.memory, func(e entry) bool { return e.seq > l.after })
			if i >= 0 {
				p.memory, late.memory = p.memory[:i], p.memory[i:]
			}
			p.disk = Range{Queue: q.id, After: Position{Lane: LaneOf(l.priority), Seq: l.after}}
		}
		all = append(all, p, late)
	}
	p := part{memory: q.delayed.soon.sorted()}
	if q.delayed.behind.Count > 0 {
		p.disk = Range{Queue: q.id, After: q.delayed.horizon}
		p.disk.After.Lane = Delayed
	}
	return append(all, p)
}

// A browser gathers the messages for a call of Browse.
type browser struct {
	q           *queue
	skip, limit int
	found       []Browsed
	size        int
}

func (w *browser) full() bool { return len(w.found) >= w.limit || w.size >= maxBrowsed }

func (w *browser) add(e *entry) {
	switch {
	case w.full():
	case w.skip > 0:
		w.skip--
	default:
		w.size += e.msg.Size()
		w.found = append(w.found, Browsed{Message: e.msg, State: e.state(), Seq: e.number(), Visible: e.at})
	}
}

// addWhole is add with the body, which may have to be read; then the message may
// have left the queue.
func (w *browser) addWhole(ctx context.Context, e entry) error {
	if e.msg.bodiless() && w.skip == 0 && !w.full() {
		p, err := w.page(ctx, Range{Queue: w.q.id, After: e.position().before(), Messages: 1, Size: 1})
		switch {
		case err != nil:
			return err
		case len(p.Messages) == 0 || p.Messages[0].At != e.position():
			return p.Err
		}
		e.msg = p.Messages[0].Message
	}
	w.add(&e)
	return nil
}

// read adds the messages that only the Store has.
func (w *browser) read(ctx context.Context, r Range) error {
	if r.Queue == 0 {
		return nil
	}
	r.Messages, r.Size = windowMessages, windowBytes
	for !w.full() {
		p, err := w.page(ctx, r)
		if err != nil {
			return err
		}
		for _, s := range p.Messages {
			e := storedEntry(&s)
			w.add(&e)
			r.After = s.At
		}
		if p.Err != nil || p.End || len(p.Messages) == 0 {
			return p.Err
		}
	}
	return nil
}

// page waits for a page. The error is the context's.
func (w *browser) page(ctx context.Context, r Range) (Page, error) {
	pages := make(chan Page, 1)
	w.q.set.store.Read(r, func(p Page) { pages <- p })
	select {
	case <-ctx.Done():
		return Page{}, ctx.Err()
	case p := <-pages:
		return p, nil
	}
}

// Purge drops all waiting messages of a queue, the delayed ones included, and
// returns their number when they will not come back. Messages that consumers
// hold stay. Errors are ErrUnknownQueue, the context's, and the Store's.
func (b *Broker) Purge(ctx context.Context, d destination.Destination) (n int, err error) {
	q := b.queues.lookup(d.Key())
	if q == nil {
		return 0, ErrUnknownQueue
	}
	done := make(chan error, 1)
	q.mu.Lock()
	n = q.purge()
	q.flush(func(err error) { done <- err })
	q.unlock()
	b.queues.vanish(q)
	return n, await(ctx, done)
}

func await(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// purge drops the waiting messages. The lock is held.
func (q *queue) purge() int {
	before := q.count
	for _, l := range q.lanes {
		l.stop()
		q.clearBehind(&l.behind, Position{Lane: LaneOf(l.priority), Seq: l.after})
		for from := l.head(); from != nowhere; from = l.head() {
			q.discard(l.pop(from), DropPurged)
		}
	}
	s := &q.delayed
	for it := s.soon.first(); it != nil; it = s.soon.first() {
		q.discard(q.pick(it), DropPurged)
	}
	after := s.horizon
	after.Lane = Delayed
	q.clearBehind(&s.behind, after)
	s.stop()
	*s = schedule{pageReader: s.pageReader, horizon: s.left, left: s.left}
	q.debt, q.debtLater = Extent{}, Extent{}
	return before - q.count
}

// clearBehind drops the messages that only the Store has.
func (q *queue) clearBehind(behind *Extent, after Position) {
	x := *behind
	if x.Count == 0 {
		return
	}
	*behind = Extent{}
	q.count -= x.Count
	q.size -= x.Size
	q.addStored(-x.Size)
	q.set.stats.drop(DropPurged, x.Count)
	q.fit(opSize)
	q.do(Op{Kind: Clear, Queue: q.id, At: after, Count: x.Count, Size: x.Size})
}

// DeleteQueue removes a queue, or a durable subscription, with all that it
// holds, and returns how many messages that were. Errors are ErrUnknownQueue,
// ErrQueueInUse, the context's, and the Store's.
func (b *Broker) DeleteQueue(ctx context.Context, d destination.Destination) (n int, err error) {
	q := b.queues.lookup(d.Key())
	if q == nil {
		return 0, ErrUnknownQueue
	}
	done := make(chan error, 1)
	may := func() bool { n = q.count; return q.consumers == 0 && q.moving == 0 && q.taken == 0 }
	if !b.unbind(q, may, func(err error) { done <- err }) {
		return 0, ErrQueueInUse
	}
	return n, await(ctx, done)
}

// Move moves waiting messages from one queue to the end of another, at most
// limit (0: all that are there now), and returns their number. Each is in one
// of the two at any time. They keep their headers; deliveries are counted
// anew. Errors are ErrUnknownQueue, ErrQueueFull of the other queue, the
// context's and the Store's; messages that were moved before the error stay
// moved.
func (b *Broker) Move(ctx context.Context, from, to destination.Destination, limit int) (n int, err error) {
	q := b.queues.lookup(from.Key())
	if q == nil || to.Kind != destination.Queue || from.Key() == to.Key() {
		return 0, ErrUnknownQueue
	}
	q.mu.Lock()
	q.takers++
	if ready := q.count - q.held - q.delayed.count; limit <= 0 || limit > ready {
		limit = ready
	}
	q.unlock()
	for n < limit && err == nil {
		var moved int
		if moved, err = b.moveSome(ctx, q, to, limit-n); moved == 0 {
			break
		}
		n += moved
	}
	q.mu.Lock()
	q.takers--
	q.rest()
	q.unlock()
	b.queues.vanish(q)
	return n, err
}

// moveSome moves the messages in memory, or waits until there are some.
func (b *Broker) moveSome(ctx context.Context, q *queue, to destination.Destination, limit int) (int, error) {
	some, err := q.take(ctx, min(limit, windowMessages))
	if len(some) == 0 {
		return 0, err
	}
	done := make(chan error, 1)
	n, err := q.transfer(some, b.queues, to, func(err error) { done <- err })
	if n == 0 {
		return 0, err
	}
	return n, await(ctx, done)
}

// take takes messages from the head, counted by taken; none if there are none.
func (q *queue) take(ctx context.Context, limit int) (some []entry, err error) {
	for {
		q.mu.Lock()
		if err := q.failed; err != nil {
			q.mu.Unlock()
			return nil, err
		}
		for len(some) < limit {
			e, ok := q.next()
			if !ok {
				break
			}
			some = append(some, e)
		}
		q.taken += len(some)
		var page <-chan struct{}
		again := len(some) == 0 && q.tired()
		if len(some) == 0 && !again && q.reads() {
			if q.paged == nil {
				q.paged = make(chan struct{})
			}
			page = q.paged
		}
		q.unlock()
		if again {
			continue
		}
		if page == nil {
			return some, nil
		}
		select {
		case <-page:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// reads tells whether a page is on its way.
func (q *queue) reads() bool {
	return q.delayed.reading || q.reread.reading || slices.ContainsFunc(q.lanes, func(l *lane) bool { return l.reading })
}

// transfer puts taken messages into another queue, and those that do not fit
// there back. If none fits, the error is the reason; else done is called.
func (q *queue) transfer(some []entry, qs *queues, to destination.Destination, done func(error)) (n int, err error) {
	var other *queue
	for {
		other = qs.get(to)
		other.mu.Lock()
		if other.gone {
			other.mu.Unlock()
			continue
		}
		n, err = other.fits(some)
		for i := range some[:n] {
			e := &some[i]
			m := e.msg.redirected(to, e.msg.Header())
			m.arrived = qs.now()
			other.moveIn(m, e, q.id)
		}
		other.pump()
		other.flush(done)
		other.unlock()
		break
	}
	qs.stats.Moved.Add(int64(n))
	q.untake(some, n)
	qs.vanish(other) // if it was made for the messages that it refuses
	return n, err
}

// untake ends the work of take: the first n have moved, the others come back,
// or are dropped if the queue was deleted meanwhile.
func (q *queue) untake(some []entry, n int) {
	q.mu.Lock()
	defer q.unlock()
	q.taken -= len(some)
	for i := range some[:n] {
		q.went(&some[i])
	}
	for _, e := range some[n:] {
		if q.gone {
			q.discard(e, q.ending())
			continue
		}
		q.giveBack(e)
	}
	q.pump()
}

// fits tells how many of some the queue takes, and why not one more. The lock is
// held.
func (q *queue) fits(some []entry) (n int, err error) {
	for size := 0; n < len(some); n++ {
		one := some[n].msg
		size += one.Size()
		if v := q.admit(application{Extent: Extent{n + 1, size}, largest: one.Size(), keep: q.keeps(one), outOfTurn: true}); v.err != nil {
			return n, v.err
		}
	}
	return n, nil
}
