package transport_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"testing"

	"hoofbeat/internal/socktest"
)

// A page sends requests to the broker as a browser would.
type page struct {
	t    testing.TB
	web  *http.Client
	base string // URL of the endpoint
}

func newPage(w *world) page {
	return page{w.t, httpClient(w.t, nil), "http://" + w.ws(nil) + path}
}

// An answer is a complete response.
type answer struct {
	*http.Response
	body string
}

// do sends a request with headers of the form "Origin: x".
func (p page) do(method, path, body string, headers ...string) answer {
	p.t.Helper()
	r := p.begin(context.Background(), method, path, body, headers...)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer{r, string(b)}
}

func (p page) begin(ctx context.Context, method, path, body string, headers ...string) *http.Response {
	p.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, p.base+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := p.web.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp
}

func (a answer) want(t testing.TB, status int, body string) {
	t.Helper()
	if a.StatusCode != status || a.body != body {
		t.Fatalf("%s %s: got %s and %q, want %d and %q", a.Request.Method, a.Request.URL.Path, a.Status, a.body, status, body)
	}
}

// A stream is a response that is still open.
type stream struct {
	t     testing.TB
	lines *bufio.Reader
	abort context.CancelFunc
}

// open sends a streaming request and reads the prelude.
func (p page) open(session string) *stream {
	p.t.Helper()
	s := p.receive(session + "/xhr_streaming")
	s.want(strings.Repeat("h", 2048))
	return s
}

func (p page) receive(path string) *stream {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := p.begin(ctx, http.MethodPost, path, "")
	p.t.Cleanup(func() {
		cancel()
		_ = r.Body.Close()
	})
	if r.StatusCode != http.StatusOK {
		p.t.Fatalf("status %s", r.Status)
	}
	return &stream{p.t, bufio.NewReader(r.Body), cancel}
}

func (s *stream) next() string {
	s.t.Helper()
	line, err := s.lines.ReadString('\n')
	if err != nil {
		s.t.Fatalf("got %q, %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (s *stream) want(line string) {
	s.t.Helper()
	if got := s.next(); got != line {
		s.t.Fatalf("got %q, want %q", got, line)
	}
}

func (s *stream) wantEnd() {
	s.t.Helper()
	if b, err := io.ReadAll(s.lines); err != nil || len(b) > 0 {
		s.t.Fatalf("got %q, %v, want the end", b, err)
	}
}

// newSession returns the path of an unused session.
func newSession() string { return "/000/" + rand.Text() }

// inMessages encodes frames as the body of an xhr_send request.
func inMessages(frames ...string) string {
	var all []string
	for _, f := range frames {
		all = append(all, socktest.Quote(f+"\x00"))
	}
	return "[" + strings.Join(all, ",") + "]"
}

const (
	connectFrame   = "CONNECT\naccept-version:1.2\n\n"
	subscribeFrame = "SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:s\n\n"
	another        = `c[2010,"Another connection still open"]` + "\n"
)

// send sends frames on a session.
func (p page) send(session string, frames ...string) {
	p.t.Helper()
	p.do("POST", session+"/xhr_send", inMessages(frames...)).want(p.t, http.StatusNoContent, "")
}

// poll expects one response with exactly these messages, compared by their
// beginnings.
func (p page) poll(session string, begins ...string) {
	p.t.Helper()
	a := p.do("POST", session+"/xhr", "")
	var all []string
	for line := range strings.Lines(a.body) {
		f, err := socktest.Parse(strings.TrimSuffix(line, "\n"))
		if err != nil || f.Kind != 'a' {
			p.t.Fatalf("got %q, %v", a.body, err)
		}
		all = append(all, f.Messages...)
	}
	if len(all) != len(begins) {
		p.t.Fatalf("got %q, want %q", all, begins)
	}
	for i, want := range begins {
		if !strings.HasPrefix(all[i], want) {
			p.t.Fatalf("got %q, want %q", all[i], want)
		}
	}
}

// connected opens a session by polling, up to CONNECTED.
func (p page) connected() string {
	p.t.Helper()
	session := newSession()
	p.do("POST", session+"/xhr", "").want(p.t, 200, "o\n")
	p.send(session, connectFrame)
	p.poll(session, "CONNECTED\n")
	return session
}
