package tracing

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"hoofbeat/broker"
	"hoofbeat/connections"
	"hoofbeat/destination"
	"hoofbeat/internal/servertest"
	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The trace context that clients send in most tests.
const (
	traceID     = "4bf92f3577b34da6a3ce929d0e0e4736"
	publisherID = "00f067aa0ba902b7"
	sampled     = "traceparent:00-" + traceID + "-" + publisherID + "-01"
	unsampled   = "traceparent:00-" + traceID + "-" + publisherID + "-00"
)

// A world is a broker with its server in a bubble, and the spans that have
// ended.
type world struct {
	t       *testing.T
	broker  *broker.Broker
	server  *servertest.Server
	spans   *tracetest.SpanRecorder
	clients []*stomptest.Client
}

// A setup has the settings that tests vary.
type setup struct {
	broker  broker.Options
	ratio   float64
	session func(*session.Options)
}

func converse(t *testing.T, o setup, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, err := broker.New(o.broker)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, broker: b, spans: tracetest.NewSpanRecorder()}
		tracer := newTracer(Options{SampleRatio: o.ratio, Version: "1", Policies: b.Policies}, w.spans, resource.Empty())
		so := session.DefaultOptions(b)
		so.CloseGrace, so.Tracer = 0, tracer
		if o.session != nil {
			o.session(&so)
		}
		w.server = servertest.New(servertest.Options{Options: connections.Options{Session: so}})
		f(w)
		w.end()
		so.Timers.Close()
		b.Close()
		tracer.Close()
	})
}

func (w *world) end() {
	for _, c := range w.clients {
		c.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		w.t.Error(err)
	}
}

func (w *world) connect() *stomptest.Client {
	w.t.Helper()
	here, there := stomptest.Pipe(64 << 10)
	w.server.Serve(there, session.Info{Transport: "test", Remote: "test"})
	c := stomptest.New(w.t, here)
	c.Connect("1.2")
	w.clients = append(w.clients, c)
	return c
}

// subscribe connects a client with one subscription.
func (w *world) subscribe(to string, headers ...string) *stomptest.Client {
	w.t.Helper()
	c := w.connect()
	c.Send("SUBSCRIBE", append([]string{"id:s", "destination:" + to, "receipt:s"}, headers...)...)
	c.WantReceipt("s")
	return c
}

// A span has the properties that tests look at.
type span struct {
	name     string
	parent   string
	status   codes.Code
	error    string
	duration time.Duration
	id       string
	attrs    map[attribute.Key]attribute.Value
	sdk.ReadOnlySpan
}

// ended returns the spans that have ended so far, in that order.
func (w *world) ended() []span {
	synctest.Wait()
	var all []span
	for _, s := range w.spans.Ended() {
		one := span{
			name: s.Name(), parent: s.Parent().SpanID().String(), status: s.Status().Code, duration: s.EndTime().Sub(s.StartTime()),
			id: s.SpanContext().SpanID().String(), attrs: map[attribute.Key]attribute.Value{}, ReadOnlySpan: s,
		}
		for _, a := range s.Attributes() {
			one.attrs[a.Key] = a.Value
		}
		one.error = one.text("error.type")
		all = append(all, one)
	}
	return all
}

// text returns an attribute as text, or "".
func (s *span) text(key attribute.Key) string {
	v, ok := s.attrs[key]
	if !ok {
		return ""
	}
	return v.String()
}

// wantAttrs expects attributes of the form key=value; a key alone must be
// missing.
func (s *span) wantAttrs(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		key, value, has := strings.Cut(w, "=")
		v, ok := s.attrs[attribute.Key(key)]
		if ok != has || ok && v.String() != value {
			t.Errorf("%s: %s is %v", s.name, key, s.attrs)
		}
	}
}

// wantSpans expects exactly these spans, in any order, and returns them by name
// (the last to end, if there are several).
func (w *world) wantSpans(names ...string) map[string]span {
	w.t.Helper()
	all := w.ended()
	var got []string
	byName := map[string]span{}
	for _, s := range all {
		got = append(got, s.name)
		byName[s.name] = s
	}
	slices.Sort(got)
	slices.Sort(names)
	if !slices.Equal(got, names) {
		w.t.Fatalf("the spans are %q, want %q", got, names)
	}
	return byName
}

// pass advances the bubble's clock.
func pass(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

// A slowStore takes two seconds for each batch, and may fail.
type slowStore struct {
	broker.Memory
	fails atomic.Pointer[error]
}

// Apply implements broker.Store.
func (s *slowStore) Apply(b broker.Batch, done func(error)) {
	s.Memory.Apply(b, func(err error) {
		if why := s.fails.Load(); why != nil {
			err = *why
		}
		if done != nil {
			time.AfterFunc(2*time.Second, func() { done(err) })
		}
	})
}

// rules returns policies by pattern.
func rules(t *testing.T, by map[string]broker.Policy) broker.Policies {
	t.Helper()
	var all broker.Policies
	for pattern, p := range by {
		all.Rules = append(all.Rules, broker.PolicyRule{Match: policyOf(t, pattern), Policy: p})
	}
	return all
}

func policyOf(t *testing.T, pattern string) destination.Destination {
	t.Helper()
	d, err := destination.DefaultNamespace().ForPolicy(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
