package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"hoofbeat/broker"
	"hoofbeat/session"
)

const (
	// MaxDeliveries is the number of deliveries of one message that get a span:
	// a traced message may go to a topic with a hundred thousand subscribers.
	MaxDeliveries = 100
	// SpansPerSecond limits the spans of all messages, because clients decide
	// which ones are traced. A span takes about 7 µs of processor time, 40
	// times that of a delivery.
	SpansPerSecond = 10_000
	// QueueSize is the number of spans that may wait for the receiver. It is
	// the SDK's default, and about 5 MB when full.
	QueueSize = 2048

	batchSize    = 512              // spans in one request; the SDK's default
	batchTimeout = time.Second      // age at which spans are sent
	sendTimeout  = 10 * time.Second // for one batch, with repetitions; OTLP's default
	flushTimeout = time.Second      // how long Close waits for the receiver
	longestValue = 256              // bytes of an attribute that clients choose
)

// Options configure [New].
type Options struct {
	Endpoint Endpoint
	// SampleRatio is the fraction of messages that are traced, from 0 to 1,
	// among those whose SEND has no trace context.
	SampleRatio float64
	Version     string // of the program
	// Policies returns the policies in force. Span names contain the pattern of
	// the policy that applies to the destination.
	Policies func() *broker.Policies
	Log      *slog.Logger
}

// A Tracer implements session.Tracer. The caller must Close it.
type Tracer struct {
	provider *sdk.TracerProvider
	spans    trace.Tracer
	ratio    float64
	policies func() *broker.Policies
	allowed  allowance
	exporter *exporter // nil in tests that read the spans directly
}

// New returns a Tracer that sends its spans to the endpoint. The receiver may
// be down; lost spans are logged.
func New(o Options) (*Tracer, error) {
	about, err := describe(o.Version)
	if err != nil {
		return nil, err
	}
	out := newOutlet(otlptrace.NewUnstarted(newClient(o.Endpoint, o.Version)), o.Log)
	if err := out.start(); err != nil {
		return nil, err
	}
	t := newTracer(o, out, about)
	t.exporter = out
	return t, nil
}

// describe returns the resource of the spans. The SDK adds the attributes in
// OTEL_RESOURCE_ATTRIBUTES.
func describe(version string) (*resource.Resource, error) {
	about, err := resource.New(context.Background(), resource.WithHost(), resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName("hoofbeat"), semconv.ServiceVersion(version)))
	if err != nil {
		return nil, fmt.Errorf("describing this service for traces: %w", err)
	}
	return about, nil
}

// newTracer returns a Tracer that passes ended spans to p.
func newTracer(o Options, p sdk.SpanProcessor, about *resource.Resource) *Tracer {
	provider := sdk.NewTracerProvider(
		sdk.WithResource(about), sdk.WithSpanProcessor(p),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(o.SampleRatio))),
		sdk.WithRawSpanLimits(sdk.SpanLimits{AttributeCountLimit: 32, AttributeValueLengthLimit: longestValue, AttributeValueDepthLimit: 1}),
	)
	return &Tracer{
		provider: provider, spans: provider.Tracer("hoofbeat", trace.WithInstrumentationVersion(o.Version)),
		ratio: o.SampleRatio, policies: o.Policies,
	}
}

// Begin implements session.Tracer.
func (t *Tracer) Begin(s session.Sending) session.Trace {
	parent := parentOf(s.Header)
	if parent.IsValid() && !parent.IsSampled() || !parent.IsValid() && t.ratio == 0 {
		return nil
	}
	if !t.may(time.Now()) {
		return nil
	}
	ctx, span := t.spans.Start(trace.ContextWithRemoteSpanContext(context.Background(), parent), "send",
		trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(sendAttributes(s)...))
	if !span.IsRecording() {
		return nil
	}
	return &message{tracer: t, span: span, ctx: ctx}
}

// Restored implements session.Tracer. The span of the SEND is gone; its parent,
// from the message's traceparent, takes its place.
func (t *Tracer) Restored(m *broker.Message) session.Trace {
	parent := parentOf(m.Header())
	if !parent.IsSampled() || !parent.IsValid() {
		return nil
	}
	r := &message{tracer: t, span: noop.Span{}, ctx: trace.ContextWithRemoteSpanContext(context.Background(), parent), restored: true}
	r.offered.Store(m.Arrived() * int64(time.Millisecond))
	return r
}

// may reports whether one more span is allowed, and counts it.
func (t *Tracer) may(now time.Time) bool {
	if t.allowed.take(now) {
		return true
	}
	if t.exporter != nil {
		t.exporter.counts.tooMany.Add(1)
	}
	return false
}

// Stats returns the counts of spans. Any goroutine may call it.
func (t *Tracer) Stats() Stats { return t.exporter.stats() }

// Close sends the queued spans for at most a second and drops the rest. No
// goroutine is left when it returns.
func (t *Tracer) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	// An error means that time was up; the exporter reports the lost spans.
	_ = t.provider.Shutdown(ctx)
	if t.exporter != nil {
		t.exporter.stop()
	}
}
