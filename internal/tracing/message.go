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

// Attributes without an OpenTelemetry convention.
const (
	sessionKey       = attribute.Key("hoofbeat.session")
	subscriptionKey  = attribute.Key("hoofbeat.subscription")
	redeliveredKey   = attribute.Key("hoofbeat.redelivered")
	deliveryCountKey = attribute.Key("hoofbeat.delivery_count")
	restoredKey      = attribute.Key("hoofbeat.restored")
)

// system is the value of messaging.system.
var system = semconv.MessagingSystemKey.String("hoofbeat")

// A message is the session.Trace of a message.
type message struct {
	tracer   *Tracer
	span     trace.Span      // of the SEND
	ctx      context.Context // carries the parent of the delivery spans
	restored bool

	offered   atomic.Int64 // Unix nanoseconds; 0: unknown
	delivered atomic.Int64
}

func sendAttributes(s session.Sending) []attribute.KeyValue {
	all := []attribute.KeyValue{
		system, semconv.MessagingOperationName("send"), semconv.MessagingOperationTypeSend,
		semconv.MessagingMessageBodySize(s.Body), semconv.NetworkProtocolName("stomp"), semconv.NetworkProtocolVersion(s.Version.String()),
		sessionKey.String(s.Session),
	}
	// A reply destination is a secret: knowing it is enough to send to it.
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

// Delivered implements session.Trace. A restored message has a new Trace for
// each delivery, so its delivery count is the limit.
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

// placeAttributes returns the attributes of a destination besides its name.
func placeAttributes(d destination.Destination, pattern string) []attribute.KeyValue {
	switch {
	case d.Kind == destination.TempQueue:
		return []attribute.KeyValue{semconv.MessagingDestinationTemporary(true)}
	case pattern != "":
		return []attribute.KeyValue{semconv.MessagingDestinationTemplate(pattern)}
	}
	return nil
}

// label returns the destination's name in span names. Names must be few, so it
// is the pattern of the destination's policy, or else only its kind.
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

// clip makes a client's text fit for an attribute: short, valid UTF-8 (OTLP
// demands it), without tokens, and copied, so that it does not keep the frame's
// memory alive.
func clip(s string) string {
	return mask.Text(strings.ToValidUTF8(strings.Clone(s[:min(len(s), longestValue)]), "\uFFFD"))
}
