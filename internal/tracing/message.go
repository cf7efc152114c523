package tracing

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"hoofbeat/destination"
	"hoofbeat/internal/mask"
	"hoofbeat/session"
)

// Attributes that OpenTelemetry has no name for.
const (
	sessionKey       = attribute.Key("hoofbeat.session")
	subscriptionKey  = attribute.Key("hoofbeat.subscription")
	redeliveredKey   = attribute.Key("hoofbeat.redelivered")
	deliveryCountKey = attribute.Key("hoofbeat.delivery_count")
	restoredKey      = attribute.Key("hoofbeat.restored")
)

// system is what the messages go through, as messaging.system.
var system = semconv.MessagingSystemKey.String("hoofbeat")

// A message is the session.Trace of one.
type message struct {
	tracer   *Tracer
	span     trace.Span      // of the SEND
	ctx      context.Context // with what the spans of its deliveries belong to
	restored bool

	offered   atomic.Int64 // Unix nanoseconds; 0: it is not known
	delivered atomic.Int64
}

func sendAttributes(s session.Sending) []attribute.KeyValue {
	all := []attribute.KeyValue{
		system, semconv.MessagingOperationName("send"), semconv.MessagingOperationTypeSend,
		semconv.MessagingMessageBodySize(s.Body), semconv.NetworkProtocolName("stomp"), semconv.NetworkProtocolVersion(s.Version.String()),
		sessionKey.String(s.Session),
	}
	// Whoever knows a reply destination may write to it.
	if s.Destination != "" && !strings.HasPrefix(s.Destination, destination.ReplyPrefix) {
		all = append(all, semconv.MessagingDestinationName(clip(s.Destination)))
	}
	return all
}

// To implements session.Trace.
func (m *message) To(d destination.Destination) {
	label, pattern := m.tracer.label(d)
	m.span.SetName("send " + label)
	m.span.SetAttributes(placeAttributes(d, pattern)...)
}

// Offered implements session.Trace.
func (m *message) Offered() { m.offered.Store(time.Now().UnixNano()) }

// End implements session.Trace.
func (m *message) End(f *session.Fault) {
	if f != nil {
		text := clip(f.Text)
		if strings.Contains(text, destination.ReplyPrefix) {
			text = f.Word
		}
		m.span.SetStatus(codes.Error, text)
		m.span.SetAttributes(semconv.ErrorTypeKey.String(f.Word))
	}
	m.span.End()
}

// Delivered implements session.Trace. Those of a message that was restored are
// each of a Trace of their own, so their own count bounds them.
func (m *message) Delivered(d session.Delivery) {
	if m.delivered.Load() >= MaxDeliveries || m.delivered.Add(1) > MaxDeliveries || d.Attempt > MaxDeliveries {
		return
	}
	now := time.Now()
	if !m.tracer.may(now) {
		return
	}
	begun := now
	if at := m.offered.Load(); at != 0 && at < now.UnixNano() {
		begun = time.Unix(0, at)
	}
	label, pattern := m.tracer.label(d.Message.To())
	_, span := m.tracer.spans.Start(m.ctx, "deliver "+label,
		trace.WithSpanKind(trace.SpanKindInternal), trace.WithTimestamp(begun), trace.WithAttributes(m.deliverAttributes(d, pattern)...))
	span.End(trace.WithTimestamp(now))
}

func (m *message) deliverAttributes(d session.Delivery, pattern string) []attribute.KeyValue {
	all := []attribute.KeyValue{
		system, semconv.MessagingOperationName("deliver"), semconv.MessagingMessageBodySize(len(d.Message.Body())),
		sessionKey.String(d.Session), subscriptionKey.String(clip(d.Subscription)),
		redeliveredKey.Bool(d.Attempt > 1), deliveryCountKey.Int(d.Attempt),
	}
	if to := d.Message.To(); to.Kind != destination.TempQueue {
		all = append(all, semconv.MessagingDestinationName(clip(d.Message.Destination())))
	}
	if d.Durable != "" {
		all = append(all, semconv.MessagingDestinationSubscriptionName(clip(d.Durable)))
	}
	if m.restored {
		all = append(all, restoredKey.Bool(true))
	}
	return append(all, placeAttributes(d.Message.To(), pattern)...)
}

// placeAttributes are those of a destination besides its name.
func placeAttributes(d destination.Destination, pattern string) []attribute.KeyValue {
	switch {
	case d.Kind == destination.TempQueue:
		return []attribute.KeyValue{semconv.MessagingDestinationTemporary(true)}
	case pattern != "":
		return []attribute.KeyValue{semconv.MessagingDestinationTemplate(pattern)}
	}
	return nil
}

// label is what spans call a destination: as there may be any number of
// destinations, the pattern of its policy, or else only what it is.
func (t *Tracer) label(d destination.Destination) (label, pattern string) {
	rules := t.policies().Rules
	for i := range rules {
		if rules[i].Match.Covers(d) {
			pattern = rules[i].Match.String()
			return pattern, pattern
		}
	}
	switch d.Kind {
	case destination.Queue:
		return "queue", ""
	case destination.TempQueue:
		return "temporary queue", ""
	case destination.User:
		return "user", ""
	}
	return "topic", ""
}

// clip makes what a client has written fit for an attribute: not too long, in
// UTF-8, which OTLP demands, without tokens, and without keeping all that was
// read with it.
func clip(s string) string {
	return mask.Text(strings.ToValidUTF8(strings.Clone(s[:min(len(s), longestValue)]), "\uFFFD"))
}
