package broker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A scribe is a Store that only writes down what it is asked.
type scribe struct {
	*Memory
	steps  []uint64 // by number
	sizes  []int    // of batches
	events []string
}

func (s *scribe) Apply(b Batch, done func(error)) {
	for _, op := range b {
		s.steps = append(s.steps, op.At.Seq)
	}
	s.sizes = append(s.sizes, len(b))
	s.events = append(s.events, fmt.Sprint("apply ", len(b)))
	finished(done, nil)
}

func (s *scribe) Read(r Range, _ func(Page)) {
	s.events = append(s.events, fmt.Sprint("read ", r.Messages))
}

// Steps reach the Store in order, in batches within the bound but for those that belong
// together, and each done is called once.
func TestPendingWrites(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 5))
		s := &scribe{}
		b := &batcher{store: s, split: 20 * opSize}
		w := &pendingWrites{}
		n, called, flushed := uint64(0), 0, 0
		add := func() {
			n++
			w.add(b, Op{Kind: Note, At: Position{Seq: n}})
		}
		for range 300 {
			switch r.IntN(6) {
			case 0:
				flushed++
				w.flush(b, func(error) { called++ })
			case 1:
				w.flush(b, nil)
				g := b.get()
				g.whole = true
				w.join(g)
				for range r.IntN(40) {
					w.fit(b, opSize)
					add()
				}
				w.leave()
				flushed++
				b.apply(g, func(error) { called++ })
			case 2:
				add()
				w.whole(func() {
					for range r.IntN(5) {
						w.fit(b, b.split)
						add()
					}
				})
			default:
				w.fit(b, opSize)
				add()
			}
		}
		w.flush(b, nil)
		if !slices.IsSorted(s.steps) || len(s.steps) != int(n) || called != flushed {
			t.Fatalf("seed %d: %d steps came of %d, in order: %v; %d of %d were told", seed, len(s.steps), n, slices.IsSorted(s.steps), called, flushed)
		}
		if most := slices.Max(s.sizes); most > 45 {
			t.Errorf("seed %d: a batch has %d steps", seed, most)
		}
		if len(s.sizes) < 30 {
			t.Errorf("seed %d: there are %d batches", seed, len(s.sizes))
		}
	}
}

// Questions are put behind the steps before them.
func TestQuestionsFollowSteps(t *testing.T) {
	s := &scribe{}
	b := &batcher{store: s, split: 1000}
	w := &pendingWrites{}
	w.ask(Range{Messages: 1}, nil)
	w.add(b, Op{Kind: Note})
	w.ask(Range{Messages: 2}, nil)
	w.flush(b, nil)
	w.askAll(b)
	w.askAll(b)
	if got := strings.Join(s.events, ", "); got != "apply 1, read 1, read 2" {
		t.Errorf("the store was asked: %s", got)
	}
}
