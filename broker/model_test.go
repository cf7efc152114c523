package broker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/destination"
)

// A model is a Broker in plain code: every step is first taken in the model,
// then in the Broker, and the model's sinks check each delivery against it at
// the moment it happens.
type model struct {
	t     *testing.T
	r     *rand.Rand
	b     *Broker
	store *Memory
	// window bounds the stored messages that the Broker has in memory.
	window int

	queues  []*modelQueue // with names, in order of making
	clients []*modelClient
	serial  int // of the newest message
	burst   int // how many are sent at once, at most
	failure string
	log     []string // the last steps
}

// A modelQueue is the messages that are in it, held ones included, in order
// of delivery.
type modelQueue struct {
	text     string // to SEND to
	dest     destination.Destination
	msgs     []*modelMessage
	byMsg    map[*Message]*modelMessage
	subs     []*modelSub // open ones
	exists   bool        // whatever it holds: a temporary one
	dropped  bool
	durable  bool
	settled  int
	accepted int
}

type modelMessage struct {
	msg      *Message
	stored   bool
	attempts int
	refused  int
	until    time.Time // it waits, as it was refused so often
	holder   *modelSub
	tag      uint64
	claimed  bool // by a transaction of the holder's client
}

type modelClient struct {
	owner destination.Owner
	p     *Publisher
	subs  []*modelSub
	temp  *modelQueue // nil: it has none
	tx    *modelTx
}

type modelTx struct {
	tx     *Transaction
	sends  []func() // effects of the messages on the model
	claims []modelClaim
}

type modelClaim struct {
	q    *modelQueue
	msgs []*modelMessage
	how  outcome
}

// A modelSub is a subscription and its Sink.
type modelSub struct {
	m        *model
	dest     destination.Destination
	q        *modelQueue // nil: of a topic, without acknowledgement
	ack      AckMode
	prefetch int
	sub      *Subscription

	room     int // how many it takes before it refuses
	blocked  bool
	closed   bool
	lastTag  uint64
	expected []*Message // without acknowledgement: published and not delivered
}

func newModel(t *testing.T, seed uint64, store *Memory) *model {
	m := &model{t: t, r: rand.New(rand.NewPCG(seed, 7)), store: store, burst: 1 + int(seed%5), window: int(seed % 6)}
	m.open()
	for i := range 4 {
		text := fmt.Sprintf("/queue/q.%d", i)
		m.queues = append(m.queues, newModelQueue(text, readDestination(t, text, alice), store != nil))
	}
	for i := range 4 {
		o := destination.Owner{User: fmt.Sprint("u", i), Connection: fmt.Sprint("c", i)}
		m.clients = append(m.clients, &modelClient{owner: o, p: m.b.NewPublisher()})
	}
	return m
}

func (m *model) open() {
	o := Options{Policies: durably, window: m.window, held: m.window}
	if m.store != nil {
		o.Store = m.store
	}
	var err error
	if m.b, err = New(o); err != nil {
		m.t.Fatal(err)
	}
}

func newModelQueue(text string, d destination.Destination, durable bool) *modelQueue {
	return &modelQueue{text: text, dest: d, durable: durable, byMsg: make(map[*Message]*modelMessage)}
}

func (q *modelQueue) push(msg *Message) {
	if q.dropped {
		return
	}
	mm := &modelMessage{msg: msg, stored: q.durable && !msg.transient}
	i := len(q.msgs)
	for i > 0 && q.msgs[i-1].msg.priority < msg.priority {
		i--
	}
	q.msgs = slices.Insert(q.msgs, i, mm)
	q.byMsg[msg] = mm
	q.accepted++
}

// settle gives a held message its outcome.
func (q *modelQueue) settle(mm *modelMessage, how outcome) {
	mm.holder, mm.claimed, mm.tag = nil, false, 0
	if how == refused {
		if mm.refused++; mm.refused >= patientFailures {
			mm.until = time.Now().Add(impatientDelay)
		}
	}
	if how == refused || how == returned {
		return
	}
	i := slices.Index(q.msgs, mm)
	q.msgs = slices.Delete(q.msgs, i, i+1)
	delete(q.byMsg, mm.msg)
	q.settled++
}

// restart forgets messages that are not stored.
func (q *modelQueue) restart() {
	q.msgs = slices.DeleteFunc(q.msgs, func(mm *modelMessage) bool {
		if !mm.stored {
			q.settled++
		}
		return !mm.stored
	})
}

// head is the first message that nobody holds.
func (q *modelQueue) head() *modelMessage {
	for _, mm := range q.msgs {
		if mm.holder == nil && !mm.until.After(time.Now()) {
			return mm
		}
	}
	return nil
}

// pending returns the unacknowledged messages of s, in the order of delivery.
func (s *modelSub) pending() []*modelMessage {
	var p []*modelMessage
	for _, mm := range s.q.msgs {
		if mm.holder == s && !mm.claimed {
			p = append(p, mm)
		}
	}
	slices.SortFunc(p, func(a, b *modelMessage) int { return int(a.tag) - int(b.tag) })
	return p
}

func (s *modelSub) ready() bool { return !s.closed && !s.blocked && len(s.pending()) < s.prefetch }

// Overrun implements Sink; no backlog here is bounded.
func (s *modelSub) Overrun() Overflow {
	s.m.fail("Overrun was called")
	return DropNewest
}

// TakeCredit implements Sink.
func (s *modelSub) TakeCredit(int) bool {
	if !s.ready() {
		s.m.fail("%s: asked for credit; closed %v, blocked %v, pending %d of %d", s.dest.Key(), s.closed, s.blocked, len(s.pending()), s.prefetch)
	}
	if s.room == 0 {
		s.blocked = true
		return false
	}
	s.room--
	return true
}

// Deliver implements Sink.
func (s *modelSub) Deliver(d Delivery) {
	msg := d.Message
	if s.q == nil {
		if len(s.expected) == 0 || s.expected[0] != msg || d.Tag != 0 || d.Attempt != 1 {
			s.m.fail("%s: got %s, tag %d, attempt %d; %d are expected", s.dest.Key(), msg.Body(), d.Tag, d.Attempt, len(s.expected))
			return
		}
		s.expected = s.expected[1:]
		return
	}
	mm := s.q.byMsg[msg]
	switch {
	case mm == nil:
		s.m.fail("%s: got %s, which is not in the queue", s.dest.Key(), msg.Body())
		return
	case mm.holder != nil:
		s.m.fail("%s: got %s, which a consumer has", s.dest.Key(), msg.Body())
	case !s.ready():
		s.m.fail("%s: got %s; closed %v, blocked %v, pending %d of %d", s.dest.Key(), msg.Body(), s.closed, s.blocked, len(s.pending()), s.prefetch)
	case s.q.head() != mm:
		s.m.fail("%s: got %s, but %s is older", s.dest.Key(), msg.Body(), s.q.head().msg.Body())
	case d.Attempt != mm.attempts+1:
		s.m.fail("%s: got %s as attempt %d, want %d", s.dest.Key(), msg.Body(), d.Attempt, mm.attempts+1)
	case d.Tag <= s.lastTag:
		s.m.fail("%s: tag %d after %d", s.dest.Key(), d.Tag, s.lastTag)
	}
	s.lastTag, mm.holder, mm.tag = d.Tag, s, d.Tag
	mm.attempts++
}

func (m *model) fail(format string, a ...any) {
	if m.failure == "" {
		m.failure = fmt.Sprintf(format, a...)
	}
}

func (m *model) note(format string, a ...any) {
	if len(m.log) == 30 {
		m.log = append(m.log[:0], m.log[1:]...)
	}
	m.log = append(m.log, fmt.Sprintf(format, a...))
}

// each calls f with all queues that are in use, private ones included.
func (m *model) each(f func(*modelQueue)) {
	for _, q := range m.queues {
		f(q)
	}
	for _, c := range m.clients {
		if c.temp != nil {
			f(c.temp)
		}
		for _, s := range c.subs {
			if s.q != nil && s.dest.Kind == destination.Topic {
				f(s.q)
			}
		}
	}
}

// check compares the Broker with the model between two steps.
func (m *model) check(seed uint64) {
	m.t.Helper()
	synctest.Wait()
	kept, queues, messages := 0, 0, 0
	topics := make(map[string]bool)
	m.each(func(q *modelQueue) {
		for _, mm := range q.msgs {
			if mm.stored {
				kept++
			}
		}
		if q.dest.Kind != destination.Topic {
			messages += len(q.msgs)
			m.checkDepth(q)
			if q.exists || len(q.msgs) > 0 || len(q.subs) > 0 {
				queues++
			}
		}
		if head := q.head(); head != nil && slices.ContainsFunc(q.subs, (*modelSub).ready) {
			m.fail("%s: %s waits and a consumer has room", q.text, head.msg.Body())
		}
		if len(q.msgs)+q.settled != q.accepted {
			m.fail("%s: %d accepted, %d settled, %d there", q.text, q.accepted, q.settled, len(q.msgs))
		}
	})
	for _, c := range m.clients {
		for _, s := range c.subs {
			if s.dest.Kind == destination.Topic {
				topics[s.dest.Key()] = true
			}
			if len(s.expected) > 0 {
				m.fail("%s: did not get %s", s.dest.Key(), s.expected[0].Body())
			}
		}
	}
	if t, q := m.b.Size(); t != len(topics) || q != queues {
		m.fail("%d topics and %d queues exist, want %d and %d", t, q, len(topics), queues)
	}
	if m.store != nil && m.store.Len() != kept {
		m.fail("%d messages are stored, want %d", m.store.Len(), kept)
	}
	surveyed := 0
	for _, g := range m.b.Survey().Groups {
		if g.Kind != destination.Topic { // claims of a transaction outlive the subscription
			surveyed += g.Ready + g.Unacked + g.Delayed
		}
	}
	if surveyed != messages {
		m.fail("a survey finds %d messages, want %d", surveyed, messages)
	}
	checkBooks(m.t, m.b)
	if m.t.Failed() && m.failure == "" {
		m.fail("the books are wrong")
	}
	if m.failure != "" {
		m.t.Fatalf("seed %d: %s\nlast steps:\n%s", seed, m.failure, strings.Join(m.log, "\n"))
	}
}

func (m *model) checkDepth(q *modelQueue) {
	want := Depth{}
	for _, mm := range q.msgs {
		if mm.until.After(time.Now()) {
			want.Delayed++
		} else if mm.holder == nil {
			want.Ready++
		} else {
			want.Unacked++
		}
	}
	got, _ := m.b.Depth(q.dest)
	if late := got.Delayed - want.Delayed; late > 0 && len(q.subs) == 0 {
		want.Ready, want.Delayed = want.Ready-late, got.Delayed // nobody reads, so nobody has looked whether they are due
	}
	if got != want {
		m.fail("%s: depth %+v, want %+v", q.text, got, want)
	}
}

// drain ends all clients and takes the remaining messages out of every queue.
func (m *model) drain(seed uint64) {
	for _, c := range m.clients {
		m.disconnect(c)
		m.check(seed)
	}
	pass(impatientDelay)
	if m.store != nil {
		m.open() // as after a restart
		for _, q := range m.queues {
			q.restart()
		}
		m.check(seed)
	}
	for _, q := range m.queues {
		r := newRecorder()
		s := mustSubscribe(m.b, SubscribeOptions{Destination: q.dest, Ack: AckClient, Prefetch: 1 << 20, Sink: r})
		synctest.Wait()
		for i, d := range r.got {
			if i >= len(q.msgs) || string(d.msg.Body()) != string(q.msgs[i].msg.Body()) || d.attempt != q.msgs[i].attempts+1 {
				m.t.Fatalf("seed %d: %s: %s is left at %d", seed, q.text, d, i)
			}
		}
		if len(r.got) != len(q.msgs) {
			m.t.Fatalf("seed %d: %s: %d are left, want %d", seed, q.text, len(r.got), len(q.msgs))
		}
		if n := len(r.got); n > 0 {
			if err := s.Ack(r.got[n-1].tag, nil); err != nil {
				m.t.Fatal(err)
			}
		}
		s.Unsubscribe()
		q.msgs, q.settled = nil, q.accepted
	}
	m.check(seed)
}

func TestModel(t *testing.T) {
	few := uint64(14)
	if testing.Short() {
		few = 4
	}
	forSeeds(t, few, testModel)
}

func testModel(t *testing.T, seed uint64) {
	const steps = 10000
	{
		var store *Memory
		if seed%2 == 1 {
			store = &Memory{}
		}
		m := newModel(t, seed, store)
		for range steps {
			m.step()
			m.check(seed)
		}
		accepted, settled := 0, 0
		for _, q := range m.queues {
			accepted += q.accepted
			settled += q.settled
		}
		if accepted < steps/20 || settled < accepted/2 {
			t.Errorf("seed %d: only %d messages were sent and %d settled", seed, accepted, settled)
		}
		m.drain(seed)
	}
}
