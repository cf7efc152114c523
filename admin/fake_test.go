package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

// A fake is a broker that records its calls.
type fake struct {
	infos    []broker.QueueInfo
	messages []broker.Browsed
	n        int
	err      error
	asked    []string
	topics   []destination.Destination
	policies broker.Policies
	stats    broker.Stats
}

func (f *fake) ask(format string, a ...any) { f.asked = append(f.asked, fmt.Sprintf(format, a...)) }

func (f *fake) QueueNames() iter.Seq[destination.Destination] {
	return func(yield func(destination.Destination) bool) {
		for _, q := range f.infos {
			if !yield(q.Destination) {
				return
			}
		}
	}
}

func (f *fake) Sketches(bool) iter.Seq[broker.QueueSketch] {
	return func(yield func(broker.QueueSketch) bool) {
		for _, q := range f.infos {
			if !yield(broker.QueueSketch{Destination: q.Destination, Depth: q.Depth, Oldest: q.Oldest}) {
				return
			}
		}
	}
}

func (f *fake) CreateQueue(_ context.Context, d destination.Destination) error {
	f.ask("create %s", d)
	return f.err
}

func (f *fake) TopicNames() iter.Seq[destination.Destination] { return slices.Values(f.topics) }
func (f *fake) Topic(destination.Destination) (broker.TopicInfo, bool) {
	return broker.TopicInfo{Subscribers: f.n, TopicFlow: broker.TopicFlow{Messages: 7, Deliveries: 11}}, f.n > 0
}

func (f *fake) Policies() *broker.Policies { return &f.policies }
func (f *fake) Stats() *broker.Stats       { return &f.stats }

func (f *fake) Queue(d destination.Destination) (broker.QueueInfo, bool) {
	for _, q := range f.infos {
		if q.Destination.Key() == d.Key() {
			return q, true
		}
	}
	return broker.QueueInfo{}, false
}

func (f *fake) Browse(_ context.Context, d destination.Destination, skip, limit int) ([]broker.Browsed, error) {
	f.ask("browse %s %d %d", d, skip, limit)
	return f.messages[min(skip, len(f.messages)):min(skip+limit, len(f.messages))], f.err
}

func (f *fake) Purge(_ context.Context, d destination.Destination) (int, error) {
	f.ask("purge %s", d)
	return f.n, f.err
}

func (f *fake) Move(_ context.Context, from, to destination.Destination, limit int) (int, error) {
	f.ask("move %s %s %d", from, to, limit)
	return f.n, f.err
}

func (f *fake) DeleteQueue(_ context.Context, d destination.Destination) (int, error) {
	f.ask("delete %s", d)
	return f.n, f.err
}

func parsed(t *testing.T, text string) destination.Destination {
	t.Helper()
	d, err := destination.DefaultNamespace().ForSubscribe(text, destination.Owner{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func message(t *testing.T, to, body string, headers ...string) *broker.Message {
	t.Helper()
	c := broker.Content{Header: frame.NewHeader(headers...), Body: []byte(body)}
	return broker.NewMessage(parsed(t, to), c, broker.Properties{Priority: 7, Expires: 2000})
}

// A desk is a handler over a fake, with its log.
type desk struct {
	*fake
	options    Options
	log, audit bytes.Buffer
}

func newDesk() *desk {
	d := &desk{fake: &fake{}}
	plain := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}
	d.options = Options{
		Queues: d.fake, LoopbackWithoutToken: true, Namespace: destination.DefaultNamespace(),
		Log: slog.New(slog.NewTextHandler(&d.log, plain)), Audit: slog.New(slog.NewTextHandler(&d.audit, plain)),
	}
	return d
}

// here is the address of an operator that needs no token.
const here = "127.0.0.1:1234"

// do sends a request and checks the response against the document. change
// modifies the request.
func (d *desk) do(t *testing.T, method, target, body string, change ...func(*http.Request)) *http.Response {
	t.Helper()
	path, _, _ := strings.Cut(target, "?")
	answer := d.send(t, method, target, body, append(change, func(r *http.Request) { path = r.URL.Path })...)
	conforms(t, method, path, answer)
	return answer
}

// send is do without the document.
func (d *desk) send(t *testing.T, method, target, body string, change ...func(*http.Request)) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:15680"+target, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	r.RemoteAddr = here
	for _, c := range change {
		if c != nil {
			c(r)
		}
	}
	w := httptest.NewRecorder()
	New(d.options).ServeHTTP(w, r)
	return w.Result()
}

// serveOnce sends a request from this machine and returns the status.
func serveOnce(h http.Handler, target string) int {
	r := httptest.NewRequest(http.MethodGet, "http://localhost"+target, nil)
	r.RemoteAddr = here
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// plainMessage returns a message of a few bytes.
func plainMessage(d destination.Destination) *broker.Message {
	return broker.NewMessage(d, broker.Content{Body: []byte("x")}, broker.Properties{Priority: 4})
}

// want expects this response.
func want(t *testing.T, r *http.Response, status int, body string) {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != status || strings.TrimSpace(string(text)) != body {
		t.Errorf("got %d %s\nwant %d %s", r.StatusCode, text, status, body)
	}
}

// wantRefusal expects a refusal with this word and a sentence.
func wantRefusal(t *testing.T, r *http.Response, status int, word string) {
	t.Helper()
	var told struct{ Error, Message string }
	if err := json.NewDecoder(r.Body).Decode(&told); err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != status || told.Error != word || told.Message == "" || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %+v, want %d %s", r.StatusCode, told, status, word)
	}
}
