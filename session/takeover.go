package session

// A client with a client-id that comes back on another connection takes its
// durable subscriptions over: the old connection is often one that its network
// has lost, and that would keep messages until it is found silent.

// whenTakenOver is called when another connection takes the durable subscription
// over that sub is attached to; nil if none may. See broker.SubscribeOptions: the
// locks of a queue are held, and the session's is not to be taken.
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

// subscriptionOf is the subscription that is known by a key, nil if there is
// none. The lock is held.
func (s *Session) subscriptionOf(key string) *subscription { return s.unlessTaken(s.subs[key]) }

// unlessTaken forgets a subscription that was taken over. The lock is held.
func (s *Session) unlessTaken(sub *subscription) *subscription {
	if sub == nil || !sub.taken.Load() {
		return sub
	}
	s.stop(sub)
	return nil
}
