package tracing

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-stomp/stomp/v3/frame"
	"go.opentelemetry.io/otel/trace"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/session"
)

// A topic's message has a span for its SEND, below the publisher's span, and
// one per subscriber. Subscribers receive it unchanged.
func TestTopic(t *testing.T) {
	converse(t, setup{}, func(w *world) {
		a, b, p := w.subscribe("/topic/**"), w.subscribe("/topic/a"), w.connect()
		p.Send("SEND", "destination:/topic/a", sampled, "tracestate:rojo=1,congo=2", "", "body")
		a.Want("MESSAGE", sampled, "tracestate:rojo=1,congo=2", "", "body")
		b.Want("MESSAGE", sampled, "tracestate:rojo=1,congo=2", "", "body")
		spans := w.wantSpans("send topic", "deliver topic", "deliver topic")
		send, deliver := spans["send topic"], spans["deliver topic"]
		for _, s := range spans {
			if s.SpanContext().TraceID().String() != traceID || s.SpanContext().TraceState().String() != "rojo=1,congo=2" {
				t.Errorf("%s is of another trace", s.name)
			}
		}
		if send.parent != publisherID || !send.Parent().IsRemote() || deliver.parent != send.id {
			t.Errorf("send is below %s, deliver below %s", send.parent, deliver.parent)
		}
		if send.SpanKind() != trace.SpanKindServer || deliver.SpanKind() != trace.SpanKindInternal {
			t.Errorf("the kinds are %s and %s", send.SpanKind(), deliver.SpanKind())
		}
		send.wantAttrs(t, "messaging.system=hoofbeat", "messaging.operation.name=send", "messaging.operation.type=send", "messaging.destination.name=/topic/a",
			"messaging.message.body.size=4", "network.protocol.name=stomp", "network.protocol.version=1.2", "error.type", "messaging.destination.template")
		deliver.wantAttrs(t, "messaging.system=hoofbeat", "messaging.operation.name=deliver", "messaging.destination.name=/topic/a", "messaging.message.body.size=4",
			"hoofbeat.subscription=s", "hoofbeat.redelivered=false", "hoofbeat.delivery_count=1", "hoofbeat.restored")
		if send.text("hoofbeat.session") == "" || send.text("hoofbeat.session") == deliver.text("hoofbeat.session") {
			t.Errorf("the sessions are %q and %q", send.text("hoofbeat.session"), deliver.text("hoofbeat.session"))
		}
	})
}

// A queue's message waits for its consumer, is redelivered after a NACK, and is
// delivered once more as a dead letter.
func TestQueue(t *testing.T) {
	o := setup{broker: broker.Options{Policies: rules(t, map[string]broker.Policy{
		"/queue/orders.*": {MaxDeliveries: 2, DeadLetter: policyOf(t, "/queue/dead")},
	})}}
	converse(t, o, func(w *world) {
		p := w.connect()
		p.Send("SEND", "destination:/queue/orders.1", sampled, "receipt:r")
		p.WantReceipt("r")
		send := w.wantSpans("send /queue/orders.*")["send /queue/orders.*"]
		send.wantAttrs(t, "messaging.destination.name=/queue/orders.1", "messaging.destination.template=/queue/orders.*")
		pass(3 * time.Second)
		c := w.subscribe("/queue/orders.1", "ack:client-individual")
		c.Send("SUBSCRIBE", "id:dead", "destination:/queue/dead")
		first := c.Want("MESSAGE", sampled).Get("ack")
		pass(time.Second)
		c.Send("NACK", "id:"+first)
		c.Send("NACK", "id:"+c.Want("MESSAGE", sampled, "delivery-count:2").Get("ack"))
		c.Want("MESSAGE", sampled, "original-destination:/queue/orders.1")
		w.wantSpans("send /queue/orders.*", "deliver /queue/orders.*", "deliver /queue/orders.*", "deliver queue")
		all := w.ended()
		for i, want := range []struct {
			waited time.Duration
			attrs  []string
		}{
			{3 * time.Second, []string{"hoofbeat.redelivered=false", "hoofbeat.delivery_count=1", "messaging.destination.template=/queue/orders.*"}},
			{4 * time.Second, []string{"hoofbeat.redelivered=true", "hoofbeat.delivery_count=2", "hoofbeat.subscription=s"}},
			{4 * time.Second, []string{"hoofbeat.redelivered=false", "hoofbeat.subscription=dead", "messaging.destination.name=/queue/dead", "messaging.destination.template"}},
		} {
			s := all[1+i]
			if s.parent != send.id || s.duration != want.waited {
				t.Errorf("%s: below %s, and took %v, want %v", s.name, s.parent, s.duration, want.waited)
			}
			s.wantAttrs(t, want.attrs...)
		}
	})
}

// The span of a refused SEND has the reason.
func TestRefused(t *testing.T) {
	for word, lines := range map[string][]string{
		session.MissingHeader:      {},
		session.UnknownDestination: {"destination:nowhere"},
		session.InvalidHeader:      {"destination:/queue/a", "priority:10"},
		session.NotSupported:       {"destination:/topic/a", "AMQ_SCHEDULED_DELAY:1"},
		session.UnknownTransaction: {"destination:/queue/a", "transaction:t"},
	} {
		t.Run(word, func(t *testing.T) {
			converse(t, setup{}, func(w *world) {
				p := w.connect()
				p.Send("SEND", append(lines, sampled)...)
				p.WantError(word, "")
				for _, s := range w.ended() {
					if !strings.HasPrefix(s.name, "send") || s.error != word || s.status.String() != "Error" || s.parent != publisherID {
						t.Errorf("got %+v", s)
					}
				}
				if n := len(w.ended()); n != 1 {
					t.Errorf("%d spans", n)
				}
			})
		})
	}
}

// A full queue refuses messages or makes senders wait; their spans show it.
func TestFull(t *testing.T) {
	full := func(p broker.FullPolicy) setup {
		return setup{broker: broker.Options{Policies: rules(t, map[string]broker.Policy{"/queue/a": {MaxMessages: 1, Overflow: p}})}}
	}
	converse(t, full(broker.RejectNewest), func(w *world) {
		p := w.connect()
		p.Send("SEND", "destination:/queue/a")
		p.Send("SEND", "destination:/queue/a", sampled)
		p.WantError(session.QueueFull, "")
		if s := w.wantSpans("send /queue/a")["send /queue/a"]; s.error != session.QueueFull {
			t.Errorf("got %+v", s)
		}
	})
	converse(t, full(broker.BlockSender), func(w *world) {
		p := w.connect()
		p.Send("SEND", "destination:/queue/a")
		p.Send("SEND", "destination:/queue/a", sampled)
		pass(5 * time.Second)
		w.wantSpans()
		c := w.subscribe("/queue/a")
		c.Want("MESSAGE", "!traceparent")
		c.Want("MESSAGE", sampled)
		spans := w.wantSpans("send /queue/a", "deliver /queue/a")
		if send, deliver := spans["send /queue/a"], spans["deliver /queue/a"]; send.duration != 5*time.Second || deliver.duration != 0 {
			t.Errorf("they took %v and %v", send.duration, deliver.duration)
		}
	})
	converse(t, full(broker.BlockSender), func(w *world) {
		p := w.connect()
		p.Send("SEND", "destination:/queue/a")
		p.Send("SEND", "destination:/queue/a", sampled)
		pass(time.Second)
		w.end()
		if s := w.wantSpans("send /queue/a")["send /queue/a"]; s.error != session.ConnectionLost {
			t.Errorf("got %+v", s)
		}
	})
}

// The spans of SENDs in a transaction end with the transaction.
func TestTransaction(t *testing.T) {
	converse(t, setup{}, func(w *world) {
		c, p := w.subscribe("/queue/a"), w.connect()
		p.Send("BEGIN", "transaction:t")
		p.Send("SEND", "destination:/queue/a", "transaction:t", sampled)
		p.Send("SEND", "destination:/queue/a", "transaction:t")
		pass(2 * time.Second)
		w.wantSpans()
		p.Send("COMMIT", "transaction:t", "receipt:r")
		p.WantReceipt("r")
		c.Want("MESSAGE", sampled)
		c.Want("MESSAGE", "!traceparent")
		spans := w.wantSpans("send queue", "deliver queue")
		if send, deliver := spans["send queue"], spans["deliver queue"]; send.duration != 2*time.Second || deliver.duration != 0 || send.error != "" {
			t.Errorf("they took %v and %v: %s", send.duration, deliver.duration, send.error)
		}
	})
	for name, end := range map[string][]string{"by its client": {"ABORT", "transaction:t"}, "by the end": {"DISCONNECT", "receipt:d"}} {
		t.Run(name, func(t *testing.T) {
			converse(t, setup{}, func(w *world) {
				p := w.connect()
				p.Send("BEGIN", "transaction:t")
				p.Send("SEND", "destination:/queue/a", "transaction:t", sampled)
				p.Send(end[0], end[1:]...)
				if s := w.wantSpans("send queue")["send queue"]; s.error != session.TransactionAborted {
					t.Errorf("got %+v", s)
				}
			})
		})
	}
	o := setup{broker: broker.Options{Policies: rules(t, map[string]broker.Policy{"/queue/a": {MaxMessages: 1}})}}
	converse(t, o, func(w *world) {
		p := w.connect()
		p.Send("BEGIN", "transaction:t")
		p.Send("SEND", "destination:/queue/a", "transaction:t", sampled)
		p.Send("SEND", "destination:/queue/a", "transaction:t", sampled)
		p.Send("COMMIT", "transaction:t")
		p.WantError(session.QueueFull, "")
		for _, s := range w.ended() {
			if s.error != session.QueueFull {
				t.Errorf("got %+v", s)
			}
		}
		w.wantSpans("send /queue/a", "send /queue/a")
	})
}

// For a durable queue, the span of the SEND ends when the message is stored,
// like its RECEIPT. Its delivery does not wait for that.
func TestDurable(t *testing.T) {
	store := &slowStore{}
	converse(t, setup{broker: broker.Options{Store: store, Policies: broker.Policies{Default: broker.Policy{Durable: true}}}}, func(w *world) {
		c, p := w.subscribe("/queue/a"), w.connect()
		p.Send("SEND", "destination:/queue/a", sampled, "receipt:r")
		c.Want("MESSAGE", sampled)
		w.wantSpans("deliver queue")
		p.AwaitReceipt("r")
		spans := w.wantSpans("send queue", "deliver queue")
		if send := spans["send queue"]; send.duration != 2*time.Second || send.error != "" || spans["deliver queue"].parent != send.id {
			t.Errorf("got %+v", send)
		}
		store.fails.Store(new(errors.New("no disk")))
		p.Send("SEND", "destination:/queue/b", sampled)
		p.WantError(session.StorageFailed, "")
		if s := w.ended()[2]; s.error != session.StorageFailed {
			t.Errorf("got %+v", s)
		}
		store.fails.Store(nil)
	})
}

// A durable subscription is a queue, and its spans have its name.
func TestDurableSubscription(t *testing.T) {
	converse(t, setup{broker: broker.Options{Store: &broker.Memory{}}}, func(w *world) {
		const name = "activemq.subscriptionName:news"
		w.subscribe("/topic/a", name).Close()
		p := w.connect()
		p.Send("SEND", "destination:/topic/a", sampled, "receipt:r")
		p.WantReceipt("r")
		pass(time.Second)
		c := w.subscribe("/topic/a", name)
		c.Want("MESSAGE", sampled)
		s := w.wantSpans("send topic", "deliver topic")["deliver topic"]
		s.wantAttrs(t, "messaging.destination.subscription.name=news", "messaging.destination.name=/topic/a")
		if s.duration != time.Second {
			t.Errorf("it took %v", s.duration)
		}
		c.Send("UNSUBSCRIBE", "id:s", name, "receipt:u")
		c.WantReceipt("u")
	})
}

// TestSampling covers the choice of traced messages.
func TestSampling(t *testing.T) {
	const other = "traceparent:00-11111111111111111111111111111111-2222222222222222-01"
	for name, tt := range map[string]struct {
		ratio   float64
		headers []string
		parent  string // "": not traced; "-": traced without a parent
	}{
		"nothing":                  {0, nil, ""},
		"nothing, all":             {1, nil, "-"},
		"sampled":                  {0, []string{sampled}, publisherID},
		"sampled, all":             {1, []string{sampled}, publisherID},
		"not sampled":              {0, []string{unsampled}, ""},
		"not sampled, all":         {1, []string{unsampled}, ""},
		"with flags of tomorrow":   {0, []string{strings.Replace(sampled, "00-", "01-", 1) + "-more"}, publisherID},
		"the first of two":         {0, []string{sampled, other}, publisherID},
		"the first of two is none": {1, []string{unsampled, other}, ""},
		"a state that is none":     {0, []string{sampled, "tracestate:====="}, publisherID},
		"a state that is too long": {0, []string{sampled, "tracestate:a=" + strings.Repeat("b", 600)}, publisherID},
		"empty":                    {0, []string{"traceparent:"}, ""},
		"empty, all":               {1, []string{"traceparent:"}, "-"},
		"in capitals":              {0, []string{"traceparent:00-" + strings.ToUpper(traceID) + "-" + publisherID + "-01"}, ""},
		"another name":             {0, []string{"Traceparent" + strings.TrimPrefix(sampled, "traceparent")}, ""},
		"no trace":                 {0, []string{"traceparent:00-" + strings.Repeat("0", 32) + "-" + publisherID + "-01"}, ""},
		"no span":                  {0, []string{"traceparent:00-" + traceID + "-0000000000000000-01"}, ""},
		"a version that is none":   {0, []string{"traceparent:ff-" + traceID + "-" + publisherID + "-01"}, ""},
		"cut off":                  {0, []string{"traceparent:00-" + traceID + "-" + publisherID}, ""},
		"cut off, all":             {1, []string{"traceparent:00-" + traceID + "-" + publisherID}, "-"},
		"too much":                 {0, []string{sampled + "-01"}, ""},
		"long":                     {0, []string{"traceparent:" + strings.Repeat("-", 5000)}, ""},
		"no ASCII":                 {0, []string{"traceparent:00-äöü"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, setup{ratio: tt.ratio}, func(w *world) {
				c, p := w.subscribe("/topic/a"), w.connect()
				p.Send("SEND", append([]string{"destination:/topic/a"}, tt.headers...)...)
				c.Want("MESSAGE", tt.headers[:min(1, len(tt.headers))]...) // unchanged in any case
				if tt.parent == "" {
					w.wantSpans()
					return
				}
				send := w.wantSpans("send topic", "deliver topic")["send topic"]
				if want := strings.Replace(tt.parent, "-", "0000000000000000", 1); send.parent != want {
					t.Errorf("it is below %s, want %s", send.parent, want)
				}
				if send.SpanContext().TraceState().Len() != 0 {
					t.Errorf("its state is %s", send.SpanContext().TraceState())
				}
			})
		})
	}
}

// SampleRatio is about the fraction of traces.
func TestRatio(t *testing.T) {
	converse(t, setup{ratio: 0.25}, func(w *world) {
		p := w.connect()
		for range 2000 {
			p.Send("SEND", "destination:/topic/a")
		}
		p.Barrier()
		// 500 are expected, with a standard deviation of 19: one run in 10^23
		// fails.
		if n := len(w.ended()); n < 300 || n > 700 {
			t.Errorf("%d of 2000 are traced", n)
		}
	})
}

// The number of a message's spans is bounded, for any number of deliveries.
func TestLimits(t *testing.T) {
	converse(t, setup{}, func(w *world) {
		c, p := w.connect(), w.connect()
		for i := range MaxDeliveries + 50 {
			c.Send("SUBSCRIBE", fmt.Sprintf("id:%d", i), "destination:/topic/a")
		}
		c.Barrier()
		p.Send("SEND", "destination:/topic/a", sampled)
		for range MaxDeliveries + 50 {
			c.Want("MESSAGE", sampled)
		}
		if n := len(w.ended()); n != 1+MaxDeliveries {
			t.Errorf("%d spans", n)
		}
	})
	converse(t, setup{}, func(w *world) {
		c, p := w.subscribe("/queue/a", "ack:client-individual"), w.connect()
		p.Send("SEND", "destination:/queue/a", sampled)
		for range MaxDeliveries + 50 {
			c.Send("NACK", "id:"+c.Want("MESSAGE", sampled).Get("ack"))
		}
		c.Want("MESSAGE", sampled)
		if n := len(w.ended()); n != 1+MaxDeliveries {
			t.Errorf("%d spans", n)
		}
	})
}

// A message read from disk has lost its own span; its deliveries go below the
// publisher's.
func TestRestored(t *testing.T) {
	restored := func(headers ...string) *broker.Message {
		d := policyOf(t, "/queue/a")
		f := frame.New(frame.SEND, append([]string{frame.Destination, "/queue/a"}, headers...)...)
		m := broker.NewMessage(d, broker.Content{Header: f.Header, Body: f.Body}, broker.Properties{Trace: t})
		if m.Restored() || m.Trace() != t {
			t.Error("a message that was sent has no trace")
		}
		r, _, err := broker.ParseMessage(broker.AppendMessage(nil, m, broker.State{}, d), d)
		if err != nil || !r.Restored() || r.Trace() != nil {
			t.Fatalf("got %v, restored %v, %v", r.Trace(), r.Restored(), err)
		}
		return r
	}
	converse(t, setup{}, func(w *world) {
		tracer := newTracer(Options{Policies: w.broker.Policies}, w.spans, nil)
		defer tracer.Close()
		parent := strings.TrimPrefix(sampled, "traceparent:")
		m := restored("traceparent", parent)
		trace := tracer.Restored(m)
		if trace == nil {
			t.Fatal("it is not traced")
		}
		trace.Delivered(session.Delivery{Message: m, Session: "x", Durable: "news", Attempt: 3})
		trace.Delivered(session.Delivery{Message: m, Attempt: MaxDeliveries + 1})
		s := w.wantSpans("deliver queue")["deliver queue"]
		if s.parent != publisherID || s.SpanContext().TraceID().String() != traceID {
			t.Errorf("it is below %s", s.parent)
		}
		s.wantAttrs(t, "hoofbeat.restored=true", "hoofbeat.redelivered=true", "hoofbeat.delivery_count=3", "messaging.destination.subscription.name=news")
		for _, headers := range [][]string{nil, {"traceparent", strings.TrimPrefix(unsampled, "traceparent:")}, {"traceparent", "x"}} {
			if tracer.Restored(restored(headers...)) != nil {
				t.Errorf("%q is traced", headers)
			}
		}
	})
}

// Spans contain no secrets, and nothing that OTLP cannot encode.
func TestWhatSpansShow(t *testing.T) {
	converse(t, setup{}, func(w *world) {
		c, p := w.subscribe("/queue/a"), w.connect()
		p.Send("SUBSCRIBE", "id:r", "destination:/temp-queue/mine")
		p.Send("SEND", "destination:/queue/a", "reply-to:/temp-queue/mine")
		replyTo := c.Want("MESSAGE").Get("reply-to")
		c.Send("SEND", "destination:"+replyTo, sampled)
		p.Want("MESSAGE", sampled)
		for _, s := range w.wantSpans("send temporary queue", "deliver temporary queue") {
			s.wantAttrs(t, "messaging.destination.temporary=true", "messaging.destination.name")
		}
		secret := strings.TrimPrefix(replyTo, destination.ReplyPrefix)[:10]
		c.Send("SEND", "destination:"+replyTo, sampled, "AMQ_SCHEDULED_DELAY:5")
		c.WantError(session.NotSupported, "", replyTo)
		for _, s := range w.ended() {
			if strings.Contains(s.Status().Description, secret) {
				t.Errorf("the status says %q", s.Status().Description)
			}
			for key, value := range s.attrs {
				if strings.Contains(value.String(), secret) {
					t.Errorf("%s is %s", key, value.String())
				}
			}
		}
	})
	for text, want := range map[string]string{"": "", "abc": "abc", "a\xffb": "a\uFFFDb", strings.Repeat("ä", 200): strings.Repeat("ä", 128), "x" + strings.Repeat("ä", 200): "x" + strings.Repeat("ä", 127) + "\uFFFD"} {
		if got := clip(text); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}

// A refreshed token is not a message.
func TestToken(t *testing.T) {
	converse(t, setup{ratio: 1}, func(w *world) {
		p := w.connect()
		p.Send("SEND", "destination:"+session.TokenDestination, sampled, "", "token")
		p.Next()
		w.wantSpans()
	})
}
