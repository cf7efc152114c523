package transport

import (
	"sync"
	"time"
)

// A deadline ends waits at a time that may be changed while they last.
type deadline struct {
	mu     sync.Mutex // guards what follows; a leaf
	timer  *time.Timer
	sets   int           // counts them
	passed chan struct{} // closed when the time has come; nil: nobody has asked
}

// set sets the time; zero: never.
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

// expire closes the channel, unless the time was changed meanwhile.
func (d *deadline) expire(set int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && d.sets == set {
		d.timer = nil
		close(d.passed)
	}
}

// wait is closed when the time has come.
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
