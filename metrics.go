package hoofbeat

import (
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"hoofbeat/admin/metrics"
	"hoofbeat/connections"
	"hoofbeat/internal/setup"
	"hoofbeat/internal/tracing"
)

// metrics returns the handler of /metrics. The tracer is nil if spans are off.
func (s *Server) metrics(tracer *tracing.Tracer) http.Handler {
	sources := metrics.Sources{
		Build:  metrics.Build{Version: s.options.Version, Commit: s.options.Commit, Go: runtime.Version()},
		Broker: s.broker, Sessions: s.connections.Counters().Totals, Auth: s.access.authenticator.Stats, Reloads: s.reloader.counts.read, Log: s.log,
		Outbound: func() metrics.Outbound { return outbound(s.connections) },
		Memory: func() metrics.Memory {
			m := s.budget.Stats()
			return metrics.Memory{Limit: m.Limit, Used: m.Used, Paused: m.Paused, Ended: m.Ended}
		},
	}
	if s.store != nil {
		sources.Store = func() metrics.Store { return measure(s.store) }
	}
	if tracer != nil {
		sources.Spans = func() metrics.Spans { return metrics.Spans(tracer.Stats()) }
	}
	return metrics.New(sources)
}

// outbound adds up the bytes that wait to be written to clients.
func outbound(r *connections.Registry) (all metrics.Outbound) {
	for ses := range r.AllSessions() {
		n := int64(ses.Outbound())
		all.All += n
		all.Most = max(all.Most, n)
	}
	return all
}

// measure converts the counters of the store.
func measure(s *setup.Store) metrics.Store {
	m := s.Metrics()
	return metrics.Store{
		Writable:    s.Ready() == nil,
		CommitTimes: metrics.Histogram(m.CommitTimes), CommitOps: metrics.Histogram(m.CommitSteps), CommitSize: metrics.Histogram(m.CommitSizes),
		Elided: m.Elided, PendingOps: m.PendingOps, PendingReads: m.PendingRead, DiskBytes: m.DiskBytes, Free: m.Free, MinFree: m.MinFree,
	}
}

// reloadCounts count attempts to reload. The zero value is ready.
type reloadCounts struct {
	done, refused atomic.Int64
	last          atomic.Int64 // Unix nanoseconds
	lastRefused   atomic.Bool
}

// started is called when the first configuration is in force.
func (c *reloadCounts) started() { c.last.Store(time.Now().UnixNano()) }

func (c *reloadCounts) reloaded() {
	c.done.Add(1)
	c.lastRefused.Store(false)
	c.last.Store(time.Now().UnixNano())
}

func (c *reloadCounts) refuse() {
	c.refused.Add(1)
	c.lastRefused.Store(true)
}

func (c *reloadCounts) read() metrics.Reloads {
	return metrics.Reloads{Done: c.done.Load(), Refused: c.refused.Load(), Last: time.Unix(0, c.last.Load()), LastRefused: c.lastRefused.Load()}
}
