package broker

import (
	"log/slog"
	"time"

	"hoofbeat/destination"
	"hoofbeat/internal/memory"
)

// Options for [New].
type Options struct {
	// Store keeps the messages of durable queues; nil: nothing is durable. It
	// is the caller's to close, after the Broker.
	Store Store
	// Policies say how queues treat their messages.
	Policies Policies
	// Clock gives the time; nil: time.Now.
	Clock func() time.Time
	Log   *slog.Logger // nil: nothing is logged

	// Quotas bound how many queues clients can make.
	Quotas Quotas

	window int // how many messages a lane has in memory; 0: windowMessages
	held   int // the bytes that a consumer holds in memory; 0: heldBytes
}

// A Broker routes messages between its callers.
type Broker struct {
	topics *topics
	queues *queues
	stats  Stats
}

// New returns a Broker with the queues of its store. The error is the
// store's.
func New(o Options) (*Broker, error) {
	b := &Broker{topics: newTopics()}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b.queues = newQueues(o, &b.stats)
	b.queues.setQuotas(o.Quotas)
	if o.Store == nil {
		return b, nil
	}
	var restored []*queue
	next, err := o.Store.Load(func(s StoredQueue) error {
		restored = append(restored, b.queues.restore(s))
		return nil
	})
	b.queues.ids.Store(uint64(max(next, 1)) - 1)
	for _, q := range restored {
		b.resume(q)
	}
	return b, err
}

// resume lets a queue that was restored go on.
func (b *Broker) resume(q *queue) {
	if q.topic.Kind != 0 {
		b.bind(q)
	}
	q.mu.Lock()
	if q.topic.Kind != 0 && q.abandoned == 0 {
		q.abandon(q.set.now()) // its subscriber went when the process did
	}
	q.unlock()
}

// Close stops the broker's timers. Nothing may be sent any more.
func (b *Broker) Close() { b.queues.timers.Close() }

// SetPolicies applies other policies to all queues. Messages beyond new
// limits stay.
func (b *Broker) SetPolicies(p Policies) { b.queues.setPolicies(&p) }

// Prefetch is how many messages a subscription to d that asks for no number
// may have unacknowledged, by the policy; 0: the policy does not say.
func (b *Broker) Prefetch(d destination.Destination) int {
	return b.queues.policies.Load().For(d).Prefetch
}

// Stats returns the broker's counters.
func (b *Broker) Stats() *Stats { return &b.stats }

// A Publisher sends messages for one goroutine: it remembers the routes of
// the last destinations. It is not safe for concurrent use.
type Publisher struct {
	broker   *Broker
	counters *counters
	key      string
	route    route
	queue    *queue  // the last one that was sent to; it may have vanished
	waits    *waiter // its place in a line of senders; nil: it does not wait
	user     string  // owner of queues that are made
	// account is charged for messages that no Store keeps.
	account *memory.Account
}

// NewPublisher returns a Publisher of b.
func (b *Broker) NewPublisher() *Publisher {
	return &Publisher{broker: b, counters: b.stats.nextCounters()}
}

// ActFor makes the queues that p makes from now on count for a user's quotas.
// Without it they count for nobody's.
func (p *Publisher) ActFor(user string) { p.user = user }

// ChargeTo sets the account for messages that queues keep in memory only.
// Without it they are charged to nobody.
func (p *Publisher) ChargeTo(user *memory.Account) { p.account = user }

// Send routes a message: to the current subscribers of a topic, or to a
// queue, which keeps it until a consumer has acknowledged it. Then done, if
// it is not nil, is called once: with nil when the message is as safe as its
// destination promises, else with the reason. That may be before Send
// returns, or later from another goroutine; done may take the locks that a
// Sink may take.
//
// If wait is not nil, the message was not taken, as its queue is full, and
// done will not be called: the sender must send it again when wait is closed.
//
// A message is sent once: only one that was not taken may be sent again.
//
// A Publisher waits in one line at a time. It loses its place if it sends
// something else, and must give it up with [Publisher.Close] if it sends
// nothing any more.
func (p *Publisher) Send(m *Message, done func(error)) (wait <-chan struct{}) {
	m.owner = p.account
	if full := p.send(m, done); full != nil {
		return p.waitFor(full, Extent{1, m.Size()})
	}
	if p.waits != nil {
		p.stopWaiting()
	}
	return nil
}

// send is Send, but for waiting.
func (p *Publisher) send(m *Message, done func(error)) (full *queue) {
	switch m.to.Kind {
	case destination.Topic, destination.User:
		return p.publish(m, done)
	case destination.TempQueue:
		p.counters.countSent(1)
		p.broker.reply(m)
		finished(done, nil)
	default:
		return p.enqueue(m, done)
	}
	return nil
}

// enqueue puts a message into a queue.
func (p *Publisher) enqueue(m *Message, done func(error)) (full *queue) {
	for {
		q, err := p.queueOf(m.to)
		if err != nil {
			p.refuse(err, done)
			return nil
		}
		there, full := q.pushDurably(m, done, p)
		if there {
			return full
		}
		p.queue = nil
	}
}

// Close gives up p's place in a line of senders. It must be the last call, on
// the goroutine that calls Send.
func (p *Publisher) Close() { p.stopWaiting() }

// refuse counts and reports a message that nobody takes.
func (p *Publisher) refuse(err error, done func(error)) {
	p.counters.countSent(1)
	p.broker.stats.refused(1, err)
	finished(done, err)
}

func (p *Publisher) queueOf(d destination.Destination) (q *queue, err error) {
	if p.queue == nil || p.queue.dest.Key() != d.Key() {
		if q, err = p.broker.queues.getFor(d, p.user); err != nil {
			return nil, err
		}
		p.queue = q
	}
	return p.queue, nil
}

func (p *Publisher) publish(m *Message, done func(error)) (full *queue) {
	r := p.routeOf(m.to)
	r.shareOut(m)
	if len(r.durable) == 0 {
		p.counters.countSent(1)
		p.deliver(r, m)
		finished(done, nil)
		return nil
	}
	return p.publishDurably(r, m, done)
}

func (p *Publisher) routeOf(d destination.Destination) *route {
	if key := d.Key(); key != p.key || !p.broker.topics.current(p.route) {
		p.key, p.route = key, p.broker.topics.resolve(d)
	}
	return &p.route
}

func (p *Publisher) deliver(r *route, m *Message) {
	if n := r.publish(m); n > 0 {
		p.counters.published.Add(int64(n))
	}
}

// reply puts m into a connection's queue if it still exists. If it does not,
// the requester has disconnected; the reply is dropped without an error.
func (b *Broker) reply(m *Message) {
	if q := b.queues.lookup(m.to.Key()); q == nil || !q.push(m) {
		b.stats.Unroutable.Add(1)
	}
}

// Subscribe starts a subscription; messages may be delivered before it
// returns. The caller ends it with Unsubscribe, also after an error, which is
// ErrOtherTopic, of a durable subscription, or a QuotaError.
func (b *Broker) Subscribe(o SubscribeOptions) (*Subscription, error) {
	s := &Subscription{broker: b, dest: o.Destination, sink: o.Sink}
	b.stats.Subscriptions.Add(1)
	switch {
	case o.Durable.Kind != 0:
		return s, b.attach(s, o)
	case o.Destination.Kind == destination.Topic || o.Destination.Kind == destination.User:
		if o.Ack != AckAuto {
			b.consume(s, b.queues.makePassing(o.Destination, o.Backlog, o.Account), o)
		}
		b.topics.add(s)
	default:
		return s, b.take(s, o)
	}
	return s, nil
}

// take subscribes s to a queue.
func (b *Broker) take(s *Subscription, o SubscribeOptions) error {
	for {
		q, err := b.queues.getFor(o.Destination, o.User)
		if err != nil || b.consume(s, q, o) {
			return err
		}
	}
}

func (b *Broker) consume(s *Subscription, q *queue, o SubscribeOptions) bool {
	s.consumer = &consumer{
		q: q, sub: s, auto: o.Ack == AckAuto, ack: o.Ack, prefetch: max(1, o.Prefetch),
		account: o.Account, takenOver: o.TakenOver,
	}
	return s.consumer.open()
}

// MakeTemporary makes the temporary queue of that name, which keeps at most
// backlog bytes (0: any number), charged to a, and exists until [Broker.DropTemporary],
// on a user's account. The error is a QuotaError.
func (b *Broker) MakeTemporary(d destination.Destination, user string, backlog int, a *memory.Account) error {
	return b.queues.makeTemporary(d, user, backlog, a)
}

// DropTemporary removes a temporary queue with all that it holds.
func (b *Broker) DropTemporary(d destination.Destination) { b.queues.drop(d.Key()) }

// Depth tells how many messages a queue holds; ok is false if it does not
// exist.
func (b *Broker) Depth(d destination.Destination) (depth Depth, ok bool) {
	if q := b.queues.lookup(d.Key()); q != nil {
		return q.depth(), true
	}
	return Depth{}, false
}

// Size is how many destinations exist; those that nobody uses do not.
func (b *Broker) Size() (topics, queues int) {
	return b.topics.len(), b.queues.len()
}
