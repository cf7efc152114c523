package main

import (
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"hoofbeat/admin/metrics"
	"hoofbeat/broker"
	"hoofbeat/internal/memory"
	"hoofbeat/internal/tracing"
	"hoofbeat/transport"
)

// newMetrics makes the handler of /metrics. The reloader has been completed.
func newMetrics(b *broker.Broker, s *transport.Server, budget *memory.Budget, store *diskStore, a *access, tracer *tracing.Tracer, r *reloader, log *slog.Logger) http.Handler {
	v := readVersion()
	sources := metrics.Sources{
		Build:  metrics.Build{Version: v.Version, Commit: v.Commit, Go: v.Go},
		Broker: b, Sessions: s.Counters().Totals, Auth: a.authenticator.Stats, Reloads: r.counts.read, Log: log,
		Outbound: func() metrics.Outbound { return outbound(s) },
		Memory: func() metrics.Memory {
			m := budget.Stats()
			return metrics.Memory{Limit: m.Limit, Used: m.Used, Paused: m.Paused, Ended: m.Ended}
		},
	}
	if store != nil {
		sources.Store = store.measure
	}
	if tracer != nil {
		sources.Spans = func() metrics.Spans { return metrics.Spans(tracer.Stats()) }
	}
	return metrics.New(sources)
}

// outbound adds up what waits for clients.
func outbound(s *transport.Server) (all metrics.Outbound) {
	for ses := range s.AllSessions() {
		n := int64(ses.Outbound())
		all.All += n
		all.Most = max(all.Most, n)
	}
	return all
}

// measure is what the store has done.
func (s *diskStore) measure() metrics.Store {
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
