package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A fakeNATS is a server of NATS for one subject at a time.
type fakeNATS struct {
	mu          sync.Mutex
	subscribers map[string][]io.Writer
	pongs       int
}

// serve speaks the protocol on one connection, and asks for a PONG before each
// message.
func (s *fakeNATS) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	s.write(c, "INFO {\"server_id\":\"x\",\"version\":\"2.0.0\"}\r\n")
	for in := bufio.NewReader(c); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch words := strings.Fields(line); words[0] {
		case "CONNECT":
			if strings.Contains(line, `"user":"refused"`) {
				s.write(c, "-ERR 'Authorization Violation'\r\n")
				return
			}
		case "PING":
			s.write(c, "PONG\r\n")
		case "PONG":
			s.mu.Lock()
			s.pongs++
			s.mu.Unlock()
		case "SUB":
			s.mu.Lock()
			s.subscribers[words[1]] = append(s.subscribers[words[1]], c)
			s.mu.Unlock()
		case "PUB":
			var size int
			_, _ = fmt.Sscan(words[2], &size)
			body := make([]byte, size+2)
			if _, err := io.ReadFull(in, body); err != nil {
				return
			}
			s.mu.Lock()
			for _, to := range s.subscribers[words[1]] {
				_, _ = fmt.Fprintf(to, "PING\r\nMSG %s 0 %d\r\n%s", words[1], size, body)
			}
			s.mu.Unlock()
		}
	}
}

func (s *fakeNATS) write(c io.Writer, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = io.WriteString(c, text)
}

// startNATS returns the URLs of a server, for TCP and for WebSocket.
func startNATS(t *testing.T) (s *fakeNATS, urls map[string]string) {
	t.Helper()
	s = &fakeNATS{subscribers: map[string][]io.Writer{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { s.serve(c) })
		}
	})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil || r.Header.Get("Sec-WebSocket-Protocol") != "" {
			t.Error("the handshake names a subprotocol, or is none:", err)
			return
		}
		s.serve(websocket.NetConn(context.Background(), c, websocket.MessageBinary))
	}))
	t.Cleanup(func() {
		_ = l.Close()
		web.Close()
		work.Wait()
	})
	return s, map[string]string{"TCP": "nats://" + l.Addr().String(), "WebSocket": "nats+ws" + strings.TrimPrefix(web.URL, "http")}
}

func TestNATS(t *testing.T) {
	s, urls := startNATS(t)
	for name, url := range urls {
		for _, scenario := range []string{ScenarioFanout, ScenarioPairs, ScenarioConnections} {
			t.Run(name+" "+scenario, func(t *testing.T) {
				o := DefaultOptions(scenario)
				o.URL, o.Subscribers, o.Count, o.Connections, o.Hold = url, 3, 1000, 5, time.Millisecond
				r, err := Run(t.Context(), o, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := r.Err(); err != nil || r.Server != "nats-server/2.0.0" {
					t.Errorf("server %q, %v", r.Server, err)
				}
				want := map[string]uint64{ScenarioFanout: 3000, ScenarioPairs: 4000}[scenario]
				if r.Delivered != want || strings.HasPrefix(r.Options.TopicPrefix, "/") {
					t.Errorf("%d were delivered, want %d; prefix %q", r.Delivered, want, r.Options.TopicPrefix)
				}
			})
		}
	}
	if s.mu.Lock(); s.pongs == 0 {
		t.Error("no PING was answered")
	}
	s.mu.Unlock()
	o := DefaultOptions(ScenarioFanout)
	o.URL, o.Login = urls["TCP"], "refused"
	if _, err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "Authorization Violation") {
		t.Errorf("a refusal is %v", err)
	}
}

// The options that NATS does not have are refused.
func TestNATSOptions(t *testing.T) {
	for name, edit := range map[string]func(*Options){
		"queue": func(o *Options) { o.Scenario = ScenarioQueue }, "ack": func(o *Options) { o.Ack = "client" },
		"receipt": func(o *Options) { o.Receipt = true }, "header": func(o *Options) { o.SendHeaders = []string{"a:b"} },
	} {
		o := DefaultOptions(ScenarioPairs)
		o.URL = "nats://127.0.0.1:4222"
		if err := o.Validate(); err != nil {
			t.Fatal(err)
		}
		if edit(&o); o.Validate() == nil {
			t.Errorf("%s: no fault", name)
		}
	}
}

// A line may come in any pieces, and lines that are none are refused.
func TestNATSParse(t *testing.T) {
	const whole = "MSG a.b 7 5\r\nhello\r\n"
	var f Frame
	for n := range len(whole) {
		if used, err := (nats{}).parse(&f, []byte(whole[:n])); used != 0 || err != nil {
			t.Errorf("%q: %d, %v", whole[:n], used, err)
		}
	}
	if used, err := (nats{}).parse(&f, []byte(whole+"PING\r\n")); used != len(whole) || err != nil || string(f.Body) != "hello" || f.Command != CommandMessage {
		t.Errorf("%d, %v, %v %q", used, err, f.Command, f.Body)
	}
	for _, bad := range []string{"HMSG a 1 2 3\r\n", "MSG a 1 x\r\n", "MSG a 1 -1\r\n", "MSG a 1 2\r\nabc\r\n", "\x00\n"} {
		if _, err := (nats{}).parse(&f, []byte(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
