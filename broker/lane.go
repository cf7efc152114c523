package broker

import "slices"

// A lane holds the messages of one priority that wait in a queue, in order of
// arrival: those in memory, a window around its head, and behind them those
// that only the Store has. The queue's lock guards it.
//
// Stored messages up to after are in the window or have left the lane; those
// behind it are counted by behind. So a lane without behind is all in memory.
type lane struct {
	priority uint8
	window   deque[entry]
	loaded   int // bytes of the stored ones in window
	behind   Extent
	after    uint64
	// oldest is about when the first of behind arrived, in ms since the epoch;
	// 0: it is not known. It means nothing while window has something.
	oldest   int64
	learning bool // the Store is asked for it
	// late are those that no Store keeps and that come after some of behind.
	late deque[entry]
	pageReader
}

// The window is small where many queues have one.
const (
	windowMessages = 512
	windowBytes    = 256 << 10
	manyQueues     = 1000
	smallWindow    = windowBytes / 8 // with so many
)

// A pageReader is what a lane knows of the page that it waits for.
type pageReader struct {
	reading bool
	failed  bool   // the last page could not be read; it is tried again by the clock
	round   uint64 // grows when a page that is under way is not wanted any more
}

// stop makes a page that is under way go unheeded.
func (r *pageReader) stop() {
	r.reading = false
	r.round++
}

// idle tells whether there is nothing in the lane.
func (l *lane) idle() bool { return l.window.len() == 0 && l.behind.Count == 0 }

// add puts an entry at the end. It stays in memory if nothing is behind and
// the window may have it.
func (l *lane) add(e entry, room bool) {
	switch {
	case l.behind.Count == 0 && (!e.stored() || room):
		l.hold(e)
	case e.stored():
		if l.idle() {
			l.oldest = e.msg.arrived
		}
		l.behind.add(e.msg.Size())
	default:
		l.late.pushBack(e)
	}
}

// hold puts an entry into the window.
func (l *lane) hold(e entry) {
	l.window.pushBack(e)
	if e.stored() {
		l.loaded += e.msg.Size()
		l.after = e.seq
	}
}

// pop takes the head of the window, which is not empty.
func (l *lane) pop() entry {
	e := l.window.popFront()
	if e.stored() {
		l.loaded -= e.msg.Size()
	}
	if l.window.len() == 0 {
		l.oldest = e.msg.arrived // the next one is hardly younger
	}
	return e
}

// head is when the first message of the lane arrived, as far as that is known.
func (l *lane) head() int64 {
	switch {
	case l.window.len() > 0:
		return l.window.at(0).msg.arrived
	case l.behind.Count > 0:
		return l.oldest
	}
	return 0
}

// load takes over a page, which was asked for when expected messages were
// behind, and returns what is missing from the Store against that count.
func (l *lane) load(p Page, expected Extent) (missing Extent) {
	for _, s := range p.Messages {
		for l.late.len() > 0 && l.late.at(0).seq < s.At.Seq {
			l.hold(l.late.popFront())
		}
		l.hold(storedEntry(&s))
		l.behind.remove(s.Message.Size())
		expected.remove(s.Message.Size())
	}
	if p.End && p.Err == nil && expected.Count > 0 {
		missing = expected
		l.behind.Count -= missing.Count
		l.behind.Size -= missing.Size
	}
	l.settle()
	return missing
}

// settle lets the late ones follow when nothing is behind any more.
func (l *lane) settle() {
	if l.behind.Count > 0 {
		return
	}
	l.behind.Size = 0
	for l.late.len() > 0 {
		l.hold(l.late.popFront())
	}
}

// forget leaves what is stored to the Store, to be read again from the start.
// Nothing of the lane is with a consumer; returned are those that were and
// that no Store keeps, which find their places.
func (l *lane) forget(returned []entry) {
	l.stop()
	kept := returned
	for _, d := range []*deque[entry]{&l.window, &l.late} {
		for d.len() > 0 {
			if e := d.popFront(); !e.stored() {
				kept = append(kept, e)
			} else {
				l.behind.add(e.msg.Size())
			}
		}
	}
	slices.SortFunc(kept, func(a, b entry) int { return int(min(1, max(-1, int64(a.seq-b.seq)))) })
	l.window, l.late = deque[entry]{}, deque[entry]{}
	l.loaded, l.after = 0, 0
	for _, e := range kept {
		l.late.pushBack(e)
	}
	l.settle()
}

func (x *Extent) add(size int) {
	x.Count++
	x.Size += size
}

func (x *Extent) remove(size int) {
	x.Count--
	x.Size -= size
}
