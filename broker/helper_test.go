package broker

import (
	"hoofbeat/destination"

	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/go-stomp/stomp/v3/frame"
)

// A recorder is a Sink that remembers its deliveries.
type recorder struct {
	mu       sync.Mutex
	got      []delivered // since the start
	room     int         // how many more it takes; negative: any number
	overflow Overflow
	overruns int
}

type delivered struct {
	msg     *Message
	tag     uint64
	attempt int
}

// String is the body, with #2 behind it on the second attempt.
func (d delivered) String() string {
	if d.attempt == 1 {
		return string(d.msg.Body())
	}
	return fmt.Sprintf("%s#%d", d.msg.Body(), d.attempt)
}

func newRecorder() *recorder { return &recorder{room: -1} }

func (r *recorder) TakeCredit(int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.room == 0 {
		return false
	}
	r.room--
	return true
}

func (r *recorder) Deliver(d Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, delivered{d.Message, d.Tag, d.Attempt})
}

func (r *recorder) Overrun() Overflow {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.overruns++
	return r.overflow
}

func (r *recorder) setRoom(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.room = n
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

// delivery is the ith delivery, for tests with senders that go on meanwhile.
func (r *recorder) delivery(i int) delivered {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got[i]
}

// A discard is a Sink that takes everything and remembers nothing.
type discard struct{}

func (discard) TakeCredit(int) bool { return true }
func (discard) Deliver(Delivery)    {}
func (discard) Overrun() Overflow   { return DropNewest }

// matches reports whether a pattern matches a name, segment by segment, in
// the plainest way. It is the reference for a topic's tree.
func matches(pattern, name []string) bool {
	switch {
	case len(pattern) == 0:
		return len(name) == 0
	case pattern[0] == "**":
		return matches(pattern[1:], name) || len(name) > 0 && matches(pattern, name[1:])
	case len(name) == 0:
		return false
	}
	return (pattern[0] == "*" || pattern[0] == name[0]) && matches(pattern[1:], name[1:])
}

var (
	alice = destination.Owner{User: "alice", Connection: "c1"}
	bob   = destination.Owner{User: "bob", Connection: "c2"}
)

// readDestination reads a text as SUBSCRIBE does, and if that is refused, as
// SEND does.
func readDestination(tb testing.TB, text string, o destination.Owner) destination.Destination {
	tb.Helper()
	d, err := destination.DefaultNamespace().ForSubscribe(text, o)
	if err != nil {
		d, err = destination.DefaultNamespace().ForSend(text, o)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func makeMessage(d destination.Destination, text, body string, headers ...string) *Message {
	f := frame.New(frame.SEND, append([]string{frame.Destination, text}, headers...)...)
	f.Body = []byte(body)
	return NewMessage(d, Content{Header: f.Header, Body: f.Body}, Properties{Priority: DefaultPriority})
}

// A tester has a conversation with a Broker on behalf of alice.
type tester struct {
	testing.TB
	b *Broker
	p *Publisher
}

func newTester(tb testing.TB, s Store) *tester {
	tb.Helper()
	return newTesterWith(tb, Options{Store: s, Policies: durably})
}

// durably is the policy of queues in a Store.
var durably = Policies{Default: Policy{Durable: true}}

func newTesterWith(tb testing.TB, o Options) *tester {
	tb.Helper()
	b, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { checkBooks(tb, b); checkQueues(tb, b) })
	return &tester{TB: tb, b: b, p: b.NewPublisher()}
}

func (x *tester) message(text, body string) *Message {
	x.Helper()
	d, err := destination.DefaultNamespace().ForSend(text, alice)
	if err != nil {
		x.Fatal(err)
	}
	return makeMessage(d, text, body)
}

// send sends one message for each word of bodies.
func (x *tester) send(text, bodies string) {
	x.Helper()
	for _, body := range strings.Fields(bodies) {
		x.p.Send(x.message(text, body), nil)
	}
}

// A peer is one subscription and its deliveries.
type peer struct {
	*recorder
	x    *tester
	sub  *Subscription
	seen int // how much of got was wanted before
}

func mustSubscribe(b *Broker, o SubscribeOptions) *Subscription {
	s, err := b.Subscribe(o)
	if err != nil {
		panic(err)
	}
	return s
}

func (x *tester) subscribe(text string, ack AckMode, prefetch int) *peer {
	x.Helper()
	return x.subscribeWith(newRecorder(), SubscribeOptions{Destination: readDestination(x, text, alice), Ack: ack, Prefetch: prefetch})
}

func (x *tester) subscribeWith(r *recorder, o SubscribeOptions) *peer {
	o.Sink = r
	return &peer{recorder: r, x: x, sub: mustSubscribe(x.b, o)}
}

// want compares the deliveries since the last call.
func (p *peer) want(bodies string) {
	p.x.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var got []string
	for _, d := range p.got[p.seen:] {
		got = append(got, d.String())
	}
	p.seen = len(p.got)
	if s := strings.Join(got, " "); s != bodies {
		p.x.Errorf("got %q, want %q", s, bodies)
	}
}

// tag is that of the newest delivery with that body.
func (p *peer) tag(body string) uint64 {
	p.x.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.got) - 1; i >= 0; i-- {
		if string(p.got[i].msg.Body()) == body {
			return p.got[i].tag
		}
	}
	p.x.Fatalf("%q was never delivered", body)
	return 0
}

func (p *peer) ack(bodies string) {
	p.x.Helper()
	for _, body := range strings.Fields(bodies) {
		p.x.must(p.sub.Ack(p.tag(body), nil))
	}
}

func (p *peer) nack(bodies string, requeue bool) {
	p.x.Helper()
	for _, body := range strings.Fields(bodies) {
		p.x.must(p.sub.Nack(p.tag(body), requeue, nil))
	}
}

func (x *tester) must(err error) {
	x.Helper()
	if err != nil {
		x.Fatal(err)
	}
}

func (x *tester) wantUnknown(err error) {
	x.Helper()
	if !errors.Is(err, ErrUnknownDelivery) {
		x.Errorf("error is %v, want ErrUnknownDelivery", err)
	}
}

func (x *tester) wantLate(err error) {
	x.Helper()
	if !errors.Is(err, ErrLateDelivery) {
		x.Errorf("error is %v, want ErrLateDelivery", err)
	}
}

// wantDepth says how many messages a queue holds; -1 says that it does not
// exist.
func (x *tester) wantDepth(text string, ready, unacked int) {
	x.Helper()
	d, ok := x.b.Depth(readDestination(x, text, alice))
	if !ok {
		d = Depth{Ready: -1}
	}
	if want := (Depth{Ready: ready, Unacked: unacked}); d != want {
		x.Errorf("depth of %s is %+v, want %+v", text, d, want)
	}
}

func (x *tester) wantSize(topics, queues int) {
	x.Helper()
	if t, q := x.b.Size(); t != topics || q != queues {
		x.Errorf("%d topics and %d queues exist, want %d and %d", t, q, topics, queues)
	}
}

// A counter counts the calls of done and keeps the last error.
type counter struct {
	mu    sync.Mutex
	calls int
	err   error
}

func (c *counter) done(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	c.err = err
}

func (c *counter) want(tb testing.TB, calls int, err error) {
	tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls != calls || !errors.Is(c.err, err) {
		tb.Errorf("done was called %d times, last with %v; want %d and %v", c.calls, c.err, calls, err)
	}
}
