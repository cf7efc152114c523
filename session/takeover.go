package session

// A client with a client-id that connects again takes over its durable subscriptions.
// Its old connection is often one that the network has lost, and would keep messages
// until its heart-beats are missed.

// whenTakenOver returns the function for broker.SubscribeOptions.TakenOver: another
// connection has taken over the durable subscription. nil: none may. The queue's lock
// is held then, so the function must not take Session.mu.
func (sub *subscription) whenTakenOver() func() {
	if sub.durable.Kind == 0 || sub.session.clientID == "" {
		return nil
	}
	return sub.takeAway
}

func (sub *subscription) takeAway() {
	s := sub.session
	sub.taken.Store(true)
	sub.silence()
	_, _, name := sub.durable.Subscriber()
	f := fault(TakenOver, "Another connection of this user and client-id has taken over, or deleted, the durable subscription %q. "+
		"Programs that run at the same time need client-ids of their own, or a policy that allows sharing (destinations[].durable_sharing).", name)
	f.Subscription = sub.wireID
	if s.options.KeepAfterDenied {
		s.out.Control(errorFrame(f, s.version))
		return
	}
	s.End(f)
}

// subscriptionOf returns the subscription with a key, or nil. The lock is held.
func (s *Session) subscriptionOf(key string) *subscription { return s.unlessTaken(s.subs[key]) }

// unlessTaken forgets a subscription that was taken over. The lock is held.
func (s *Session) unlessTaken(sub *subscription) *subscription {
	if sub == nil || !sub.taken.Load() {
		return sub
	}
	s.stop(sub)
	return nil
}
