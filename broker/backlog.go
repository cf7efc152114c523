package broker

import (
	"container/heap"
	"slices"
)

// A backlog has the messages of a queue that wait: in lanes, by priority, those that
// may be delivered, and in a schedule those that wait for their time. It knows
// neither consumers nor policies, and does not read from the Store: its caller does,
// where the head is unread or lacks its body. The queue's lock guards it.
type backlog struct {
	lanes   []*lane // the highest priority first; those that were ever needed
	delayed schedule
	index   index      // of the items in piles
	reread  pageReader // for the bodies of index.stubs
}

func newBacklog() backlog { return backlog{index: index{expiries: ranking{by: byExpiry}}} }

// lane returns the lane of a priority, and makes it if there is none.
func (b *backlog) lane(priority uint8) *lane {
	i := 0
	for i < len(b.lanes) && b.lanes[i].priority > priority {
		i++
	}
	if i == len(b.lanes) || b.lanes[i].priority != priority {
		b.lanes = slices.Insert(b.lanes, i, &lane{priority: priority})
	}
	return b.lanes[i]
}

// head returns where the next message is that may be delivered: one of the highest
// priority, in order of arrival. A lane with a head that cannot be read at present
// lets the others go first.
func (b *backlog) head() (*lane, source) {
	for _, l := range b.lanes {
		if from := l.head(); from != nowhere && !(b.reread.failed && l.lacksBody(from)) {
			return l, from
		}
	}
	return nil, nowhere
}

// last returns the lane of the lowest priority with messages; nil: there is none.
func (b *backlog) last() *lane {
	for _, l := range slices.Backward(b.lanes) {
		if !l.empty() {
			return l
		}
	}
	return nil
}

// giveBack returns a message to its place by arrival. It expires then; 0: never.
func (b *backlog) giveBack(e entry, expires int64) {
	l := b.lane(e.msg.priority)
	if e.at != 0 {
		b.ripe(l).push(e, expires)
		return
	}
	if l.back == nil {
		l.back = newPile(&b.index, bySeq)
	}
	l.back.push(e, expires)
}

// ripe returns the pile of a lane's messages that are due, and makes it if there is
// none.
func (b *backlog) ripe(l *lane) *pile {
	if l.due == nil {
		l.due = newPile(&b.index, bySeq)
	}
	return l.due
}

// pick takes an item out of the pile that it is in.
func (b *backlog) pick(it *item) entry {
	if s := b.delayed.soon; s != nil && (it.home == &s.stored || it.home == &s.loose) {
		b.delayed.count--
	}
	return b.index.pick(it)
}

// restoreBodies makes stubs in piles whole. It returns the first one if the Store
// has lost it.
func (b *backlog) restoreBodies(first *item, p Page) (missing Extent) {
	for i := range p.Messages {
		s := &p.Messages[i]
		if it := b.index.stubs[s.At.Seq]; it != nil && it.position() == s.At {
			it.msg = s.Message
			delete(b.index.stubs, s.At.Seq)
		}
	}
	if p.Err != nil || b.index.stubs[first.seq] != first {
		return Extent{}
	}
	e := b.index.pick(first)
	return Extent{1, e.msg.Size()}
}

// forget leaves all that the Store keeps to the Store, to be read again. No message
// is with a consumer.
func (b *backlog) forget() {
	for _, l := range b.lanes {
		l.oldest = l.arrival()
		l.due.leave(func(e *entry) {
			b.delayed.count++
			b.delayed.behind.add(e.msg.Size())
		})
		l.forget()
	}
	b.delayed.forget()
}

// reindex recomputes when the items in piles expire, by a new policy.
func (b *backlog) reindex(expires func(*Message) int64) {
	b.index.expiries.items = nil
	for _, p := range b.piles() {
		for _, r := range []*ranking{&p.stored, &p.loose} {
			for _, it := range r.items {
				if it.expires, it.expiry = expires(it.msg), -1; it.expires != 0 {
					heap.Push(&b.index.expiries, it)
				}
			}
		}
	}
}

// piles returns all piles.
func (b *backlog) piles() (all []*pile) {
	if b.delayed.soon != nil {
		all = append(all, b.delayed.soon)
	}
	for _, l := range b.lanes {
		for _, p := range []*pile{l.due, l.back} {
			if p != nil {
				all = append(all, p)
			}
		}
	}
	return all
}

// listed returns how many messages the lists have.
func (b *backlog) listed() int {
	n := b.delayed.listed()
	for _, l := range b.lanes {
		n += l.window.len() + l.behind.Count + l.loose.len() + l.due.len() + l.back.len()
	}
	return n
}

// unread reports whether only the Store has the head of a lane, or the message that
// is due next.
func (b *backlog) unread() bool {
	return b.delayed.unread() || slices.ContainsFunc(b.lanes, func(l *lane) bool { return l.behind.Count > 0 && l.window.len() == 0 })
}

// reading reports whether a page is on its way.
func (b *backlog) reading() bool {
	return b.delayed.reading || b.reread.reading || slices.ContainsFunc(b.lanes, func(l *lane) bool { return l.reading })
}

// failed reports whether a page could not be read.
func (b *backlog) failed() bool {
	return b.delayed.failed || b.reread.failed || slices.ContainsFunc(b.lanes, func(l *lane) bool { return l.failed })
}

// due returns how many stored messages are due and not delivered. All of them are in
// memory.
func (b *backlog) due() (x Extent) {
	for _, l := range b.lanes {
		kept := l.due.kept()
		x.Count += kept.Count
		x.Size += kept.Size
	}
	return x
}

// oldest returns when the oldest message that may be delivered arrived, in ms since
// the epoch, as far as that is known.
func (b *backlog) oldest() (at int64) {
	for _, l := range b.lanes {
		at = sooner(at, l.arrival())
	}
	return at
}
