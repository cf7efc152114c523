package tracing

import (
	"context"
	"strings"

	"github.com/go-stomp/stomp/v3/frame"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// longestState bounds a tracestate that is passed on, in bytes. W3C Trace
// Context asks for at least as much.
const longestState = 512

// parentOf reads the trace that a sender has begun (W3C Trace Context). What is
// malformed is as good as none.
func parentOf(h *frame.Header) trace.SpanContext {
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier{h}))
}

// A carrier shows a STOMP header to OpenTelemetry.
type carrier struct{ *frame.Header }

// Get implements propagation.TextMapCarrier. Of repeated headers the first
// counts, as in all of STOMP.
func (c carrier) Get(name string) string {
	v := c.Header.Get(name)
	if name == "tracestate" {
		if len(v) > longestState {
			return ""
		}
		return strings.Clone(v) // parts of it stay with the spans, and are not to keep the whole header
	}
	return v
}

// Set implements propagation.TextMapCarrier; nothing is passed on.
func (c carrier) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (c carrier) Keys() []string { return nil }
