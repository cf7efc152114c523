package session

import (
	"sync/atomic"
	"time"

	"hoofbeat/internal/memory"
)

// This file keeps a session within limits.memory_per_connection and limits.memory.
// Where the client can wait, reading pauses; elsewhere it gets an ERROR.

// EndForMemory implements memory.Holder.
func (s *Session) EndForMemory() {
	s.options.Log.Warn("a connection is ended because it holds most of the memory (limits.memory)",
		"session", s.id, "user", s.user(), "remote", s.info.Remote, "bytes", s.account.Used())
	s.End(fault(OutOfMemory, "The broker has nearly used up its memory (limits.memory) for %v, and this connection holds most of it: %d bytes. "+
		"Connect again later; acknowledge sooner, subscribe to less, send less at a time.", memory.GracePeriod, s.account.Used()))
}

// MemoryRelieved implements memory.Holder.
func (s *Session) MemoryRelieved() { s.account.Feed() }

// endFull ends the session because it has no memory for its messages.
func (s *Session) endFull() {
	f, ok := asFault(s.afford(1))
	if !ok {
		f = fault(OutOfMemory, "The broker has nearly used up its memory (limits.memory), and this connection holds more than its share of it: %d bytes. "+
			"Connect again later; acknowledge sooner, or subscribe to less.", s.account.Used())
	}
	s.End(f)
}

// afford returns a fault if n more bytes exceed the limit, for things that waiting
// does not free.
func (s *Session) afford(n int) error {
	if !s.account.Over(n) {
		return nil
	}
	return fault(OutOfMemory, "The connection makes the broker hold more than %d bytes (limits.memory_per_connection): "+
		"ids and destinations of subscriptions, open transactions, temporary queues, messages that wait for it or that it has not acknowledged.", s.account.Limit())
}

// awaitMemory waits while the process is nearly out of memory and this session
// holds more than its share, before it takes a SEND. A client that has
// messages to acknowledge is read all the same: its ACKs free memory.
func (s *Session) awaitMemory() {
	for first := true; ; first = false {
		relief := s.options.Memory.Relief()
		s.flight.trim(s.underWay())
		if !s.account.Pressed() || s.pending() > 0 || s.out.Ending.HasRung() {
			return
		}
		if first {
			s.options.Memory.Pause()
		}
		s.waitAwhile(relief)
	}
}

// lookAgain is the time after which a waiting client checks again whether it
// still has to wait: its memory may have shrunk.
const lookAgain = time.Second

// waitAwhile waits for c, at most for lookAgain.
func (s *Session) waitAwhile(c <-chan struct{}) {
	t := time.NewTimer(lookAgain)
	defer t.Stop()
	s.whileReadsPaused(func() {
		select {
		case <-c:
		case <-t.C:
		case <-s.out.Ending.Channel():
		}
	})
}

// Partial charges the session for the n bytes of an incomplete frame that the
// transport holds. The transport's reader calls it before it reads more.
func (s *Session) Partial(n int) {
	if s.partial == n {
		return
	}
	s.account.Add(n - s.partial)
	if s.partial = n; n > 0 && s.account.Pressed() {
		s.awaitMemory()
	}
}

// Hold charges the session with n bytes more that the transport holds beside a
// frame that is being read, or takes them off. It may be called from any
// goroutine, and leaves nothing behind when the connection is closed.
func (s *Session) Hold(n int) { s.account.Add(n) }

// A flight counts the frames that the broker has not finished: SENDs, ACKs and COMMITs
// that wait for the disk. They finish roughly in order, so their number tells how many
// bytes are left. They are charged to the account in segments.
type flight struct {
	account *memory.Account
	segs    []segment // the oldest first
	last    segment   // the newest, not charged yet
	sum     segment   // of segs
	// charged is the number of bytes on the account; any goroutine may write
	// it.
	charged atomic.Int64
}

type segment struct{ count, bytes int }

// segmentBytes is how much is charged at a time.
const segmentBytes = 64 << 10

func (f *flight) add(size int) {
	f.last.count++
	f.last.bytes += size
	if f.last.bytes < segmentBytes {
		return
	}
	f.segs = append(f.segs, f.last)
	f.sum.count += f.last.count
	f.sum.bytes += f.last.bytes
	f.charged.Add(int64(f.last.bytes))
	f.account.Add(f.last.bytes)
	f.last = segment{}
}

// trim forgets finished frames; left is the number of the others.
func (f *flight) trim(left int) {
	done, bytes := 0, 0
	for done < len(f.segs) && f.sum.count+f.last.count-f.segs[done].count >= left {
		bytes += f.segs[done].bytes
		f.sum.count -= f.segs[done].count
		done++
	}
	if left == 0 {
		f.last = segment{}
	}
	if done == 0 {
		return
	}
	f.sum.bytes -= bytes
	f.release(int64(bytes))
	if f.segs = append(f.segs[:0], f.segs[done:]...); len(f.segs) == 0 {
		f.segs = nil
	}
}

// release takes finished bytes off the account, unless land has done so.
func (f *flight) release(n int64) {
	for {
		charged := f.charged.Load()
		n = min(n, charged)
		if f.charged.CompareAndSwap(charged, charged-n) {
			f.account.Add(-int(n))
			return
		}
	}
}

// land takes all bytes off the account when nothing is under way any more.
// Any goroutine may call it, as the reader may have nothing to read for long.
// If the reader adds bytes at that moment, the account may be off by a
// segment.
func (f *flight) land() {
	if f.charged.Load() > 0 {
		f.account.Add(-int(f.charged.Swap(0)))
	}
}

// newest returns how many of the newest frames take at most so many bytes.
func (f *flight) newest(bytes int) int {
	n := f.last.count
	bytes -= f.last.bytes
	for i := len(f.segs) - 1; i >= 0 && f.segs[i].bytes <= bytes; i-- {
		n += f.segs[i].count
		bytes -= f.segs[i].bytes
	}
	return n
}

// flightPart is which part of limits.memory_per_connection may wait for the
// disk.
const flightPart = 4

// frameOverhead is the cost of a frame that waits for the disk, beside its
// message and its receipt.
const frameOverhead = 64

// receiptSize is the memory of a requested receipt until it is sent.
func receiptSize(receipt string) int {
	if receipt == "" {
		return 0
	}
	return len(receipt) + frameOverhead
}

// begun counts one frame of so many bytes that the broker is given next. While
// too much waits for the disk, it waits.
func (s *Session) begun(size int) {
	f := &s.flight
	if f.sum.bytes > 0 && f.last.count == 0 { // once for each segment
		if f.trim(s.underWay()); f.sum.bytes >= s.mayFly() {
			s.awaitLanding()
		}
	}
	if s.life.unfinished.Add(1) == 2 { // beside the session itself it is the only one
		f.trim(0)
	}
	f.add(size + frameOverhead)
}

// underWay returns the number of unfinished frames.
func (s *Session) underWay() int { return max(0, int(s.life.unfinished.Load())-1) }

// mayFly returns how many bytes may wait for the disk.
func (s *Session) mayFly() int {
	limit := s.account.Limit() / flightPart
	switch {
	case s.account.Pressed():
		return segmentBytes
	case limit == 0:
		return int(^uint(0) >> 1)
	}
	return limit
}

// awaitLanding waits until the frames that wait for the disk take half of the
// allowed bytes.
func (s *Session) awaitLanding() {
	if s.landed == nil {
		s.landed = make(chan struct{}, 1)
	}
	left := int64(s.flight.newest(s.mayFly()/2)) + 1 // with the session itself
	s.wakeAt.Store(left)
	for s.life.unfinished.Load() > left && !s.out.Ending.HasRung() {
		s.whileReadsPaused(func() {
			select {
			case <-s.landed:
			case <-s.out.Ending.Channel():
			}
		})
	}
	s.wakeAt.Store(0)
	s.flight.trim(s.underWay())
}

// endMemory clears the account when the session has ended.
func (s *Session) endMemory() {
	s.Partial(0)
	s.flight.trim(0)
	s.account.Close()
	s.options.Memory.LeaveUser(s.senderAccount)
}
