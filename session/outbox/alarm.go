package outbox

import "sync"

// An Alarm rings once, for all present and future waiters. The zero value is
// ready.
type Alarm struct {
	mu   sync.Mutex // a leaf
	c    chan struct{}
	rung bool
}

// Ring rings it. Further calls do nothing.
func (a *Alarm) Ring() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.rung && a.c != nil {
		close(a.c)
	}
	a.rung = true
}

// Channel returns a channel that is closed when the alarm rings. It is made for the first waiter;
// most sessions have none.
func (a *Alarm) Channel() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.c == nil {
		a.c = make(chan struct{})
		if a.rung {
			close(a.c)
		}
	}
	return a.c
}

// HasRung reports whether Ring was called.
func (a *Alarm) HasRung() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rung
}
