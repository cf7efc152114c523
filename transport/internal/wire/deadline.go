package wire

import (
	"sync"
	"time"
)

// A Deadline ends waits at a time that may be moved while they last.
type Deadline struct {
	mu     sync.Mutex // guards the fields below; a leaf
	timer  *time.Timer
	sets   int           // number of calls to Set; lets expire recognise an outdated timer
	passed chan struct{} // closed at the deadline; nil before the first Set or Wait
}

// Set moves the deadline to t. The zero time means none.
func (d *Deadline) Set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.sets++
	if d.passed == nil {
		d.passed = make(chan struct{})
	}
	select {
	case <-d.passed:
		d.passed = make(chan struct{})
	default:
	}
	switch left := time.Until(t); {
	case t.IsZero():
	case left <= 0:
		close(d.passed)
	default:
		set := d.sets
		d.timer = time.AfterFunc(left, func() { d.expire(set) })
	}
}

// expire closes the channel, unless Set was called after the timer was started.
func (d *Deadline) expire(set int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && d.sets == set {
		d.timer = nil
		close(d.passed)
	}
}

// Wait returns a channel that is closed at the deadline. A later call of Set
// that moves the deadline before it passes applies to the same channel.
func (d *Deadline) Wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.passed == nil {
		d.passed = make(chan struct{})
	}
	return d.passed
}

// Stop frees the timer.
func (d *Deadline) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
