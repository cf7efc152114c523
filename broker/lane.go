package broker

// A lane holds the messages of one priority that wait in a queue. The queue's
// lock guards it.
//
// They are in order of arrival, but in four parts: due (delayed messages
// whose time has come), back (messages that were given back), loose (messages
// that no Store keeps), and those that the Store keeps, of which a window
// around the head is in memory. Stored messages up to after are in the first
// two parts or in the window, or have left the lane; those behind it are
// counted by behind. So a lane without behind is all in memory.
type lane struct {
	priority  uint8
	window    deque[entry]
	loose     deque[entry]
	due, back *pile // nil: empty
	loaded    int   // bytes in window
	behind    Extent
	after     uint64
	// oldest is about when the first of behind arrived, in ms since the epoch;
	// 0: it is not known. It means nothing while window has something.
	oldest   int64
	learning bool // the Store is asked for it
	pageReader
}

// The window is small where many queues have one.
const (
	windowMessages = 512
	windowBytes    = 256 << 10
	manyQueues     = 1000
	smallWindow    = windowBytes / 8 // with so many
)

// A pageReader is the state of a lane that waits for a page.
type pageReader struct {
	reading bool
	failed  bool   // the last page could not be read; it is tried again by the clock
	round   uint64 // grows when a page that is under way is not wanted any more
}

// stop makes the lane ignore a page that is under way.
func (r *pageReader) stop() {
	r.reading = false
	r.round++
}

// idle reports whether no stored message waits in the lane, except those that
// were given back.
func (l *lane) idle() bool { return l.window.len() == 0 && l.behind.Count == 0 }

// empty reports whether nothing waits in the lane.
func (l *lane) empty() bool {
	return l.idle() && l.loose.len() == 0 && l.due.len() == 0 && l.back.len() == 0
}

// add puts an entry at the end. One that the Store keeps stays in memory if
// nothing is behind and the window may have it.
func (l *lane) add(e entry, room bool) {
	switch {
	case !e.stored():
		l.loose.pushBack(e)
	case l.behind.Count == 0 && room:
		l.hold(e)
	default:
		if l.idle() {
			l.oldest = e.msg.arrived
		}
		l.behind.add(e.msg.Size())
	}
}

// hold puts an entry into the window.
func (l *lane) hold(e entry) {
	l.window.pushBack(e)
	l.loaded += e.msg.Size()
	l.after = e.seq
}

// A source is where the head of a lane is.
type source uint8

const (
	nowhere source = iota // the lane is empty, or its messages cannot be read at present
	unread                // only the Store has it
	inDue
	inBack
	inLoose
	inWindow
)

// head returns where the lane's next message is.
func (l *lane) head() source {
	from, seq := nowhere, uint64(0)
	if l.window.len() > 0 {
		from, seq = inWindow, l.window.at(0).seq
	}
	if l.loose.len() > 0 && (from == nowhere || l.loose.at(0).seq < seq) {
		from, seq = inLoose, l.loose.at(0).seq
	}
	if b := l.back.first(); b != nil && (from == nowhere || b.seq < seq) {
		from, seq = inBack, b.seq
	}
	if d := l.due.first(); d != nil && (from == nowhere || d.seq < seq) {
		from, seq = inDue, d.seq
	}
	if l.behind.Count > 0 && !l.failed && (from == nowhere || seq > l.after) {
		return unread
	}
	return from
}

// pop takes the message that is there.
func (l *lane) pop(from source) entry {
	switch from {
	case inDue:
		return l.due.index.pick(l.due.first())
	case inBack:
		return l.back.index.pick(l.back.first())
	case inLoose:
		return l.loose.popFront()
	}
	e := l.window.popFront()
	l.loaded -= e.msg.Size()
	if l.window.len() == 0 {
		l.oldest = e.msg.arrived // the next one is hardly younger
	}
	return e
}

// arrival returns when the oldest message of the lane arrived, as far as that is
// known.
func (l *lane) arrival() (at int64) {
	switch {
	case l.window.len() > 0:
		at = l.window.at(0).msg.arrived
	case l.behind.Count > 0:
		at = l.oldest
	}
	if l.loose.len() > 0 {
		at = sooner(at, l.loose.at(0).msg.arrived)
	}
	for _, p := range []*pile{l.due, l.back} {
		if it := p.first(); it != nil {
			at = sooner(at, it.msg.arrived)
		}
	}
	return at
}

// load takes over a page, which was requested when expected messages were
// behind, and returns the number that the Store lacks.
func (l *lane) load(p Page, expected Extent) (missing Extent) {
	for _, s := range p.Messages {
		l.hold(storedEntry(&s))
		l.behind.remove(s.Message.Size())
		expected.remove(s.Message.Size())
	}
	if p.End && p.Err == nil && expected.Count > 0 {
		missing = expected
		l.behind.Count -= missing.Count
		l.behind.Size -= missing.Size
	}
	if l.behind.Count == 0 {
		l.behind.Size = 0
	}
	return missing
}

// insert puts an entry that the Store keeps to its place among those that only
// the Store has, if it is there.
func (l *lane) insert(e entry) bool {
	if e.seq <= l.after {
		return false
	}
	if l.reading {
		l.stop() // the page may lack it
	}
	l.behind.add(e.msg.Size())
	return true
}

// forget leaves stored messages that are in order of arrival to the Store, to
// be read again from the start. No message of the lane is with a consumer.
func (l *lane) forget() {
	l.stop()
	for i := range l.window.len() {
		l.behind.add(l.window.at(i).msg.Size())
	}
	l.back.leave(func(e *entry) {
		l.behind.add(e.msg.Size())
		l.oldest = sooner(l.oldest, e.msg.arrived)
	})
	l.window = deque[entry]{}
	l.loaded, l.after = 0, 0
}

func (x *Extent) add(size int) {
	x.Count++
	x.Size += size
}

func (x *Extent) remove(size int) {
	x.Count--
	x.Size -= size
}
