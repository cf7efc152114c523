package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"hoofbeat/internal/stomptest"
)

// A tape is a net.Conn that records each write.
type tape struct {
	net.Conn
	mu     sync.Mutex
	writes []string
	err    error // returned by every write
}

func (c *tape) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	c.writes = append(c.writes, string(p))
	return len(p), nil
}

// want compares the writes since the previous call.
func (c *tape) want(t *testing.T, writes ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if got, want := fmt.Sprintf("%.60q", c.writes), fmt.Sprintf("%.60q", writes); len(c.writes) != len(writes) || got != want ||
		strings.Join(c.writes, "") != strings.Join(writes, "") {
		t.Errorf("written was %s, want %s", got, want)
	}
	c.writes = nil
}

// put writes text and fails the test on an error.
func put(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if n, err := io.WriteString(w, text); n != len(text) || err != nil {
		t.Fatalf("wrote %d of %d bytes: %v", n, len(text), err)
	}
}

func TestCork(t *testing.T) {
	c := &tape{}
	g := newGatherer(c, nil)
	put(t, g, "at once")
	c.want(t, "at once")
	g.cork()
	put(t, g, "one ")
	put(t, g, "two ")
	put(t, g, "three")
	c.want(t)
	if err := g.flush(); err != nil {
		t.Fatal(err)
	}
	c.want(t, "one two three")
	put(t, g, "at once again")
	c.want(t, "at once again")
	if err := g.flush(); err != nil {
		t.Fatal(err)
	}
	c.want(t)
}

func TestCorkIsBounded(t *testing.T) {
	part, large := strings.Repeat("p", 40<<10), strings.Repeat("l", GatherBytes+1)
	c := &tape{}
	g := newGatherer(c, nil)
	g.cork()
	put(t, g, part)
	c.want(t)
	put(t, g, part)
	c.want(t, part+part)
	put(t, g, "small")
	put(t, g, large) // is neither copied nor written before "small"
	c.want(t, "small", large)
	put(t, g, "more")
	c.want(t)
	if err := g.flush(); err != nil {
		t.Fatal(err)
	}
	c.want(t, "more")
}

func TestWriteFrame(t *testing.T) {
	large := strings.Repeat("l", GatherBytes+1)
	c := &tape{}
	g := newGatherer(c, nil)
	frame := func(header, payload string) {
		t.Helper()
		if err := g.writeFrame([]byte(header), []byte(payload), nil); err != nil {
			t.Fatal(err)
		}
	}
	frame("a", "b")
	frame("c", "")
	c.want(t)
	frame("d", large)
	c.want(t, "abcd", large)
	frame("e", large[:GatherBytes])
	c.want(t, "e"+large[:GatherBytes])
	for _, sizes := range [][2]int{{1, GatherBytes}, {GatherBytes + 1, 1}, {GatherBytes + 1, GatherBytes + 1}, {0, 0}, {3, 4}} {
		p, shared := large[:sizes[0]], strings.ToUpper(large[:sizes[1]])
		if err := errors.Join(g.writeFrame([]byte("h"), []byte(p), []byte(shared)), g.writeLine([]byte(p), []byte(shared)), g.flush()); err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		got := strings.Join(c.writes, "")
		c.writes = nil
		c.mu.Unlock()
		if got != "h"+p+shared+p+shared+"\n" {
			t.Errorf("%v: %d bytes", sizes, len(got))
		}
	}
	frame("f", "g")
	if err := g.flush(); err != nil {
		t.Fatal(err)
	}
	c.want(t, "fg")
}

// Frames of any length that fit into a packet leave in writes that do: none is larger
// than GatherBytes, and none is sent as long as the next frame would fit.
func TestBatchesFitAPacket(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := &tape{}
	g := newGatherer(c, nil)
	var want strings.Builder
	var sizes []int
	for i := range 2000 {
		text := strings.Repeat(string(rune('a'+i%26)), 1+r.IntN(1<<(1+r.IntN(15))))
		if err := g.writeFrame([]byte("h"), []byte(text), []byte("s")); err != nil {
			t.Fatal(err)
		}
		want.WriteString("h" + text + "s")
		sizes = append(sizes, len(text)+2)
	}
	if err := g.flush(); err != nil {
		t.Fatal(err)
	}
	for i, w := range c.writes {
		n := 0
		for n < len(w) && len(sizes) > 0 {
			n, sizes = n+sizes[0], sizes[1:]
		}
		if len(w) > GatherBytes || n != len(w) || len(sizes) > 0 && n+sizes[0] <= GatherBytes {
			t.Fatalf("write %d has %d bytes of %d", i, len(w), n)
		}
	}
	if strings.Join(c.writes, "") != want.String() {
		t.Error("other bytes were written")
	}
}

func TestWriteFails(t *testing.T) {
	broken := errors.New("broken")
	g := newGatherer(&tape{err: broken}, nil)
	g.cork()
	put(t, g, "kept back")
	for name, err := range map[string]error{
		"flush": g.flush(), "frame": g.writeFrame([]byte("h"), make([]byte, GatherBytes+1), nil), "small": errors.Join(g.writeFrame([]byte("h"), nil, nil), g.flush()),
	} {
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := g.Write([]byte("x")); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// Concurrent writes do not interleave: a control frame goes between data
// frames, never into one.
func TestConcurrentWrites(t *testing.T) {
	const n = 2000
	c := &tape{}
	g := newGatherer(c, nil)
	var wg sync.WaitGroup
	for _, sign := range []string{"A", "B"} {
		wg.Go(func() { // control frames
			for i := range n {
				if _, err := fmt.Fprintf(g, "<%s%06d>", sign, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		if i%10 == 0 {
			g.cork()
		}
		size := i % 50
		if i%500 == 7 {
			size = GatherBytes + 1
		}
		payload := fmt.Sprintf("D%06d", i) + strings.Repeat("d", size)
		if err := g.writeFrame([]byte("<"), []byte(payload+">"), nil); err != nil {
			t.Fatal(err)
		}
		if i%10 == 9 {
			if err := g.flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	wg.Wait()
	next := map[byte]int{}
	for f := range strings.SplitSeq(strings.TrimSuffix(strings.Join(c.writes, ""), ">"), ">") {
		if len(f) < 8 || f[0] != '<' || f[2:8] != fmt.Sprintf("%06d", next[f[1]]) {
			t.Fatalf("%.20q is torn or out of order", f)
		}
		next[f[1]]++
	}
	if next['A'] != n || next['B'] != n || next['D'] != n {
		t.Errorf("written were %v", next)
	}
}

// socketPair returns the two ends of a TCP connection.
func socketPair(t *testing.T) (here, there *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

func TestReadFirst(t *testing.T) {
	here, there := socketPair(t)
	g := newGatherer(there, []byte("first "))
	put(t, here, "second")
	_ = here.Close()
	got, err := io.ReadAll(g)
	if string(got) != "first second" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestReadInParts(t *testing.T) {
	for _, size := range []int{1, 7, 256, directRead, 2 * readBytes} {
		here, there := socketPair(t)
		g := newGatherer(there, nil)
		sent := bytes.Repeat([]byte("0123456789"), 5000)
		go func() {
			_, _ = here.Write(sent)
			_ = here.Close()
		}()
		var got []byte
		buf := make([]byte, size)
		for {
			n, err := g.Read(buf)
			got = append(got, buf[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, sent) {
			t.Errorf("with reads of %d bytes, %d of %d bytes came", size, len(got), len(sent))
		}
	}
}

// A blocked read holds no buffer; a completed one returns it to the pool.
func TestReadHoldsNothing(t *testing.T) {
	here, there := socketPair(t)
	g := newGatherer(there, nil)
	if g.raw == nil {
		t.Skip("this system cannot wait without a buffer")
	}
	deadline := time.Now().Add(30 * time.Millisecond)
	_ = there.SetReadDeadline(deadline)
	before := g.LastRead()
	_, err := g.Read(make([]byte, 10))
	var timeout net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() || time.Now().Before(deadline) {
		t.Errorf("got %v", err)
	}
	if g.inChunk != nil || !g.LastRead().Equal(before) {
		t.Error("waiting has taken a buffer, or counted as a read")
	}
	_ = there.SetReadDeadline(time.Time{})
	put(t, here, "0123456789")
	if n, err := g.Read(make([]byte, 4)); n != 4 || err != nil || g.inChunk == nil {
		t.Errorf("read %d, %v, and the rest is held: %v", n, err, g.inChunk != nil)
	}
	if n, err := g.Read(make([]byte, 10)); n != 6 || err != nil || g.inChunk != nil {
		t.Errorf("read %d, %v, and a buffer is held: %v", n, err, g.inChunk != nil)
	}
	if !g.LastRead().After(before) {
		t.Error("LastRead has not changed")
	}
}

// Heart-beats depend on LastRead, so a step of the wall clock must not move it.
func TestLastReadIsMonotonic(t *testing.T) {
	_, there := socketPair(t)
	if text := newGatherer(there, nil).LastRead().String(); !strings.Contains(text, " m=") {
		t.Errorf("%s is by the machine's clock", text)
	}
}

// SetReadDeadline interrupts a read that is blocked.
func TestReadIsInterrupted(t *testing.T) {
	_, there := socketPair(t)
	g := newGatherer(there, nil)
	time.AfterFunc(10*time.Millisecond, func() { _ = there.SetReadDeadline(time.Now()) })
	if _, err := g.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	time.AfterFunc(10*time.Millisecond, func() { _ = there.Close() })
	_ = there.SetReadDeadline(time.Time{})
	if _, err := g.Read(make([]byte, 10)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestReadEnds(t *testing.T) {
	here, there := socketPair(t)
	g := newGatherer(there, nil)
	_ = here.CloseWrite()
	for range 2 {
		if n, err := g.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("read %d, %v", n, err)
		}
	}
	here, there = socketPair(t)
	g = newGatherer(there, nil)
	_ = here.SetLinger(0) // makes Close send a reset
	_ = here.Close()
	var op *net.OpError
	if n, err := g.Read(make([]byte, 10)); n != 0 || !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &op) || op.Op != "read" {
		t.Errorf("read %d, %v", n, err)
	}
}

// Reads of a connection without a socket are passed through.
func TestReadWithoutSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		g := newGatherer(there, nil)
		go func() {
			put(t, here, "hello")
			_ = here.Close()
		}()
		got, err := io.ReadAll(g)
		if string(got) != "hello" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

// cut waits neither for a blocked write nor for a closing handshake.
func TestCut(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"plain": func(c net.Conn) net.Conn { return c },
		"tls": func(c net.Conn) net.Conn {
			cert := httptest.NewUnstartedServer(nil)
			cert.StartTLS()
			defer cert.Close()
			return tls.Server(c, cert.TLS)
		},
	} {
		t.Run(name, func(t *testing.T) {
			here, there := stomptest.Pipe(10 << 10)
			c := wrap(there)
			if server, ok := c.(*tls.Conn); ok {
				shaken := make(chan error, 1)
				go func() { shaken <- server.Handshake() }()
				if err := errors.Join(tls.Client(here, &tls.Config{InsecureSkipVerify: true}).Handshake(), <-shaken); err != nil {
					t.Fatal(err)
				}
			}
			_ = there.SetWriteDeadline(time.Now().Add(time.Millisecond))
			for _, err := there.Write(make([]byte, 1<<10)); err == nil; _, err = there.Write(make([]byte, 1<<10)) {
				// until the socket is full
			}
			_ = there.SetWriteDeadline(time.Time{})
			start := time.Now()
			newGatherer(c, nil).Cut()
			if took := time.Since(start); took > 4*time.Second { // crypto/tls waits 5 s to send close_notify
				t.Errorf("it took %v", took)
			}
			if _, err := there.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a write gives %v", err)
			}
		})
	}
}

// The library accepts the frame headers that this package writes.
func TestFrameHeader(t *testing.T) {
	sizes := []int{0, 1, 125, 126, 127, 65535, 65536, 100_000}
	ended := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := &hijacker{ResponseWriter: w}
		if _, err := websocket.Accept(h, r, nil); err != nil {
			ended <- err
			return
		}
		h.conn.cork()
		for i, n := range sizes {
			text := i%2 == 0
			if err := h.conn.writeFrame(appendFrameHeader(nil, text, n), payload(n, text), nil); err != nil {
				ended <- err
				return
			}
		}
		ended <- h.conn.flush()
	}))
	defer s.Close()
	c, _, err := websocket.Dial(context.Background(), "ws"+strings.TrimPrefix(s.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	for i, n := range sizes {
		typ, p, err := c.Read(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if text := i%2 == 0; (typ == websocket.MessageText) != text || !bytes.Equal(p, payload(n, text)) {
			t.Errorf("a message of %d bytes came as %v of %d", n, typ, len(p))
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func payload(n int, text bool) []byte {
	p := bytes.Repeat([]byte{'x'}, n)
	if !text && n > 0 {
		p[n-1] = 0xff
	}
	if utf8.Valid(p) != (text || n == 0) {
		panic("the payload is wrong")
	}
	return p
}
