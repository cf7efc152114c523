package transport

import (
	"sync"
	"time"

	"hoofbeat/frames"
)

// stallTime is after how long a silence in the middle of a frame is told of.
const stallTime = time.Second

// A stall looks whether a frame that has begun comes to its end. It costs
// nothing for frames that come in one piece, and one timer in a second for
// others.
type stall struct {
	mu      sync.Mutex // guards what follows; a leaf
	partial frames.Partial
	within  bool      // a frame has begun
	since   time.Time // when the last of it came
	tell    func(frames.Partial)
	timer   *time.Timer
	armed   bool // the timer runs
	over    bool // it was told, which is once for a connection, or nobody wants to know

	// begun is within, for the reader alone.
	begun bool
}

// watch says whom to tell. It is called before anything is read.
func (s *stall) watch(tell func(frames.Partial)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell = tell
}

// waits is called by the reader before it waits for more.
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

// complete is called by the reader when a frame has come to its end.
func (s *stall) complete() {
	if !s.begun {
		return
	}
	s.begun = false
	s.mu.Lock()
	defer s.mu.Unlock()
	s.within = false
}

// look is the timer's.
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
// not come to its end.
func (s *stall) Partial() (frames.Partial, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.partial, s.within
}

// unwatch is called when nothing more is read.
func (s *stall) unwatch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
}
