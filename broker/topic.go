package broker

import (
	"slices"
	"sync"
	"sync/atomic"

	"hoofbeat/destination"
)

// A topic is one pattern that somebody subscribed to, with or without
// wildcards, and its subscribers.
type topic struct {
	dest destination.Destination

	// subs is replaced, never changed within its length, so that publishers
	// read it without a lock. Written under the registry's lock. Subscribers
	// that are gone stay in it, closed, until there are many of them.
	subs atomic.Pointer[[]*Subscription]
	gone int // of those in subs; guarded by the registry's lock

	messages, deliveries atomic.Int64 // see TopicFlow
}

// topics is the registry of topics, and finds those that a destination matches.
type topics struct {
	mu     sync.RWMutex
	exact  map[string]*topic                    // by key; guarded by mu
	spaces map[string]*destination.Tree[*topic] // patterns with wildcards, by space; guarded by mu
	count  int                                  // of both; guarded by mu

	// generation changes whenever a topic or a durable subscription comes or
	// goes, so that a [route] knows when it is out of date. Written under mu.
	generation atomic.Uint64
}

// A route is the topics that one destination matches, and the queues of the
// durable subscriptions among their subscribers.
type route struct {
	generation uint64
	topics     []*topic
	durable    []*queue // in the order in which they are locked
}

func newTopics() *topics {
	return &topics{exact: make(map[string]*topic), spaces: make(map[string]*destination.Tree[*topic])}
}

// add subscribes s to its destination.
func (ts *topics) add(s *Subscription) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.find(s.dest)
	if t == nil {
		t = &topic{dest: s.dest}
		t.subs.Store(&[]*Subscription{})
		ts.insert(t)
	}
	s.topic = t
	if s.durable != nil {
		ts.generation.Add(1)
	}
	// Readers hold the slice with its length of then, so that appending behind
	// it is safe.
	subs := append(*t.subs.Load(), s)
	t.subs.Store(&subs)
}

// remove ends s; the topic vanishes with its last subscriber. It is called
// once, after s was marked as closed.
func (ts *topics) remove(s *Subscription) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := s.topic
	if s.durable != nil {
		ts.generation.Add(1)
	}
	s.left = true
	t.gone++
	subs := *t.subs.Load()
	if t.gone == len(subs) {
		ts.delete(t)
		return
	}
	// Copying for each of thousands that leave together would take quadratic
	// time; keeping many that left would keep their memory.
	const few = 32
	if len(subs) > few && t.gone < len(subs)/4 {
		return
	}
	// One that is closed and on its way here stays, or it would count as gone
	// and not be there.
	live := slices.DeleteFunc(slices.Clone(subs), func(s *Subscription) bool { return s.left })
	t.gone = 0
	t.subs.Store(&live)
}

func (ts *topics) find(d destination.Destination) *topic {
	if !d.Wild() {
		return ts.exact[d.Key()]
	}
	if root := ts.spaces[d.Space()]; root != nil {
		t, _ := root.Find(d.Name())
		return t
	}
	return nil
}

func (ts *topics) insert(t *topic) {
	ts.generation.Add(1)
	ts.count++
	if !t.dest.Wild() {
		ts.exact[t.dest.Key()] = t
		return
	}
	root := ts.spaces[t.dest.Space()]
	if root == nil {
		root = &destination.Tree[*topic]{}
		ts.spaces[t.dest.Space()] = root
	}
	root.Insert(t.dest.Name(), t)
}

// delete forgets t, which has no subscribers any more.
func (ts *topics) delete(t *topic) {
	ts.generation.Add(1)
	ts.count--
	// A Publisher may remember t for as long as it sends nothing.
	t.subs.Store(&[]*Subscription{})
	if !t.dest.Wild() {
		delete(ts.exact, t.dest.Key())
		return
	}
	root := ts.spaces[t.dest.Space()]
	if root.Remove(t.dest.Name()); root.Empty() {
		delete(ts.spaces, t.dest.Space())
	}
}

// resolve finds the topics that a message to d goes to.
func (ts *topics) resolve(d destination.Destination) route {
	ts.mu.RLock()
	defer ts.mu.RUnlock()
	r := route{generation: ts.generation.Load()}
	if t := ts.exact[d.Key()]; t != nil {
		r.topics = append(r.topics, t)
	}
	if root := ts.spaces[d.Space()]; root != nil {
		r.topics = root.Match(d.Name(), r.topics)
	}
	for _, t := range r.topics {
		for _, s := range *t.subs.Load() {
			if s.durable != nil && !s.closed.Load() {
				r.durable = append(r.durable, s.durable)
			}
		}
	}
	r.durable = distinct(r.durable)
	return r
}

// current reports whether no topic came or went since r was resolved.
func (ts *topics) current(r route) bool { return r.generation == ts.generation.Load() }

// publish gives m to every subscriber on the route, but for durable
// subscriptions, and returns how many there were that have no queue.
func (r *route) publish(m *Message) int {
	all := 0
	for _, t := range r.topics {
		n := t.publish(m)
		t.messages.Add(1)
		t.deliveries.Add(int64(n))
		all += n
	}
	return all
}

func (t *topic) publish(m *Message) int {
	n := 0
	for _, s := range *t.subs.Load() {
		if s.closed.Load() || s.durable != nil {
			continue
		}
		if s.take(m) {
			n++
		}
	}
	return n
}

// len is how many topics exist.
func (ts *topics) len() int {
	ts.mu.RLock()
	defer ts.mu.RUnlock()
	return ts.count
}
