package transport_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	budgets "hoofbeat/internal/memory"
	"hoofbeat/internal/servertest"
	"hoofbeat/internal/socktest"
	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
	"hoofbeat/session/outbox"
)

// sockInBubble runs a test in a bubble with a page that reaches the broker
// through pipes. The page's connections are closed at the end.
func sockInBubble(t *testing.T, f func(w *world, p page), edit ...func(*servertest.Options)) {
	inBubble(t, func(w *world) {
		l := w.pipeWS()
		f(w, page{w.t, httpClient(w.t, func() net.Conn { return l.dial(w.t) }), "http://x" + path})
	}, append(edit, withSockJS)...)
}

// after expects f to take this long, and not much longer.
func after(t testing.TB, want time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took < want || took > want+time.Second {
		t.Fatalf("it took %v, want %v", took, want)
	}
}

// A silent session gets an h every 25 seconds, which is longer than the time
// limit of ordinary requests.
func TestSockJSHeartbeats(t *testing.T) {
	const pause = 25 * time.Second
	t.Run("polling", func(t *testing.T) {
		sockInBubble(t, func(w *world, p page) {
			s := p.connected()
			for range 3 {
				after(t, pause, func() { p.do("POST", s+"/xhr", "").want(t, 200, "h\n") })
			}
			p.send(s, "SEND\ndestination:/topic/a\nreceipt:r\n\n")
			p.poll(s, "RECEIPT")
		})
	})
	t.Run("streaming", func(t *testing.T) {
		sockInBubble(t, func(w *world, p page) {
			s := p.connected()
			r := p.open(s)
			for range 3 {
				after(t, pause, func() { r.want("h") })
			}
			p.send(s, "SEND\ndestination:/topic/a\nreceipt:r\n\n")
			if line := r.next(); !strings.HasPrefix(line, `a["RECEIPT\n`) {
				t.Error(line)
			}
		})
	})
	t.Run("websocket", func(t *testing.T) {
		inBubble(t, func(w *world) {
			ws := upgradeAt(w.t, w.pipeWS().dial(w.t), path+"/000/x/websocket")
			ws.limit = time.Minute
			ws.wantText("o")
			ws.write(masked(opText, inMessages("CONNECT\naccept-version:1.2\n\n")))
			ws.wantText(`a["CONNECTED\n`)
			for range 3 {
				after(t, pause, func() {
					if op, text := ws.next(); op != opText || text != "h" {
						t.Errorf("got %d %q", op, text)
					}
				})
			}
		}, withSockJS)
	})
}

// STOMP heart-beats replace SockJS's, and keep a polling session alive.
func TestSockJSWithSTOMPHeartbeats(t *testing.T) {
	sockInBubble(t, func(w *world, p page) {
		s := newSession()
		p.do("POST", s+"/xhr", "").want(t, 200, "o\n")
		p.send(s, "CONNECT\naccept-version:1.2\nheart-beat:10000,10000\n\n")
		p.poll(s, "CONNECTED\n")
		for range 10 {
			after(t, 8*time.Second, func() { p.poll(s, "\n") })
			p.do("POST", s+"/xhr_send", `["\n"]`).want(t, 204, "")
		}
		r := p.open(s)
		for _, want := range []string{`a["\n"]`, `a["\n"]`, `a["ERROR\nmessage:heart-beat-timeout\n`} {
			if line := r.next(); !strings.HasPrefix(line, want) {
				t.Errorf("got %q, want %q", line, want)
			}
		}
		r.want(`c[1008,"heart-beat-timeout"]`)
	})
}

// A client that does not come back within 5 seconds loses its session.
func TestSockJSDisconnectDelay(t *testing.T) {
	sockInBubble(t, func(w *world, p page) {
		s := p.connected()
		p.send(s, "SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client\nreceipt:r\n\n")
		p.poll(s, "RECEIPT")
		p.send(s, "SEND\ndestination:/queue/a\n\n1", "SEND\ndestination:/queue/a\n\n2")
		after(t, 5*time.Second, func() { w.wantDepth("/queue/a", 2, 0) })
		for range 4 {
			p.do("POST", s+"/xhr", "").want(t, 200, `c[1002,"Connection interrupted"]`+"\n")
			p.do("POST", s+"/xhr_send", "[]").want(t, 404, "404 page not found\n")
			time.Sleep(time.Second)
		}
		time.Sleep(5 * time.Second)
		p.do("POST", s+"/xhr", "").want(t, 200, "o\n") // the ended session is forgotten
		// A client that opens a session and never comes back.
		p.do("POST", newSession()+"/xhr", "").want(t, 200, "o\n")
		synctest.Wait() // the session may not exist before
		after(t, 5*time.Second, func() {
			eventually(t, "nobody is left", func() bool { return w.server.Sessions() == 0 })
		})
		// A client that comes back in time keeps its session.
		s = p.connected()
		for i := range 5 {
			time.Sleep(4 * time.Second)
			p.send(s, fmt.Sprintf("SEND\ndestination:/topic/a\nreceipt:%d\n\n", i))
			p.poll(s, fmt.Sprintf("RECEIPT\nreceipt-id:%d\n", i))
		}
	})
}

// An open session still needs a CONNECT within connect_timeout.
func TestSockJSConnectTimeout(t *testing.T) {
	sockInBubble(t, func(w *world, p page) {
		r := p.open(newSession())
		r.want("o")
		after(t, 10*time.Second, func() {
			if line := r.next(); !strings.HasPrefix(line, `a["ERROR\nmessage:connect-timeout\n`) {
				t.Error(line)
			}
		})
		r.want(`c[1008,"connect-timeout"]`)
		r.wantEnd()
	})
}

// Clients get the frames queued for them and then the reason, whether their
// request is open or comes later.
func TestSockJSShutdown(t *testing.T) {
	sockInBubble(t, func(w *world, p page) {
		streaming, waiting, away := p.connected(), p.connected(), p.connected()
		const n = 2000
		for _, s := range []string{streaming, waiting, away} {
			p.send(s, subscribeFrame)
			p.poll(s, "RECEIPT")
		}
		r := p.open(streaming)
		p.do("GET", "/info", "") // opens another connection
		publish(w, n)
		done := w.shutdown(time.Minute)
		synctest.Wait()
		for _, s := range []string{away, waiting} {
			got := 0
			for {
				synctest.Wait() // new connections are not accepted, so the last one must be free for reuse
				line := p.do("POST", s+"/xhr", "").body
				if line == `c[1001,"going-away"]`+"\n" {
					break
				}
				for l := range strings.Lines(line) {
					f, err := socktest.Parse(strings.TrimSpace(l))
					if err != nil || f.Kind != 'a' {
						t.Fatalf("%q, %v", l, err)
					}
					got += len(f.Messages)
				}
			}
			if got != n {
				t.Errorf("%d of %d messages", got, n)
			}
		}
		for got := 0; ; {
			line, err := r.lines.ReadString('\n')
			if err == io.EOF { // it has reached its size limit
				synctest.Wait()
				r = p.open(streaming)
				continue
			}
			f, err := socktest.Parse(strings.TrimSuffix(line, "\n"))
			if got += len(f.Messages); err != nil || f.Kind == 'c' {
				if f.Code != 1001 || got != n {
					t.Errorf("%v: %v after %d", f, err, got)
				}
				break
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	// The session ends even if its client never asks again.
	sockInBubble(t, func(w *world, p page) {
		s := p.connected()
		p.send(s, subscribeFrame)
		p.poll(s, "RECEIPT")
		publish(w, 10)
		after(t, 5*time.Second, func() {
			if err := <-w.shutdown(time.Minute); err != nil {
				t.Error(err)
			}
		})
	})
	sockInBubble(t, func(w *world, p page) {
		for range 3 {
			p.connected()
		}
		after(t, 0, func() { <-w.shutdown(500 * time.Millisecond) })
	})
}

// publish sends n messages to /topic/a on a connection of its own.
func publish(w *world, n int) {
	here, there := stomptest.Pipe(1 << 20)
	w.server.Serve(there, session.Info{Transport: "pipe", Remote: "publisher"})
	c := stomptest.New(w.t, here)
	c.Connect("1.2")
	for i := range n {
		c.Send("SEND", "destination:/topic/a", "", fmt.Sprint(i))
	}
	c.Barrier()
	c.Send("DISCONNECT")
	c.WantClosed()
	c.Close()
}

// A client that stays away or does not read holds no more than the limit; the
// overflow policy decides which messages are dropped.
func TestSockJSSlow(t *testing.T) {
	const size, limit = 64 << 10, 1 << 20
	for name, stall := range map[string]func(w *world, p page, s string, l *pipeListener){
		"away": func(*world, page, string, *pipeListener) {},
		"does not read": func(w *world, p page, s string, l *pipeListener) {
			fmt.Fprintf(l.dial(w.t), "POST %s%s/xhr_streaming HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", path, s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				l := w.pipeWS()
				p := page{w.t, httpClient(w.t, func() net.Conn { return l.dial(w.t) }), "http://x" + path}
				s := p.connected()
				p.send(s, subscribeFrame)
				p.poll(s, "RECEIPT")
				stall(w, p, s, l)
				synctest.Wait()
				before := heap()
				publisher := stomptest.New(w.t, w.pipeTCP().dial(w.t))
				publisher.Connect("1.2")
				for range 200 {
					publisher.Send("SEND", "destination:/topic/a", "", strings.Repeat("\x01", size-1)+"\n")
				}
				publisher.Barrier()
				if extra := int64(heap()) - int64(before); extra > 4*limit {
					t.Errorf("the heap has grown by %d bytes", extra)
				}
				time.Sleep(6 * time.Second)
				if n := w.server.Sessions(); n != 1 || !strings.Contains(w.log.String(), "reason=slow-consumer") {
					t.Errorf("%d sessions; %s", n, w.log.String())
				}
			}, withSockJS, func(o *servertest.Options) { o.Session.Limits.Outbound = limit })
		})
	}
	t.Run("drop-oldest", func(t *testing.T) {
		sockInBubble(t, func(w *world, p page) {
			s := p.connected()
			p.send(s, subscribeFrame)
			p.poll(s, "RECEIPT")
			publish(w, 10_000)
			got := p.do("POST", s+"/xhr", "").body
			for !strings.Contains(got, "\\n\\n9999\\u0000") {
				got = p.do("POST", s+"/xhr", "").body
			}
			synctest.Wait() // the publisher has left
			if n := w.server.Sessions(); n != 1 {
				t.Errorf("%d sessions", n)
			}
		}, func(o *servertest.Options) {
			o.Session.Limits.Outbound, o.Session.Limits.SlowConsumer = 64<<10, outbox.DropOldest
		})
	})
}

// idlePolls opens n sessions, each with an open polling request.
func idlePolls(t testing.TB, w *world, address string, n int) []net.Conn {
	all := make([]net.Conn, n)
	web := httpClient(t, nil)
	p := page{t, web, "http://" + address + path}
	for i := range all {
		s := p.connected()
		p.send(s, fmt.Sprintf("SUBSCRIBE\nid:1\ndestination:/topic/%d\nreceipt:r\n\n", i))
		p.poll(s, "RECEIPT")
		all[i] = dialTCP(t, address)
		fmt.Fprintf(all[i], "POST %s%s/xhr HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", path, s)
	}
	web.CloseIdleConnections()
	return all
}

// BenchmarkIdlePolling measures the cost of a session with an open polling
// request.
func BenchmarkIdlePolling(b *testing.B) {
	const n = 1000
	for b.Loop() {
		w := newWorld(b, withSockJS)
		address := w.ws(nil)
		before, goroutines := memory(), runtime.NumGoroutine()
		all := idlePolls(b, w, address, n)
		eventually(b, "all have a response", func() bool { return runtime.NumGoroutine()-goroutines >= 3*n })
		b.ReportMetric(float64(memory()-before)/n, "B/session") // includes a few hundred bytes for the client's end
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/n, "goroutines/session")
		for _, c := range all {
			_ = c.Close()
		}
		w.end()
	}
}

// A session ends at once when the client of its open response goes away.
func TestSockJSAborted(t *testing.T) {
	for _, transport := range []string{"/xhr", "/xhr_streaming"} {
		inBubble(t, func(w *world) {
			l := w.pipeWS()
			p := page{w.t, httpClient(w.t, func() net.Conn { return l.dial(w.t) }), "http://x" + path}
			s := p.connected()
			c := l.dial(w.t)
			fmt.Fprintf(c, "POST %s%s%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", path, s, transport)
			synctest.Wait()
			p.do("POST", s+"/xhr", "").want(t, 200, another)
			_ = c.Close()
			synctest.Wait()
			if n := w.server.Sessions(); n != 0 {
				t.Errorf("%d sessions", n)
			}
			p.do("POST", s+"/xhr", "").want(t, 200, `c[1002,"Connection interrupted"]`+"\n")
		}, withSockJS)
	}
}

// The end of a response may be written late on a busy machine: its client gets
// all of it and keeps its session.
func TestSockJSResponseEndsLate(t *testing.T) {
	inBubble(t, func(w *world) {
		l, handler := newPipeListener(), w.server.SockJSHandler(path)
		server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			handler.ServeHTTP(rw, r)
			if strings.HasSuffix(r.URL.Path, "/xhr") {
				time.Sleep(3 * time.Second)
			}
		})}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(l) })
		defer serving.Wait()
		defer server.Close()
		p := page{w.t, httpClient(w.t, func() net.Conn { return l.dial(w.t) }), "http://x" + path}
		s := p.connected()
		p.send(s, "SEND\ndestination:/topic/a\nreceipt:r\n\n")
		p.poll(s, "RECEIPT\nreceipt-id:r\n")
	}, withSockJS)
}

// The bytes of an incomplete request are charged to the session as they come,
// and are freed when the session ends.
func TestSockJSBodyIsCharged(t *testing.T) {
	const size = 1 << 20
	budget := budgets.New(64 << 20)
	sockInBubble(t, func(w *world, p page) {
		s := p.connected()
		for _, end := range []string{"the rest comes", "the page leaves", "the session ends"} {
			body, rest := io.Pipe()
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				r, err := p.web.Post(p.base+s+"/xhr_send", "text/plain", body)
				if err == nil {
					_ = r.Body.Close()
				}
			}()
			_, _ = io.WriteString(rest, `["SEND\ndestination:/topic/a\n\n`+strings.Repeat("x", size))
			synctest.Wait()
			if n := budget.Used(); n < size {
				t.Errorf("%s: %d bytes are charged", end, n)
			}
			switch end {
			case "the rest comes":
				_, _ = io.WriteString(rest, `\u0000"]`)
				_ = rest.Close()
			case "the page leaves":
				_ = rest.CloseWithError(io.ErrUnexpectedEOF)
			default:
				time.Sleep(10 * time.Second) // nobody polls
				_, _ = io.WriteString(rest, "x")
			}
			<-answered
			_ = rest.Close()
			synctest.Wait()
			if n := budget.Used(); n > 100<<10 {
				t.Errorf("%s: %d bytes are charged to nothing", end, n)
			}
		}
		if n := budget.Stats().Stray; n != 0 {
			t.Errorf("%d bytes are stray", n)
		}
	}, func(o *servertest.Options) { o.Session.Memory = budget })
}
