package tracing

import (
	"context"
	"strings"

	"github.com/go-stomp/stomp/v3/frame"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// longestState limits a tracestate that is kept, in bytes. W3C Trace Context
// asks for at least this size.
const longestState = 512

// parentOf returns the trace that the sender has begun (W3C Trace Context).
// Malformed headers are ignored.
func parentOf(h *frame.Header) trace.SpanContext {
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier{h}))
}

// A carrier reads STOMP headers for OpenTelemetry.
type carrier struct{ *frame.Header }

// Get implements propagation.TextMapCarrier. As everywhere in STOMP, the first
// of repeated headers counts.
func (c carrier) Get(name string) string {
	v := c.Header.Get(name)
	if name == "tracestate" {
		if len(v) > longestState {
			return ""
		}
		return strings.Clone(v) // spans keep parts of it, which must not keep the whole frame alive
	}
	return v
}

// Set implements propagation.TextMapCarrier. It is never used.
func (c carrier) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (c carrier) Keys() []string { return nil }
