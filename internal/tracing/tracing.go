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
	// MaxDeliveries is how many deliveries of one message get a span: one that
	// is traced may go to a topic with a hundred thousand subscribers.
	MaxDeliveries = 100
	// SpansPerSecond bounds the spans of all messages together, as clients decide
	// what is traced: a span takes about 7 µs of a processor, which is 40 times
	// what a delivery takes.
	SpansPerSecond = 10_000
	// QueueSize is how many spans wait for the receiver. It is the SDK's
	// default, and takes about 5 MB when full.
	QueueSize = 2048

	batchSize    = 512              // spans in one request; the SDK's default
	batchTimeout = time.Second      // how old spans get before they are sent
	sendTimeout  = 10 * time.Second // for one batch, tried again included; OTLP's default
	flushTimeout = time.Second      // what Close waits for the receiver
	longestValue = 256              // bytes of an attribute that a client can choose
)

// Options for [New].
type Options struct {
	Endpoint Endpoint
	// SampleRatio is how many of the messages are traced whose SEND says
	// nothing of a trace, from 0 to 1.
	SampleRatio float64
	Version     string // of the program
	// Policies are those in force. The pattern of the one that governs a
	// destination is part of its spans' names.
	Policies func() *broker.Policies
	Log      *slog.Logger
}

// A Tracer is a session.Tracer. [Tracer.Close] ends it.
type Tracer struct {
	provider *sdk.TracerProvider
	spans    trace.Tracer
	ratio    float64
	policies func() *broker.Policies
	allowed  allowance
	outlet   *outlet // nil in tests that see the spans without it
}

// New returns a Tracer that sends its spans to the endpoint. The receiver need
// not be there; what it does not take is lost, and the log says so.
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
	t.outlet = out
	return t, nil
}

// describe says whose spans these are. What the environment says of it in
// OTEL_RESOURCE_ATTRIBUTES is added by the SDK.
func describe(version string) (*resource.Resource, error) {
	about, err := resource.New(context.Background(), resource.WithHost(), resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName("hoofbeat"), semconv.ServiceVersion(version)))
	if err != nil {
		return nil, fmt.Errorf("describing this service for traces: %w", err)
	}
	return about, nil
}

// newTracer gives the spans that have ended to the processor.
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

// Restored implements session.Tracer. The span of the SEND is gone; its parent
// stands in the message's traceparent, and takes its place.
func (t *Tracer) Restored(m *broker.Message) session.Trace {
	parent := parentOf(m.Header())
	if !parent.IsSampled() || !parent.IsValid() {
		return nil
	}
	r := &message{tracer: t, span: noop.Span{}, ctx: trace.ContextWithRemoteSpanContext(context.Background(), parent), restored: true}
	r.offered.Store(m.Arrived() * int64(time.Millisecond))
	return r
}

// may tells whether there may be one more span, and counts it.
func (t *Tracer) may(now time.Time) bool {
	if t.allowed.take(now) {
		return true
	}
	if t.outlet != nil {
		t.outlet.counts.tooMany.Add(1)
	}
	return false
}

// Stats are what has become of the spans. Any goroutine may call it.
func (t *Tracer) Stats() Stats { return t.outlet.stats() }

// Close sends what waits, for at most a second, and drops the rest. Nothing of
// it runs any more then.
func (t *Tracer) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	// The error is that time was up, which the outlet reports as lost spans.
	_ = t.provider.Shutdown(ctx)
	if t.outlet != nil {
		t.outlet.stop()
	}
}
