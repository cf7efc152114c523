package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// complaintInterval is the minimal interval of log lines about lost spans.
const complaintInterval = time.Minute

// An exporter exports spans: the SDK's batches, with a bounded queue and counters
// of lost spans.
type exporter struct {
	sdk.SpanProcessor // the batches; they are exported through counted
	exporter          *otlptrace.Exporter
	log               *slog.Logger
	cut               context.Context // done when Close no longer waits for the receiver
	cutOff            context.CancelFunc
	ended             chan struct{} // closed after the last export

	waiting atomic.Int64                                             // spans in the queue or being sent
	counts  struct{ sent, refused, queueFull, tooMany atomic.Int64 } // see Stats

	mu       sync.Mutex // a leaf; guards the fields below
	told     Stats      // the counts already logged
	failure  error      // the last one that is not logged
	reported time.Time
}

// Stats count spans since the start.
type Stats struct {
	Sent      int64 // accepted by the receiver
	Refused   int64 // not accepted
	QueueFull int64 // dropped because QueueSize spans were waiting
	TooMany   int64 // not made because of SpansPerSecond
}

func (o *exporter) stats() Stats {
	c := &o.counts
	return Stats{c.sent.Load(), c.refused.Load(), c.queueFull.Load(), c.tooMany.Load()}
}

func newOutlet(e *otlptrace.Exporter, log *slog.Logger) *exporter {
	o := &exporter{exporter: e, log: log, ended: make(chan struct{})}
	o.cut, o.cutOff = context.WithCancel(context.Background())
	return o
}

// start starts exporting. It must be called before any span ends.
func (o *exporter) start() error {
	if err := o.exporter.Start(o.cut); err != nil {
		return fmt.Errorf("starting to send traces: %w", err)
	}
	o.SpanProcessor = sdk.NewBatchSpanProcessor(counted{o}, sdk.WithMaxQueueSize(QueueSize), sdk.WithMaxExportBatchSize(batchSize),
		sdk.WithBatchTimeout(batchTimeout), sdk.WithExportTimeout(sendTimeout))
	return nil
}

// OnEnd implements sdk.SpanProcessor. It never blocks.
func (o *exporter) OnEnd(s sdk.ReadOnlySpan) {
	if o.waiting.Add(1) > QueueSize {
		o.waiting.Add(-1)
		o.counts.queueFull.Add(1)
		return
	}
	o.SpanProcessor.OnEnd(s)
}

// stop abandons the spans that the receiver has not accepted. It is called
// after Shutdown.
func (o *exporter) stop() {
	o.cutOff()
	<-o.ended
	o.report(true)
}

// A counted is the SDK exporter of an exporter. It never returns an error to the SDK,
// which would write it to stderr.
type counted struct{ o *exporter }

// ExportSpans implements sdk.SpanExporter.
func (c counted) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.o.cut, cancel)()
	err := c.o.exporter.ExportSpans(ctx, spans)
	c.o.waiting.Add(-int64(len(spans)))
	if err == nil {
		c.o.counts.sent.Add(int64(len(spans)))
	} else {
		c.o.fail(len(spans), err)
	}
	c.o.report(false)
	return nil
}

// Shutdown implements sdk.SpanExporter. The SDK calls it once, after the last
// export.
func (c counted) Shutdown(ctx context.Context) error {
	defer close(c.o.ended)
	return c.o.exporter.Shutdown(ctx)
}

func (o *exporter) fail(spans int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts.refused.Add(int64(spans))
	o.failure = err
}

// report logs the spans lost since the last report, at most once per
// complaintInterval unless last is true.
func (o *exporter) report(last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if !last && !o.reported.IsZero() && now.Sub(o.reported) < complaintInterval {
		return
	}
	s := o.stats()
	refused, dropped := s.Refused-o.told.Refused, s.QueueFull+s.TooMany-o.told.QueueFull-o.told.TooMany
	if dropped == 0 && refused == 0 {
		return
	}
	o.log.Warn("spans are lost: the receiver at tracing.endpoint did not take them, or they were too many", "refused", refused, "dropped", dropped, "error", o.failure)
	o.told, o.failure, o.reported = s, nil, now
}
