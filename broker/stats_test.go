package broker

import "testing"

// checkBooks checks that the counters of a Broker at rest add up. Every test's
// are checked at its end, and the model's after each step.
func checkBooks(tb testing.TB, b *Broker) {
	tb.Helper()
	var hold Depth
	groups, dying := b.Survey().Groups, 0
	for _, g := range groups {
		hold.add(g.Depth)
	}
	for _, q := range b.queues.all() {
		q.mu.Lock()
		dying += q.moving
		q.mu.Unlock()
	}
	s := b.Stats()
	f := s.Flow()
	in := s.Restored.Load() + f.Enqueued
	out := f.Acked + s.DeadLettered.Load() + s.Moved.Load() + s.Dropped.Load() + int64(hold.Ready+hold.Unacked+hold.Delayed+dying)
	if in != out {
		tb.Errorf("%d messages were restored and %d enqueued, but %d acked, %d moved to dead letter queues, %d moved, %d dropped, %d are dying, and queues hold %+v",
			s.Restored.Load(), f.Enqueued, f.Acked, s.DeadLettered.Load(), s.Moved.Load(), s.Dropped.Load(), dying, hold)
	}
	settled := f.Acked + s.Rejected.Load() + s.Requeued.Load() + int64(hold.Unacked)
	if d := f.Delivered; d != settled {
		tb.Errorf("%d deliveries, but %d acked, %d rejected, %d requeued and %d with consumers", d, f.Acked, s.Rejected.Load(), s.Requeued.Load(), hold.Unacked)
	}
	dropped, dead := int64(0), s.Rejected.Load()+s.Exhausted.Load()+s.Expired.Load()+s.Overflowed.Load()
	for _, r := range DropReasons() {
		n := s.DroppedFor(r)
		dropped += n
		if r <= DropOverflow {
			dead -= n
		}
	}
	if d := s.Dropped.Load(); d != dropped {
		tb.Errorf("%d dropped, but %d by reason", d, dropped)
	}
	if dead != s.DeadLettered.Load()+int64(dying) {
		tb.Errorf("%d of the dead were not dropped, but %d moved to dead letter queues", dead, s.DeadLettered.Load())
	}
}
