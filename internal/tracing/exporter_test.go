package tracing

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-stomp/stomp/v3/frame"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"hoofbeat/broker"
	"hoofbeat/session"
)

// A logbook records log output.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(strings.Lines(l.text.String()))
}

// A fakeClient is a receiver scripted by the test.
type fakeClient struct {
	upload func(ctx context.Context) error
	spans  atomic.Int64
}

func (c *fakeClient) Start(context.Context) error { return nil }
func (c *fakeClient) Stop(context.Context) error  { return nil }
func (c *fakeClient) UploadTraces(ctx context.Context, all []*tracepb.ResourceSpans) error {
	err := c.upload(ctx)
	if err == nil {
		c.spans.Add(int64(count(all)))
	}
	return err
}

func count(all []*tracepb.ResourceSpans) (n int) {
	for _, r := range all {
		for _, s := range r.ScopeSpans {
			n += len(s.Spans)
		}
	}
	return n
}

// withOutlet runs a test in a bubble with a Tracer that exports to upload.
func withOutlet(t *testing.T, upload func(ctx context.Context) error, f func(*Tracer, *fakeClient, *logbook)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		c, log := &fakeClient{upload: upload}, &logbook{}
		out := newOutlet(otlptrace.NewUnstarted(c), slog.New(slog.NewTextHandler(log, nil)))
		if err := out.start(); err != nil {
			t.Fatal(err)
		}
		tracer := newTracer(Options{SampleRatio: 1, Policies: func() *broker.Policies { return &broker.Policies{} }}, out, resource.Empty())
		tracer.exporter = out
		f(tracer, c, log)
	})
}

// make makes n spans.
func (t *Tracer) make(n int) {
	for range n {
		_, s := t.spans.Start(context.Background(), "span")
		s.End()
	}
}

func TestSpansAreSentSoon(t *testing.T) {
	withOutlet(t, func(context.Context) error { return nil }, func(tracer *Tracer, c *fakeClient, log *logbook) {
		for i := range int64(5) {
			tracer.make(100)
			pass(batchTimeout)
			if n := c.spans.Load(); n != 100*(i+1) {
				t.Errorf("the receiver has %d", n)
			}
		}
		tracer.make(1000)
		tracer.Close()
		if n := c.spans.Load(); n != 1500 || tracer.Stats() != (Stats{Sent: 1500}) {
			t.Errorf("the receiver has %d at the end, and counted are %+v", n, tracer.Stats())
		}
		if l := log.lines(); len(l) != 0 {
			t.Errorf("the log says %q", l)
		}
	})
}

// Refused spans are logged once a minute, and none is left out of the counts.
func TestRefusalsAreLoggedOnceAMinute(t *testing.T) {
	withOutlet(t, func(context.Context) error { return errors.New("no") }, func(tracer *Tracer, _ *fakeClient, log *logbook) {
		for range 150 {
			tracer.make(1)
			pass(batchTimeout)
		}
		tracer.Close()
		if got := tracer.Stats(); got != (Stats{Refused: 150}) {
			t.Errorf("counted are %+v", got)
		}
		got := log.lines()
		if len(got) != 4 { // after 1, 61 and 121 seconds, and at the end
			t.Fatalf("the log says %q", got)
		}
		for i, want := range []string{"refused=1 ", "refused=60 ", "refused=60 ", "refused=29 "} {
			if !strings.Contains(got[i], want) || !strings.Contains(got[i], "dropped=0 ") || !strings.Contains(got[i], ": no") {
				t.Errorf("line %d is %s, want %s", i, got[i], want)
			}
		}
	})
}

// A receiver that hangs costs a bounded number of spans in memory, and one
// second at Close.
func TestReceiverHangs(t *testing.T) {
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	withOutlet(t, hang, func(tracer *Tracer, _ *fakeClient, log *logbook) {
		begun := time.Now()
		tracer.make(3 * QueueSize)
		if d := time.Since(begun); d != 0 { // on the bubble's clock
			t.Errorf("making spans blocked for %v", d)
		}
		if n, got := tracer.exporter.waiting.Load(), tracer.Stats(); n != QueueSize || got != (Stats{QueueFull: 2 * QueueSize}) {
			t.Errorf("%d spans wait, and counted are %+v", n, got)
		}
		tracer.Close()
		if d := time.Since(begun); d != flushTimeout {
			t.Errorf("it was closed after %v", d)
		}
		got := strings.Join(log.lines(), "")
		if n := tracer.exporter.waiting.Load(); n != 0 || !strings.Contains(got, "dropped=4096") {
			t.Errorf("%d spans wait, and the log says %s", n, got)
		}
		if got := tracer.Stats(); got != (Stats{Refused: QueueSize, QueueFull: 2 * QueueSize}) {
			t.Errorf("at the end, counted are %+v", got)
		}
		tracer.make(10) // refused, which is expected
	})
}

// Batches time out while the receiver hangs, so that exports resume when it
// recovers.
func TestReceiverComesBack(t *testing.T) {
	var back atomic.Bool
	upload := func(ctx context.Context) error {
		if !back.Load() {
			<-ctx.Done()
		}
		return ctx.Err()
	}
	withOutlet(t, upload, func(tracer *Tracer, c *fakeClient, log *logbook) {
		tracer.make(1)
		pass(batchTimeout + sendTimeout)
		back.Store(true)
		tracer.make(QueueSize)
		pass(2 * batchTimeout)
		if n := c.spans.Load(); n != QueueSize {
			t.Errorf("the receiver has %d", n)
		}
		tracer.Close()
		if got := strings.Join(log.lines(), ""); strings.Count(got, "\n") != 1 || !strings.Contains(got, "refused=1 dropped=0") {
			t.Errorf("the log says %s", got)
		}
		if got := tracer.Stats(); got != (Stats{Sent: QueueSize, Refused: 1}) {
			t.Errorf("counted are %+v", got)
		}
	})
}

// Clients that trace everything get the allowance of each second, and the log
// reports the rest.
func TestAllowance(t *testing.T) {
	withOutlet(t, func(context.Context) error { return nil }, func(tracer *Tracer, _ *fakeClient, log *logbook) {
		begin := func(n int) (traced int) {
			for range n {
				if tracer.Begin(session.Sending{Header: frame.NewHeader("traceparent", strings.TrimPrefix(sampled, "traceparent:"))}) != nil {
					traced++
				}
			}
			return traced
		}
		if n := begin(SpansPerSecond + 50); n != SpansPerSecond {
			t.Errorf("%d spans in one second", n)
		}
		pass(time.Second)
		if n := begin(10); n != 10 {
			t.Errorf("%d spans in the next", n)
		}
		tracer.Close()
		if got := strings.Join(log.lines(), ""); !strings.Contains(got, "refused=0 dropped=50") {
			t.Errorf("the log says %s", got)
		}
		if n := tracer.Stats().TooMany; n != 50 {
			t.Errorf("counted are %d", n)
		}
	})
}

// A receiver is a scripted HTTP server that counts requests.
type receiver struct {
	*httptest.Server
	requests atomic.Int64
	answer   func(n int64, w http.ResponseWriter, r *http.Request)
}

func newReceiver(t *testing.T, answer func(n int64, w http.ResponseWriter, r *http.Request)) *receiver {
	v := &receiver{answer: answer}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { v.answer(v.requests.Add(1), w, r) }))
	t.Cleanup(v.Close)
	return v
}

func someSpans() []*tracepb.ResourceSpans {
	return []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{{Name: "one"}, {Name: "two"}}}}}}
}

// TestClient covers the requests and the meaning of their responses.
func TestClient(t *testing.T) {
	for name, tt := range map[string]struct {
		answers  []int
		requests int64
		err      string
	}{
		"taken":             {[]int{200}, 1, ""},
		"taken without 200": {[]int{202}, 1, ""},
		"busy once":         {[]int{503, 200}, 2, ""},
		"busy twice":        {[]int{429, 502, 200}, 3, ""},
		"busy":              {[]int{504, 504, 504, 200}, 3, `answers 504 Gateway Timeout: "why"`},
		"refused":           {[]int{400, 200}, 1, `answers 400 Bad Request: "why"`},
		"not allowed":       {[]int{401, 200}, 1, `answers 401 Unauthorized: "why"`},
		"elsewhere":         {[]int{307, 200}, 1, `answers 307 Temporary Redirect: "why"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, func(n int64, w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				var got tracepb.TracesData
				if err := errors.Join(err, proto.Unmarshal(body, &got)); err != nil || count(got.ResourceSpans) != 2 {
					t.Errorf("got %v, %v", &got, err)
				}
				if r.Method != "POST" || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" ||
					r.Header.Get("Authorization") != "Bearer x" || r.UserAgent() != "hoofbeat/7" {
					t.Errorf("got %s %s %v", r.Method, r.URL, r.Header)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.answers[n-1])
				_, _ = io.WriteString(w, " why\n")
			})
			c := newClient(Endpoint{URL: r.URL, Headers: http.Header{"Authorization": {"Bearer x"}}}, "7")
			defer func() { _ = c.Stop(t.Context()) }()
			err := c.UploadTraces(t.Context(), someSpans())
			if (err == nil) != (tt.err == "") || err != nil && !strings.HasSuffix(err.Error(), tt.err) {
				t.Errorf("got %v, want %s", err, tt.err)
			}
			if n := r.requests.Load(); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

// Retry-After is respected, but not beyond the end of the context.
func TestClientIsAskedToWait(t *testing.T) {
	asked := make(chan struct{})
	r := newReceiver(t, func(_ int64, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
		close(asked)
	})
	c := newClient(Endpoint{URL: r.URL}, "7")
	defer func() { _ = c.Stop(t.Context()) }()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if err := c.UploadTraces(ctx, someSpans()); err == nil || r.requests.Load() != 1 {
		t.Errorf("got %v after %d requests", err, r.requests.Load())
	}
}

func TestComplete(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://a:4318": "http://a:4318/v1/traces", "https://a/": "https://a/v1/traces", "http://[::1]:1/otlp/": "http://[::1]:1/otlp/",
		"http://a/v1/traces": "http://a/v1/traces",
	} {
		if got := complete(endpoint); got != want {
			t.Errorf("%s becomes %s", endpoint, got)
		}
	}
}
