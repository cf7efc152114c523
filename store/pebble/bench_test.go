package pebble

import (
	"math"
	"strings"
	"sync"
	"testing"

	"hoofbeat/broker"
	"hoofbeat/internal/storetest"
)

// window is how many batches a benchmark has under way.
const window = 8192

// A load applies batches with a window.
type load struct {
	b    *testing.B
	s    *Store
	room chan struct{}
	wg   sync.WaitGroup
}

func newLoad(b *testing.B, o Options) *load {
	s, err := Open(b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	return &load{b: b, s: s, room: make(chan struct{}, window)}
}

func (l *load) apply(ops ...broker.Op) {
	l.room <- struct{}{}
	l.wg.Add(1)
	l.s.Apply(ops, l.done)
}

func (l *load) done(err error) {
	if err != nil {
		l.b.Error(err)
	}
	<-l.room
	l.wg.Done()
}

// end waits for all, and reports.
func (l *load) end() {
	l.wg.Wait()
	l.b.StopTimer()
	m := l.s.Metrics()
	p := l.s.db.Metrics()
	l.b.ReportMetric(float64(l.b.N)/l.b.Elapsed().Seconds(), "msgs/s")
	l.b.ReportMetric(float64(m.Steps)/float64(m.Commits), "steps/commit")
	l.b.ReportMetric(float64(p.WAL.BytesWritten)/float64(l.b.N), "log-B/msg")
	t := p.Total()
	l.b.ReportMetric(float64(t.TableBytesFlushed+t.TableBytesCompacted)/float64(l.b.N), "table-B/msg")
	if err := l.s.Close(); err != nil {
		l.b.Error(err)
	}
}

func BenchmarkAppend(b *testing.B) {
	l := newLoad(b, Options{})
	d := storetest.Queue(b, "bench")
	m := storetest.Message(d, strings.Repeat("x", 128))
	l.apply(storetest.Describe(1, d))
	b.ReportAllocs()
	for n := range uint64(b.N) {
		l.apply(storetest.Put(1, storetest.Seq(n+1), m))
	}
	l.end()
}

// BenchmarkAppendDelete deletes each message when many more have come.
func BenchmarkAppendDelete(b *testing.B) {
	const behind = 3 * window
	l := newLoad(b, Options{})
	d := storetest.Queue(b, "bench")
	m := storetest.Message(d, strings.Repeat("x", 128))
	l.apply(storetest.Describe(1, d))
	b.ReportAllocs()
	for n := range uint64(b.N) {
		l.apply(storetest.Put(1, storetest.Seq(n+1), m))
		if n >= behind {
			l.apply(storetest.Delete(storetest.Put(1, storetest.Seq(n+1-behind), m)))
		}
	}
	l.end()
}

// BenchmarkRead reads a queue in pages.
func BenchmarkRead(b *testing.B) {
	l := newLoad(b, Options{})
	d := storetest.Queue(b, "bench")
	m := storetest.Message(d, strings.Repeat("x", 1024))
	l.apply(storetest.Describe(1, d))
	for n := range uint64(b.N) {
		l.apply(storetest.Put(1, storetest.Seq(n+1), m))
	}
	l.wg.Wait()
	b.ReportAllocs()
	b.ResetTimer()
	r := broker.Range{Queue: 1, After: storetest.Seq(0), Messages: math.MaxInt, Size: 256 << 10}
	for read := 0; read < b.N; {
		p := storetest.ReadRange(b, l.s, r)
		read += len(p.Messages)
		r.After = p.Messages[len(p.Messages)-1].At
	}
	l.end()
}

// BenchmarkAppendOne waits for each message, as a publisher does that wants a
// RECEIPT for one before it sends the next.
func BenchmarkAppendOne(b *testing.B) {
	l := newLoad(b, Options{})
	d := storetest.Queue(b, "bench")
	m := storetest.Message(d, strings.Repeat("x", 128))
	l.apply(storetest.Describe(1, d))
	for n := range uint64(b.N) {
		l.apply(storetest.Put(1, storetest.Seq(n+1), m))
		l.wg.Wait()
	}
	l.end()
}
