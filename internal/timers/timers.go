// Package timers runs many timers on one: a heap of the times at which
// something is due, and a single runtime timer for the earliest of them.
//
// A broker has a hundred thousand connections with a heart-beat, an expiry and
// a time limit each. As entries of a heap they cost a few words, no goroutine
// and no channel.
//
// The times of most timers are durations from now on, whatever happens to the
// machine's clock. Those of AddWall are times of day: the clock is looked at
// every few seconds, so that a clock that is set and a machine that was
// suspended delay them by no more than that.
package timers

import (
	"container/heap"
	"sync"
	"time"
)

// A Queue runs timers. It is made by [New] and safe for concurrent use.
type Queue struct {
	clock   func() time.Time // the time of day
	mu      sync.Mutex
	due     byTime // by the monotonic clock
	wall    byTime // by the time of day
	wake    *time.Timer
	armed   bool      // wake was set, and run has not begun since
	at      time.Time // when wake fires, if armed
	busy    bool      // run is in progress and will arm
	closed  bool
	running sync.WaitGroup // one for each time that wake was set
}

// A Timer is one entry of a Queue. Its zero value is not usable; see
// [Queue.Add].
type Timer struct {
	f     func(now time.Time) time.Time
	queue *Queue
	at    time.Time
	heap  *byTime // one of queue's
	index int     // in the heap, -1 if it is not there; guarded by queue.mu
}

// lookAgain is how long a time of day is waited for without a look at the clock.
const lookAgain = 2 * time.Second

// New returns an empty Queue. It needs no goroutine while nothing is due.
func New() *Queue { return NewClock(time.Now) }

// NewClock is New with another clock for times of day.
func NewClock(clock func() time.Time) *Queue { return &Queue{clock: clock} }

// Add makes a Timer that first runs f at the given time, and then at each time
// that f returns, until that is zero. f is called by one goroutine for all
// timers: it must be short and never wait.
func (q *Queue) Add(at time.Time, f func(now time.Time) time.Time) *Timer {
	return q.add(&q.due, at, f)
}

// AddWall is Add for times of day.
func (q *Queue) AddWall(at time.Time, f func(now time.Time) time.Time) *Timer {
	return q.add(&q.wall, at, f)
}

func (q *Queue) add(h *byTime, at time.Time, f func(now time.Time) time.Time) *Timer {
	t := &Timer{f: f, queue: q, heap: h, index: -1}
	t.Reset(at)
	return t
}

// Reset makes the timer run at another time. What it returns, if it is just
// running, is overridden when that is later.
func (t *Timer) Reset(at time.Time) {
	q := t.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	q.schedule(t, at)
	q.arm()
}

// Stop takes the timer out. It may still be running when Stop returns.
func (t *Timer) Stop() {
	q := t.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	t.f = nil
	if t.index >= 0 && !q.closed {
		heap.Remove(t.heap, t.index)
	}
}

// Close stops everything and waits for what is running.
func (q *Queue) Close() {
	q.mu.Lock()
	q.closed = true
	if q.armed && q.wake.Stop() {
		q.running.Done()
	}
	q.due, q.wall = nil, nil
	q.mu.Unlock()
	q.running.Wait()
}

func (q *Queue) schedule(t *Timer, at time.Time) {
	if q.closed || t.f == nil {
		return
	}
	if t.at = at; t.heap == &q.wall {
		t.at = at.Round(0)
	}
	if t.index >= 0 {
		heap.Fix(t.heap, t.index)
	} else {
		heap.Push(t.heap, t)
	}
}

// first is how long from now the runtime timer may wait; false: for ever. The
// lock is held.
func (q *Queue) first(now time.Time) (d time.Duration, some bool) {
	if len(q.due) > 0 {
		d, some = q.due[0].at.Sub(now), true
	}
	if len(q.wall) > 0 {
		if wall := min(q.wall[0].at.Sub(q.clock().Round(0)), lookAgain); !some || wall < d {
			d, some = wall, true
		}
	}
	return max(0, d), some
}

// arm sets the runtime timer to the earliest time. The lock is held.
func (q *Queue) arm() {
	if q.closed || q.busy {
		return
	}
	now := time.Now()
	d, some := q.first(now)
	if !some {
		return
	}
	at := now.Add(d)
	if q.armed {
		if !at.Before(q.at) || !q.wake.Stop() {
			return // it wakes early enough, or just now, and looks again
		}
		q.running.Done()
	}
	q.at, q.armed = at, true
	q.running.Add(1)
	q.wake = time.AfterFunc(d, q.run)
}

func (q *Queue) run() {
	defer q.running.Done()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.armed, q.busy = false, true
	now := time.Now()
	q.runDue(&q.due, now)
	q.runDue(&q.wall, q.clock().Round(0))
	q.busy = false
	q.arm()
}

// runDue runs what is due in a heap at a time by its clock. The lock is held,
// but while something runs.
func (q *Queue) runDue(h *byTime, now time.Time) {
	for len(*h) > 0 && !(*h)[0].at.After(now) {
		t := heap.Pop(h).(*Timer)
		f := t.f // not nil: Stop takes it out
		q.mu.Unlock()
		next := f(now)
		q.mu.Lock()
		if !next.IsZero() && t.index < 0 {
			q.schedule(t, next)
		}
	}
}

type byTime []*Timer

func (h byTime) Len() int           { return len(h) }
func (h byTime) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h byTime) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *byTime) Push(x any) {
	t := x.(*Timer)
	t.index = len(*h)
	*h = append(*h, t)
}

// Pop implements heap.Interface.
func (h *byTime) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.index = -1
	return t
}
