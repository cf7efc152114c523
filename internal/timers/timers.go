// Package timers runs many timers on one: a heap of due times, and a single
// runtime timer for the earliest.
//
// A broker has a hundred thousand connections, each with a heart-beat, an
// expiry and a time limit. As heap entries these cost a few words each, and no
// goroutine or channel.
//
// Most timers use the monotonic clock and are not affected by steps of the wall
// clock. Timers of AddWall fire at a time of day: the queue reads the wall
// clock every two seconds, so a step of the clock or a suspended machine delays
// them by at most that long.
package timers

import (
	"container/heap"
	"sync"
	"time"
)

// A Queue runs timers. Create it with [New]. It is safe for concurrent use.
type Queue struct {
	clock   func() time.Time // the time of day
	mu      sync.Mutex
	due     byTime // by the monotonic clock
	wall    byTime // by the time of day
	wake    *time.Timer
	armed   bool      // wake was set, and run has not begun since
	at      time.Time // when wake fires, if armed
	busy    bool      // run is in progress and will call arm
	closed  bool
	running sync.WaitGroup // counts the times that wake was set
}

// A Timer is one entry of a Queue, created by [Queue.Add].
type Timer struct {
	f     func(now time.Time) time.Time
	queue *Queue
	at    time.Time
	heap  *byTime // the queue's heap that it belongs to
	index int     // in the heap; -1 if not in it; guarded by queue.mu
}

// lookAgain is the interval at which the wall clock is read.
const lookAgain = 2 * time.Second

// New returns an empty Queue. It uses no goroutine while nothing is due.
func New() *Queue { return NewClock(time.Now) }

// NewClock is New with another wall clock, for tests.
func NewClock(clock func() time.Time) *Queue { return &Queue{clock: clock} }

// Add returns a Timer that runs f at the given time, and again at each time
// that f returns, until f returns the zero time. One goroutine calls f for all
// timers, so f must be short and must not block.
func (q *Queue) Add(at time.Time, f func(now time.Time) time.Time) *Timer {
	return q.add(&q.due, at, f)
}

// AddWall is Add for a time of day.
func (q *Queue) AddWall(at time.Time, f func(now time.Time) time.Time) *Timer {
	return q.add(&q.wall, at, f)
}

func (q *Queue) add(h *byTime, at time.Time, f func(now time.Time) time.Time) *Timer {
	t := &Timer{f: f, queue: q, heap: h, index: -1}
	t.Reset(at)
	return t
}

// Reset moves the timer to another time. If f is running, its result is ignored
// in favour of at.
func (t *Timer) Reset(at time.Time) {
	q := t.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	q.schedule(t, at)
	q.arm()
}

// Stop removes the timer. f may still be running when Stop returns.
func (t *Timer) Stop() {
	q := t.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	t.f = nil
	if t.index >= 0 && !q.closed {
		heap.Remove(t.heap, t.index)
	}
}

// Close stops all timers and waits until no f is running.
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

// first returns the time until the runtime timer must fire; false: never. The
// caller holds the lock.
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

// arm sets the runtime timer to the earliest due time. The caller holds the
// lock.
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
			return // it fires early enough, or is firing, and then checks again
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

// runDue runs the due timers of a heap, given the time of its clock. The caller
// holds the lock; it is released while f runs.
func (q *Queue) runDue(h *byTime, now time.Time) {
	for len(*h) > 0 && !(*h)[0].at.After(now) {
		t := heap.Pop(h).(*Timer)
		f := t.f // never nil: Stop removes the timer from the heap
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
