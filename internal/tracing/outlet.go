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

// complaintInterval is how often, at most, the log says that spans are lost.
const complaintInterval = time.Minute

// An outlet is where spans leave: the SDK's batches, with a bound, and an eye
// on what is lost.
type outlet struct {
	sdk.SpanProcessor // the batches; it exports through a counted
	exporter          *otlptrace.Exporter
	log               *slog.Logger
	cut               context.Context // ended when nobody waits for the receiver any more
	cutOff            context.CancelFunc
	ended             chan struct{} // closed when nothing is exported any more

	waiting atomic.Int64                                             // spans, those that are being sent included
	counts  struct{ sent, refused, queueFull, tooMany atomic.Int64 } // see Stats

	mu       sync.Mutex // a leaf; guards what follows
	told     Stats      // what the log has been told
	failure  error      // the last, if it was not told
	reported time.Time
}

// Stats count spans since the start.
type Stats struct {
	Sent      int64 // the receiver has taken them
	Refused   int64 // it has not
	QueueFull int64 // QueueSize others waited for it
	TooMany   int64 // there were SpansPerSecond already
}

func (o *outlet) stats() Stats {
	c := &o.counts
	return Stats{c.sent.Load(), c.refused.Load(), c.queueFull.Load(), c.tooMany.Load()}
}

func newOutlet(e *otlptrace.Exporter, log *slog.Logger) *outlet {
	o := &outlet{exporter: e, log: log, ended: make(chan struct{})}
	o.cut, o.cutOff = context.WithCancel(context.Background())
	return o
}

// start begins to send; before it, there is no outlet.
func (o *outlet) start() error {
	if err := o.exporter.Start(o.cut); err != nil {
		return fmt.Errorf("starting to send traces: %w", err)
	}
	o.SpanProcessor = sdk.NewBatchSpanProcessor(counted{o}, sdk.WithMaxQueueSize(QueueSize), sdk.WithMaxExportBatchSize(batchSize),
		sdk.WithBatchTimeout(batchTimeout), sdk.WithExportTimeout(sendTimeout))
	return nil
}

// OnEnd implements sdk.SpanProcessor. It never waits.
func (o *outlet) OnEnd(s sdk.ReadOnlySpan) {
	if o.waiting.Add(1) > QueueSize {
		o.waiting.Add(-1)
		o.counts.queueFull.Add(1)
		return
	}
	o.SpanProcessor.OnEnd(s)
}

// stop gives up what the receiver has not taken, after Shutdown.
func (o *outlet) stop() {
	o.cutOff()
	<-o.ended
	o.report(true)
}

// A counted is the exporter of an outlet. To the SDK it never fails, as the SDK
// would write that to stderr.
type counted struct{ o *outlet }

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

// Shutdown implements sdk.SpanExporter. It is called once, when nothing more
// is to be exported.
func (c counted) Shutdown(ctx context.Context) error {
	defer close(c.o.ended)
	return c.o.exporter.Shutdown(ctx)
}

func (o *outlet) fail(spans int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts.refused.Add(int64(spans))
	o.failure = err
}

// report says in the log what was lost since the last time, if that is long
// enough ago or the last one.
func (o *outlet) report(last bool) {
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
