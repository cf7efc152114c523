package broker

import (
	"container/heap"
	"slices"
)

// A schedule holds the messages of a queue that wait for their time: the next
// ones in memory, and behind them those that only the Store has. The queue's
// lock guards it.
//
// Stored messages up to horizon are in soon or have left the schedule; those
// behind it are counted by behind.
type schedule struct {
	soon    byTime
	horizon Position
	behind  Extent
	count   int // of all
	pageReader
	// fresh are those that came behind while a page was read, which may have
	// been read before they were there.
	fresh []entry
}

// add puts in an entry, whose at is set; about so many as limit says stay in
// memory.
func (s *schedule) add(e entry, limit int) {
	s.count++
	if e.stored() && s.behind.Count > 0 && e.position().Compare(s.horizon) > 0 {
		s.behind.add(e.msg.Size())
		if s.reading {
			s.fresh = append(s.fresh, e)
		}
		return
	}
	heap.Push(&s.soon, e)
	if e.stored() && s.behind.Count == 0 && e.position().Compare(s.horizon) > 0 {
		s.horizon = e.position()
	}
	if len(s.soon) > 2*limit {
		s.shorten(limit)
	}
}

// shorten leaves the later ones of what is stored to the Store.
func (s *schedule) shorten(limit int) {
	slices.SortFunc(s.soon, func(a, b entry) int { pa := a.position(); return pa.Compare(b.position()) })
	s.stop()
	s.fresh = nil
	kept, stored := s.soon[:0], 0
	for _, e := range s.soon {
		switch {
		case !e.stored():
		case stored < limit:
			stored++
			s.horizon = e.position()
		default:
			s.behind.add(e.msg.Size())
			continue
		}
		kept = append(kept, e)
	}
	clear(s.soon[len(kept):])
	s.soon = kept // in order, so a heap
}

// due takes out the next entry if its time has come.
func (s *schedule) due(now int64) (entry, bool) {
	if len(s.soon) == 0 || s.soon[0].at > now {
		return entry{}, false
	}
	s.count--
	return heap.Pop(&s.soon).(entry), true
}

// wants tells whether the next messages must be read to know what is due.
func (s *schedule) wants(limit int) bool {
	return s.behind.Count > 0 && len(s.soon) <= limit/2 && !s.reading && !s.failed
}

// load takes over a page, as lane.load does.
func (s *schedule) load(p Page, expected Extent) (missing Extent) {
	for _, m := range p.Messages {
		heap.Push(&s.soon, storedEntry(&m))
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
	s.refresh(p)
	return missing
}

// refresh takes in those that came while the page was read, if they belong
// before its end and it lacks them.
func (s *schedule) refresh(p Page) {
	for _, e := range s.fresh {
		at := e.position()
		if !p.End && at.Compare(s.horizon) > 0 {
			continue
		}
		if _, there := slices.BinarySearchFunc(p.Messages, at, func(m Stored, at Position) int { return m.At.Compare(at) }); there {
			continue
		}
		heap.Push(&s.soon, e)
		s.behind.remove(e.msg.Size())
		if at.Compare(s.horizon) > 0 {
			s.horizon = at
		}
	}
	s.fresh = nil
}

// forget leaves what is stored to the Store.
func (s *schedule) forget() {
	s.stop()
	s.fresh = nil
	var kept byTime
	for _, e := range s.soon {
		if e.stored() {
			s.behind.add(e.msg.Size())
		} else {
			kept = append(kept, e)
		}
	}
	heap.Init(&kept)
	s.soon, s.horizon = kept, Position{}
}
