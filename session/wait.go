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

// waitFor pauses reading until c is closed. The client's silence does not count
// meanwhile. It returns false if the session ends. The goroutine of Run calls it, with
// nothing locked.
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

// pausedLimit bounds how long a client may read nothing while the broker does not read
// from it. Heart-beats cannot show that such a client is alive, so after this time it
// counts as lost.
const pausedLimit = 5 * time.Minute

// isLost reports whether the client has read nothing for too long while reads were
// paused. The timer calls it, and remembers since when the writer has had the same
// batch.
func (s *Session) isLost(now time.Time) bool {
	number, writing := s.out.Batch()
	if !s.readsPaused.Load() || !writing || number != s.stuckBatch {
		s.stuckBatch, s.stuckSince = number, now
		return false
	}
	return now.Sub(s.stuckSince) >= max(pausedLimit, tolerance*s.beat.receive)
}

// whileReadsPaused runs wait with reads paused. The client's silence does not count
// meanwhile, because its heart-beats are not read.
func (s *Session) whileReadsPaused(wait func()) {
	s.readsPaused.Store(true)
	wait()
	now := time.Now()
	s.resumed.Store(&now)
	s.readsPaused.Store(false)
}

// lastHeard returns the time of the last read, or of the end of the last pause if that
// is later.
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
