package broker

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"hoofbeat/destination"
)

// This file bounds the bytes that the Store keeps for one user, by
// Quotas.StoredPerUser. They are charged to the owner of the queue, not to
// the sender: so a restart knows them from the sizes of queues, without
// reading a message.
//
// A SEND to a queue is refused if it would exceed the quota. A durable
// subscription goes without the message instead, or a subscriber could stop
// its topic. Steps that make room, dead letters, and moves by operators are
// never refused.

// holdings are the queues of a user. The registry's lock guards the
// headcount. They exist while it counts anything.
type holdings struct {
	headcount
	stored atomic.Int64 // as the queues have reported
	// missed are the messages that durable subscriptions went without since that
	// was last logged, which was at logged, in ms since the epoch.
	missed, logged atomic.Int64
}

// storedChunk is the allowed difference between the stored bytes of a queue
// and those that it has reported to the owner's holdings, so that no message
// has to touch a counter that all queues of a user share. The quota is exact
// to that, and one message, for each queue.
const storedChunk = 64 << 10

// belong makes a queue one of a user's, which nobody may know yet, or not know
// as such. The registry's lock is held.
func (q *queue) belong(h *holdings) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.holdings = h
	q.settleStored()
}

// addStored counts bytes that have come into the Store, or left it. The lock
// is held.
func (q *queue) addStored(n int) {
	q.stored += n
	if d := q.stored - q.told; d >= storedChunk || d <= -storedChunk {
		q.settleStored()
	}
}

// settleStored tells the owner's holdings exactly. The lock is held.
func (q *queue) settleStored() {
	if q.holdings != nil && q.stored != q.told {
		q.holdings.stored.Add(int64(q.stored - q.told))
		q.told = q.stored
	}
}

// exceeds reports whether n more bytes are above the owner's quota. The lock is held.
func (q *queue) exceeds(n int) bool {
	most := q.set.storedPerUser.Load()
	return most > 0 && q.holdings != nil && q.holdings.stored.Load()+int64(q.stored-q.told+n) > most
}

// lacks reports whether the owner has no room for a message that the Store is to keep.
// The lock is held.
func (q *queue) lacks(m *Message) bool { return q.exceeds(m.Size()) && q.keeps(m) }

// A StoredError refuses a message for a queue whose owner is at
// Quotas.StoredPerUser.
type StoredError struct {
	Queue destination.Destination
	Limit int
}

// Error implements error.
func (e *StoredError) Error() string {
	return fmt.Sprintf("the owner of %s may have %d bytes stored", e.Queue, e.Limit)
}

func (q *queue) storedError() error {
	return &StoredError{Queue: q.dest, Limit: int(q.set.storedPerUser.Load())}
}

// passOver counts messages that a durable subscription goes without, as its owner
// has no room, and logs it once a minute for each owner. The lock is held.
func (q *queue) passOver(n int) {
	for range n {
		q.countEnqueued()
	}
	q.set.stats.drop(DropQuota, n)
	h := q.holdings
	h.missed.Add(int64(n))
	now, last := q.set.now(), h.logged.Load()
	if since := now - last; last != 0 && since >= 0 && since < time.Minute.Milliseconds() || !h.logged.CompareAndSwap(last, now) {
		return
	}
	q.set.log.Warn("durable subscriptions of a user miss messages: as much is stored for the user as limits.stored_bytes_per_user allows",
		"user", q.maker, "subscription", q.dest.String(), "messages", h.missed.Swap(0))
}

// within returns those of the durable subscriptions, which are locked, whose
// owners have room for a message.
func (qs *queues) within(queues []*queue, m *Message) []*queue {
	if !slices.ContainsFunc(queues, func(q *queue) bool { return q.exceeds(len(queues) * m.Size()) }) {
		return queues
	}
	s := spending{}
	takers := make([]*queue, 0, len(queues))
	for _, q := range queues {
		if q.gone || !q.keeps(m) || s.affords(q, m.Size()) {
			takers = append(takers, q)
		}
	}
	return takers
}

// passOthers counts a message in those of the locked queues, all in one order,
// that are no takers.
func passOthers(queues, takers []*queue) {
	for _, q := range queues {
		if len(takers) > 0 && takers[0] == q {
			takers = takers[1:]
			continue
		}
		q.passOver(1)
	}
}

// spending has the bytes that a step is going to add for each user. The
// queues of the step are locked.
type spending map[*holdings]int

// add adds bytes that need no permission.
func (s spending) add(q *queue, n int) {
	if q.holdings != nil && !q.gone {
		s[q.holdings] += n
	}
}

// over reports whether the sum is above the quota of the queue's owner. A
// step that frees as much as it adds is not.
func (s spending) over(q *queue) bool {
	q.settleStored()
	return s[q.holdings] > 0 && q.exceeds(s[q.holdings])
}

// affords adds n bytes for the queue if that is within the quota of its owner.
func (s spending) affords(q *queue, n int) bool {
	if s.add(q, n); !s.over(q) {
		return true
	}
	s.add(q, -n)
	return false
}

// spend asks whether the owners of queues have room for the messages of a
// transaction. It removes durable subscriptions whose owners have none from
// the targets. The error is a StoredError, and nothing has changed then.
func (c *commitment) spend() error {
	most := 0
	for i, m := range c.t.messages {
		most += len(c.targets[i]) * m.Size()
	}
	if most == 0 || !slices.ContainsFunc(c.locked, func(q *queue) bool { return q.exceeds(most) }) {
		return nil
	}
	kept, s := c.kept(), c.freed()
	for _, q := range c.locked {
		if q.dest.Kind == destination.Queue {
			s.add(q, kept[q])
		}
	}
	for _, q := range c.locked {
		switch {
		case kept[q] == 0 || q.gone:
		case q.dest.Kind == destination.Queue && s.over(q):
			return q.storedError()
		case q.dest.Kind == destination.Durable && !s.affords(q, kept[q]):
			c.leaveOut(q)
		}
	}
	return nil
}

// kept is how many bytes the Store is to keep in each queue.
func (c *commitment) kept() map[*queue]int {
	kept := make(map[*queue]int)
	for i, m := range c.t.messages {
		for _, q := range c.targets[i] {
			if q.keeps(m) {
				kept[q] += m.Size()
			}
		}
	}
	return kept
}

// freed returns the bytes that the transaction takes out of the Store by
// acknowledging messages.
func (c *commitment) freed() spending {
	s := spending{}
	for _, cl := range c.t.claims {
		if cl.how == acknowledged {
			s.add(cl.consumer.q, -cl.consumer.claimedStored(cl))
		}
	}
	return s
}

// claimedStored is how many bytes of a claim the Store keeps. The lock is held.
func (c *consumer) claimedStored(cl claim) (n int) {
	for _, tag := range cl.tags {
		if d := c.held.of(tag); d.stored() {
			n += d.msg.Size()
		}
	}
	return n
}

// leaveOut makes a durable subscription miss a message that the Store would
// keep.
func (c *commitment) leaveOut(q *queue) {
	for i, m := range c.t.messages {
		if at := slices.Index(c.targets[i], q); at >= 0 && q.keeps(m) {
			c.targets[i] = slices.Concat(c.targets[i][:at], c.targets[i][at+1:]) // a route has the old one
			c.missed = append(c.missed, q)
		}
	}
}
