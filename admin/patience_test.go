package admin

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/destination"
)

// A slow broker delays its answers.
type slow struct {
	fake
	takes time.Duration
}

func (s *slow) Purge(ctx context.Context, _ destination.Destination) (int, error) {
	select {
	case <-time.After(s.takes):
		return 1, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// TestBusy has the maximum of requests under way.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.options.Queues = &slow{takes: time.Hour}
		h := New(d.options)
		purge := func() *http.Response {
			r := httptest.NewRequest("POST", "http://localhost/api/v1/queue/purge", strings.NewReader(`{"name":"/queue/a"}`))
			r.Header.Set("Content-Type", "application/json")
			r.RemoteAddr = here
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Result()
		}
		var slow sync.WaitGroup
		for range maxHeavy {
			slow.Go(func() { want(t, purge(), 200, `{"messages":1}`) })
		}
		synctest.Wait()
		wantRefusal(t, purge(), 503, "busy")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/healthz", nil))
		want(t, w.Result(), 200, `{"status":"ok"}`)
		look := httptest.NewRequest("GET", "http://localhost/api/v1/queue/messages?name=/queue/a", nil)
		look.RemoteAddr = here
		w = httptest.NewRecorder()
		h.ServeHTTP(w, look)
		if w.Code != 200 { // reads have their own turns
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
		slow.Wait()
		want(t, purge(), 200, `{"messages":1}`)
	})
}

// A stalled body reports when it is read, and ends when its channel is closed.
type stalled struct {
	read func()
	end  <-chan struct{}
}

func (s stalled) Read([]byte) (int, error) {
	s.read()
	<-s.end
	return 0, io.EOF
}

// TestSlowBodies: slow senders take no turns.
func TestSlowBodies(t *testing.T) {
	h := New(newDesk().options)
	var reading, ended sync.WaitGroup
	end := make(chan struct{})
	for range maxLight {
		reading.Add(1)
		ended.Go(func() {
			r := httptest.NewRequest("POST", "http://localhost/api/v1/acl/explain", stalled{sync.OnceFunc(reading.Done), end})
			r.Header.Set("Content-Type", "application/json")
			r.RemoteAddr = here
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			wantRefusal(t, w.Result(), 400, "bad-request")
		})
	}
	reading.Wait()
	r := httptest.NewRequest("GET", "http://localhost/api/v1/me", nil)
	r.RemoteAddr = here
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	want(t, w.Result(), 200, `{"method":"loopback","read":true,"write":true}`)
	close(end)
	ended.Wait()
}

// TestUnreadAnswers: more clients than turns request public pages and do not
// read them. Operators are still served, and the others are cut off.
func TestUnreadAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &http.Server{Handler: New(newDesk().options), ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute}
		listener := make(pipes)
		ended := make(chan error)
		go func() { ended <- server.Serve(listener) }()
		ask := func(path string) net.Conn {
			ours, theirs := net.Pipe()
			listener <- local{theirs}
			if _, err := ours.Write([]byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			return ours
		}
		start := time.Now()
		var silent []net.Conn
		for range maxLight + maxHeavy + 4 {
			silent = append(silent, ask("/api/v1/openapi.json"))
		}
		synctest.Wait()
		operator := ask("/api/v1/me")
		r, err := http.ReadResponse(bufio.NewReader(operator), nil)
		if err != nil {
			t.Fatal(err)
		}
		want(t, r, 200, `{"method":"loopback","read":true,"write":true}`)
		time.Sleep(publicTimeout + time.Second)
		for _, c := range silent {
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Error(err)
			}
			_ = c.Close()
		}
		if took := time.Since(start); took > publicTimeout+2*time.Second {
			t.Errorf("they were cut off after %v", took)
		}
		_ = operator.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
}

// pipes is a listener for connections within the process.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A local connection comes from this machine.
type local struct{ net.Conn }

func (local) RemoteAddr() net.Addr { return addr(here) }

// An addr is a net.Addr.
type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

// TestPatience: an operation may exceed the server's time limits for requests
// and responses.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newDesk().options
		o.Queues = &slow{takes: time.Hour}
		server := &http.Server{Handler: New(o), ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute}
		listener := make(pipes)
		ended := make(chan error)
		go func() { ended <- server.Serve(listener) }()
		ours, theirs := net.Pipe()
		listener <- local{theirs}
		const body = `{"name":"/queue/a"}`
		if _, err := ours.Write([]byte("POST /api/v1/queue/purge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 19\r\n\r\n" + body)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		r, err := http.ReadResponse(bufio.NewReader(ours), nil)
		if err != nil {
			t.Fatal(err)
		}
		want(t, r, 200, `{"messages":1}`)
		if took := time.Since(start); took != time.Hour {
			t.Errorf("it took %v", took)
		}
		_ = ours.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
}
