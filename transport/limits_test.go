package transport_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/connections"
	"hoofbeat/internal/servertest"
	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
	"hoofbeat/transport"
)

// wantRefusal expects a WebSocket handshake to be refused.
func wantRefusal(t *testing.T, url, says string) {
	t.Helper()
	_, r, err := tryWS(t, url, nil)
	if err == nil || r == nil {
		t.Fatalf("not refused: %v", err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || !strings.Contains(string(body), says) {
		t.Errorf("refused with %s, Retry-After %q and %q", r.Status, r.Header.Get("Retry-After"), body)
	}
}

// Connections over a limit get a refusal, and closed ones free their place.
func TestCaps(t *testing.T) {
	for setting, limits := range map[string]connections.Limits{
		"limits.connections)":        {Connections: 2},
		"limits.connections_per_ip)": {PerAddress: 2},
	} {
		t.Run(setting, func(t *testing.T) {
			w := newWorld(t, func(o *servertest.Options) { o.Limits = limits })
			tcp, url := w.tcp(nil), "ws://"+w.ws(nil)+path
			a := stomptest.New(t, dialTCP(t, tcp))
			a.Connect("1.2")
			b := converse(t, dialWS(t, url, nil))
			b.Connect("1.2")
			for range 3 {
				wantRefusal(t, url, setting)
				refused := stomptest.New(t, dialTCP(t, tcp))
				refused.Send("CONNECT", "accept-version:1.2")
				refused.WantError("too-many-connections", "", setting, "2")
				refused.WantClosed()
			}
			a.Send("DISCONNECT")
			a.WantClosed()
			a.Close()
			eventually(t, "there is a place again", func() bool { return w.server.Sessions() == 1 })
			var c *stomptest.Client
			eventually(t, "the place is taken", func() bool {
				ws, _, err := tryWS(t, url, nil)
				if err == nil {
					c = converse(t, ws)
				}
				return err == nil
			})
			c.Connect("1.2")
			wantRefusal(t, url, setting)
			b.Close()
			c.Close()
			if !strings.Contains(w.log.String(), `msg="connection refused"`) {
				t.Error("refusals are not logged")
			}
		})
	}
}

// A refused connection ends with a FIN, not with a reset: after a reset,
// systems other than Linux discard the ERROR.
func TestRefusalIsNoReset(t *testing.T) {
	w := newWorld(t, func(o *servertest.Options) { o.Limits.Connections = 1 })
	stomptest.New(t, dialTCP(t, w.tcp(nil))).Connect("1.2")
	l := w.listen()
	refused := dialTCP(t, l.Addr().String())
	if _, err := io.WriteString(refused, "CONNECT\n\n\x00"); err != nil { // before it is accepted
		t.Fatal(err)
	}
	w.serve(func() error { return w.server.ServeTCP(l, nil) })
	if err := refused.SetReadDeadline(time.Now().Add(stomptest.DefaultLimit)); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(refused); err != nil || !strings.Contains(string(b), "message:too-many-connections") {
		t.Errorf("got %q, %v", b, err)
	}
}

// Requests that become no session free their place.
func TestFailedHandshakesKeepNoPlace(t *testing.T) {
	w := newWorld(t, func(o *servertest.Options) { o.Limits.Connections = 1 })
	ws, secure := w.ws(nil), w.tcp(serverTLS())
	for range 3 {
		// The place is freed when the response has been sent, or shortly after.
		eventually(t, "the request has had a place", func() bool {
			r, err := http.Get("http://" + ws + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = r.Body.Close()
			return r.StatusCode == http.StatusUpgradeRequired
		})
		c := dialTCP(t, secure)
		if _, err := io.WriteString(c, "CONNECT\n\n\x00"); err != nil {
			t.Fatal(err)
		}
		wantEnd(t, c)
	}
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "there is a place", func() bool {
		c, _, err := tryWS(t, "ws://"+ws+path, nil)
		if err == nil {
			converse(t, c).Connect("1.2")
		}
		return err == nil
	})
	if c := dialTCP(t, secure); wantEnd(t, c) != "" {
		t.Error("a client that expects TLS got an ERROR in plain text")
	}
}

// The connect rate applies per address and over all transports, and the
// allowance refills over time.
func TestConnectRate(t *testing.T) {
	inBubble(t, func(w *world) {
		tcp := w.pipeTCP()
		try := func(want bool) {
			t.Helper()
			c := stomptest.New(w.t, tcp.dial(w.t))
			_ = c.TryWrite("CONNECT\naccept-version:1.2\n\n\x00") // it may have been refused already
			if want {
				c.Want("CONNECTED")
				return
			}
			c.WantError("rate-limited", "", "3 times in 1m0s", "limits.connect_rate_per_ip")
			c.WantClosed()
		}
		for _, ok := range []bool{true, true, true, false, false} {
			try(ok)
		}
		time.Sleep(20 * time.Second)
		try(true)
		try(false)
		time.Sleep(10 * time.Minute)
		for _, ok := range []bool{true, true, true, false} {
			try(ok)
		}
	}, func(o *servertest.Options) {
		o.Limits.ConnectRate, o.Limits.ConnectRatePer = 3, time.Minute
	})
}

// A silent client is disconnected after connect_timeout, at each step.
func TestConnectTimeout(t *testing.T) {
	const patience = 10 * time.Second // the default in session.DefaultOptions
	begun := func(t *testing.T, start time.Time, steps int) {
		t.Helper()
		if took := time.Since(start); took < patience || took > time.Duration(steps)*patience+time.Second {
			t.Errorf("cut off after %v", took)
		}
	}
	t.Run("tcp", func(t *testing.T) {
		inBubble(t, func(w *world) {
			start := time.Now()
			c := stomptest.New(w.t, w.pipeTCP().dial(w.t))
			c.Limit = time.Minute
			c.Write("CONNECT\naccept-version:1.2\n")
			c.WantError("connect-timeout", "", "limits.connect_timeout")
			c.WantClosed()
			begun(t, start, 1)
		})
	})
	t.Run("tls", func(t *testing.T) {
		inBubble(t, func(w *world) {
			start := time.Now()
			wantEndWithin(t, w.pipeTLS().dial(w.t), time.Minute)
			begun(t, start, 1)
		})
	})
	t.Run("tls without CONNECT", func(t *testing.T) {
		inBubble(t, func(w *world) {
			start := time.Now()
			c := stomptest.New(w.t, tls.Client(w.pipeTLS().dial(w.t), &tls.Config{InsecureSkipVerify: true}))
			c.Limit = time.Minute
			c.Write("\n")
			c.WantError("connect-timeout", "")
			c.WantClosed()
			begun(t, start, 2)
		})
	})
	for name, text := range map[string]string{"silence": "", "half a request": handshake[:40], "TLS hello": "\x16\x03\x01\x02\x00"} {
		t.Run("ws "+name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				start := time.Now()
				c := w.pipeWS().dial(w.t)
				if _, err := io.WriteString(c, text); err != nil {
					t.Fatal(err)
				}
				wantEndWithin(t, c, time.Minute)
				if took := time.Since(start); took > patience {
					t.Errorf("cut off after %v", took)
				}
			})
		})
	}
	t.Run("ws without CONNECT", func(t *testing.T) {
		inBubble(t, func(w *world) {
			start := time.Now()
			ws := upgrade(w.t, w.pipeWS().dial(w.t))
			ws.limit = time.Minute
			ws.wantText("message:connect-timeout")
			ws.wantClose(1008, "connect-timeout")
			ws.write(masked(opClose, "\x03\xf0"))
			wantEnd(w.t, ws)
			begun(t, start, 1)
		})
	})
}

func wantEndWithin(t *testing.T, c net.Conn, d time.Duration) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c); isTimeout(err) {
		t.Fatal("the connection is open")
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// A client that vanished, or that does not answer the close frame, keeps its
// connection for seconds only.
func TestHalfOpen(t *testing.T) {
	inBubble(t, func(w *world) {
		ws := upgrade(w.t, w.pipeWS().dial(w.t), masked(opText, "CONNECT\n\n\x00"), masked(opText, "rubbish\n"))
		ws.wantText("CONNECTED")
		ws.wantText("message:invalid-frame")
		ws.wantClose(1002, "invalid-frame")
		start := time.Now()
		wantEnd(w.t, ws)
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("closed after %v", took)
		}
	})
	inBubble(t, func(w *world) {
		l := w.pipeWS()
		ws := upgrade(w.t, l.dial(w.t), masked(opText, "CONNECT\naccept-version:1.2\nheart-beat:10000,0\n\n\x00"))
		ws.wantText("CONNECTED")
		time.Sleep(15 * time.Second)
		ws.write(masked(opPong, "")) // counts as a sign of life
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if w.server.Sessions() != 1 {
			t.Error("a client was given up although it sent a pong")
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if w.server.Sessions() != 0 {
			t.Error("a client that says nothing has a session still")
		}
	})
}

// temporary is the error of Accept when the process is out of file descriptors.
type temporary struct{}

func (temporary) Error() string   { return "too many open files" }
func (temporary) Temporary() bool { return true }
func (temporary) Timeout() bool   { return false }

func TestAcceptLoop(t *testing.T) {
	fatal := errors.New("the listener is broken")
	for name, serve := range map[string]func(w *world, l net.Listener) error{
		"tcp": func(w *world, l net.Listener) error { return w.server.ServeTCP(l, nil) },
		"ws":  func(w *world, l net.Listener) error { return w.server.ServeWebSocket(l, path, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				l := newPipeListener()
				ended := make(chan error, 1)
				go func() { ended <- serve(w, l) }()
				for range 5 {
					l.accepted <- temporary{}
				}
				c := l.dial(w.t)
				if name == "ws" {
					upgrade(w.t, c, masked(opText, "CONNECT\n\n\x00")).wantText("CONNECTED")
				} else {
					stomptest.New(w.t, c).Connect("1.2")
				}
				l.accepted <- fatal
				if err := <-ended; !errors.Is(err, fatal) {
					t.Errorf("serve returned %v", err)
				}
				_ = c.Close()
			})
			inBubble(t, func(w *world) {
				l := newPipeListener()
				ended := make(chan error, 1)
				go func() { ended <- serve(w, l) }()
				synctest.Wait()
				_ = l.Close()
				if err := <-ended; err != nil {
					t.Errorf("closing the listener returned %v", err)
				}
				w.end()
				l = newPipeListener()
				if err := serve(w, l); !errors.Is(err, transport.ErrServerClosed) {
					t.Errorf("serve after Shutdown returned %v", err)
				}
				if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("the listener is open: %v", err)
				}
				here, there := stomptest.Pipe(10)
				w.server.Serve(there, session.Info{})
				wantEnd(t, here)
			})
		})
	}
}
