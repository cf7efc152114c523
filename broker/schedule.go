package broker

import "slices"

// A schedule holds the delayed messages of a queue: the next ones in memory,
// and behind them those that only the Store has. Messages that no Store keeps
// are all in memory. The queue's lock guards it.
//
// Stored messages up to horizon are in soon or have left the schedule; those
// behind it are counted by behind.
type schedule struct {
	soon    *pile // nil: empty
	horizon Position
	// left is the last of those that became visible and that the Store may
	// still have here. The horizon is not in front of it, wherever the wall
	// clock is set, or they would be read again.
	left   Position
	stuck  int // how many shorten had to keep for that
	behind Extent
	count  int // of all
	pageReader
	// fresh are those that came behind while a page was read, which may have
	// been read before they were there.
	fresh []entry
}

// schedule puts in an entry whose at is set, and that expires then; 0: never. wanted
// says that the head of the backlog is to be in memory.
func (b *backlog) schedule(e entry, expires int64, wanted bool, w Extent) {
	s := &b.delayed
	s.count++
	later := e.stored() && e.position().Compare(s.horizon) > 0
	if later && (s.behind.Count > 0 || !wanted) {
		s.behind.add(e.msg.Size())
		if s.reading {
			s.fresh = append(s.fresh, e)
		}
		return
	}
	b.soon().push(e, expires)
	if later {
		s.horizon = e.position()
	}
	if kept := s.soon.kept(); kept.Count > 2*s.stuck && (kept.Count > 2*w.Count || kept.Count > 1 && kept.Size > 2*w.Size) {
		s.shorten(w)
	}
}

// soon is the pile of the schedule, which is made if there is none.
func (b *backlog) soon() *pile {
	if b.delayed.soon == nil {
		b.delayed.soon = newPile(&b.index, byTime)
	}
	return b.delayed.soon
}

// shorten leaves the later stored messages to the Store. Half of them go, and
// at most twice the window is in memory, so it costs little for each message.
func (s *schedule) shorten(w Extent) {
	s.stop()
	s.fresh = nil
	all := slices.Clone(s.soon.stored.items)
	slices.SortFunc(all, func(a, b *item) int { return compare(a.due(&b.entry)) })
	kept := Extent{}
	s.horizon, s.stuck = s.left, 0
	for i, it := range all {
		kept.add(it.msg.Size())
		switch over := i > 0 && (kept.Count > w.Count || kept.Size > w.Size); {
		case over && it.position().Compare(s.left) > 0:
			for _, it := range all[i:] {
				s.behind.add(it.msg.Size())
				s.soon.index.pick(it)
			}
			return
		case over:
			s.stuck = kept.Count
		}
		if at := it.position(); at.Compare(s.horizon) > 0 {
			s.horizon = at
		}
	}
}

// leave is called for an entry that has become visible.
func (s *schedule) leave(e *entry) {
	if at := e.position(); e.stored() && at.Compare(s.left) > 0 {
		s.left = at
	}
}

// wants reports whether the next messages must be read to know which is due.
func (s *schedule) wants(w Extent) bool {
	kept := s.soon.kept()
	return s.behind.Count > 0 && kept.Count <= w.Count/2 && kept.Size <= w.Size/2 && !s.reading && !s.failed
}

// unread reports whether only the Store knows which stored message is due
// next.
func (s *schedule) unread() bool { return s.behind.Count > 0 && s.soon.kept().Count == 0 }

// loadSchedule takes over a page, as lane.load does. expires tells when a message
// expires.
func (b *backlog) loadSchedule(p Page, expected Extent, expires func(*Message) int64) (missing Extent) {
	s := &b.delayed
	for _, m := range p.Messages {
		b.soon().push(storedEntry(&m), expires(m.Message))
		s.behind.remove(m.Message.Size())
		expected.remove(m.Message.Size())
		s.horizon = m.At
	}
	if p.End && p.Err == nil && expected.Count > 0 {
		missing = expected
		s.behind.Count -= missing.Count
		s.behind.Size -= missing.Size
		s.count -= missing.Count
	}
	b.refresh(p, expires)
	return missing
}

// refresh takes in those that came while the page was read, if they belong
// before its end and it lacks them.
func (b *backlog) refresh(p Page, expires func(*Message) int64) {
	s := &b.delayed
	for _, e := range s.fresh {
		at := e.position()
		if !p.End && at.Compare(s.horizon) > 0 {
			continue
		}
		if _, there := slices.BinarySearchFunc(p.Messages, at, func(m Stored, at Position) int { return m.At.Compare(at) }); there {
			continue
		}
		b.soon().push(e, expires(e.msg))
		s.behind.remove(e.msg.Size())
		if at.Compare(s.horizon) > 0 {
			s.horizon = at
		}
	}
	s.fresh = nil
}

// forget leaves stored messages to the Store.
func (s *schedule) forget() {
	s.stop()
	s.fresh = nil
	s.soon.leave(func(e *entry) { s.behind.add(e.msg.Size()) })
	s.horizon, s.left, s.stuck = Position{}, Position{}, 0
}

// listed returns how many messages the lists have.
func (s *schedule) listed() int { return s.soon.len() + s.behind.Count }
