package session

import (
	"fmt"
	"strconv"
	"time"

	"hoofbeat/broker"
	"hoofbeat/frames"
)

// Drain prepares the session for the stop of the server: its queues deliver
// nothing more, so that the client can finish its messages. retryAfter is the
// advice to the client when to reconnect, in whole seconds; 0: none. Drain
// may be called from any goroutine, before [Session.Dismiss].
func (s *Session) Drain(retryAfter time.Duration) {
	s.retryAfter.Store(int64(retryAfter / time.Second))
	s.out.Pause()
}

// Dismiss ends the session as [Session.Shutdown] does, as soon as its client
// has acknowledged all that it has from queues and has no transaction open;
// until then it may go on sending. It may be called from any goroutine.
func (s *Session) Dismiss() {
	switch from, to := s.life.on(dismissal); {
	case to == dismissed:
		s.leaveIfFree()
	case from == connecting && to == ended:
		s.Shutdown(s.options.CloseTimeout)
	}
}

// leaveIfFree ends a dismissed session whose client has nothing to finish.
// Earlier frames are answered first.
func (s *Session) leaveIfFree() {
	if s.open.Load() == 0 && s.pending() == 0 {
		s.fail(goingAway(), "", nil)
	}
}

// pending counts the messages of queues that the client has to acknowledge.
// Messages in mode auto need no client for that.
func (s *Session) pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, sub := range s.byNumber {
		if sub.ack != broker.AckAuto && sub.handle != nil {
			n += sub.handle.Pending()
		}
	}
	return n
}

// Shutdown ends the session because the server stops. Queued frames are
// written first, within the timeout. It may be called from any goroutine.
func (s *Session) Shutdown(timeout time.Duration) {
	f := goingAway()
	s.life.end(f)
	last, reason := s.goodbye(f)
	s.closeOutbox(last, CloseGoingAway, reason, timeout)
}

func goingAway() *Fault {
	return fault(GoingAway, "The broker stops. Connect again later, to the same address.")
}

// goodbye is how the client learns that the broker stops. It did nothing
// wrong, so that where the transport can say why it closes, there is no ERROR,
// which applications show to their users.
func (s *Session) goodbye(f *Fault) (last []byte, reason string) {
	reason = f.Word
	if after := s.retryAfter.Load(); after > 0 {
		f.RetryAfter = strconv.FormatInt(after, 10)
		reason = fmt.Sprintf("%s; retry-after=%d", f.Word, after)
	}
	if s.info.Mute {
		last = errorFrame(f, s.negotiated())
	}
	return last, reason
}

// negotiated is the version of a session that is connected, else 0: before, it
// is being set by another goroutine.
func (s *Session) negotiated() frames.Version {
	if s.life.connected() {
		return s.version
	}
	return 0
}
