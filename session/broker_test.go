package session_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/internal/memory"
	"hoofbeat/session"
)

// A fakeBroker records what sessions ask of it, and answers at once.
type fakeBroker struct {
	mu      sync.Mutex
	calls   []string
	durable map[string]destination.Destination // topics of durable subscriptions
	sinks   map[string]broker.Sink             // by destination
}

func (b *fakeBroker) note(format string, a ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, fmt.Sprintf(format, a...))
}

// took returns the calls since the last time.
func (b *fakeBroker) took() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := strings.Join(b.calls, "; ")
	b.calls = nil
	return s
}

func (b *fakeBroker) NewPublisher() session.Publisher { return fakePublisher{b} }

func (b *fakeBroker) Subscribe(o broker.SubscribeOptions) (session.Subscription, error) {
	b.note("subscribe %s %s %d", o.Destination.Text(), o.Ack, o.Prefetch)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sinks[o.Destination.Text()] = o.Sink
	return &fakeSubscription{b, o.Destination.Text()}, nil
}

func (b *fakeBroker) Admit(destination.Destination, string) error { return nil }

func (b *fakeBroker) Prefetch(destination.Destination) int { return 7 }

func (b *fakeBroker) Depth(destination.Destination) (broker.Depth, bool) {
	return broker.Depth{}, false
}

func (b *fakeBroker) MakeDurable(d, topic destination.Destination, done func(error)) error {
	b.note("make %s", topic.Text())
	b.mu.Lock()
	b.durable[d.Key()] = topic
	b.mu.Unlock()
	call(done)
	return nil
}

func (b *fakeBroker) DurableTopic(d destination.Destination) (destination.Destination, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	topic, ok := b.durable[d.Key()]
	return topic, ok
}

func (b *fakeBroker) DeleteDurable(d destination.Destination, done func(error)) error {
	b.note("delete durable")
	call(done)
	return nil
}

func (b *fakeBroker) ReclaimDurable(d destination.Destination, done func(error)) error {
	b.note("reclaim durable")
	call(done)
	return nil
}

func (b *fakeBroker) MakeTemporary(d destination.Destination, user string, backlog int, _ *memory.Account) error {
	b.note("make temporary for %s", user)
	return nil
}

func (b *fakeBroker) DropTemporary(destination.Destination) { b.note("drop temporary") }

func call(done func(error)) {
	if done != nil {
		done(nil)
	}
}

type fakePublisher struct{ b *fakeBroker }

func (p fakePublisher) ActFor(user string)         { p.b.note("act for %s", user) }
func (p fakePublisher) ChargeTo(*memory.Account)   {}
func (p fakePublisher) Begin() session.Transaction { return &fakeTransaction{b: p.b} }
func (p fakePublisher) Close()                     {}

func (p fakePublisher) Send(m *broker.Message, done func(error)) <-chan struct{} {
	if to := m.To().Text(); !strings.HasSuffix(to, "/barrier") {
		p.b.note("send %s %q", to, m.Body())
	}
	call(done)
	return nil
}

type fakeSubscription struct {
	b  *fakeBroker
	to string
}

func (s *fakeSubscription) QueueID() broker.QueueID            { return 0 }
func (s *fakeSubscription) Pending() int                       { return 0 }
func (s *fakeSubscription) TagOf(uint64, int64) (uint64, bool) { return 0, false }
func (s *fakeSubscription) Adjust(broker.AckMode, int) bool    { return false }
func (s *fakeSubscription) Resume()                            {}
func (s *fakeSubscription) Written(tag uint64)                 { s.b.note("written %s %d", s.to, tag) }
func (s *fakeSubscription) Unsubscribe()                       { s.b.note("unsubscribe %s", s.to) }
func (s *fakeSubscription) ConnectionLost()                    { s.b.note("lost %s", s.to) }

func (s *fakeSubscription) Ack(tag uint64, done func(error)) error {
	if tag > 1 {
		return broker.ErrUnknownDelivery
	}
	s.b.note("ack %s %d", s.to, tag)
	call(done)
	return nil
}

func (s *fakeSubscription) Nack(tag uint64, requeue bool, done func(error)) error {
	s.b.note("nack %s %d %v", s.to, tag, requeue)
	call(done)
	return nil
}

type fakeTransaction struct {
	b     *fakeBroker
	steps []string
}

func (t *fakeTransaction) Send(m *broker.Message) { t.steps = append(t.steps, "send "+m.To().Text()) }
func (t *fakeTransaction) Len() int               { return len(t.steps) }
func (t *fakeTransaction) Abort()                 { t.b.note("abort %d", len(t.steps)) }

func (t *fakeTransaction) Ack(s session.Subscription, tag uint64) error {
	t.steps = append(t.steps, fmt.Sprintf("ack %s %d", s.(*fakeSubscription).to, tag))
	return nil
}

func (t *fakeTransaction) Nack(session.Subscription, uint64, bool) error {
	return errors.New("not expected")
}

func (t *fakeTransaction) Commit(done func(error)) <-chan struct{} {
	t.b.note("commit %s", strings.Join(t.steps, ", "))
	call(done)
	return nil
}

// A session needs nothing of a broker but its interface.
func TestOtherBroker(t *testing.T) {
	b := &fakeBroker{durable: map[string]destination.Destination{}, sinks: map[string]broker.Sink{}}
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		expect := func(want ...string) {
			t.Helper()
			c.Barrier()
			synctest.Wait()
			if got := b.took(); got != strings.Join(want, "; ") {
				t.Errorf("the broker was asked %q, want %q", got, want)
			}
		}
		expect("act for anonymous")
		c.Send("SEND", "destination:/topic/a", "receipt:r", "", "x")
		c.WantReceipt("r")
		expect(`send /topic/a "x"`)
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client-individual")
		expect("subscribe /queue/a client-individual 7")
		news := message("/queue/a", "news")
		if !b.sinks["/queue/a"].TakeCredit(news.Size()) {
			t.Fatal("there is no credit")
		}
		b.sinks["/queue/a"].Deliver(broker.Delivery{Message: news, Tag: 1, Attempt: 1, Seq: 1})
		m := c.Want("MESSAGE", "subscription:1", "", "news")
		expect("written /queue/a 1")
		c.Send("ACK", "id:"+m.Get("ack"))
		expect("ack /queue/a 1")
		c.Send("BEGIN", "transaction:t")
		c.Send("SEND", "destination:/queue/b", "transaction:t", "", "y")
		c.Send("ACK", "id:"+m.Get("ack"), "transaction:t")
		c.Send("COMMIT", "transaction:t")
		expect("commit send /queue/b, ack /queue/a 1")
		c.Send("NACK", "id:"+m.Get("ack"))
		expect("nack /queue/a 1 true")
		c.Send("SUBSCRIBE", "id:d", "destination:/topic/a", "durable:true", "receipt:d")
		c.WantReceipt("d")
		expect("make /topic/a", "subscribe /topic/a auto 1000")
		c.Send("UNSUBSCRIBE", "id:d")
		expect("unsubscribe /topic/a")
		c.Send("SUBSCRIBE", "id:q", "destination:/temp-queue/q")
		c.Barrier()
		if got := b.took(); !strings.HasPrefix(got, "make temporary for anonymous; subscribe ") {
			t.Errorf("the broker was asked %q", got)
		}
		c.Close()
		synctest.Wait()
		got := strings.Split(b.took(), "; ")
		slices.Sort(got)
		if text := strings.Join(got, "; "); !strings.HasPrefix(text, "drop temporary; lost ") || !strings.Contains(text, "lost /queue/a") {
			t.Errorf("the broker was asked %q", text)
		}
	}, func(o *session.Options) { o.Broker = b })
}

// A message needs no STOMP frame: other sources make it of a header and a body.
func TestMessageWithoutFrame(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/topic/a")
		c.Barrier()
		p := w.broker.NewPublisher()
		defer p.Close()
		for _, content := range []broker.Content{
			{},
			{Body: []byte("only a body")},
			{Header: frame.NewHeader("content-type", "application/json", "a:b", "line\nend", "message-id", "forged"), Body: []byte(`{"a":1}`)},
		} {
			p.Send(broker.NewMessage(w.destination("/topic/a"), content, broker.Properties{}), nil)
		}
		c.Want("MESSAGE", "content-length:0", "", "")
		c.Want("MESSAGE", "destination:/topic/a", "", "only a body")
		m := c.Want("MESSAGE", "content-type:application/json", "", `{"a":1}`)
		if m.Get("a:b") != "line\nend" || m.Get("message-id") == "forged" {
			t.Errorf("got %q", m.Raw)
		}
	})
}
