package wire

import (
	"sync"
	"time"

	"hoofbeat/frames"
)

// stallTime is the silence within a frame after which it is reported.
const stallTime = time.Second

// A stall reports a frame that has begun and does not go on. Frames that arrive
// in one piece cost nothing, others at most one timer per second.
type stall struct {
	mu      sync.Mutex // guards the fields below; a leaf
	partial frames.Partial
	within  bool      // a frame has begun
	since   time.Time // when its latest bytes came
	tell    func(frames.Partial)
	timer   *time.Timer
	armed   bool // the timer runs
	over    bool // it was reported (once per connection), or unwatch was called

	// begun is the reader's own copy of within; it saves the lock.
	begun bool
}

// Watch sets the function to call. It must be called before the first read.
func (s *stall) Watch(tell func(frames.Partial)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell = tell
}

// waits is called by the reader before it waits for more bytes.
func (s *stall) waits(d *frames.Decoder) {
	p, ok := d.Partial()
	if !ok {
		return
	}
	s.begun = true
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partial, s.within, s.since = p, true, time.Now()
	if s.over || s.armed || s.tell == nil {
		return
	}
	s.armed = true
	if s.timer == nil {
		s.timer = time.AfterFunc(stallTime, s.look)
	} else {
		s.timer.Reset(stallTime)
	}
}

// complete is called by the reader when a frame is complete.
func (s *stall) complete() {
	if !s.begun {
		return
	}
	s.begun = false
	s.mu.Lock()
	defer s.mu.Unlock()
	s.within = false
}

// look runs when the timer fires.
func (s *stall) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = false
	if s.over || !s.within {
		return
	}
	if left := stallTime - time.Since(s.since); left > 0 {
		s.armed = true
		s.timer.Reset(left)
		return
	}
	s.over = true
	s.tell(s.partial)
}

// Partial implements session.Partly: it describes the frame that has begun and
// is not complete.
func (s *stall) Partial() (frames.Partial, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.partial, s.within
}

// Unwatch is called after the last read.
func (s *stall) Unwatch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
}
