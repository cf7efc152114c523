package session

import (
	"time"
)

// ringOnce sends to c, unless a value waits there already.
func ringOnce(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// waitFor makes the client wait for c: nothing that it sends is read
// meanwhile, and its silence does not count. False says that the session is at
// its end. The goroutine of Run calls it, with nothing locked.
func (s *Session) waitFor(c <-chan struct{}) bool {
	s.whileReadsPaused(func() {
		select {
		case <-c:
		case <-s.out.Ending.Channel():
		}
	})
	return !s.out.Ending.HasRung()
}

// awaitSettled waits, at most for limit, until written messages are
// acknowledged, which takes as long as the client needs to read them. The
// goroutine of Run calls it, with nothing locked.
func (s *Session) awaitSettled(limit time.Duration) {
	s.whileReadsPaused(func() { s.out.AwaitSettled(limit) })
}

// pausedLimit is how long a client may read nothing while the broker does not
// read from it. Heart-beats cannot prove that such a client lives. A client
// that has frames to read for so long, and waits for room meanwhile, is lost.
const pausedLimit = 5 * time.Minute

// isLost tells whether the client has read nothing for too long while it was
// not listened to. The timer asks, and remembers since when one batch has been
// with the writer.
func (s *Session) isLost(now time.Time) bool {
	number, writing := s.out.Batch()
	if !s.readsPaused.Load() || !writing || number != s.stuckBatch {
		s.stuckBatch, s.stuckSince = number, now
		return false
	}
	return now.Sub(s.stuckSince) >= max(pausedLimit, tolerance*s.beat.receive)
}

// whileReadsPaused waits, while the client's silence does not count: it may be
// beating, and is not heard.
func (s *Session) whileReadsPaused(wait func()) {
	s.readsPaused.Store(true)
	wait()
	now := time.Now()
	s.resumed.Store(&now)
	s.readsPaused.Store(false)
}

// lastHeard is when the client was last heard of, or would have been if it had
// been listened to.
func (s *Session) lastHeard(now time.Time) time.Time {
	if s.readsPaused.Load() {
		return now
	}
	read := s.conn.LastRead()
	if at := s.resumed.Load(); at != nil && at.After(read) {
		return *at
	}
	return read
}
