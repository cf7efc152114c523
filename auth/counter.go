package auth

import (
	"container/heap"
	"container/list"
	"time"
)

// A counter counts the failures of one address, of one user, or of one user at
// one address. Failures are forgotten with time: as many in a period as are
// free. All of it is guarded by Throttle.mu.
type counter struct {
	key   uint64
	until time.Time // when it can be forgotten; right while it rests in the heap
	index int       // in the heap; -1: it is in use and not there

	free    float64       // failures that cost nothing
	per     time.Duration // in which that many are forgotten
	level   float64       // failures at the time at
	at      time.Time
	running int // attempts under way; each may become a failure
	// waiting holds a channel (chan struct{}) for each attempt that has to wait,
	// oldest first. A value in the channel makes it look again.
	waiting list.List
}

// age forgets failures as time passes.
func (c *counter) age(now time.Time) {
	if passed := now.Sub(c.at); passed > 0 {
		c.level = max(0, c.level-c.free*float64(passed)/float64(c.per))
	}
	c.at = now
}

// rounding is the tolerance for a sum of floats.
const rounding = 1e-6

// room reports whether one more attempt may begin. Each attempt under way counts as a
// failure until it is known to be none. least is how many may be under way whatever
// the failures are.
func (c *counter) room(now time.Time, least int) bool {
	c.age(now)
	return c.running < least || c.level+float64(c.running)+1 <= c.free+rounding
}

// pause is how long it takes until n more failures are free.
func (c *counter) pause(n float64) time.Duration {
	over := c.level + n - c.free
	return max(0, time.Duration(over*float64(c.per)/c.free))
}

// wake makes the attempt that has waited longest look again.
func (c *counter) wake() {
	first := c.waiting.Front()
	if first == nil {
		return
	}
	select {
	case first.Value.(chan struct{}) <- struct{}{}: //nolint:forcetypeassert // there is nothing else
	default:
	}
}

// A table keeps counters, and forgets those first that can be forgotten
// soonest: the least guilty. It is bounded but for the counters in use, of
// which each belongs to a connection.
type table struct {
	most  int
	known map[uint64]*counter
	rests byUntil
}

func newTable(most int) table {
	return table{most: most, known: make(map[uint64]*counter)}
}

// find returns a counter, nil if there is none.
func (t *table) find(key uint64, now time.Time) *counter {
	t.expire(now)
	return t.known[key]
}

// use returns a counter that stays until rest is called, and makes it if there is none.
func (t *table) use(key uint64, now time.Time) *counter {
	t.expire(now)
	c := t.known[key]
	if c == nil {
		c = &counter{key: key, at: now, index: -1}
		t.known[key] = c
	}
	if c.index >= 0 {
		heap.Remove(&t.rests, c.index)
	}
	return c
}

// rest lets a counter be forgotten when until has come, or before if there are
// too many.
func (t *table) rest(c *counter, now, until time.Time) {
	if c.until = until; !until.After(now) {
		delete(t.known, c.key)
		return
	}
	heap.Push(&t.rests, c)
	for len(t.known) > t.most && len(t.rests) > 0 {
		t.forget()
	}
}

func (t *table) expire(now time.Time) {
	for len(t.rests) > 0 && !t.rests[0].until.After(now) {
		t.forget()
	}
}

func (t *table) forget() {
	if c, ok := heap.Pop(&t.rests).(*counter); ok {
		delete(t.known, c.key)
	}
}

// byUntil is a heap of counters at rest.
type byUntil []*counter

func (h byUntil) Len() int           { return len(h) }
func (h byUntil) Less(i, j int) bool { return h[i].until.Before(h[j].until) }

func (h byUntil) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *byUntil) Push(x any) {
	if c, ok := x.(*counter); ok {
		c.index = len(*h)
		*h = append(*h, c)
	}
}

func (h *byUntil) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = nil
	*h = (*h)[:len(*h)-1]
	last.index = -1
	return last
}
