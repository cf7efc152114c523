package broker

import (
	"container/heap"
	"sync"
	"sync/atomic"
)

// A queue is a plain machine under a lock: it is told what happens and gives
// its messages to consumers that have credit, in order of arrival, the
// consumers in turn.
//
// It does not assume that all of its messages are in it: ready is a window
// that begins at its head.
type queue struct {
	id      uint64 // the order in which transactions lock queues
	dest    Destination
	store   Store // nil: its messages live here only
	stats   *Stats
	private bool // belongs to one subscription or connection; not registered
	backlog int  // bound on bytes, 0: none

	mu sync.Mutex // guards what follows, and the fields of its consumers

	seq      uint64       // of the newest message
	ready    deque[entry] // in order of arrival
	returned entries      // given back, each older than all in ready
	size     int          // bytes of all messages, delivered ones included
	held     int          // delivered and not settled
	// line holds the consumers with credit, whose turn is in this order.
	line      deque[*consumer]
	left      int       // closed ones that still stand in line
	consumers int       // open ones, and closed ones with messages in a transaction
	owner     *consumer // the newest one; asked what to do if backlog is full
	gone      bool
}

// An entry is a message in a queue.
type entry struct {
	msg      *Message
	seq      uint64
	attempts int32 // deliveries so far
}

// entries is a heap by seq.
type entries []entry

func (e entries) Len() int           { return len(e) }
func (e entries) Less(i, j int) bool { return e[i].seq < e[j].seq }
func (e entries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *entries) Push(x any)        { *e = append(*e, x.(entry)) }
func (e *entries) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = entry{}
	*e = (*e)[:last]
	return x
}

// push puts a message at the end and reports whether the queue still took it;
// false says that it has vanished, and another has its name.
func (q *queue) push(m *Message) bool { return q.pushDurably(m, nil) }

// pushDurably is push; done is called once the message is kept as safely as
// this queue keeps any, or with the reason why it is not.
func (q *queue) pushDurably(m *Message, done func(error)) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone {
		return false
	}
	if !q.makeRoom(m) {
		finished(done, nil)
		return true
	}
	q.append(m)
	if q.store != nil {
		q.store.Apply(Batch{{Kind: Put, Queue: q.dest.Key(), Seq: q.seq, Message: m}}, done)
	} else {
		finished(done, nil)
	}
	q.pump()
	return true
}

func finished(done func(error), err error) {
	if done != nil {
		done(err)
	}
}

// append puts a message at the end. The lock is held.
func (q *queue) append(m *Message) {
	q.seq++
	q.size += m.Size()
	q.ready.pushBack(entry{msg: m, seq: q.seq})
}

// makeRoom reports whether m may be put into a queue whose backlog is bounded.
func (q *queue) makeRoom(m *Message) bool {
	for q.backlog > 0 && q.size > 0 && q.size+m.Size() > q.backlog {
		if c := q.owner; c == nil || c.closed || c.sub.sink.Overrun() != DropOldest {
			q.stats.Dropped.Add(1)
			return false
		}
		e, ok := q.pop()
		if !ok {
			q.stats.Dropped.Add(1)
			return false // all of it is with the consumer
		}
		q.size -= e.msg.Size()
		q.stats.Dropped.Add(1)
	}
	return true
}

// pump delivers while there is a message and a consumer with credit. The lock
// is held.
func (q *queue) pump() {
	for q.line.len() > 0 {
		e, ok := q.pop()
		if !ok {
			return
		}
		c := q.line.popFront()
		c.inLine = false
		if c.closed {
			q.left--
		}
		if !c.ready() || !c.deliver(e) {
			q.giveBack(e)
			continue
		}
		c.lineUp()
	}
}

// pop takes the message at the head. The lock is held.
func (q *queue) pop() (entry, bool) {
	switch {
	case len(q.returned) > 0:
		return heap.Pop(&q.returned).(entry), true
	case q.ready.len() > 0:
		return q.ready.popFront(), true
	}
	return entry{}, false
}

// giveBack puts a message that was taken from the head there again. The lock
// is held.
func (q *queue) giveBack(e entry) { heap.Push(&q.returned, e) }

// empty tells whether nothing would be lost without the queue. The lock is
// held.
func (q *queue) empty() bool {
	return q.ready.len() == 0 && len(q.returned) == 0 && q.held == 0 && q.consumers == 0
}

// Depth is how many messages a queue holds.
type Depth struct {
	Ready   int // waiting for a consumer
	Unacked int // with a consumer
}

func (q *queue) depth() Depth {
	q.mu.Lock()
	defer q.mu.Unlock()
	return Depth{Ready: q.ready.len() + len(q.returned), Unacked: q.held}
}

// queues is the registry of the queues that clients share or that a
// connection owns. One exists while it holds a message or has a consumer.
type queues struct {
	store Store
	stats *Stats
	ids   atomic.Uint64

	// mu guards what follows. A queue whose connection owns it (private) is
	// made and dropped by that connection and does not vanish by itself.
	mu    sync.RWMutex
	byKey map[string]*queue
	// seq is the highest number in a queue that vanished; new queues go on
	// from it, so that no number comes twice if one is made again.
	seq uint64
}

// get returns the queue of that name, and makes it if there is none.
func (qs *queues) get(d Destination) *queue {
	key := d.Key()
	qs.mu.RLock()
	q := qs.byKey[key]
	qs.mu.RUnlock()
	if q != nil {
		return q
	}
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if q = qs.byKey[key]; q == nil {
		q = qs.make(d)
		q.seq = qs.seq
		qs.byKey[key] = q
	}
	return q
}

// lookup returns the queue of that name, nil if there is none.
func (qs *queues) lookup(key string) *queue {
	qs.mu.RLock()
	defer qs.mu.RUnlock()
	return qs.byKey[key]
}

func (qs *queues) make(d Destination) *queue {
	q := &queue{id: qs.ids.Add(1), dest: d, stats: qs.stats}
	if d.Kind == Queue {
		q.store = qs.store
	}
	return q
}

// vanish removes a queue that holds nothing and serves nobody, so that names
// of clients' making do not pile up.
func (qs *queues) vanish(q *queue) {
	if q.private {
		return
	}
	q.mu.Lock()
	idle := q.empty() && !q.gone
	q.mu.Unlock()
	if !idle {
		return
	}
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.empty() && !q.gone {
		q.gone = true
		qs.seq = max(qs.seq, q.seq)
		delete(qs.byKey, q.dest.Key())
	}
}

// makeTemporary makes a connection's queue, unless there is one.
func (qs *queues) makeTemporary(d Destination, backlog int) bool {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	key := d.Key()
	if qs.byKey[key] != nil {
		return false
	}
	q := qs.make(d)
	q.private, q.backlog = true, backlog
	qs.byKey[key] = q
	return true
}

// restore puts a message back that the store kept.
func (qs *queues) restore(s Stored) error {
	q := qs.get(s.Message.to)
	q.seq = s.Seq - 1
	q.append(s.Message)
	return nil
}

func (qs *queues) len() int {
	qs.mu.RLock()
	defer qs.mu.RUnlock()
	return len(qs.byKey)
}

// drop removes a queue with all that it holds.
func (qs *queues) drop(key string) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if q := qs.byKey[key]; q != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.gone = true
		q.ready, q.returned = deque[entry]{}, nil
		delete(qs.byKey, key)
	}
}
