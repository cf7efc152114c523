package load

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Percentiles of a latency, in microseconds.
type Percentiles struct {
	Samples int64   `json:"samples"`
	P50     float64 `json:"p50_us"`
	P90     float64 `json:"p90_us"`
	P99     float64 `json:"p99_us"`
	P999    float64 `json:"p999_us"`
	Max     float64 `json:"max_us"`
}

// latencies collects the samples of many recorders in one histogram. Messages
// sent outside the measured time are left out.
type latencies struct {
	from, until atomic.Int64 // limits of the measured time, in ns on the run's clock

	mu        sync.Mutex // guards histogram
	histogram *hdrhistogram.Histogram
}

// newLatencies returns a collection that takes no samples until from is set.
func newLatencies() *latencies {
	// 100 ns to 2 minutes with 3 digits takes about 200 KiB.
	l := &latencies{histogram: hdrhistogram.New(100, int64(2*time.Minute), 3)}
	l.from.Store(math.MaxInt64)
	l.until.Store(math.MaxInt64)
	return l
}

// percentiles returns the figures so far.
func (l *latencies) percentiles() Percentiles {
	l.mu.Lock()
	defer l.mu.Unlock()
	us := func(q float64) float64 { return float64(l.histogram.ValueAtQuantile(q)) / 1000 }
	return Percentiles{
		Samples: l.histogram.TotalCount(),
		P50:     us(50),
		P90:     us(90),
		P99:     us(99),
		P999:    us(99.9),
		Max:     float64(l.histogram.Max()) / 1000,
	}
}

// recorder buffers one subscriber's samples, because the shared histogram must
// not be locked often, and is too large for one per subscriber. It is owned by
// one goroutine.
type recorder struct {
	to      *latencies
	n       int
	samples [128]int64
}

// record takes a message with its times of sending and receiving, in ns on the
// run's clock.
func (r *recorder) record(sent, received int64) {
	if sent < r.to.from.Load() || sent >= r.to.until.Load() {
		return
	}
	r.samples[r.n] = received - sent
	r.n++
	if r.n == len(r.samples) {
		r.flush()
	}
}

// flush adds the buffered samples to the histogram.
func (r *recorder) flush() {
	r.to.mu.Lock()
	defer r.to.mu.Unlock()
	for _, v := range r.samples[:r.n] {
		limit := r.to.histogram.HighestTrackableValue()
		_ = r.to.histogram.RecordValue(min(max(v, 0), limit)) // clamped, so there is no error
	}
	r.n = 0
}
