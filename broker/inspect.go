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

// OverLimits reports whether the queue holds more than its policy would let in.
func (i QueueInfo) OverLimits() bool {
	return i.Policy.over(i.Ready+i.Unacked+i.Delayed, i.Bytes)
}

func (q *queue) info() QueueInfo {
	i := QueueInfo{Destination: q.dest, Topic: q.topic, Owner: q.maker, Depth: q.depth()}
	q.mu.Lock()
	defer q.mu.Unlock()
	i.Flow = q.flow
	i.Durable, i.Bytes, i.Consumers, i.Abandoned, i.Policy = q.described, q.size, q.consumers, q.abandoned, *q.policy
	i.Oldest = q.backlog.oldest()
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
	for _, l := range q.backlog.lanes {
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
	p := part{memory: q.backlog.delayed.soon.sorted()}
	if q.backlog.delayed.behind.Count > 0 {
		p.disk = Range{Queue: q.id, After: q.backlog.delayed.horizon}
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
