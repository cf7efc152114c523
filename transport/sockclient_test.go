package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"hoofbeat/internal/stomptest"
)

// A sockFrame is one of SockJS's, taken apart.
type sockFrame struct {
	kind     byte // o, h, a or c
	messages []string
	code     int
	reason   string
}

// parseSock reads a frame; the h of a prelude may be many.
func parseSock(text string) (f sockFrame, err error) {
	if text == "" {
		return f, errors.New("an empty frame")
	}
	f.kind = text[0]
	switch f.kind {
	case 'o':
	case 'h':
		text = strings.TrimLeft(text, "h")
		if text == "" {
			return f, nil
		}
		return f, fmt.Errorf("behind h: %q", text)
	case 'a':
		return f, json.Unmarshal([]byte(text[1:]), &f.messages)
	case 'c':
		return f, json.Unmarshal([]byte(text[1:]), &[]any{&f.code, &f.reason})
	default:
		return f, fmt.Errorf("no SockJS frame: %q", text)
	}
	return f, nil
}

// quoted is a JSON string.
func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// An inflow is what came, for Read.
type inflow struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	err    error
	change chan struct{} // closed at each change
	by     time.Time
	end    sockFrame // the c, if it came
	frames []sockFrame
}

func newInflow() *inflow { return &inflow{change: make(chan struct{})} }

func (i *inflow) changed() {
	close(i.change)
	i.change = make(chan struct{})
}

// put takes a frame; it returns false if it was the last one.
func (i *inflow) put(f sockFrame) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	defer i.changed()
	if f.kind != 'a' {
		i.frames = append(i.frames, f)
	}
	for _, m := range f.messages {
		i.buf.WriteString(m)
	}
	if f.kind == 'c' {
		i.end, i.err = f, io.EOF
	}
	return f.kind != 'c'
}

func (i *inflow) fail(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err == nil {
		i.err = err
		i.changed()
	}
}

func (i *inflow) Read(p []byte) (int, error) {
	for {
		i.mu.Lock()
		if i.buf.Len() > 0 || i.err != nil {
			n, err := i.buf.Read(p)
			if n == 0 {
				err = i.err
			}
			i.mu.Unlock()
			return n, err
		}
		change, by := i.change, i.by
		i.mu.Unlock()
		t := time.NewTimer(time.Until(by))
		select {
		case <-change:
			t.Stop()
		case <-t.C:
			return 0, os.ErrDeadlineExceeded
		}
	}
}

func (i *inflow) SetReadDeadline(t time.Time) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.by = t
	return nil
}

func (i *inflow) SetWriteDeadline(time.Time) error { return nil }

// closed waits for the c.
func (i *inflow) closed(t testing.TB) sockFrame {
	t.Helper()
	if err := i.SetReadDeadline(time.Now().Add(stomptest.DefaultLimit)); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(i); err != nil || i.end.kind != 'c' {
		t.Fatalf("not closed: %v; the rest is %q", err, b)
	}
	return i.end
}

// A sockWS is SockJS on a WebSocket: each Write is a message.
type sockWS struct {
	*inflow
	ws     *websocket.Conn
	reader sync.WaitGroup
	stop   context.CancelFunc
	ctx    context.Context
}

func dialSockWS(t testing.TB, url string, o *websocket.DialOptions) *sockWS {
	t.Helper()
	s := &sockWS{inflow: newInflow(), ws: dialWS(t, url, o)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.reader.Go(s.read)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (s *sockWS) read() {
	for {
		kind, b, err := s.ws.Read(s.ctx)
		if err == nil && kind != websocket.MessageText {
			err = errors.New("a message is not text")
		}
		var f sockFrame
		if err == nil {
			f, err = parseSock(string(b))
		}
		if err == nil && len(f.messages) > 1 {
			err = fmt.Errorf("%d frames in one message", len(f.messages))
		}
		if err != nil {
			s.fail(err)
			return
		}
		s.put(f)
	}
}

func (s *sockWS) Write(p []byte) (int, error) {
	if err := s.ws.Write(s.ctx, websocket.MessageText, []byte("["+quoted(string(p))+"]")); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s *sockWS) Close() error {
	s.stop()
	s.reader.Wait()
	return s.ws.CloseNow()
}

// A sockXHR is SockJS by HTTP requests, as sockjs-client does it: one that
// receives and, while there is something, one that sends.
type sockXHR struct {
	*inflow
	web       *http.Client
	url       string
	streaming bool
	ctx       context.Context
	stop      context.CancelFunc
	workers   sync.WaitGroup

	out     []string // guarded by inflow.mu
	sending bool
}

func httpClient(t testing.TB, dial func() net.Conn) *http.Client {
	tr := &http.Transport{TLSClientConfig: trust()}
	if dial != nil {
		tr.DialContext = func(context.Context, string, string) (net.Conn, error) { return dial(), nil }
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func dialXHR(t testing.TB, web *http.Client, url string, streaming bool) *sockXHR {
	s := &sockXHR{inflow: newInflow(), web: web, url: url, streaming: streaming}
	s.ctx, s.stop = context.WithCancel(context.Background())
	opened := make(chan struct{})
	s.workers.Go(func() { s.receive(opened) })
	t.Cleanup(func() { _ = s.Close() })
	<-opened
	return s
}

func (s *sockXHR) post(path, body string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(s.ctx, http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	return s.web.Do(r)
}

func (s *sockXHR) receive(opened chan struct{}) {
	path := "/xhr"
	if s.streaming {
		path = "/xhr_streaming"
	}
	var once sync.Once
	open := func() { once.Do(func() { close(opened) }) }
	defer open()
	for {
		r, err := s.post(path, "")
		if err != nil {
			s.fail(err)
			return
		}
		if r.StatusCode != http.StatusOK {
			_ = r.Body.Close()
			s.fail(fmt.Errorf("received with status %s", r.Status))
			return
		}
		more := s.lines(r.Body, open)
		_ = r.Body.Close()
		if !more {
			return
		}
	}
}

// lines reads a response; it returns false if there is no next one.
func (s *sockXHR) lines(body io.Reader, open func()) bool {
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF && line == "" {
			return true
		}
		var f sockFrame
		if err == nil {
			f, err = parseSock(line[:len(line)-1])
		}
		if err != nil {
			s.fail(err)
			return false
		}
		if !s.put(f) {
			return false
		}
		if f.kind == 'o' {
			open()
		}
	}
}

func (s *sockXHR) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	s.out = append(s.out, quoted(string(p)))
	if !s.sending {
		s.sending = true
		s.workers.Go(s.send)
	}
	return len(p), nil
}

func (s *sockXHR) send() {
	for {
		s.mu.Lock()
		out := s.out
		s.out = nil
		s.sending = len(out) > 0
		s.mu.Unlock()
		if len(out) == 0 {
			return
		}
		r, err := s.post("/xhr_send", "["+strings.Join(out, ",")+"]")
		if err != nil {
			s.fail(err)
			continue
		}
		_ = r.Body.Close()
		if r.StatusCode != http.StatusNoContent && r.StatusCode != http.StatusNotFound { // it has ended, and the c is under way
			s.fail(fmt.Errorf("sent with status %s", r.Status))
		}
	}
}

func (s *sockXHR) Close() error {
	s.stop()
	s.workers.Wait()
	return nil
}
