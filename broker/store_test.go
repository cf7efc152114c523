package broker

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"hoofbeat/frames"
)

// testStore is the contract of every Store. newDisk prepares an empty place
// and returns open, which gives a Store on it: each time one that holds what
// the one before has reported as done. open closes the one before.
func testStore(t *testing.T, newDisk func(t *testing.T) (open func() Store)) {
	for name, test := range map[string]func(*testing.T, func() Store){
		"Empty":      testStoreEmpty,
		"Order":      testStoreOrder,
		"Message":    testStoreMessage,
		"LoadStops":  testStoreLoadStops,
		"Random":     testStoreRandom,
		"Concurrent": testStoreConcurrent,
		"Broker":     testStoreBroker,
	} {
		t.Run(name, func(t *testing.T) { test(t, newDisk(t)) })
	}
}

func TestMemory(t *testing.T) {
	testStore(t, func(*testing.T) func() Store {
		s := &Memory{}
		return func() Store { return s }
	})
}

// apply waits until the batch is done.
func apply(tb testing.TB, s Store, b Batch) {
	tb.Helper()
	done := make(chan error, 2)
	s.Apply(b, func(err error) { done <- err })
	if err := <-done; err != nil {
		tb.Fatal(err)
	}
}

func load(tb testing.TB, s Store) []Stored {
	tb.Helper()
	var all []Stored
	if err := s.Load(func(st Stored) error { all = append(all, st); return nil }); err != nil {
		tb.Fatal(err)
	}
	return all
}

func queueMessage(tb testing.TB, queue, body string, headers ...string) *Message {
	return makeMessage(readDestination(tb, queue, alice), queue, body, headers...)
}

func put(tb testing.TB, queue string, seq uint64) Op {
	return Op{Kind: Put, Queue: queue, Seq: seq, Message: queueMessage(tb, queue, fmt.Sprint(seq))}
}

func remove(queue string, seq uint64) Op { return Op{Kind: Delete, Queue: queue, Seq: seq} }

func testStoreEmpty(t *testing.T, open func() Store) {
	if n := len(load(t, open())); n > 0 {
		t.Errorf("%d messages in an empty store", n)
	}
	s := open()
	load(t, s)
	s.Apply(Batch{put(t, "/queue/a", 1)}, nil) // without done
	apply(t, s, Batch{remove("/queue/a", 1)})
	if n := len(load(t, open())); n > 0 {
		t.Errorf("%d messages in a store that is empty again", n)
	}
}

// testStoreOrder: by number, also where the order of bytes would be another,
// and each queue for itself where one's name begins the other's.
func testStoreOrder(t *testing.T, open func() Store) {
	seqs := []uint64{1, 2, 9, 10, 255, 256, 257, 65535, 65536, 1 << 32, 1<<32 + 1, 1 << 56}
	queues := []string{"/queue/a", "/queue/a.b", "/queue/a b", "/queue/b", "/queue/ä"}
	s := open()
	load(t, s)
	var b Batch
	for _, q := range queues {
		for _, seq := range seqs {
			b = append(b, put(t, q, seq))
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	r.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
	apply(t, s, b)
	got := make(map[string][]uint64)
	for _, st := range load(t, open()) {
		if want := fmt.Sprint(st.Seq); st.Message.to.Key() != st.Queue || string(st.Message.Body()) != want {
			t.Errorf("%s %d holds %q for %s", st.Queue, st.Seq, st.Message.Body(), st.Message.to.Key())
		}
		got[st.Queue] = append(got[st.Queue], st.Seq)
	}
	for _, q := range queues {
		if !slices.Equal(got[q], seqs) {
			t.Errorf("%s has %v, want %v", q, got[q], seqs)
		}
	}
}

// testStoreMessage: what a subscriber sees of a message is kept.
func testStoreMessage(t *testing.T, open func() Store) {
	messages := []*Message{
		queueMessage(t, "/queue/q", ""),
		queueMessage(t, "/queue/q", "text", "a", "1", "b", "", "a", "2"),
		queueMessage(t, "/queue/q", "\x00\xff\n", "content-type", "application/octet-stream"),
		queueMessage(t, "/queue/q", "x", "line", "one\ntwo\rthree", "a:b", `c:\d`),
		queueMessage(t, "/queue/q", strings.Repeat("long ", 100000)),
		makeMessage(readDestination(t, "/queue/q/r", alice), "/queue/q/r", "x"),
	}
	s := open()
	load(t, s)
	for i, m := range messages {
		apply(t, s, Batch{{Kind: Put, Queue: m.to.Key(), Seq: uint64(i + 1), Message: m}})
	}
	got := load(t, open())
	if len(got) != len(messages) {
		t.Fatalf("%d messages, want %d", len(got), len(messages))
	}
	for _, st := range got {
		wantSameMessage(t, st.Message, messages[st.Seq-1])
	}
}

func wantSameMessage(t *testing.T, got, want *Message) {
	t.Helper()
	if got.to != want.to || got.Destination() != want.Destination() || got.Text() != want.Text() || got.Size() != want.Size() || !bytes.Equal(got.Body(), want.Body()) {
		t.Errorf("got %v %q, want %v %q", got.to, got.Body(), want.to, want.Body())
	}
	for v := frames.V10; v <= frames.V12; v++ {
		if g, w := got.AppendTail(nil, v), want.AppendTail(nil, v); !bytes.Equal(g, w) {
			t.Errorf("in %s: got %q, want %q", v, g, w)
		}
	}
}

func testStoreLoadStops(t *testing.T, open func() Store) {
	s := open()
	load(t, s)
	apply(t, s, Batch{put(t, "/queue/a", 1), put(t, "/queue/a", 2), put(t, "/queue/b", 1)})
	enough, calls := errors.New("enough"), 0
	err := open().Load(func(Stored) error {
		calls++
		if calls == 2 {
			return enough
		}
		return nil
	})
	if calls != 2 || !errors.Is(err, enough) {
		t.Errorf("f was called %d times, error %v", calls, err)
	}
}

// testStoreRandom compares with a plain map. A number is used again after it
// was deleted: a queue that vanished begins anew.
func testStoreRandom(t *testing.T, open func() Store) {
	r := rand.New(rand.NewPCG(2, 2))
	s := open()
	load(t, s)
	want := make(map[place]string)
	for range 20 {
		for range 50 {
			var b Batch
			touched := make(map[place]bool)
			for range 1 + r.IntN(10) {
				p := place{fmt.Sprintf("/queue/%d", r.IntN(5)), 1 + r.Uint64N(50)}
				if touched[p] {
					continue
				}
				touched[p] = true
				if _, there := want[p]; there {
					b = append(b, remove(p.queue, p.seq))
					delete(want, p)
				} else {
					want[p] = fmt.Sprint(r.Uint64())
					b = append(b, Op{Kind: Put, Queue: p.queue, Seq: p.seq, Message: queueMessage(t, p.queue, want[p])})
				}
			}
			apply(t, s, b)
		}
		s = open()
		got := make(map[place]string)
		for _, st := range load(t, s) {
			got[place{st.Queue, st.Seq}] = string(st.Message.Body())
		}
		if !maps.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// testStoreConcurrent: each batch is done once, and those of one goroutine in
// their order; a batch is there as a whole.
func testStoreConcurrent(t *testing.T, open func() Store) {
	const writers, batches = 8, 200
	s := open()
	load(t, s)
	var wg, all sync.WaitGroup
	for g := range writers {
		wg.Go(func() {
			last := 0 // guarded by the order in which batches are done
			q, mirror := fmt.Sprintf("/queue/%d", g), fmt.Sprintf("/queue/mirror.%d", g)
			for i := 1; i <= batches; i++ {
				b := Batch{put(t, q, uint64(i)), put(t, mirror, uint64(i))}
				if i > 10 {
					b = append(b, remove(q, uint64(i-10)), remove(mirror, uint64(i-10)))
				}
				all.Add(1)
				s.Apply(b, func(err error) {
					defer all.Done()
					if err != nil || i != last+1 {
						t.Errorf("batch %d is done after %d, error %v", i, last, err)
					}
					last = i
				})
			}
		})
	}
	wg.Wait()
	all.Wait()
	count := make(map[string]int)
	for _, st := range load(t, open()) {
		count[st.Queue]++
	}
	for q, n := range count {
		if n != 10 {
			t.Errorf("%s has %d messages, want 10", q, n)
		}
	}
	if len(count) != 2*writers {
		t.Errorf("%d queues, want %d", len(count), 2*writers)
	}
}

// testStoreBroker: a Broker on the store goes on where the one before ended.
func testStoreBroker(t *testing.T, open func() Store) {
	var done sync.WaitGroup
	sent := func(err error) {
		defer done.Done()
		if err != nil {
			t.Error(err)
		}
	}
	x := newTester(t, open())
	for _, body := range strings.Fields("1 2 3 4 5 6") {
		done.Add(1)
		x.p.Send(x.message("/queue/q", body), sent)
	}
	x.send("/topic/t", "t")
	x.send("/queue/other", "o")
	p := x.subscribe("/queue/q", AckClientIndividual, 4)
	p.ack("2")
	p.nack("3", false)
	p.nack("4", true)
	tx := x.p.Begin()
	tx.Send(x.message("/queue/q", "7"))
	x.must(tx.Ack(p.sub, p.tag("1")))
	done.Add(1)
	tx.Commit(sent)
	done.Wait()

	x = newTester(t, open())
	x.wantSize(0, 2)
	x.wantDepth("/queue/q", 4, 0)
	done.Add(1)
	x.p.Send(x.message("/queue/q", "8"), sent)
	p = x.subscribe("/queue/q", AckClient, 9)
	p.want("4 5 6 7 8")
	p.ack("8")
	p.sub.Unsubscribe()
	done.Add(1)
	x.p.Send(x.message("/queue/q", "9"), sent) // the queue had vanished
	done.Wait()

	x = newTester(t, open())
	x.subscribe("/queue/q", AckClient, 9).want("9")
	x.subscribe("/queue/other", AckClient, 9).want("o")
}

// A slowStore does nothing until it is told to.
type slowStore struct {
	waiting []slowBatch
	loading error
}

type slowBatch struct {
	batch Batch
	done  func(error)
}

func (s *slowStore) Apply(b Batch, done func(error)) {
	s.waiting = append(s.waiting, slowBatch{b, done})
}
func (s *slowStore) Load(func(Stored) error) error { return s.loading }

// finish ends all that wait.
func (s *slowStore) finish(err error) {
	for _, w := range s.waiting {
		finished(w.done, err)
	}
	s.waiting = nil
}

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

// TestNumbersAreNew: a queue that vanished and comes again does not begin
// with the numbers that it had.
func TestNumbersAreNew(t *testing.T) {
	s := &slowStore{}
	x := newTester(t, s)
	seen := make(map[place]bool)
	for range 3 {
		for _, q := range []string{"/queue/a", "/queue/b"} {
			x.send(q, "1 2")
			p := x.subscribe(q, AckClient, 9)
			p.ack("2")
			p.sub.Unsubscribe()
		}
		x.wantSize(0, 0)
		for _, w := range s.waiting {
			for _, op := range w.batch {
				p := place{op.Queue, op.Seq}
				if op.Kind == Put && seen[p] {
					t.Errorf("%v was used twice", p)
				}
				seen[p] = true
			}
		}
		s.finish(nil)
	}
}

func TestLoadFails(t *testing.T) {
	broken := errors.New("disk broken")
	if _, err := New(Options{Store: &slowStore{loading: broken}}); !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
}

// TestWhatIsStored: messages of durable queues only, and each is deleted once.
func TestWhatIsStored(t *testing.T) {
	s := &slowStore{}
	x := newTester(t, s)
	x.b.MakeTemporary(readDestination(t, "/temp-queue/r", alice), 0)
	topic := x.subscribe("/topic/t", AckClient, 9)
	x.send("/topic/t", "1")
	x.send("/temp-queue/r", "1")
	topic.ack("1")
	if len(s.waiting) != 0 {
		t.Fatalf("%d batches for what nobody keeps", len(s.waiting))
	}
	x.send("/queue/q", "1 2 3 4")
	p := x.subscribe("/queue/q", AckClient, 9)
	p.nack("4", true)
	p.ack("3") // 4 came before it the second time
	p.sub.Unsubscribe()
	kinds := ""
	for _, w := range s.waiting {
		for _, op := range w.batch {
			kinds += fmt.Sprint(op.Kind, ":", op.Seq, " ")
		}
	}
	if kinds != "1:1 1:2 1:3 1:4 2:1 2:2 2:3 " {
		t.Errorf("steps are %s", kinds)
	}
}
