package transport_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// On a stream, a LF follows each frame: ActiveMQ's Java client waits for it. A
// WebSocket message holds the frame only.
func TestLineEndBehindFrames(t *testing.T) {
	w := newWorld(t)
	large := strings.Repeat("x", 100_000)
	say := "CONNECT\naccept-version:1.2\n\n\x00SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:s\n\n\x00" +
		"SEND\ndestination:/topic/a\n\nsmall\x00SEND\ndestination:/topic/a\n\n" + large + "\x00"
	c := dialTCP(t, w.tcp(nil))
	if _, err := io.WriteString(c, say+"SEND"); err != nil { // with half a frame, for an ERROR
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.SplitAfter(string(all), "\x00\n")
	want := []string{"CONNECTED\n", "RECEIPT\n", "MESSAGE\n", "MESSAGE\n", "ERROR\n", ""}
	if len(got) != len(want) {
		t.Fatalf("got %d frames with a line end behind them: %.2000q", len(got)-1, all)
	}
	for i, f := range got {
		if !strings.HasPrefix(f, want[i]) || strings.Count(f, "\x00") > 1 {
			t.Errorf("frame %d is %.200q", i, f)
		}
	}
	ws := dialWS(t, "ws://"+w.ws(nil)+path, nil)
	write(t, ws, websocket.MessageText, strings.Replace(say, large, "large", 1))
	for _, command := range want[:4] {
		wantMessage(t, ws, strings.TrimSpace(command))
	}
}

// A connection that is opened and closed is a health check and is not logged.
func TestProbes(t *testing.T) {
	w := newWorld(t)
	for _, address := range []string{w.tcp(nil), w.tcp(serverTLS())} {
		for _, reset := range []bool{false, true} {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			if reset {
				_ = c.(*net.TCPConn).SetLinger(0)
			}
			_ = c.Close()
		}
	}
	w.end() // waits for the connections
	if log := w.log.String(); strings.Contains(log, "level=INFO") {
		t.Errorf("the log is\n%s", log)
	}
}

// A client that speaks TLS to a plain port, or something else to a TLS port, is
// told about it.
func TestWrongPort(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct{ name, address, say, want string }{
		{"TLS", w.tcp(nil), "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\n", 40), "but TLS"},
		{"HTTP", w.tcp(nil), "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP request"},
		{"STOMP without TLS", w.tcp(serverTLS()), "CONNECT\naccept-version:1.2\n\n\x00", "This port expects TLS"},
	} {
		c := dialTCP(t, tc.address)
		if _, err := io.WriteString(c, tc.say); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
		got, _ := io.ReadAll(c) // it may end with a reset
		if !strings.HasPrefix(string(got), "ERROR\nmessage:invalid-frame\n") || !strings.Contains(string(got), tc.want) {
			t.Errorf("%s: got %q", tc.name, got)
		}
	}
}

// A frame that stalls is logged once.
func TestStalledFrame(t *testing.T) {
	for name, tc := range map[string]struct{ say, want string }{
		"content-length":  {"SEND\ndestination:/queue/a\ncontent-length:9\n\nshort\x00", "SEND has content-length:9, and only 6 bytes"},
		"NUL":             {"SEND\ndestination:/queue/a\n\nshort", "the NUL behind its body has not come after 5 bytes"},
		"NUL of no body":  {"BEGIN\ntransaction:t\n\n", "The NUL that ends BEGIN has not come"},
		"header":          {"SEND\ndestination", "the blank line that ends its headers has not come"},
		"behind a length": {"SEND\ndestination:/queue/a\ncontent-length:5\n\nshort", "content-length:5, and the NUL"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := dialTCP(t, w.tcp(nil))
			if _, err := io.WriteString(c, "CONNECT\naccept-version:1.2\n\n\x00"+tc.say); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the frame is told of", func() bool { return strings.Contains(w.log.String(), "frame stalled") })
			_ = c.CloseWrite()
			_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
			got, err := io.ReadAll(c)
			if err != nil || !strings.Contains(string(got), "in the middle of a frame. ") {
				t.Errorf("got %q, %v", got, err)
			}
			w.end()
			if log := w.log.String(); strings.Count(log, "frame stalled") != 1 || !strings.Contains(log, tc.want) {
				t.Errorf("the log is\n%s", log)
			}
		})
	}
}
