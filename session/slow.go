package session

import "time"

// A SlowPolicy decides about messages of topics when more waits to be written
// to a client than Limits.Outbound allows. Queues keep their messages until
// there is room. A client that does not even take RECEIPTs is always
// disconnected.
type SlowPolicy uint8

// The policies there are.
const (
	Disconnect SlowPolicy = iota // with ERROR slow-consumer
	DropNewest                   // the message that finds no room
	DropOldest                   // those that have waited longest
)

// topicLimit is the part of the outbox for messages of topics. If they are
// dropped, they leave room for RECEIPTs, so that a client that is only slow
// goes on.
func (o *outbox) topicLimit() int {
	if o.slow == Disconnect {
		return o.limit
	}
	return o.limit - o.limit/4
}

// full tells whether there is no room for a topic's message of that size. One
// that takes more than half of the limit is let in while less than half is
// taken: a body may be longer than the limit, and nobody is slow for that.
func (o *outbox) full(size int) bool {
	limit := o.topicLimit()
	if size > limit/2 {
		return o.waiting() > limit/2
	}
	return o.waiting()+size > limit+o.large
}

// waiting is how much of the limit is taken. The lock is held.
func (o *outbox) waiting() int { return o.bytes - o.aside }

// overflow is the slow-consumer policy: it makes room for a topic's message of
// that size, or returns false if it is to be dropped. The lock is held.
func (o *outbox) overflow(size int) bool {
	switch o.slow {
	case DropNewest:
		o.drop(1)
		return false
	case DropOldest:
		return o.dropOldest(size)
	}
	o.endSlow(o.slowFault())
	o.counts.lost.Add(1)
	return false
}

// drop counts messages for which there is no room. The lock is held.
func (o *outbox) drop(n int64) {
	o.dropped += n
	o.counts.dropped.Add(n)
}

// dropOldest drops messages of topics, the oldest first, and reports whether
// there is room then. It frees a quarter of the limit at a time: one message
// at a time would move the whole queue for each, on the publisher's time. It
// cannot drop messages that the writer has taken.
func (o *outbox) dropOldest(size int) bool {
	target := o.topicLimit() - o.limit/4
	kept, dropped := o.items[:0], int64(0)
	for _, it := range o.items {
		if o.waiting()+size > target && it.msg != nil && it.tag == 0 {
			o.bytes -= it.msg.Size()
			o.charge(-it.msg.Share())
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

// slowFault is the fault for a client that does not read.
func (o *outbox) slowFault() *Fault {
	return fault(SlowConsumer, "More than %d bytes wait to be written to this connection (limits.outbound_bytes_per_connection; see limits.slow_consumer). "+
		"Read faster, subscribe to less, or use a queue with prefetch-count.", o.limit)
}

// endSlow disconnects a client that does not read, with little patience: its
// socket is full already. The lock is held.
func (o *outbox) endSlow(f *Fault) {
	o.drain(errorFrame(f, 0), f.closeCode(), f.Word, slowPatience, true)
	o.onEnd(f)
	if !o.writing && !o.held {
		o.writing = true
		go o.write()
	}
}

// slowPatience is how long a slow consumer has to take the ERROR that ends
// its session.
const slowPatience = 2 * time.Second
