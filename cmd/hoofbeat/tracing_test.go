package main

import (
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const (
	traceOfTests     = "4bf92f3577b34da6a3ce929d0e0e4736"
	publisherOfTests = "00f067aa0ba902b7"
	sampledHeader    = "traceparent:00-" + traceOfTests + "-" + publisherOfTests + "-01"
)

// A collector is an OTLP/HTTP receiver.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*tracepb.Span
	about map[string]string // the resource of the last request
	auth  string
}

func startCollector(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var data tracepb.TracesData
		if err := errors.Join(err, proto.Unmarshal(body, &data)); err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.auth = r.Header.Get("Authorization")
		for _, rs := range data.ResourceSpans {
			c.about = attributes(rs.Resource.Attributes)
			for _, ss := range rs.ScopeSpans {
				c.spans = append(c.spans, ss.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func attributes(all []*commonpb.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range all {
		m[kv.Key] = strings.Trim(strings.SplitN(kv.Value.String(), ":", 2)[1], `"`)
	}
	return m
}

// named returns the spans of a name. The broker must have ended.
func (c *collector) named(name string) []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.spans), func(s *tracepb.Span) bool { return s.Name != name })
}

// The receiver gets a span for each message with a client's trace context,
// below the client's span, also when the broker was restarted before the
// delivery.
func TestTracing(t *testing.T) {
	c := startCollector(t)
	args := []string{"--tracing-endpoint", c.URL, "--tracing-headers", "Authorization: Bearer hush"}
	data := filepath.Join(t.TempDir(), "data")
	s := startDurable(t, data, args...)
	pub := func(to, body string, headers ...string) {
		t.Helper()
		args := []string{"pub", to, body, "--url", s.urls[0]}
		for _, h := range headers {
			args = append(args, "--header", h)
		}
		mustRun(t, args...)
	}
	sub := func(from, want string) {
		t.Helper()
		if r := runProgram(t.Context(), nil, "sub", from, "--count", "1", "--timeout", "10s", "--url", s.urls[0]); r.stdout != want+"\n" {
			t.Fatalf("sub: %+v", r)
		}
	}
	pub("/queue/a", "one", sampledHeader, "persistent:false")
	sub("/queue/a", "one")
	pub("/queue/a", "two", strings.TrimSuffix(sampledHeader, "1")+"0")
	sub("/queue/a", "two")
	pub("/queue/a", "three", sampledHeader)
	for _, series := range []string{"hoofbeat_trace_spans_sent_total ", `hoofbeat_trace_spans_lost_total{reason="refused"} 0`} {
		s.wantAt("/metrics", 200, "\n"+series)
	}
	s.stop()
	if got := c.named("send queue"); len(got) != 2 || len(c.named("deliver queue")) != 1 || len(c.spans) != 3 {
		t.Fatalf("the receiver has %v", c.spans)
	}
	send, deliver := c.named("send queue")[0], c.named("deliver queue")[0]
	for _, s := range []*tracepb.Span{send, deliver} {
		if id := hex.EncodeToString(s.TraceId); id != traceOfTests {
			t.Errorf("%s is of trace %s", s.Name, id)
		}
		if a := attributes(s.Attributes); a["messaging.destination.name"] != "/queue/a" || a["messaging.system"] != "hoofbeat" || a["messaging.message.body.size"] != "3" {
			t.Errorf("%s has %v", s.Name, a)
		}
	}
	if hex.EncodeToString(send.ParentSpanId) != publisherOfTests || send.Kind != tracepb.Span_SPAN_KIND_SERVER || string(deliver.ParentSpanId) != string(send.SpanId) {
		t.Errorf("got %v and %v", send, deliver)
	}
	if c.about["service.name"] != "hoofbeat" || c.about["service.version"] != readVersion().Version || c.auth != "Bearer hush" {
		t.Errorf("it is sent by %v, with %s", c.about, c.auth)
	}
	s = startDurable(t, data, args...)
	sub("/queue/a", "three")
	s.stop()
	last := c.named("deliver queue")[1]
	if a := attributes(last.Attributes); a["hoofbeat.restored"] != "true" || hex.EncodeToString(last.ParentSpanId) != publisherOfTests {
		t.Errorf("after a restart: %v", last)
	}
	if strings.Contains(s.log.String(), "hush") || strings.Contains(s.log.String(), "spans are lost") {
		t.Errorf("the log has %s", s.log)
	}
}

// A receiver that is down or hangs does not affect clients.
func TestTracingWithoutReceiver(t *testing.T) {
	release := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hangs.Close()
	defer close(release)
	for name, url := range map[string]string{"refuses": "http://" + freeAddress(t), "hangs": hangs.URL} {
		t.Run(name, func(t *testing.T) {
			s := startServe(t, 1, "--tracing-endpoint", url, "--tracing-sample-ratio", "1")
			for range 20 {
				s.converse(s.urls[0], "--header", sampledHeader)
			}
			s.stop()
			if got := s.log.String(); !strings.Contains(got, "spans are lost") || strings.Count(got, "spans are lost") > 2 {
				t.Errorf("the log has %s", got)
			}
		})
	}
}

// Without a receiver nothing is traced, and the other tracing settings are
// rejected.
func TestTracingOff(t *testing.T) {
	r := runProgram(t.Context(), nil, serveArgs("--tracing-sample-ratio", "0.5")...)
	if r.code == 0 || !strings.Contains(r.stderr, "tracing.sample_ratio: \"0.5\" (flag --tracing-sample-ratio): expected tracing.endpoint beside it") {
		t.Errorf("got %+v", r)
	}
	r = runProgram(t.Context(), nil, "config", "print", "--tracing-endpoint", "http://a", "--tracing-headers", "a: hush")
	if r.code != 0 || !strings.Contains(r.stdout, "********") || strings.Contains(r.stdout, "hush") {
		t.Errorf("got %+v", r)
	}
}
