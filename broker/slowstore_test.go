package broker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// A slowStore says that nothing is done until it is told to.
type slowStore struct {
	Memory
	waiting []slowBatch
	loading error
}

type slowBatch struct {
	batch Batch
	done  func(error)
}

func (s *slowStore) Apply(b Batch, done func(error)) {
	s.Memory.Apply(b, nil)
	s.waiting = append(s.waiting, slowBatch{slices.Clone(b), done})
}

func (s *slowStore) Load(func(StoredQueue) error) (QueueID, error) { return 1, s.loading }

// finish ends all that wait.
func (s *slowStore) finish(err error) {
	for _, w := range s.waiting {
		finished(w.done, err)
	}
	s.waiting = nil
}

// steps are the applied steps, as kind:number, without descriptions of
// queues.
func (s *slowStore) steps() string {
	var steps []string
	for _, w := range s.waiting {
		for _, op := range w.batch {
			if op.Kind != Describe {
				steps = append(steps, fmt.Sprintf("%s:%d", opNames[op.Kind], op.At.Seq))
			}
		}
	}
	return strings.Join(steps, " ")
}

var opNames = map[OpKind]string{Drop: "drop", Put: "put", Note: "note", Delete: "delete", Clear: "clear"}

func TestSendIsDoneWhenStored(t *testing.T) {
	broken := errors.New("disk full")
	for _, err := range []error{nil, broken} {
		s := &slowStore{}
		x := newTester(t, s)
		var queue, topic, temp counter
		x.p.Send(x.message("/queue/q", "1"), queue.done)
		x.p.Send(x.message("/topic/t", "1"), topic.done)
		x.p.Send(x.message("/temp-queue/r", "1"), temp.done)
		x.p.Send(x.message("/queue/q", "2"), nil)
		queue.want(t, 0, nil)
		topic.want(t, 1, nil)
		temp.want(t, 1, nil)
		s.finish(err)
		queue.want(t, 1, err)
	}
}

// TestNamesAreNew: a queue that vanished and comes again has another name in
// the Store.
func TestNamesAreNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{}
		x := newTester(t, s)
		dropped := make(map[QueueID]bool)
		for range 3 {
			for _, q := range []string{"/queue/a", "/queue/b"} {
				x.send(q, "1 2")
				p := x.subscribe(q, AckClient, 9)
				synctest.Wait()
				p.ack("2")
				p.sub.Unsubscribe()
			}
			x.wantSize(0, 0)
			for _, w := range s.waiting {
				for _, op := range w.batch {
					if dropped[op.Queue] {
						t.Errorf("%d was used again", op.Queue)
					}
					dropped[op.Queue] = op.Kind == Drop
				}
			}
			s.finish(nil)
		}
		if len(dropped) != 6 {
			t.Errorf("%d queues were made, want 6", len(dropped))
		}
	})
}

func TestLoadFails(t *testing.T) {
	broken := errors.New("disk broken")
	if _, err := New(Options{Store: &slowStore{loading: broken}}); !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
}

// TestWhatIsStored: messages of durable queues only, and each is deleted once.
func TestWhatIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{}
		x := newTester(t, s)
		x.b.MakeTemporary(readDestination(t, "/temp-queue/r", alice), "", 0, nil)
		topic := x.subscribe("/topic/t", AckClient, 9)
		x.send("/topic/t", "1")
		x.send("/temp-queue/r", "1")
		topic.ack("1")
		if len(s.waiting) != 0 {
			t.Fatalf("%d batches for what nobody keeps", len(s.waiting))
		}
		x.send("/queue/q", "1 2 3 4")
		p := x.subscribe("/queue/q", AckClient, 9)
		synctest.Wait()
		p.nack("4", true) // and all before it
		p.ack("3")
		p.sub.Unsubscribe()
		want := "put:1 put:2 put:3 put:4 note:1 note:2 note:3 note:4 delete:1 delete:2 delete:3 note:4"
		if got := s.steps(); got != want {
			t.Errorf("steps are %s, want %s", got, want)
		}
	})
}
