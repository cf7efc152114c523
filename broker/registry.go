package broker

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"hoofbeat/destination"
	"hoofbeat/internal/memory"
	"hoofbeat/internal/timers"
)

// queues is the registry of the queues that clients share or that a
// connection owns, with the fields that all queues have in common. A shared
// queue exists while it holds a message or has a consumer.
type queues struct {
	store    Store // nil: nothing is kept
	stats    *Stats
	timers   *timers.Queue
	clock    func() time.Time
	log      *slog.Logger
	policies atomic.Pointer[Policies]
	ids      atomic.Uint64 // the last QueueID
	batcher  batcher       // of store
	maxBatch int           // the Store's
	many     atomic.Bool   // there are more than manyQueues
	limit    int           // takes the place of windowMessages; 0: none
	bodies   bodyBounds
	// storedPerUser is that of book.quotas, which every SEND reads.
	storedPerUser atomic.Int64

	// mu guards the fields below. A connection makes and drops its own queues
	// (private); they do not vanish by themselves.
	mu    sync.RWMutex
	byKey map[string]*queue
	list  []*queue // the same, each at its place
	book  quotaBook

	// passing has the queues of topics' subscriptions that acknowledge, which
	// are not registered. It locks for itself.
	passing sync.Map
	survey  surveyor
}

func newQueues(o Options, stats *Stats) *queues {
	qs := &queues{store: o.Store, stats: stats, timers: timers.NewClock(o.Clock), clock: o.Clock, log: o.Log, limit: o.window, bodies: boundBodies(o.held), byKey: make(map[string]*queue)}
	qs.policies.Store(&o.Policies)
	if qs.store != nil {
		qs.maxBatch = qs.store.MaxBatch()
		qs.batcher.store, qs.batcher.split = qs.store, min(splitSize, qs.maxBatch)
		qs.store.OnRefusal(qs.fail)
	}
	return qs
}

// now is the time in ms since the epoch.
func (qs *queues) now() int64 { return qs.clock().UnixMilli() }

// window bounds the stored messages that a lane has in memory.
func (qs *queues) window() Extent {
	w := Extent{Count: windowMessages, Size: windowBytes}
	if qs.limit > 0 {
		w.Count = qs.limit
	}
	if qs.many.Load() {
		w.Size = smallWindow
	}
	return w
}

// get returns the queue of that name, and makes it, for the broker itself, if
// there is none.
func (qs *queues) get(d destination.Destination) *queue {
	q, _ := qs.getFor(d, "") // no quota is for the broker
	return q
}

// getFor is get on behalf of a user. The error is a QuotaError.
func (qs *queues) getFor(d destination.Destination, user string) (*queue, error) {
	if q := qs.lookup(d.Key()); q != nil {
		return q, nil
	}
	qs.mu.Lock()
	defer qs.mu.Unlock()
	return qs.gotFor(d, user)
}

// gotFor is getFor with the lock held.
func (qs *queues) gotFor(d destination.Destination, user string) (*queue, error) {
	if q := qs.byKey[d.Key()]; q != nil {
		return q, nil
	}
	if user != "" {
		if err := qs.book.admit(d.Kind, user); err != nil {
			return nil, err
		}
	}
	q := qs.make(d)
	q.maker = user
	qs.enter(q)
	return q, nil
}

// lookup returns the queue of that name, nil if there is none.
func (qs *queues) lookup(key string) *queue {
	qs.mu.RLock()
	defer qs.mu.RUnlock()
	return qs.byKey[key]
}

// make makes a queue. Its name in the Store is a new number each time, so
// that nothing of an older queue of the same name can reappear.
func (qs *queues) make(d destination.Destination) *queue {
	return &queue{id: QueueID(qs.ids.Add(1)), dest: d, set: qs, policy: qs.policies.Load().For(d), private: d.Kind != destination.Queue && d.Kind != destination.Durable, backlog: newBacklog()}
}

// enter registers a queue. The lock is held.
func (qs *queues) enter(q *queue) {
	qs.byKey[q.dest.Key()] = q
	q.place = len(qs.list)
	qs.list = append(qs.list, q)
	q.belong(qs.book.add(q.dest.Kind, q.maker, 1))
	qs.many.Store(len(qs.byKey) > manyQueues)
}

// vanish removes a queue that holds nothing and serves nobody, so that names
// of clients' making do not pile up.
func (qs *queues) vanish(q *queue) {
	if q.private || q.dest.Kind == destination.Durable {
		return
	}
	q.mu.Lock()
	idle := q.empty() && !q.gone && q.failed == nil
	q.mu.Unlock()
	if !idle {
		return
	}
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.empty() && !q.gone && q.failed == nil && q.sound() {
		qs.take(q)
		if q.described {
			q.do(Op{Kind: Vanish, Queue: q.id})
		}
		q.flush(nil)
	}
}

// remove takes a queue out, with all that it holds. Both locks are held.
func (qs *queues) remove(q *queue, done func(error)) {
	q.sound() // a queue deleted on purpose goes, but a fault is reported
	qs.take(q)
	if q.described {
		q.do(Op{Kind: Drop, Queue: q.id})
	}
	q.flush(done)
}

// take takes a queue out of the registry and ends it. Both locks are held.
func (qs *queues) take(q *queue) {
	q.end()
	q.announceRoom()
	delete(qs.byKey, q.dest.Key())
	qs.unlist(q)
	qs.book.add(q.dest.Kind, q.maker, -1)
}

// end drops the waiting messages of the queue, which accepts nothing any
// more. Consumers settle the messages that they hold, and a Move finishes
// with those that it has taken. The queue's lock is held.
func (q *queue) end() {
	q.gone = true
	stays := q.held + q.taken
	q.set.stats.drop(q.ending(), q.count-stays)
	q.uncharge()
	q.stored = 0
	q.settleStored()
	if q.dest.Kind == destination.TempQueue {
		q.account.Add(-q.bytes())
	}
	q.backlog = newBacklog()
	q.count = stays
	if q.wake != nil {
		q.wake.Stop()
	}
}

// ending is why messages are dropped that the queue has when it ends.
func (q *queue) ending() DropReason {
	if q.private {
		return DropEnded
	}
	return DropDeleted
}

// passing reports whether the queue is a topic's subscription's own, which nobody can
// look up.
func (q *queue) passing() bool {
	return q.dest.Kind == destination.Topic || q.dest.Kind == destination.User
}

// pass ends such a queue with its subscription. The lock is held.
func (q *queue) pass() {
	q.end()
	q.set.passing.Delete(q)
}

// unlist takes a queue out of the list: the last one takes its place. The lock
// is held.
func (qs *queues) unlist(q *queue) {
	last := len(qs.list) - 1
	moved := qs.list[last]
	qs.list[q.place], moved.place = moved, q.place
	qs.list[last] = nil
	qs.list = qs.list[:last]
}

// makeTemporary makes a connection's queue, unless there is one.
func (qs *queues) makeTemporary(d destination.Destination, user string, backlog int, a *memory.Account) error {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if qs.byKey[d.Key()] != nil {
		return nil
	}
	q, err := qs.gotFor(d, user)
	if err == nil {
		q.bound, q.account = backlog, a
		a.Add(q.bytes())
	}
	return err
}

// bytes is about the memory of an empty temporary queue.
func (q *queue) bytes() int { return queueOverhead + 2*len(q.dest.Key()) }

const queueOverhead = 1 << 10

// drop removes a queue with all that it holds.
func (qs *queues) drop(key string) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if q := qs.byKey[key]; q != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		qs.remove(q, nil)
	}
}

// restore makes a queue that the Store kept.
func (qs *queues) restore(s StoredQueue) *queue {
	q := qs.make(s.Meta.Destination)
	q.id, q.topic, q.described, q.expiring, q.abandoned, q.seq = s.ID, s.Meta.Topic, true, s.Meta.Expiring, s.Meta.Abandoned, s.LastSeq
	q.kept, q.maker = s.Meta.Kept, s.Meta.Owner
	if q.dest.Kind == destination.Durable {
		q.maker, _, _ = q.dest.Subscriber()
	}
	if s.Meta.Topic.Kind != 0 {
		q.policy = qs.policies.Load().For(s.Meta.Topic)
	}
	for i, x := range s.Lanes {
		switch {
		case x.Count == 0:
			continue
		case Lane(i) == Delayed:
			q.backlog.delayed.behind, q.backlog.delayed.count = x, x.Count
		default:
			q.backlog.lane(MaxPriority - uint8(i)).behind = x
		}
		q.count += x.Count
		q.size += x.Size
	}
	q.stored = q.size
	q.earliest = qs.now()
	qs.stats.Restored.Add(int64(q.count))
	qs.enter(q)
	return q
}

// setPolicies makes all queues follow other policies from now on.
func (qs *queues) setPolicies(p *Policies) {
	qs.policies.Store(p)
	for _, q := range qs.all() {
		q.follow(p)
	}
	for q := range qs.passing.Range {
		q.(*queue).follow(p)
	}
}

// follow makes the queue do as p says.
func (q *queue) follow(p *Policies) {
	q.mu.Lock()
	defer q.unlock()
	if q.gone {
		return
	}
	if q.policy = p.For(q.named()); q.mayExpire() && !q.wanted() {
		q.earliest = q.set.now()
	}
	q.describeKept()
	q.backlog.reindex(q.expires)
	q.expireHeads()
	q.pump()
}

// makePassing makes the queue of a topic's subscription that acknowledges. It
// has its policy after setPolicies can see it, or a reload could miss it.
func (qs *queues) makePassing(d destination.Destination, backlog int, a *memory.Account) *queue {
	q := qs.make(d)
	q.bound, q.account = backlog, a
	qs.passing.Store(q, nil)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.policy = qs.policies.Load().For(d)
	return q
}

// describeKept makes the Store know a queue that exists while it is empty, if
// its policy promises that. The lock is held.
func (q *queue) describeKept() {
	if (q.kept || q.topic.Kind != 0) && q.set.store != nil && q.policy.Durable {
		q.describe()
	}
}

// named is the destination that a queue's policy goes by.
func (q *queue) named() destination.Destination {
	if q.topic.Kind != 0 {
		return q.topic
	}
	return q.dest
}

// all are the queues that exist.
func (qs *queues) all() []*queue {
	qs.mu.RLock()
	defer qs.mu.RUnlock()
	all := make([]*queue, 0, len(qs.byKey))
	for _, q := range qs.byKey {
		all = append(all, q)
	}
	return all
}

func (qs *queues) len() int {
	qs.mu.RLock()
	defer qs.mu.RUnlock()
	return len(qs.byKey)
}
