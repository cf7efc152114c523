package broker

import (
	"errors"
	"sync"

	"hoofbeat/destination"
	"hoofbeat/internal/memory"
	"hoofbeat/internal/timers"
)

// A queue is a plain machine under a lock: callers report events, and it
// gives its messages to consumers that have credit, those of higher priority
// first and else in order of arrival, to the consumers in turn.
//
// It does not assume that all of its messages are in memory: messages of a
// Store are read when they are needed, see lane and schedule.
type queue struct {
	id      QueueID // its name in the Store, and the order in which transactions lock queues
	dest    destination.Destination
	topic   destination.Destination // of a durable subscription
	set     *queues
	private bool // belongs to one subscription or connection; neither registered nor stored
	bound   int  // on the bytes of a private one, 0: none
	// account is charged for the messages of a private queue.
	account *memory.Account
	bill    bill // guarded by mu
	// binding is, for a durable subscription, its subscription in the topic,
	// and broker the broker of that.
	binding *Subscription
	broker  *Broker
	maker   string // the user who owns it: made it first, or subscribes durably; "": nobody
	place   int    // in queues.list; guarded by the registry's lock
	// surveyed is the number of the last Survey that has seen it; guarded by
	// the surveyor's lock.
	surveyed uint64

	mu sync.Mutex // guards the fields below, and those of its consumers

	policy    *Policy
	described bool  // the Store knows it
	expiring  bool  // it has had messages with an expiry of their own
	kept      bool  // see QueueMeta
	abandoned int64 // see QueueMeta

	seq      uint64    // of the newest message
	count    int       // of all messages: delivered ones and those on disk included
	size     int       // their bytes
	stored   int       // of these, those that the Store keeps
	told     int       // of these, those that holdings was told of; see stored.go
	holdings *holdings // of the owner; nil: nobody owns it
	held     int       // delivered and not settled
	flow     Flow
	backlog  backlog // the messages that wait

	turns     turns                  // of the consumers with credit
	consumers int                    // open ones, and closed ones with messages in a transaction
	members   map[*consumer]struct{} // the open ones of a durable subscription
	owner     *consumer              // the newest one; it decides if backlog is full
	gone      bool

	takers int           // takers of messages that are no consumers
	paged  chan struct{} // closed when a page has come, if somebody waits for it
	writes pendingWrites // for the Store, made before the lock is released
	dead   []deadLetter  // to be moved after that
	moving int           // of those that are dead, not yet in their new queue
	taken  int           // of count: in no list, as a Move has them
	faulty bool          // count and lists were found to disagree; see sound
	failed error         // the Store refuses changes; see fail
	// waiting are the senders that wait for room; nil: none does.
	waiting *waitingLine
	debt    Extent // messages that DropHead could not give up yet
	// debtLater is the same for delayed messages.
	debtLater Extent

	// look says that the head is wanted in memory to see whether it has
	// expired; it is not needed for more than that. Once something has, whole
	// pages are read (sweeping). earliest is when that is to be done next, at
	// the earliest, while the head is not in memory.
	look, sweeping bool
	earliest       int64
	wake           *timers.Timer
	wakesAt        int64 // in ms since the epoch; 0: not set
	// toil counts the messages that have expired or become due since the lock
	// was taken; when it is enough (tired), the rest is left to the next
	// tick, which must come at once (hurry).
	toil  Extent
	hurry bool
}

// ErrQueueFull refuses a message because its queue is at the limits of its policy.
var ErrQueueFull = errors.New("the queue is full")

// ErrTooLarge refuses a message or a transaction that the Store cannot write as one
// batch. Nothing of it has happened.
var ErrTooLarge = errors.New("it is larger than the store writes as one")

// ErrQueueFailed refuses everything for a queue after the Store has refused a change
// of it. It wraps the cause.
var ErrQueueFailed = errors.New("the store has refused a change of the queue, which ends until the broker is started again")

// A verdict is the queue's answer to a message.
type verdict struct {
	err error // it is refused
	// full is the queue in whose line the sender must wait for room for want.
	full *queue
	want Extent
}

// push puts a message at the end of a private queue, which has no limits but
// its backlog, and reports whether the queue still took it; false says that it
// has ended.
func (q *queue) push(m *Message) bool {
	q.mu.Lock()
	defer q.unlock()
	if q.gone {
		return false
	}
	if q.makeRoom(m) {
		q.append(m, State{})
		q.pump()
	}
	return true
}

// pushDurably puts a message at the end of a queue that clients share, and
// reports whether the queue was still there; false says that it has vanished,
// and another has its name. done is called once the message is kept as safely
// as this queue keeps any, or with the reason why it is not. If full is set the
// message was not taken: its sender p is to wait, and done will not be called.
// Otherwise it is counted as sent by p.
func (q *queue) pushDurably(m *Message, done func(error), p *Publisher) (there bool, full *queue) {
	q.mu.Lock()
	if q.gone {
		q.mu.Unlock()
		return false, nil
	}
	taken, full := q.offer(m, done, p)
	idle := !taken && q.empty() // it was made for a message that it refused
	q.unlock()
	if idle {
		q.set.vanish(q)
	}
	return true, full
}

// offer is pushDurably with the lock held.
func (q *queue) offer(m *Message, done func(error), p *Publisher) (taken bool, full *queue) {
	v := q.decide(m, p)
	if v.full != nil {
		return false, v.full
	}
	p.counters.countSent(1)
	if v.err != nil {
		q.set.stats.refused(1, v.err)
		finished(done, v.err)
		return false, nil
	}
	q.append(m, State{})
	q.pump()
	q.flush(done)
	return true, nil
}

// decide reports whether a message that somebody sends may come in. The lock is held.
func (q *queue) decide(m *Message, p *Publisher) verdict {
	if q.lacks(m) {
		return verdict{err: q.storedError()}
	}
	return q.admit(q.applies(m, p))
}

func finished(done func(error), err error) {
	if done != nil {
		done(err)
	}
}

// unlock releases the lock, and then does the work that needs it released.
func (q *queue) unlock() {
	if dead := q.settleUp(); len(dead) > 0 {
		q.moveDead(dead, nil)
	}
}

// settleUp releases the lock after all work that needs it, and returns the
// dead messages.
func (q *queue) settleUp() []deadLetter {
	q.flush(nil)
	q.writes.askAll(&q.set.batcher)
	dead := q.dead
	q.dead = nil
	if q.waiting != nil {
		q.announceRoom()
	}
	q.toil = Extent{}
	q.setWake()
	q.mu.Unlock()
	return dead
}

// keeps reports whether the Store keeps m.
func (q *queue) keeps(m *Message) bool {
	return q.set.store != nil && !q.private && q.policy.Durable && !m.transient
}

// append puts a message at the end. With overflow drop-oldest, a full queue drops its
// head for it. The lock is held.
func (q *queue) append(m *Message, s State) {
	yields := q.yields(m)
	if q.dropsHead() && !yields {
		q.dropHead(1, m.Size())
	}
	q.seq++
	q.countEnqueued()
	e := entry{msg: m, seq: q.seq, flags: marksOf(s)}
	if q.keeps(m) {
		e.flags |= storedMark
	}
	q.came(&e)
	if m.arrived == 0 && !q.private {
		m.arrived = q.set.now()
	}
	if due := m.rarely().due; due != 0 && due > q.set.now() {
		e.at = due
	}
	q.mark(m)
	if e.stored() {
		q.describe()
		q.fit(m.Size() + opSize)
		q.put(&e)
	}
	if e.at != 0 {
		q.schedule(e)
		return
	}
	if q.enqueue(e); yields {
		q.giveUp(q.popLast, Extent{}, Extent{1, m.Size()})
	}
}

// enqueue puts an entry at the end of its lane.
func (q *queue) enqueue(e entry) {
	l := q.backlog.lane(e.msg.priority)
	l.add(e, e.stored() && q.wanted() && q.hasRoom(l, e.msg))
}

// wanted reports whether the queue's head is to be in memory.
func (q *queue) wanted() bool { return q.look || q.steadilyWanted() }

// steadilyWanted reports whether messages are taken from its head, by consumers or to
// make room.
func (q *queue) steadilyWanted() bool {
	return q.consumers > 0 || q.takers > 0 || q.dropsHead() && (q.policy.MaxMessages > 0 || q.policy.MaxBytes > 0)
}

func (q *queue) hasRoom(l *lane, m *Message) bool {
	w := q.set.window()
	return l.window.len() == 0 || l.window.len() < w.Count && l.loaded+m.Size() <= w.Size
}

// pump delivers while there is a message and a consumer with credit. The lock
// is held.
func (q *queue) pump() {
	for !q.turns.empty() && q.failed == nil {
		e, ok := q.next()
		if !ok {
			return
		}
		c := q.turns.next()
		if !c.ready() || !c.deliver(e) {
			q.giveBack(e)
			continue
		}
		c.lineUp()
	}
}

// next takes the message at the head, and drops those that have expired.
func (q *queue) next() (entry, bool) {
	for {
		e, ok := q.pop()
		if !ok || !q.mayExpire() || !q.expired(&e) {
			return e, ok
		}
		if q.expire(e); q.tired() {
			return entry{}, false
		}
	}
}

// pop takes the message at the head if it is in memory. Otherwise the message is read
// first, and delivered then. The lock is held.
func (q *queue) pop() (entry, bool) {
	if q.backlog.delayed.count > 0 && !q.promote() {
		return entry{}, false
	}
	l, from := q.backlog.head()
	switch {
	case from == nowhere:
		return entry{}, false
	case from == unread:
		q.fill(l)
		return entry{}, false
	case l.lacksBody(from):
		q.readAgain(l.piled(from))
		return entry{}, false
	}
	e := l.pop(from)
	if l.behind.Count > 0 {
		q.fill(l)
	}
	return e, true
}

// giveBack returns a message to the head. The lock is held.
func (q *queue) giveBack(e entry) { q.backlog.giveBack(e, q.expires(e.msg)) }

// schedule makes a message wait until its time. The lock is held.
func (q *queue) schedule(e entry) {
	q.backlog.schedule(e, q.expires(e.msg), q.wanted(), q.set.window())
}

// empty reports whether nothing would be lost without the queue. The lock is held.
func (q *queue) empty() bool { return q.count == 0 && q.consumers == 0 && q.moving == 0 && !q.kept }

// Depth is how many messages a queue holds.
type Depth struct {
	Ready   int // waiting for a consumer
	Unacked int // with a consumer
	Delayed int // waiting for their time
}

func (q *queue) depth() Depth {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.depths()
}

// depths is depth with the lock held.
func (q *queue) depths() Depth {
	return Depth{Ready: q.count - q.held - q.backlog.delayed.count, Unacked: q.held, Delayed: q.backlog.delayed.count}
}
