package session

import (
	"container/list"
	"strings"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

// A temporary is a queue of the session, /temp-queue/NAME. It exists until the session
// ends, or until it is idle and a new one needs its place: some clients name a new
// reply queue for each request.
type temporary struct {
	dest destination.Destination
	subs int // subscriptions to it
	// implicit is the subscription that a reply-to has made, and then the only one;
	// nil: none.
	implicit *subscription
	// place is its element in temporaries.spare; nil: the client has subscribed
	// to it.
	place *list.Element
}

// temporaries are all of them, guarded by Session.mu. The zero value is ready.
type temporaries struct {
	byKey map[string]*temporary
	// spare has those without a SUBSCRIBE, which may be removed, in the order in which
	// they were last named.
	spare list.List
}

func (ts *temporaries) find(d destination.Destination) *temporary { return ts.byKey[d.Key()] }

// settle moves t to the end of spare, or takes it out.
func (ts *temporaries) settle(t *temporary) {
	spare := t.subs == 0 || t.implicit != nil
	switch {
	case spare && t.place == nil:
		t.place = ts.spare.PushBack(t)
	case spare:
		ts.spare.MoveToBack(t.place)
	case t.place != nil:
		ts.spare.Remove(t.place)
		t.place = nil
	}
}

// nameAgain notes a reply-to to an existing queue, which waits for an answer now.
func (ts *temporaries) nameAgain(t *temporary) {
	if t.implicit != nil {
		t.implicit.answered.Store(false)
	}
	ts.settle(t)
}

// occupy makes the queue of a new subscription unless it exists. The client's own
// subscription replaces one that a reply-to has made.
func (s *Session) occupy(sub *subscription) error {
	t := s.temporary.find(sub.dest)
	if t == nil {
		t = &temporary{dest: sub.dest}
		if err := s.options.Broker.MakeTemporary(t.dest, s.user(), s.options.Limits.Outbound, s.account); err != nil {
			return quotaFault(sub.text, err)
		}
		if s.temporary.byKey == nil {
			s.temporary.byKey = make(map[string]*temporary)
		}
		s.temporary.byKey[t.dest.Key()] = t
	}
	if t.implicit != nil {
		s.stop(t.implicit)
	}
	if t.subs++; sub.implicit {
		t.implicit = sub
	}
	s.temporary.settle(t)
	return nil
}

// vacate is called when a subscription to a temporary queue has ended.
func (s *Session) vacate(sub *subscription) {
	t := s.temporary.find(sub.dest)
	if t == nil {
		return
	}
	if t.subs--; t.implicit == sub {
		t.implicit = nil
	}
	s.temporary.settle(t)
}

// drop removes a temporary queue with its messages.
func (s *Session) drop(t *temporary) {
	if t.implicit != nil {
		s.stop(t.implicit)
	}
	if t.place != nil {
		s.temporary.spare.Remove(t.place)
	}
	delete(s.temporary.byKey, t.dest.Key())
	s.options.Broker.DropTemporary(t.dest)
}

// makeRoom removes one idle temporary queue without a SUBSCRIBE; if subscribed is
// true, one that counts as a subscription. Among the few that were named longest ago,
// it prefers one that has had its answer. It returns false if there is none.
func (s *Session) makeRoom(subscribed bool) bool {
	const few = 32
	var oldest *temporary
	var next *list.Element
	e := s.temporary.spare.Front()
	for n := s.temporary.spare.Len(); n > 0 && (oldest == nil || n > s.temporary.spare.Len()-few); n, e = n-1, next {
		t := e.Value.(*temporary)
		next = e.Next()
		switch {
		case subscribed && t.implicit == nil:
		case !s.isIdle(t):
			s.temporary.spare.MoveToBack(e) // it is not looked at again before others
		case t.implicit == nil || t.implicit.answered.Load():
			s.drop(t)
			return true
		case oldest == nil:
			oldest = t
		}
	}
	if oldest != nil {
		s.drop(oldest)
	}
	return oldest != nil
}

// isIdle reports whether a temporary queue is empty and nothing of it waits to be
// written.
func (s *Session) isIdle(t *temporary) bool {
	d, _ := s.options.Broker.Depth(t.dest)
	return d == (broker.Depth{})
}

// replyKey returns the key of a subscription that a reply-to makes. Clients'
// subscriptions have other keys.
func replyKey(destination string) string { return "\x00reply " + destination }

// giveBack ends the subscription and the queue that a reply-to has made, by the id in
// their MESSAGEs or, in STOMP 1.0, by the destination. It returns false if there is
// none.
func (s *Session) giveBack(key string) bool {
	sub := s.subs[replyKey(strings.TrimPrefix(key, "\x00"))]
	if sub == nil {
		return false
	}
	s.drop(s.temporary.find(sub.dest))
	return true
}
