package outbox

import (
	"hoofbeat/frames"
	"time"
	"unicode/utf8"
)

// This file is the outbox's writer: the goroutine that exists while there is
// something to write.

// write is the writer: it takes all that is queued at a time, and flushes
// when nothing is left.
func (o *Outbox) write() {
	buf := takeBuffer()
	var batch []Item
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
func (o *Outbox) writeAndSettle(buf *[]byte, batch []Item) (done load, ok bool) {
	o.busy <- struct{}{}
	defer func() { <-o.busy }()
	done, err := o.writeBatch(buf, batch)
	if err != nil {
		o.loseAll(batch)
		return done, false
	}
	settle(batch)
	o.options.Account.Feed()
	return done, true
}

// A load is the size of a batch: bytes of the outbox's limit, and its share
// of the account.
type load struct{ bytes, share int }

// next returns the next batch, in exchange for the last one, whose bytes are
// no longer queued. If there is nothing to do it returns false, and the
// writer must end.
func (o *Outbox) next(last []Item, done load) ([]Item, bool) {
	clear(last)
	o.mu.Lock()
	o.bytes -= done.bytes
	o.charge(-done.share)
	o.aside = 0
	if o.bytes <= o.options.Limit/2 {
		o.large = 0
	}
	if len(o.refused) > 0 && o.state == open && !o.held && o.bytes <= o.options.Limit/4 {
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
	var spare []Item
	if len(o.items) == 0 {
		spare, o.items = o.items, nil
	}
	o.writing = false
	o.mu.Unlock()
	giveItems(spare)
	return last, false
}

// resumeUnlocked tells the queues that were refused that there is credit again; they
// deliver at once, so the lock is not held meanwhile.
func (o *Outbox) resumeUnlocked() {
	subs := o.refused
	o.refused = nil
	for _, s := range subs {
		s.refused = false
	}
	o.mu.Unlock()
	for _, s := range subs {
		s.Resume()
	}
	o.mu.Lock()
}

// written is what a batch adds to the sums: topics are messages without a tag, and lost
// those of them whose subscription had ended.
type written struct {
	Stats
	topics, lost int64
}

// writeBatch encodes, writes and flushes a batch. It returns the size of the
// batch.
func (o *Outbox) writeBatch(buf *[]byte, batch []Item) (size load, err error) {
	var w written
	for i := range batch {
		it := &batch[i]
		frame, tail, text := it.control, (*frames.Tail)(nil), true
		if it.Message != nil {
			size.bytes += it.Message.Size()
			*buf, tail, text = o.options.Host.Encode((*buf)[:0], it)
			frame = *buf
			w.Messages++
			if it.Tag == 0 {
				w.topics++
				size.share += it.Message.Share()
			}
		} else {
			size.bytes += len(it.control) + controlOverhead
			size.share += len(it.control) + controlOverhead
			text = utf8.Valid(frame)
		}
		if len(frame) == 0 {
			if it.Message != nil && it.Tag == 0 {
				w.topics--
				w.lost++
			} else if it.Tag != 0 { // its subscription has ended: it was not written, and goes back
				it.Tag, it.Message = 0, nil
			}
			continue
		}
		w.Frames++
		w.Bytes += int64(len(frame) + tail.Len())
		if err := o.options.Conn.WriteFrame(frame, tail, text); err != nil {
			return size, err
		}
	}
	if err := o.options.Conn.Flush(); err != nil {
		return size, err
	}
	o.count(w.Stats)
	if o.options.Traced {
		o.options.Host.Trace(batch)
	}
	if w.topics > 0 {
		o.options.Counts.Written.Add(w.topics)
	}
	if w.lost > 0 {
		o.options.Counts.Lost.Add(w.lost)
	}
	return size, nil
}

func (o *Outbox) count(w Stats) {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lastOut = now
	o.stats.Frames += w.Frames
	o.stats.Messages += w.Messages
	o.stats.Bytes += w.Bytes
}

// settle acknowledges messages that were written to subscriptions in mode
// auto.
func settle(batch []Item) {
	for i := range batch {
		it := &batch[i]
		if it.Tag == 0 || i+1 < len(batch) && batch[i+1].From == it.From && batch[i+1].Tag != 0 {
			continue // the last of several in a row stands for all
		}
		it.From.Written(it.Tag)
	}
}
