package broker

import (
	"errors"
	"sync/atomic"
)

// Stats counts since the start. Each counter may be read at any time.
//
// When nothing is under way, they add up. All messages that queues were given
// went somewhere:
//
//	Restored + Enqueued = Acked + DeadLettered + Moved + Dropped + messages in queues
//	Delivered = Acked + Rejected + Requeued + messages with consumers
type Stats struct {
	shards [counterShards]counters
	turn   atomic.Uint32 // the counters of the next Publisher

	Refused atomic.Int64 // messages that were refused: a queue was full, or its store failed
	// Unstorable are those of Refused that the store could not have kept.
	Unstorable atomic.Int64

	Restored     atomic.Int64 // messages that the store had at the start
	Nacked       atomic.Int64 // deliveries that a consumer refused
	Requeued     atomic.Int64 // deliveries given back to their queue, or dead for having failed too often
	Rejected     atomic.Int64 // dead: rejected by a consumer
	Exhausted    atomic.Int64 // dead: failed too often
	Expired      atomic.Int64 // dead: too old
	Overflowed   atomic.Int64 // dead: made room for others
	DeadLettered atomic.Int64 // of the dead: moved to a dead letter queue
	Moved        atomic.Int64 // moved to another queue by an operator
	Dropped      atomic.Int64 // gone, for whatever reason; see DroppedFor
	Unroutable   atomic.Int64 // to a reply destination that is gone
	ReadErrors   atomic.Int64 // of the store
	// Faults is how many queues were found with a count that disagrees with
	// their lists, which is a fault of the broker.
	Faults atomic.Int64

	// Subscriptions is how many there are.
	Subscriptions atomic.Int64

	dropped [len(dropReasons)]atomic.Int64
}

// A DropReason is why a message is gone that nobody has consumed.
type DropReason uint8

// The reasons for drops. The first four are those of dead messages without a
// dead letter queue.
const (
	DropRejected DropReason = iota
	DropMaxDeliveries
	DropExpired
	DropOverflow
	DropNoRoom  // in a queue that a connection owns
	DropPurged  // by an operator
	DropDeleted // with their queue or durable subscription
	DropEnded   // with the connection or subscription that owned their queue
	DropMissing // from the store
	DropQuota   // for a durable subscription of a user at the quota of stored bytes
)

var dropReasons = [...]string{
	string(reasonRejected), string(reasonMaxDeliveries), string(reasonExpired), string(reasonOverflow),
	"no-room", "purged", "deleted", "ended", "missing", "stored-quota",
}

// DropReasons are all there are.
func DropReasons() []DropReason {
	all := make([]DropReason, len(dropReasons))
	for i := range all {
		all[i] = DropReason(i)
	}
	return all
}

// String is one dashed word.
func (r DropReason) String() string { return dropReasons[r] }

// DroppedFor is how many messages were dropped for a reason.
func (s *Stats) DroppedFor(r DropReason) int64 { return s.dropped[r].Load() }

func (s *Stats) drop(why DropReason, n int) {
	if n > 0 {
		s.Dropped.Add(int64(n))
		s.dropped[why].Add(int64(n))
	}
}

// dropDead counts one of the dead that has no dead letter queue.
func (s *Stats) dropDead(why reason) {
	switch why {
	case reasonRejected:
		s.drop(DropRejected, 1)
	case reasonMaxDeliveries:
		s.drop(DropMaxDeliveries, 1)
	case reasonExpired:
		s.drop(DropExpired, 1)
	case reasonOverflow:
		s.drop(DropOverflow, 1)
	}
}

func (s *Stats) died(why reason) {
	switch why {
	case reasonRejected:
		s.Rejected.Add(1)
	case reasonMaxDeliveries:
		s.Exhausted.Add(1)
	case reasonExpired:
		s.Expired.Add(1)
	case reasonOverflow:
		s.Overflowed.Add(1)
	}
}

// refused counts messages that nobody took, for one reason.
func (s *Stats) refused(n int, err error) {
	s.Refused.Add(int64(n))
	quota, stored := (*QuotaError)(nil), (*StoredError)(nil)
	if !errors.Is(err, ErrQueueFull) && !errors.Is(err, ErrNoMemory) && !errors.As(err, &quota) && !errors.As(err, &stored) {
		s.Unstorable.Add(int64(n))
	}
}
