package hoofbeat

import (
	"fmt"
	"log/slog"

	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/internal/tracing"
)

// newTracer returns the exporter of spans, or nil without tracing.endpoint.
func newTracer(t config.Tracing, b *broker.Broker, version string, log *slog.Logger) (*tracing.Tracer, error) {
	if t.Endpoint == "" {
		return nil, nil
	}
	tracer, err := tracing.New(tracing.Options{
		Endpoint: tracing.Endpoint{URL: t.Endpoint, Headers: t.Header()}, SampleRatio: t.SampleRatio,
		Version: version, Policies: b.Policies, Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("tracing.endpoint: %w", err)
	}
	return tracer, nil
}
