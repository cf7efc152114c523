package session

import "time"

// This file is the end of a session: its reason, the answers that come before it,
// and the parts that are taken out of the broker.

// await changes the state by an event after which the session only waits for the
// answers to earlier frames, for at most CloseTimeout.
func (s *Session) await(e event) {
	from, to := s.life.on(e)
	if from.awaits() || !to.awaits() {
		return
	}
	at := time.Now().Add(s.options.CloseTimeout)
	s.life.deadline.Store(&at)
	s.timer.Reset(at)
	s.finish()
}

// unanswered is the reason for the end of a session at its deadline.
func (s *Session) unanswered() *Fault {
	if f := s.life.failure.Load(); f != nil {
		return f
	}
	return fault(StorageFailed, "What was sent before the end could not be stored within %v.", s.options.CloseTimeout)
}

// finish counts off one frame that the broker is done with, or the session
// itself. The last one ends the session.
func (s *Session) finish() {
	if n := s.life.unfinished.Add(-1); n > 0 {
		if n <= s.wakeAt.Load() {
			ringOnce(s.landed)
		}
		if n == 1 { // the session itself
			s.flight.land()
		}
		return
	}
	if f := s.life.failure.Load(); f != nil {
		s.End(f)
		return
	}
	s.life.on(allAnswered)
	s.closeOutbox(s.lastReceipt, CloseNormal, "", s.options.CloseTimeout)
}

// fail ends the session because the broker could not carry out a frame.
// Nothing more is read. Earlier frames are answered first, so that the client
// knows which to send again. It may be called from any goroutine.
func (s *Session) fail(f *Fault, receipt string, err error) {
	f.Receipt = receipt
	if !s.life.failure.CompareAndSwap(nil, f) {
		return
	}
	if f.Word == StorageFailed {
		s.options.Log.Error("the store failed", "session", s.id, "error", err)
	}
	s.out.Ending.Ring()
	s.await(frameFailed)
}

// wasLost reports whether the client is gone without having meant to, which may be the
// fault of a message that it was working on. It is not where the client has said that
// it leaves, and where the broker ended it for reasons of its own.
func (s *Session) wasLost() bool {
	if s.life.disconnected() {
		return false
	}
	f := s.life.reason.Load()
	if f == nil {
		return true
	}
	switch f.Word {
	case TokenExpired, TokenRevoked, AccessDenied, GoingAway, QueueFull, QuotaExceeded, StorageFailed, OutOfMemory, InternalError, ClosedByOperator,
		TakenOver, SubscriptionInUse:
		return false
	case UnknownAck, UnknownSubscription, UnknownTransaction:
		return false // the client names something of another time, not the message that it works on
	}
	return true
}

// End ends the session with an ERROR for the client. Queued frames are
// written first, except for subscriptions that have ended. It may be called
// from any goroutine.
func (s *Session) End(f *Fault) {
	if f.Word == GoingAway {
		s.Shutdown(s.options.CloseTimeout)
		return
	}
	s.life.end(f)
	s.closeOutbox(errorFrame(f, s.negotiated()), f.closeCode(), f.Word, s.options.CloseTimeout)
}

// Kill ends the session without waiting for its client. It may be called from
// any goroutine.
func (s *Session) Kill() {
	s.life.end(nil)
	s.out.Abandon(func() { s.conn.Close(CloseNormal, "") })
}

// leave takes everything of the session out of the broker; lost says that its
// client has not left, but was lost. It may be called repeatedly.
func (s *Session) leave(lost bool) {
	s.publisher.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.byNumber {
		sub.silence() // all, before one's messages could go to another
	}
	// Messages held by transactions go back before anything younger is
	// delivered.
	for id, tx := range s.txs {
		tx.abort()
		delete(s.txs, id)
	}
	s.account.Add(-s.txBytes)
	s.txBytes = 0
	s.open.Store(0)
	for _, sub := range s.byNumber {
		sub.end(lost)
		s.account.Add(-sub.bytes())
	}
	for _, t := range s.temporary.byKey {
		s.options.Broker.DropTemporary(t.dest)
	}
	clear(s.subs)
	clear(s.byNumber)
	clear(s.durables)
	s.temporary = temporaries{}
}
