package transport

import (
	"sync"
	"time"
)

// A deadline ends waits at a time that may be moved while they last.
type deadline struct {
	mu     sync.Mutex // guards the fields below; a leaf
	timer  *time.Timer
	sets   int           // number of calls to set; lets expire recognise an outdated timer
	passed chan struct{} // closed at the deadline; nil before the first set or wait
}

// set moves the deadline to t. The zero time means none.
func (d *deadline) set(t time.Time) {
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

// expire closes the channel, unless set was called after the timer was started.
func (d *deadline) expire(set int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && d.sets == set {
		d.timer = nil
		close(d.passed)
	}
}

// wait returns a channel that is closed at the deadline. A later call of set
// that moves the deadline before it passes applies to the same channel.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.passed == nil {
		d.passed = make(chan struct{})
	}
	return d.passed
}

// stop frees the timer.
func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
