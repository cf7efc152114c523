package outbox

import "time"

// A Policy decides about messages of topics when more waits to be written to a client
// than the limit allows. Queues keep their messages until there is room. A client that
// does not even take RECEIPTs is always disconnected.
type Policy uint8

// The policies there are.
const (
	Disconnect Policy = iota // with ERROR slow-consumer
	DropNewest               // the message that finds no room
	DropOldest               // those that have waited longest
)

// topicLimit is the part of the outbox for messages of topics. If they are
// dropped, they leave room for RECEIPTs, so that a client that is only slow
// goes on.
func (o *Outbox) topicLimit() int {
	if o.options.Slow == Disconnect {
		return o.options.Limit
	}
	return o.options.Limit - o.options.Limit/4
}

// full reports whether there is no room for a topic's message of that size. One that
// takes more than half of the limit is let in while less than half is taken: a body
// may be longer than the limit, and nobody is slow for that.
func (o *Outbox) full(size int) bool {
	limit := o.topicLimit()
	if size > limit/2 {
		return o.waiting() > limit/2
	}
	return o.waiting()+size > limit+o.large
}

// waiting is how much of the limit is taken. The lock is held.
func (o *Outbox) waiting() int { return o.bytes - o.aside }

// overflow is the slow-consumer policy: it makes room for a topic's message of
// that size, or returns false if it is to be dropped. The lock is held.
func (o *Outbox) overflow(size int) bool {
	switch o.options.Slow {
	case DropNewest:
		o.drop(1)
		return false
	case DropOldest:
		return o.dropOldest(size)
	}
	o.endSlow(o.options.Host.Overrun())
	o.options.Counts.Lost.Add(1)
	return false
}

// drop counts messages for which there is no room. The lock is held.
func (o *Outbox) drop(n int64) {
	o.stats.Dropped += n
	o.options.Counts.Dropped.Add(n)
}

// dropOldest drops messages of topics, the oldest first, and reports whether
// there is room then. It frees a quarter of the limit at a time: one message
// at a time would move the whole queue for each, on the publisher's time. It
// cannot drop messages that the writer has taken.
func (o *Outbox) dropOldest(size int) bool {
	target := o.topicLimit() - o.options.Limit/4
	kept, dropped := o.items[:0], int64(0)
	for _, it := range o.items {
		if o.waiting()+size > target && it.Message != nil && it.Tag == 0 {
			o.bytes -= it.Message.Size()
			o.charge(-it.Message.Share())
			dropped++
			continue
		}
		kept = append(kept, it)
	}
	clear(o.items[len(kept):])
	o.items = kept
	o.drop(dropped)
	if o.full(size) {
		o.drop(1)
		return false
	}
	return true
}

// Overrun ends the session because the backlog of a subscription is full. end is
// called unless the session is at its end already; refused says that the outbox had no
// room for the subscription's messages.
func (o *Outbox) Overrun(from *Source, end func(refused bool) Ending) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state == open {
		o.endSlow(end(from.refused))
	}
}

// endSlow disconnects a client that does not read, within a short time: its
// socket is full already. The lock is held.
func (o *Outbox) endSlow(e Ending) {
	e.Timeout, e.Discard = slowTimeout, true
	o.drain(e)
	if !o.writing && !o.held {
		o.writing = true
		go o.write()
	}
}

// slowTimeout is how long a slow consumer has to take the ERROR that ends
// its session.
const slowTimeout = 2 * time.Second
