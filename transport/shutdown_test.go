package transport_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"hoofbeat/internal/servertest"
	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
)

// shutdown runs Shutdown with a timeout and sends its result to the channel.
func (w *world) shutdown(timeout time.Duration) <-chan error {
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		done <- w.server.Shutdown(ctx)
	}()
	return done
}

// Clients that read get all frames queued for them, and then the reason.
func TestShutdown(t *testing.T) {
	w := newWorld(t)
	tcp, ws := w.tcp(nil), w.ws(nil)
	a := stomptest.New(t, dialTCP(t, tcp))
	a.Connect("1.2")
	browser := dialWS(t, "ws://"+ws+path, nil)
	b := converse(t, browser)
	b.Connect("1.2")
	subscribe(b, "/topic/b")
	const n = 500
	for i := range n {
		a.Send("SEND", "destination:/topic/b", fmt.Sprintf("receipt:%d", i), "", fmt.Sprint(i))
	}
	for i := range n {
		a.WantReceipt(fmt.Sprint(i))
	}
	done := w.shutdown(stomptest.DefaultLimit)
	for i := range n {
		b.Want("MESSAGE", "", fmt.Sprint(i))
	}
	wantStatus(t, browser, 1001, "going-away")
	wantGone(a)
	a.Close()
	if err := <-done; err != nil {
		t.Errorf("Shutdown returned %v", err)
	}
	for _, address := range []string{tcp, ws} {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			t.Error("the listener is open")
		}
	}
	if log := w.log.String(); strings.Count(log, "reason=going-away") != 2 {
		t.Error(log)
	}
	w.end() // Shutdown again does nothing
}

// wantGone expects the ERROR of a shutdown over TCP.
func wantGone(c *stomptest.Client) {
	c.WantError("going-away", "", "Connect again later")
	c.WantClosed()
}

// drainConsumer begins a shutdown while one client holds two of three messages.
// Another client, with nothing to finish, has gone already.
func (w *world) drainConsumer(timeout time.Duration) (c *stomptest.Client, acks [2]string, done <-chan error) {
	address := w.tcp(nil)
	c, idle := stomptest.New(w.t, dialTCP(w.t, address)), stomptest.New(w.t, dialTCP(w.t, address))
	c.Connect("1.2")
	idle.Connect("1.2")
	subscribe(idle, "/topic/a")
	subscribe(c, "/queue/a", "ack:client-individual", "prefetch-count:2")
	send(c, "/queue/a", "x", "y", "z")
	for i, body := range []string{"x", "y"} {
		acks[i] = c.Want("MESSAGE", "", body).Get("ack")
	}
	c.Barrier()
	done = w.shutdown(timeout)
	wantGone(idle)
	idle.Close()
	return c, acks, done
}

// A client acknowledges the messages that it holds, gets no more, and is
// disconnected.
func TestShutdownWaitsForConsumers(t *testing.T) {
	w := newWorld(t)
	c, acks, done := w.drainConsumer(stomptest.DefaultLimit)
	c.Send("ACK", "id:"+acks[0], "receipt:1")
	c.WantReceipt("1")
	c.Send("BEGIN", "transaction:t", "receipt:2")
	c.WantReceipt("2")
	c.Send("SEND", "destination:/queue/b", "transaction:t", "", "of y")
	c.Send("ACK", "id:"+acks[1], "transaction:t")
	c.Send("COMMIT", "transaction:t", "receipt:3")
	c.WantReceipt("3")
	wantGone(c)
	c.Close()
	if err := <-done; err != nil {
		t.Errorf("Shutdown returned %v", err)
	}
	w.wantDepth("/queue/a", 1, 0)
	w.wantDepth("/queue/b", 1, 0)
}

// A client that does not finish gets its ERROR before the deadline, and its
// messages are requeued.
func TestShutdownRequeues(t *testing.T) {
	w := newWorld(t)
	c, _, done := w.drainConsumer(time.Second)
	wantGone(c)
	c.Close()
	if err := <-done; err != nil {
		t.Errorf("Shutdown returned %v", err)
	}
	w.wantDepth("/queue/a", 3, 0)
}

// Clients get different times after which to reconnect.
func TestShutdownRetryAfter(t *testing.T) {
	const most = 1000
	w := newWorld(t, func(o *servertest.Options) { o.RetryAfter = most*time.Second + time.Millisecond })
	tcp := stomptest.New(t, dialTCP(t, w.tcp(nil)))
	tcp.Connect("1.2")
	browser := dialWS(t, "ws://"+w.ws(nil)+path, nil)
	converse(t, browser).Connect("1.2")
	done := w.shutdown(stomptest.DefaultLimit)
	said := tcp.Want("ERROR", "message:going-away").Get("retry-after")
	tcp.Close()
	_, _, err := browser.Read(t.Context())
	var end websocket.CloseError
	if !errors.As(err, &end) || end.Code != websocket.StatusGoingAway {
		t.Fatalf("the WebSocket ended with %v", err)
	}
	reason, after, _ := strings.Cut(end.Reason, "; retry-after=")
	for _, s := range []string{said, after} {
		if n, err := strconv.Atoi(s); err != nil || n < 1 || n > most {
			t.Errorf("%q is no time", s)
		}
	}
	if reason != "going-away" {
		t.Errorf("the reason is %q", end.Reason)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown returned %v", err)
	}
}

// Each RECEIPT is true, and frames that were not handled get none.
func TestShutdownAmidSends(t *testing.T) {
	for range 5 {
		w := newWorld(t)
		c := stomptest.New(t, dialTCP(t, w.tcp(nil)))
		c.Connect("1.2")
		var writer sync.WaitGroup
		writer.Go(func() {
			for i := range 2000 {
				if c.TryWrite(fmt.Sprintf("SEND\ndestination:/queue/a\nreceipt:%d\n\nbody\x00", i)) != nil {
					return // it is closed
				}
			}
		})
		c.WantReceipt("0")
		done := w.shutdown(stomptest.DefaultLimit)
		receipts := 1
		for {
			f, err := c.TryNext()
			if err != nil {
				break
			}
			if f.Command == "ERROR" && f.Get("message") == "going-away" {
				continue // nothing more is expected
			}
			if want := fmt.Sprint(receipts); f.Command != "RECEIPT" || f.Get("receipt-id") != want {
				t.Fatalf("got %q, want the RECEIPT %s", f.Raw, want)
			}
			receipts++
		}
		c.Close()
		writer.Wait()
		if err := <-done; err != nil {
			t.Errorf("Shutdown returned %v", err)
		}
		// The SEND in progress may have been handled without a RECEIPT.
		if d := w.depth("/queue/a"); d.Ready != receipts && d.Ready != receipts+1 {
			t.Errorf("there were %d receipts for %d messages", receipts, d.Ready)
		}
	}
}

// clog fills a client's socket: it subscribes and does not read the messages
// sent to it.
func clog(c io.Writer, w *world, frame func(string) string) {
	fmt.Fprint(c, frame("CONNECT\naccept-version:1.2\n\n\x00"), frame("SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\x00"))
	publisher, there := stomptest.Pipe(1 << 20)
	w.server.Serve(there, session.Info{Transport: "pipe", Remote: "publisher"})
	p := stomptest.New(w.t, publisher)
	p.Connect("1.2")
	eventually(w.t, "the subscription is in force", func() bool { n, _ := w.broker.Size(); return n > 0 })
	for range 7 {
		p.Send("SEND", "destination:/topic/a", "", strings.Repeat("x", 1<<20))
	}
	p.Barrier()
	p.Send("DISCONNECT")
	p.WantClosed()
	p.Close()
}

func plain(s string) string   { return s }
func inFrame(s string) string { return masked(opText, s) }

// A client that never reads does not delay Shutdown beyond its context.
func TestShutdownCutsOff(t *testing.T) {
	for name, open := range map[string]func(w *world) (io.Writer, func(string) string){
		"tcp": func(w *world) (io.Writer, func(string) string) { return dialTCP(w.t, w.tcp(nil)), plain },
		"tls": func(w *world) (io.Writer, func(string) string) { return dialTLS(w.t, w.tcp(serverTLS())), plain },
		"ws":  func(w *world) (io.Writer, func(string) string) { return upgrade(w.t, dialTCP(w.t, w.ws(nil))), inFrame },
		"wss": func(w *world) (io.Writer, func(string) string) {
			return upgrade(w.t, dialTLS(w.t, w.ws(serverTLS()))), inFrame
		},
		"pipe": func(w *world) (io.Writer, func(string) string) {
			here, there := stomptest.Pipe(64 << 10)
			w.server.Serve(there, session.Info{Transport: "pipe", Remote: "pipe"})
			return here, plain
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const timeout = 300 * time.Millisecond
			w := newWorld(t, func(o *servertest.Options) { o.Session.CloseTimeout = time.Minute })
			c, frame := open(w)
			clog(c, w, frame)
			start := time.Now()
			err := <-w.shutdown(timeout)
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) && took < timeout || took > timeout+stomptest.DefaultLimit {
				t.Errorf("Shutdown returned %v after %v", err, took)
			}
			if n := w.server.Sessions(); n != 0 {
				t.Errorf("%d sessions are left", n)
			}
			_ = c.(io.Closer).Close()
		})
	}
}

// Without a deadline, Shutdown gives clients close_timeout.
func TestShutdownWithoutDeadline(t *testing.T) {
	inBubble(t, func(w *world) {
		here, there := stomptest.Pipe(64 << 10)
		w.server.Serve(there, session.Info{Transport: "pipe", Remote: "pipe"})
		clog(here, w, plain)
		start := time.Now()
		err := w.server.Shutdown(context.Background())
		late := time.Since(start) - w.options.Session.CloseTimeout
		if err != nil || late < 0 || late > 2*time.Millisecond { // it dismisses the two one after the other
			t.Errorf("Shutdown returned %v, %v after the time", err, late)
		}
		_ = here.Close()
	})
}

// A client that has read the response to its handshake is told that the server
// stops, even if the server has not returned from writing it.
func TestShutdownAtTheEndOfAHandshake(t *testing.T) {
	inBubble(t, func(w *world) {
		l := w.pipeWS()
		here, there := stomptest.Pipe(64 << 10)
		c := &slowWriter{Conn: there, until: make(chan struct{})}
		l.accepted <- c
		ws := upgrade(t, here) // it has read the response
		done := w.shutdown(time.Minute)
		synctest.Wait()
		close(c.until)
		ws.wantClose(1001, "going-away")
		ws.write(masked(opClose, "\x03\xe9"))
		if err := <-done; err != nil {
			t.Errorf("Shutdown returned %v", err)
		}
		_ = here.Close()
	})
}

// A slowWriter blocks in Write until a channel is closed.
type slowWriter struct {
	net.Conn
	until chan struct{}
}

func (w *slowWriter) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	<-w.until
	return n, err
}

// Handshakes under way do not delay Shutdown. With a context that is already
// done, it still ends every connection.
func TestShutdownAmidHandshakes(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.pipeTLS().dial(w.t)
		ws := w.pipeWS().dial(w.t)
		fmt.Fprint(ws, handshake[:20])
		silent := w.pipeTCP().dial(w.t)
		synctest.Wait()
		start := time.Now()
		if err := <-w.shutdown(time.Minute); err != nil || time.Since(start) > time.Second {
			t.Errorf("Shutdown returned %v after %v", err, time.Since(start))
		}
		wantEnd(t, c)
		wantEnd(t, ws)
		wantEnd(t, silent)
	})
	inBubble(t, func(w *world) {
		c := w.pipeTCP().dial(w.t)
		stomptest.New(w.t, c).Connect("1.2")
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := w.server.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown returned %v", err)
		}
		wantEnd(t, c) // there may be an ERROR
	})
}

// Connections that arrive while the server stops are either served or closed,
// and Shutdown waits for the served ones.
func TestShutdownAmidConnects(t *testing.T) {
	for range 20 {
		w := newWorld(t)
		tcp, ws := w.tcp(nil), w.ws(nil)
		var clients sync.WaitGroup
		started := make(chan struct{}, 100)
		for i := range 8 {
			clients.Go(func() {
				for range 50 {
					c, err := net.Dial("tcp", []string{tcp, ws}[i%2])
					if err != nil {
						return
					}
					fmt.Fprint(c, []string{"CONNECT\n\n\x00", handshake}[i%2])
					select {
					case started <- struct{}{}:
					default:
					}
					_, _ = c.Read(make([]byte, 100))
					_ = c.Close()
				}
			})
		}
		<-started
		if err := <-w.shutdown(stomptest.DefaultLimit); err != nil {
			t.Errorf("Shutdown returned %v", err)
		}
		if n := w.server.Sessions(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		clients.Wait()
	}
}

// Frames sent by a TLS client right before it closed are handled. In TLS 1.2
// the end may be read together with the last frame.
func TestFramesBeforeTheEndOfTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, size := range []int{10, 2000} {
			w := newWorld(t)
			held := &holding{Conn: dialTCP(t, w.tcp(serverTLS()))}
			c := tls.Client(held, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
			s := stomptest.New(t, c)
			s.Connect("1.2")
			held.hold = true
			fmt.Fprintf(c, "SEND\ndestination:/queue/a\n\n%s\x00", strings.Repeat("x", size))
			_ = c.CloseWrite()
			_ = held.SetWriteDeadline(time.Time{}) // CloseWrite has set one
			if _, err := held.Conn.Write(held.kept); err != nil {
				t.Fatal(err)
			}
			w.wantDepth("/queue/a", 1, 0)
		}
	}
}

// holding can keep writes back.
type holding struct {
	net.Conn
	hold bool
	kept []byte
}

func (c *holding) Write(p []byte) (int, error) {
	if !c.hold {
		return c.Conn.Write(p)
	}
	c.kept = append(c.kept, p...)
	return len(p), nil
}
