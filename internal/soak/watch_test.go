package soak

import (
	"strings"
	"time"
)

// A watch scrapes the metrics every second while clients are connected. It
// reports counters that decrease, and progress.
type watch struct {
	p     *population
	o     *operator
	last  scrape // of the previous second
	told  scrape // of the latest line
	at    time.Time
	began time.Time
	peak  peaks
}

// peaks are the highest values seen.
type peaks struct{ connections, goroutines, fds, heap int64 }

const toldEvery = 30 * time.Second

func (p *population) watch() peaks {
	w := &watch{p: p, o: newOperator(p.w.admin), began: time.Now(), at: time.Now()}
	p.each(time.Second, func(int) {
		s, err := w.o.scrape()
		if err != nil {
			p.w.faults.add("%v", err)
			return
		}
		w.compare(s)
		w.tell(s)
	})
	return w.peak
}

// compare reports counters that have decreased.
func (w *watch) compare(s scrape) {
	for name := range w.last {
		if strings.HasPrefix(name, "hoofbeat_") && strings.HasSuffix(name, "_total") {
			short := strings.TrimPrefix(name, "hoofbeat_")
			if was, is := w.last.sum(short), s.sum(short); is < was {
				w.p.w.faults.add("%s has fallen from %d to %d", name, was, is)
			}
		}
	}
	w.last = s
	w.peak.connections = max(w.peak.connections, s.sum("connections"))
	w.peak.goroutines = max(w.peak.goroutines, s.one("go_goroutines"))
	w.peak.fds = max(w.peak.fds, s.one("process_open_fds"))
	w.peak.heap = max(w.peak.heap, s.one("go_memstats_heap_alloc_bytes"))
}

// tell writes a progress line every 30 s.
func (w *watch) tell(s scrape) {
	if w.told == nil {
		w.told = s
	}
	passed := time.Since(w.at)
	if passed < toldEvery {
		return
	}
	rate := func(name string) int64 { return int64(float64(s.sum(name)-w.told.sum(name)) / passed.Seconds()) }
	w.p.w.t.Logf("%4.0f s: %d connections of %d, %d/s new; %d/s in, %d/s out, %d in queues; %.1f MiB heap, %d goroutines, %d fds, %.0f %% of a processor",
		time.Since(w.began).Seconds(), s.sum("connections"), w.p.present.Load(), rate("connections_opened_total"), rate("messages_received_total"),
		rate("frames_sent_total{command=MESSAGE}"), s.sum("queue_messages"), float64(s.one("go_memstats_heap_alloc_bytes"))/(1<<20),
		s.one("go_goroutines"), s.one("process_open_fds"), 100*(s.seconds()-w.told.seconds())/passed.Seconds())
	w.told, w.at = s, time.Now()
}

// seconds returns the program's processor time.
func (s scrape) seconds() float64 {
	if all := s["process_cpu_seconds_total"]; len(all) > 0 {
		return all[0].value
	}
	return 0
}
