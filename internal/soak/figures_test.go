package soak

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A sample is one line of /metrics.
type sample struct {
	labels map[string]string
	value  float64
}

// A scrape is the content of /metrics at one moment, by name.
type scrape map[string][]sample

var (
	sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$`)
	labelPart  = regexp.MustCompile(`([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"`)
)

func (o *operator) scrape() (scrape, error) {
	data, err := o.do(http.MethodGet, "/metrics", nil)
	if err != nil {
		return nil, err
	}
	all := make(scrape)
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := sampleLine.FindStringSubmatch(line)
		if parts == nil {
			return nil, fmt.Errorf("/metrics has a line that is none: %q", line)
		}
		s := sample{labels: make(map[string]string)}
		if s.value, err = strconv.ParseFloat(parts[3], 64); err != nil {
			return nil, fmt.Errorf("/metrics: %q: %w", line, err)
		}
		for _, l := range labelPart.FindAllStringSubmatch(parts[2], -1) {
			s.labels[l[1]] = l[2]
		}
		all[parts[1]] = append(all[parts[1]], s)
	}
	return all, nil
}

// sum adds up a metric in the notation of docs/metrics.md: a name, and in
// braces a value that a label must or must not have; alternatives are separated
// by |.
func (s scrape) sum(expression string) int64 {
	name, filter, _ := strings.Cut(strings.TrimSuffix(expression, "}"), "{")
	label, wanted, not := strings.Cut(filter, "!=")
	if !not {
		label, wanted, _ = strings.Cut(filter, "=")
	}
	sum := 0.0
	for _, one := range s["hoofbeat_"+name] {
		is := filter == ""
		for word := range strings.SplitSeq(wanted, "|") {
			is = is || one.labels[label] == word
		}
		if is != not {
			sum += one.value
		}
	}
	return int64(sum)
}

// one returns a metric without labels.
func (s scrape) one(name string) int64 {
	if len(s[name]) == 0 {
		return -1
	}
	return int64(s[name][0].value)
}

// live returns the bytes that the last garbage collection found in use: half of
// the size that triggers the next one.
func (s scrape) live() int64 { return s.one("go_memstats_next_gc_bytes") / 2 }

// An equation holds when nothing is under way. Its terms are arguments of sum.
type equation struct{ left, right []string }

// equations are the equations in docs/metrics.md.
var equations = []equation{
	{[]string{"connections_opened_total"}, []string{"connects_refused_total", "sessions_closed_total", "connections"}},
	{[]string{"connects_accepted_total"}, []string{"sessions_closed_total", "connections{version!=none}"}},
	{[]string{"topic_messages_published_total"}, []string{"topic_messages_written_total", "topic_messages_dropped_total"}},
	{
		[]string{"queue_messages_restored_total", "queue_messages_enqueued_total"},
		[]string{"queue_messages_acked_total", "queue_messages_dead_lettered_total", "queue_messages_moved_total", "queue_messages_dropped_total", "queue_messages"},
	},
	{
		[]string{"queue_messages_delivered_total"},
		[]string{"queue_messages_acked_total", "queue_messages_requeued_total", "queue_messages_dead_total{reason=rejected}", "queue_messages{state=unacked}"},
	},
	{
		[]string{"queue_messages_dead_total"},
		[]string{"queue_messages_dead_lettered_total", "queue_messages_dropped_total{reason=rejected|max-deliveries|expired|overflow}"},
	},
}

// check describes how an equation fails; empty: it holds.
func (e equation) check(s scrape) string {
	add := func(terms []string) (sum int64, text string) {
		var parts []string
		for _, t := range terms {
			n := s.sum(t)
			sum += n
			parts = append(parts, fmt.Sprintf("%s %d", t, n))
		}
		return sum, strings.Join(parts, " + ")
	}
	left, l := add(e.left)
	right, r := add(e.right)
	if left == right {
		return ""
	}
	return fmt.Sprintf("%s != %s: %d too many", l, r, left-right)
}

// Figures are the resources that the program uses.
type figures struct {
	goroutines, heap int64
	sockets          int // open, including that of the current request
	tables           int // files of the store
	others           int // other files
}

func (f figures) String() string {
	return fmt.Sprintf("%d goroutines, %.1f MiB heap, %d sockets, %d files of the store, %d other files",
		f.goroutines, float64(f.heap)/(1<<20), f.sockets, f.tables, f.others)
}

// least returns the smaller of each figure.
func (f figures) least(o figures) figures {
	return figures{min(f.goroutines, o.goroutines), min(f.heap, o.heap), min(f.sockets, o.sockets), min(f.tables, o.tables), min(f.others, o.others)}
}

// figures asks the program, and the system about the program's files.
func (w *world) figures(o *operator) (f figures, err error) {
	s, err := o.scrape()
	if err != nil {
		return f, err
	}
	f.goroutines, f.heap = s.one("go_goroutines"), s.live()
	dir := filepath.Join("/proc", strconv.Itoa(w.broker.PID()), "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		// Without /proc, only the program knows the number of files.
		f.others = int(s.one("process_open_fds"))
		return f, nil
	}
	data := filepath.Join(w.dir, "data")
	for _, e := range entries {
		switch to, err := os.Readlink(filepath.Join(dir, e.Name())); {
		case err != nil: // closed in the meantime
		case strings.HasPrefix(to, "socket:"):
			f.sockets++
		case strings.HasPrefix(to, data):
			f.tables++
		default:
			f.others++
		}
	}
	return f, nil
}
