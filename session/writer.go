package session

import (
	"hoofbeat/frames"
	"time"
	"unicode/utf8"
)

// This file is the outbox's writer: the goroutine that exists while there is
// something to write.

// write is the writer: it takes all that is queued at a time, and flushes
// when nothing is left.
func (o *outbox) write() {
	buf := takeBuffer()
	var batch []item
	var done load
	for {
		var more bool
		batch, more = o.next(batch, done)
		if !more {
			break
		}
		if done, more = o.writeAndSettle(buf, batch); !more {
			o.fail()
			break
		}
	}
	clear(batch)
	giveItems(batch)
	giveBuffer(buf)
}

// writeAndSettle writes a batch and acknowledges its messages in mode auto.
// To others it is one step: a client that has read a message and leaves at
// once must not find it in its queue again.
func (o *outbox) writeAndSettle(buf *[]byte, batch []item) (done load, ok bool) {
	o.busy <- struct{}{}
	defer func() { <-o.busy }()
	done, err := o.writeBatch(buf, batch)
	if err != nil {
		o.loseAll(batch)
		return done, false
	}
	settle(batch)
	o.account.Feed()
	return done, true
}

// A load is the size of a batch: bytes of the outbox's limit, and its share
// of the account.
type load struct{ bytes, share int }

// next returns the next batch, in exchange for the last one, whose bytes are
// no longer queued. If there is nothing to do it returns false, and the
// writer must end.
func (o *outbox) next(last []item, done load) ([]item, bool) {
	clear(last)
	o.mu.Lock()
	o.bytes -= done.bytes
	o.charge(-done.share)
	o.aside = 0
	if o.bytes <= o.limit/2 {
		o.large = 0
	}
	if len(o.refused) > 0 && o.state == open && !o.held && o.bytes <= o.limit/4 {
		o.resumeUnlocked()
	}
	switch {
	case len(o.items) > 0 && !o.held:
		batch := o.items
		if last == nil {
			last = takeItems()
		}
		o.items = last[:0]
		if o.large > 0 {
			o.large, o.aside = 0, o.bytes
		}
		o.batches++
		o.mu.Unlock()
		return batch, true
	case len(o.items) == 0 && o.state == draining:
		o.finishAndUnlock()
		return last, false
	}
	var spare []item
	if len(o.items) == 0 {
		spare, o.items = o.items, nil
	}
	o.writing = false
	o.mu.Unlock()
	giveItems(spare)
	return last, false
}

// resumeUnlocked tells the queues that were refused that there is room; they
// deliver at once, so the lock is not held meanwhile.
func (o *outbox) resumeUnlocked() {
	subs := o.refused
	o.refused = nil
	for _, s := range subs {
		s.refused = false
	}
	o.mu.Unlock()
	for _, s := range subs {
		s.resume()
	}
	o.mu.Lock()
}

// writeBatch encodes, writes and flushes a batch. It returns the size of the
// batch.
func (o *outbox) writeBatch(buf *[]byte, batch []item) (size load, err error) {
	var w written
	for i := range batch {
		it := &batch[i]
		frame, tail, text := it.control, (*frames.Tail)(nil), true
		if it.msg != nil {
			size.bytes += it.msg.Size()
			*buf, tail, text = o.encode((*buf)[:0], it)
			frame = *buf
			w.messages++
			if it.tag == 0 {
				w.topics++
				size.share += it.msg.Share()
			}
		} else {
			size.bytes += len(it.control) + controlOverhead
			size.share += len(it.control) + controlOverhead
			text = utf8.Valid(frame)
		}
		if len(frame) == 0 {
			if it.msg != nil && it.tag == 0 {
				w.topics--
				w.lost++
			} else if it.tag != 0 { // its subscription has ended: it was not written, and goes back
				it.tag, it.msg = 0, nil
			}
			continue
		}
		w.frames++
		w.bytes += int64(len(frame) + tail.Len())
		if err := o.conn.WriteFrame(frame, tail, text); err != nil {
			return size, err
		}
	}
	if err := o.conn.Flush(); err != nil {
		return size, err
	}
	o.count(w)
	if o.tracer != nil {
		o.trace(batch)
	}
	if w.topics > 0 {
		o.counts.written.Add(w.topics)
	}
	if w.lost > 0 {
		o.counts.lost.Add(w.lost)
	}
	return size, nil
}

func (o *outbox) count(w written) {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lastOut = now
	o.stats.frames += w.frames
	o.stats.messages += w.messages
	o.stats.bytes += w.bytes
}

// settle acknowledges messages that were written to subscriptions in mode
// auto.
func settle(batch []item) {
	for i := range batch {
		it := &batch[i]
		if it.tag == 0 || i+1 < len(batch) && batch[i+1].sub == it.sub && batch[i+1].tag != 0 {
			continue // the last of several in a row stands for all
		}
		it.sub.written(it.tag)
	}
}
