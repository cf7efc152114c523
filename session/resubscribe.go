package session

import (
	"hoofbeat/destination"
	"hoofbeat/frames"
)

// givesBack reports whether a SUBSCRIBE changes a subscription such that
// messages that were not written go back to their queue.
func (s *Session) givesBack(sub *subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.subscriptionOf(sub.key)
	return old != nil && old.auto && !sub.auto && !old.isFanOut()
}

// isFanOut reports whether messages come from a topic and are not acknowledged.
func (sub *subscription) isFanOut() bool {
	return sub.auto && sub.durable.Kind == 0 && (sub.dest.Kind == destination.Topic || sub.dest.Kind == destination.User)
}

func (sub *subscription) isLike(other *subscription) bool {
	return sub.ack == other.ack && sub.asked == other.asked
}

// change applies a SUBSCRIBE with the id and destination of an existing
// subscription. It is refused while messages are unacknowledged: their ACKs,
// which may be under way, would change their meaning. The lock is held, and
// so is the outbox.
func (s *Session) change(old, sub *subscription, f frames.Inbound) error {
	switch {
	case old.isLike(sub):
	case !old.auto && old.unacked() > 0:
		return unchangeable(old)
	case old.auto != sub.auto:
		s.receipt(f)
		return s.replace(old, sub)
	case !old.handle.Adjust(sub.ack, sub.prefetch):
		return unchangeable(old)
	default:
		old.ack, old.prefetch, old.asked = sub.ack, sub.prefetch, sub.asked
	}
	s.receipt(f)
	return nil
}

func unchangeable(old *subscription) error {
	return fault(DuplicateSubscription, "The connection has a subscription of this id to this destination with another ack mode or prefetch, and has not "+
		"acknowledged %d messages of it. Acknowledge them first, or UNSUBSCRIBE.", old.unacked())
}

// replace starts a subscription in the place of another. Waiting messages of
// a topic are still written; those of a queue go back first.
func (s *Session) replace(old, sub *subscription) error {
	if old.isFanOut() {
		sub.before = old
		delete(s.byNumber, old.number)
		s.account.Add(-old.bytes())
		defer old.handle.Unsubscribe()
		return s.start(sub)
	}
	s.stop(old)
	return s.start(sub)
}
