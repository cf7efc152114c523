package transport_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/internal/servertest"
	"hoofbeat/internal/stomptest"
)

// An addressed connection has the given remote address.
type addressed struct {
	net.Conn
	remote string
}

func (a addressed) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(a.remote))
}

// A proxied connection has a PROXY header that names its client.
type proxied struct {
	addressed
	proxy string
}

func (p proxied) Raw() net.Conn { return addressed{p.Conn, p.proxy} }

// dialAs dials from a remote address, through a proxy unless proxy is "".
func (l *pipeListener) dialAs(t testing.TB, remote, proxy string) net.Conn {
	here, there := stomptest.Pipe(64 << 10)
	t.Cleanup(func() { _ = here.Close() })
	from := addressed{there, remote}
	if proxy == "" {
		l.accepted <- from
	} else {
		l.accepted <- proxied{from, proxy}
	}
	return here
}

// say writes text; the pipe buffers it.
func say(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// ask sends a request and returns the response.
func ask(t testing.TB, c net.Conn, request string) (status int, body string) {
	t.Helper()
	say(t, c, request)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

const greeting = "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"

// TestSocketsCount opens connections that have no session: they count against
// the limits as well, on both listeners.
func TestSocketsCount(t *testing.T) {
	for name, open := range map[string]func(t testing.TB, tcp, secure, ws *pipeListener){
		"silence on tcp": func(t testing.TB, tcp, _, _ *pipeListener) { tcp.dial(t) },
		"silence on tls": func(t testing.TB, _, secure, _ *pipeListener) { secure.dial(t) },
		"half a TLS handshake": func(t testing.TB, _, secure, _ *pipeListener) {
			say(t, secure.dial(t), "\x16\x03\x01\x02\x00\x01")
		},
		"silence on ws":  func(t testing.TB, _, _, ws *pipeListener) { ws.dial(t) },
		"half a request": func(t testing.TB, _, _, ws *pipeListener) { say(t, ws.dial(t), handshake[:40]) },
		"a connection that is kept": func(t testing.TB, _, _, ws *pipeListener) {
			if status, _ := ask(t, ws.dial(t), greeting); status != http.StatusOK {
				t.Errorf("greeted with %d", status)
			}
		},
		"a body that drips": func(t testing.TB, _, _, ws *pipeListener) {
			say(t, ws.dial(t), "POST "+path+"/a/b/xhr_send HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				tcp, secure, ws := w.pipeTCP(), w.pipeTLS(), w.pipeWS()
				first := tcp.dial(w.t)
				open(w.t, tcp, secure, ws)
				synctest.Wait()
				refused := stomptest.New(w.t, tcp.dial(w.t))
				refused.WantError("too-many-connections", "", "limits.connections)", "2")
				refused.Close()
				if status, body := ask(w.t, ws.dial(w.t), handshake); status != http.StatusServiceUnavailable || !strings.Contains(body, "limits.connections)") {
					w.t.Errorf("answered %d, %q", status, body)
				}
				_ = first.Close()
				synctest.Wait()
				stomptest.New(w.t, tcp.dial(w.t)).Connect("1.2")
			}, func(o *servertest.Options) {
				o.Limits.Connections, o.SockJS.Enabled = 2, true
			})
		})
	}
}

// TestSocketsOfAnAddress: connections count for the client's address (the
// peer's, or the one a proxy reports), never for the proxy's own.
func TestSocketsOfAnAddress(t *testing.T) {
	const proxy = "10.0.0.1:1"
	refused := func(t testing.TB, c net.Conn, request string) bool {
		status, body := ask(t, c, request)
		return status == http.StatusServiceUnavailable && strings.Contains(body, "limits.connections_per_ip)")
	}
	inBubble(t, func(w *world) {
		tcp, ws := w.pipeTCP(), w.pipeWS()
		tcp.dialAs(w.t, "192.0.2.1:1", "")
		ws.dialAs(w.t, "192.0.2.1:2", "")
		synctest.Wait()
		if !refused(w.t, ws.dialAs(w.t, "192.0.2.1:3", ""), greeting) {
			w.t.Error("a third one of an address was let in")
		}
		if refused(w.t, ws.dialAs(w.t, "192.0.2.2:1", ""), greeting) {
			w.t.Error("another address was refused")
		}
		for range 5 { // a proxy keeps connections that belong to no client
			if refused(w.t, ws.dialAs(w.t, proxy, ""), greeting) {
				w.t.Error("the proxy was refused")
			}
		}
		forwarded := strings.Replace(handshake, "\r\n", "\r\nX-Forwarded-For: 203.0.113.1\r\n", 1)
		for i, want := range []bool{false, false, true} {
			c := ws.dialAs(w.t, proxy, "")
			say(w.t, c, forwarded)
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || (answer.StatusCode == http.StatusServiceUnavailable) != want {
				w.t.Errorf("session %d of a proxy's client: %v, %v", i, answer, err)
			}
		}
		for i, want := range []bool{false, false, true, true} {
			if got := refused(w.t, ws.dialAs(w.t, "203.0.113.2:1", proxy), greeting); got != want {
				w.t.Errorf("connection %d with a PROXY header: refused %v", i, got)
			}
		}
	}, func(o *servertest.Options) {
		o.Limits.PerAddress, o.SockJS.Enabled = 2, true
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
}

// TestTurningAwayIsBounded: many refused clients do not read their ERROR.
func TestTurningAwayIsBounded(t *testing.T) {
	inBubble(t, func(w *world) {
		tcp, ws := w.pipeTCP(), w.pipeWS()
		stomptest.New(w.t, tcp.dial(w.t)).Connect("1.2")
		closed := make(chan struct{}, 200)
		for range 100 {
			c := ws.dial(w.t)
			go func() {
				_, _ = io.Copy(io.Discard, c)
				closed <- struct{}{}
			}()
			synctest.Wait()
		}
		if n := len(closed); n != 36 {
			w.t.Errorf("%d of 100 were closed at once", n)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if n := len(closed); n != 100 {
			w.t.Errorf("%d of 100 are closed", n)
		}
		if status, body := ask(w.t, ws.dial(w.t), handshake); status != http.StatusServiceUnavailable || !strings.Contains(body, "limits.connections)") {
			w.t.Errorf("answered %d, %q", status, body)
		}
	}, func(o *servertest.Options) { o.Limits.Connections = 1 })
}

// TestNoDescriptors: Accept fails for a minute on one listener. That listener
// recovers, the other one is not affected, and the log stays short.
func TestNoDescriptors(t *testing.T) {
	inBubble(t, func(w *world) {
		tcp, ws := w.pipeTCP(), w.pipeWS()
		end := time.Now().Add(time.Minute)
		fed := make(chan struct{})
		go func() {
			defer close(fed)
			for time.Now().Before(end) {
				tcp.accepted <- temporary{}
			}
		}()
		time.Sleep(30 * time.Second)
		upgrade(w.t, ws.dial(w.t), masked(opText, "CONNECT\n\n\x00")).wantText("CONNECTED")
		<-fed
		stomptest.New(w.t, tcp.dial(w.t)).Connect("1.2")
		if n := strings.Count(w.log.String(), "accept failed"); n < 2 || n > 8 {
			w.t.Errorf("logged %d times:\n%s", n, w.log.String())
		}
	})
}
