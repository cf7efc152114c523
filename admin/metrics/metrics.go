// Package metrics is what Prometheus reads of a broker. Each package counts for
// itself; here the numbers get their names. docs/metrics.md says what they mean.
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

// Sources are where the numbers come from. All but Store and Spans are needed,
// and may be called by any goroutine; what they take is the time of a scrape.
type Sources struct {
	Build    Build
	Broker   Broker
	Sessions func() session.Totals
	Outbound func() Outbound
	Memory   func() Memory
	Auth     func() auth.Stats
	Store    func() Store // nil: nothing is on disk
	Spans    func() Spans // nil: nothing is traced
	Reloads  func() Reloads
	Log      *slog.Logger // gets faults; nil: nobody does
}

// A Broker is a *broker.Broker.
type Broker interface {
	Stats() *broker.Stats
	Survey() broker.Survey
	Policies() *broker.Policies
}

// Build says what the program was built from.
type Build struct{ Version, Commit, Go string }

// Outbound is what waits to be written to clients, in bytes.
type Outbound struct {
	All  int64
	Most int64 // to one client
}

// Memory is what clients make the process hold, in bytes.
type Memory struct {
	Limit, Used   int64
	Paused, Ended int64 // senders that had to wait for memory, and connections that were ended for it
}

// Reloads are the attempts to put changed files in force.
type Reloads struct {
	Done, Refused int64
	Last          time.Time // when the files were last in force as they were; the start is the first time
	LastRefused   bool      // the last attempt was
}

// Store is what is on disk.
type Store struct {
	Writable                           bool
	CommitTimes, CommitOps, CommitSize Histogram // in seconds; operations; bytes
	Elided                             int64     // operations that were void before they were written
	PendingOps, PendingReads           int
	DiskBytes                          int64
	Free, MinFree                      int64 // bytes; Free is negative if it is not known
}

// Spans are those of traces since the start: what the receiver has, and what is
// lost because it refused it, because too many waited for it, or because there
// were too many in a second.
type Spans struct{ Sent, Refused, QueueFull, TooMany int64 }

// A Histogram has upper bounds, growing, and how many observations were not
// above each and above the one before; one more for what is above all.
type Histogram struct {
	Bounds []float64
	Counts []uint64
	Sum    float64
}

// maxScrapes is how many are answered at a time.
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
