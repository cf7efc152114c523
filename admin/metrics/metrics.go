// Package metrics exports a broker's figures to Prometheus. Each package counts
// for itself; this one names the numbers. docs/metrics.md explains them.
package metrics

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"hoofbeat/auth"
	"hoofbeat/broker"
	"hoofbeat/session"
)

// Sources provide the numbers. All except Store and Spans are required. They
// may be called from any goroutine; their time adds to the scrape's.
type Sources struct {
	Build    Build
	Broker   Broker
	Sessions func() session.Totals
	Outbound func() Outbound
	Memory   func() Memory
	Auth     func() auth.Stats
	Store    func() Store // nil: nothing is stored
	Spans    func() Spans // nil: tracing is off
	Reloads  func() Reloads
	Log      *slog.Logger // receives errors; nil: they are discarded
}

// A Broker is a *broker.Broker.
type Broker interface {
	Stats() *broker.Stats
	Survey() broker.Survey
	Policies() *broker.Policies
}

// Build describes the source of the program.
type Build struct{ Version, Commit, Go string }

// Outbound is the number of bytes waiting to be written to clients.
type Outbound struct {
	All  int64
	Most int64 // to one client
}

// Memory is the memory that clients occupy, in bytes.
type Memory struct {
	Limit, Used   int64
	Paused, Ended int64 // senders paused and connections ended because of memory
}

// Reloads counts the attempts to apply changed files.
type Reloads struct {
	Done, Refused int64
	Last          time.Time // when the present files were applied; initially the start
	LastRefused   bool      // the last attempt was refused
}

// Store describes the store.
type Store struct {
	Writable                           bool
	CommitTimes, CommitOps, CommitSize Histogram // in seconds; operations; bytes
	Elided                             int64     // operations that were void before they were written
	PendingOps, PendingReads           int
	DiskBytes                          int64
	Free, MinFree                      int64 // bytes; Free is negative if unknown
}

// Spans count trace spans since the start: accepted by the receiver, or lost
// because the receiver refused them, too many were waiting, or there were too
// many in a second.
type Spans struct{ Sent, Refused, QueueFull, TooMany int64 }

// A Histogram has increasing upper bounds, and per bound the number of
// observations up to it and above the previous one. The last count is for
// observations above all bounds.
type Histogram struct {
	Bounds []float64
	Counts []uint64
	Sum    float64
}

// maxScrapes limits concurrent scrapes.
const maxScrapes = 4

// New returns the handler of /metrics. It is safe for concurrent use.
func New(s Sources) http.Handler {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(s), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	scrape := promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, ErrorLog: errorLog{s.Log}})
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodGet && q.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "this path takes GET, HEAD", http.StatusMethodNotAllowed)
			return
		}
		scrape.ServeHTTP(w, q)
	})
}

// An errorLog is a promhttp.Logger.
type errorLog struct{ log *slog.Logger }

// Println implements promhttp.Logger.
func (l errorLog) Println(v ...any) { l.log.Error("metrics", "error", fmt.Sprint(v...)) }
