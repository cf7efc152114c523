package metrics

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-stomp/stomp/v3/frame"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"hoofbeat/auth"
	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/frames"
	"hoofbeat/session"
)

// A fixture has sources that tests adjust.
type fixture struct {
	sources Sources
	broker  *broker.Broker
	counts  *session.Counters
}

func newFixture(t *testing.T, rules map[string]broker.Policy) *fixture {
	t.Helper()
	var p broker.Policies
	for match, policy := range rules {
		d, err := destination.DefaultNamespace().ForPolicy(match)
		if err != nil {
			t.Fatal(err)
		}
		p.Rules = append(p.Rules, broker.PolicyRule{Match: d, Policy: policy})
	}
	b, err := broker.New(broker.Options{Policies: p})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	f := &fixture{broker: b, counts: &session.Counters{}}
	f.sources = Sources{
		Build: Build{"v1", "abc", "go1"}, Broker: b, Sessions: f.counts.Totals,
		Memory:   func() Memory { return Memory{Limit: 1000, Used: 900, Paused: 3, Ended: 2} },
		Outbound: func() Outbound { return Outbound{All: 30, Most: 20} },
		Auth:     func() auth.Stats { return auth.Stats{Refreshes: 3, Failures: 1, Keys: 2, KeysAge: time.Minute} },
		Store:    func() Store { return sampleStore },
		Spans:    func() Spans { return Spans{Sent: 11, Refused: 12, QueueFull: 13, TooMany: 14} },
		Reloads:  func() Reloads { return Reloads{Done: 2, Refused: 1, Last: time.Unix(1000, 5e8), LastRefused: true} },
	}
	return f
}

var sampleStore = Store{
	Writable: true, CommitTimes: Histogram{[]float64{.1, 1}, []uint64{5, 3, 2}, 7.5}, CommitOps: Histogram{[]float64{1}, []uint64{4, 6}, 99},
	CommitSize: Histogram{[]float64{256}, []uint64{10, 0}, 1000}, Elided: 4, PendingOps: 5, PendingReads: 6, DiskBytes: 7, Free: 8, MinFree: 9,
}

// send sends a message to a queue.
func (f *fixture) send(t *testing.T, to string) {
	t.Helper()
	d, err := destination.DefaultNamespace().ForSend(to, destination.Owner{})
	if err != nil {
		t.Fatal(err)
	}
	m := broker.NewMessage(d, broker.Content{Header: frame.New(frame.SEND, frame.Destination, to).Header}, broker.Properties{})
	f.broker.NewPublisher().Send(m, nil)
}

// scrape returns the samples of a new handler, by series.
func (f *fixture) scrape(t *testing.T) map[string]string {
	t.Helper()
	w := httptest.NewRecorder()
	New(f.sources).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	all := make(map[string]string)
	for line := range strings.Lines(w.Body.String()) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			i := strings.LastIndexByte(line, ' ')
			all[line[:i]] = line[i+1:]
		}
	}
	return all
}

func wantSamples(t *testing.T, got, want map[string]string) {
	t.Helper()
	for series, value := range want {
		if got["hoofbeat_"+series] != value {
			t.Errorf("%s is %q, want %q", series, got["hoofbeat_"+series], value)
		}
	}
}

func TestValues(t *testing.T) {
	f := newFixture(t, map[string]broker.Policy{"/queue/a.**": {MaxMessages: 2}, "/topic/t": {}})
	for range 3 {
		f.send(t, "/queue/a.1")
	}
	f.send(t, "/queue/b")
	f.counts.Reject("origin")
	in, out := f.counts.Meters()
	in.CountFrame(frames.Inbound{Frame: frame.New("STOMP"), Size: 30})
	in.Flush()
	in.CountFrame(frames.Inbound{Frame: frame.New("SEND"), Size: 100})
	in.CountFrame(frames.Inbound{Frame: frame.New("SEND"), Size: 50})
	in.Flush()
	out.CountEncoded([]byte("\n"), 0)
	out.Flush()
	wantSamples(t, f.scrape(t), map[string]string{
		`build_info{commit="abc",goversion="go1",version="v1"}`: "1",
		`connections_rejected_total{reason="origin"}`:           "1",
		`frames_received_total{command="CONNECT"}`:              "1",
		`frames_received_total{command="SEND"}`:                 "2",
		`frames_received_bytes_total{command="SEND"}`:           "150",
		`frames_received_total{command="ABORT"}`:                "0",
		`frames_sent_bytes_total{command="heart-beat"}`:         "1",
		`outbound_bytes`:      "30",
		`outbound_max_bytes`:  "20",
		`memory_limit_bytes`:  "1000",
		`memory_used_bytes`:   "900",
		`memory_paused_total`: "3",
		`memory_ended_total`:  "2",
		`acl_decisions_total{action="subscribe",decision="denied"}`:             "0",
		`jwks_fetches_total{result="failed"}`:                                   "1",
		`jwks_age_seconds`:                                                      "60",
		`jwks_stale`:                                                            "0",
		`messages_received_total`:                                               "4",
		`messages_refused_total{reason="queue-full"}`:                           "1",
		`messages_refused_total{reason="storage"}`:                              "0",
		`queue_messages_enqueued_total`:                                         "3",
		`queue_messages_dropped_total{reason="purged"}`:                         "0",
		`queue_messages{kind="queue",policy="/queue/a.**",state="ready"}`:       "2",
		`queue_messages{kind="queue",policy="default",state="ready"}`:           "1",
		`queue_messages{kind="subscription",policy="/topic/t",state="unacked"}`: "0",
		`queues_unattended{kind="queue",policy="/queue/a.**"}`:                  "1",
		`store_writable`:                                                        "1",
		`store_commit_duration_seconds_bucket{le="0.1"}`:                        "5",
		`store_commit_duration_seconds_bucket{le="1"}`:                          "8",
		`store_commit_duration_seconds_bucket{le="+Inf"}`:                       "10",
		`store_commit_duration_seconds_sum`:                                     "7.5",
		`store_commit_duration_seconds_count`:                                   "10",
		`store_free_bytes`:                                                      "8",
		`trace_spans_sent_total`:                                                "11",
		`trace_spans_lost_total{reason="refused"}`:                              "12",
		`trace_spans_lost_total{reason="queue-full"}`:                           "13",
		`trace_spans_lost_total{reason="too-many"}`:                             "14",
		`config_reloads_total{result="refused"}`:                                "1",
		`config_last_reload_success_timestamp_seconds`:                          "1000.5",
		`config_last_reload_successful`:                                         "0",
	})
}

// Without a store or tracing, no series suggests a failure.
func TestNoStore(t *testing.T) {
	f := newFixture(t, nil)
	f.sources.Store, f.sources.Spans = nil, nil
	for series := range f.scrape(t) {
		if strings.HasPrefix(series, "hoofbeat_store") || strings.HasPrefix(series, "hoofbeat_trace") {
			t.Errorf("there is %s", series)
		}
	}
	f.sources.Store = func() Store { return Store{Free: -1} }
	if all := f.scrape(t); all["hoofbeat_store_free_bytes"] != "" || all["hoofbeat_store_writable"] != "0" {
		t.Error("what is not known is told")
	}
}

// TestSeriesAreBounded: clients' queue names create no series.
func TestSeriesAreBounded(t *testing.T) {
	f := newFixture(t, map[string]broker.Policy{"/queue/a.**": {}})
	f.send(t, "/queue/a.x")
	before := len(f.scrape(t))
	for i := range 5000 {
		f.send(t, fmt.Sprint("/queue/a.", i))
		f.send(t, fmt.Sprint("/queue/b.", i))
		f.send(t, fmt.Sprint("/topic/", i))
		f.send(t, fmt.Sprintf("/user/u%d/queue/x", i))
	}
	all := f.scrape(t)
	if len(all) != before {
		t.Errorf("there are %d series, and were %d", len(all), before)
	}
	wantSamples(t, all, map[string]string{`queues{kind="queue",policy="/queue/a.**"}`: "5001", `queues{kind="queue",policy="default"}`: "5000"})
}

// TestOtherWords: reasons beyond the limit share one label.
func TestOtherWords(t *testing.T) {
	f := newFixture(t, nil)
	for i := range 1000 {
		f.counts.Reject(fmt.Sprint("reason ", i))
	}
	n := 0
	for series := range f.scrape(t) {
		if strings.HasPrefix(series, "hoofbeat_connections_rejected_total") {
			n++
		}
	}
	if n > 200 || f.scrape(t)[`hoofbeat_connections_rejected_total{reason="other"}`] == "" {
		t.Errorf("%d series for 1000 reasons", n)
	}
}

// TestConventions: promtool accepts the names.
func TestConventions(t *testing.T) {
	f := newFixture(t, nil)
	f.counts.Reject("x")
	w := httptest.NewRecorder()
	New(f.sources).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	problems, err := promlint.New(w.Body).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, prefix) {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestMethods(t *testing.T) {
	h := New(newFixture(t, nil).sources)
	for method, want := range map[string]int{http.MethodHead: 200, http.MethodPost: 405, http.MethodDelete: 405} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/metrics", nil))
		if w.Code != want || want == 405 && w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, %v", method, w.Code, w.Header())
		}
	}
}

// TestFault: a source that panics fails the scrape, not the process.
func TestFault(t *testing.T) {
	f := newFixture(t, nil)
	var log strings.Builder
	f.sources.Log = slog.New(slog.NewTextHandler(&log, nil))
	f.sources.Store = func() Store { panic("broken") }
	w := httptest.NewRecorder()
	New(f.sources).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusInternalServerError || !strings.Contains(log.String(), "broken") {
		t.Errorf("status %d; the log says %s", w.Code, log.String())
	}
}

// TestSurveysAreRare: frequent scrapes do not keep the broker busy.
func TestSurveysAreRare(t *testing.T) {
	asked, now := 0, time.Now()
	s := surveys{ask: func() broker.Survey { asked++; return broker.Survey{Topics: asked} }}
	for i := range 10 {
		if got := s.latest(now.Add(time.Duration(i) * surveyEvery / 10)); got.Topics != 1 {
			t.Errorf("scrape %d has the survey %d", i, got.Topics)
		}
	}
	if got := s.latest(now.Add(time.Hour)); got.Topics != 2 {
		t.Errorf("the survey of an hour ago is used")
	}
}

// The page has a line for each metric, and no others.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for _, m := range regexp.MustCompile("(?m)^\\| `(hoofbeat_[a-z_]+)").FindAllSubmatch(page, -1) {
		documented[string(m[1])] = true
	}
	fqName := regexp.MustCompile(`fqName: "([^"]+)"`)
	exist := make(map[string]bool)
	for _, d := range newNames().all {
		exist[fqName.FindStringSubmatch(d.String())[1]] = true
	}
	for _, name := range slices.Sorted(maps.Keys(exist)) {
		if !documented[name] {
			t.Errorf("docs/metrics.md has no line for %s", name)
		}
	}
	for name := range documented {
		if !exist[name] {
			t.Errorf("docs/metrics.md has a line for %s, which does not exist", name)
		}
	}
	for _, why := range broker.DropReasons() {
		if !strings.Contains(string(page), "`"+why.String()+"`") {
			t.Errorf("docs/metrics.md does not explain why messages are dropped for %s", why)
		}
	}
}
