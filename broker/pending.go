package broker

import "sync"

// A gathering has the steps that will be applied as one batch.
type gathering struct {
	batch Batch
	size  int  // of batch
	whole bool // it is not to be split
	sizer
}

func (g *gathering) add(op Op) {
	g.batch = append(g.batch, op)
	g.size += g.sizeOf(&op)
}

// splitSize is about how large a batch gets that need not be one.
const splitSize = 8 << 20

// A batcher applies gatherings to a Store, and keeps their memory for the next ones.
// All queues of a broker share it; it locks nothing.
type batcher struct {
	store Store
	split int // about the size of a batch that need not be one
	pool  sync.Pool
}

func (b *batcher) get() *gathering {
	if g, ok := b.pool.Get().(*gathering); ok {
		return g
	}
	return &gathering{batch: make(Batch, 0, 8)}
}

// apply applies a gathering, and calls done when that has happened. The gathering is
// not to be used any more.
func (b *batcher) apply(g *gathering, done func(error)) {
	if len(g.batch) == 0 {
		finished(done, nil)
	} else {
		b.store.Apply(g.batch, done)
	}
	const most = 1024
	if cap(g.batch) > most {
		return // it would stay as long as the program
	}
	clear(g.batch)
	g.batch, g.size, g.whole = g.batch[:0], 0, false
	g.sizer = sizer{}
	b.pool.Put(g)
}

// pendingWrites are the steps and the questions for the Store that are gathered while
// a queue's lock is held. Steps go to the Store before the lock is released, so that
// the Store gets them in the order in which the queue changed. Questions follow: a page
// could lack the steps before it.
type pendingWrites struct {
	out   *gathering // nil: there is no step
	asked []question
}

// A question asks for a page.
type question struct {
	Range
	answer func(Page)
}

// add adds a step.
func (w *pendingWrites) add(b *batcher, op Op) {
	if w.out == nil {
		w.out = b.get()
	}
	w.out.add(op)
}

// fit is called before steps of about so many bytes that belong together and that the
// Store can take as one. If they would make the batch too large, it applies the steps
// gathered before by themselves.
func (w *pendingWrites) fit(b *batcher, size int) {
	if w.out != nil && !w.out.whole && w.out.size+size > b.split {
		w.flush(b, nil)
	}
}

// flush applies the steps, and calls done when they are applied.
func (w *pendingWrites) flush(b *batcher, done func(error)) {
	if g := w.out; g != nil {
		w.out = nil
		b.apply(g, done)
	} else {
		finished(done, nil)
	}
}

// join makes the next steps go to a batch that several queues share, until leave. The
// steps before were flushed.
func (w *pendingWrites) join(g *gathering) { w.out = g }
func (w *pendingWrites) leave()            { w.out = nil }

// whole keeps the steps that f adds in the batch of those before.
func (w *pendingWrites) whole(f func()) {
	g := w.out
	before := g.whole
	g.whole = true
	f()
	g.whole = before
}

// ask adds a question, and askAll puts all of them.
func (w *pendingWrites) ask(r Range, answer func(Page)) {
	w.asked = append(w.asked, question{r, answer})
}

func (w *pendingWrites) askAll(b *batcher) {
	for _, a := range w.asked {
		b.store.Read(a.Range, a.answer)
	}
	w.asked = nil
}
