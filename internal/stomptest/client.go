package stomptest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"hoofbeat/frames"
)

// A Conn carries a Client's bytes: any net.Conn, or an adaptor. Writes must not
// depend on the other side's reads, or both sides may block forever; see
// [Pipe].
type Conn interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// DefaultLimit is how long a Client waits for each expected frame. A large body
// takes long on a busy machine with the race detector.
const DefaultLimit = 30 * time.Second

// A Client is one end of a conversation. Its methods end the test when an
// expectation fails, so they must be called from the test's goroutine.
type Client struct {
	// Limit is how long to wait for an expected frame. In a testing/synctest
	// bubble, waiting costs no time.
	Limit time.Duration

	t       testing.TB
	conn    Conn
	decoder *frames.Decoder
	version frames.Version
	unread  []byte  // read, and not given to the decoder yet
	raw     []byte  // bytes of the frame that is being read
	early   []Frame // frames that a barrier has read and no Want has taken
	buffer  []byte
	told    transcript
	barrier int
}

// New returns the client's end of a conversation over conn. It closes conn when
// the test ends.
func New(t testing.TB, conn Conn) *Client {
	c := &Client{Limit: DefaultLimit, t: t, conn: conn, buffer: make([]byte, 16<<10)}
	c.setVersion(frames.V12)
	t.Cleanup(func() { _ = conn.Close() })
	return c
}

func (c *Client) setVersion(v frames.Version) {
	limits := frames.Limits{HeaderBytes: 1 << 20, Headers: 1000, BodyBytes: 64 << 20, BytesBeforeConnect: 1 << 20}
	c.version, c.decoder = v, frames.NewServerDecoder(limits, v)
}

// Connect sends CONNECT for a version with further headers, and expects
// CONNECTED. Without a heart-beat header, it disables heart-beats.
func (c *Client) Connect(version string, headers ...string) Frame {
	c.t.Helper()
	lines := []string{"accept-version:" + version, "host:stomptest"}
	f := c.open(append(lines, headers...))
	if got := f.Get("version"); got != version {
		c.Fatalf("version %q was negotiated, want %q", got, version)
	}
	return f
}

// ConnectAs is Connect with exactly these headers.
func (c *Client) ConnectAs(headers ...string) Frame {
	c.t.Helper()
	return c.open(headers)
}

func (c *Client) open(headers []string) Frame {
	c.t.Helper()
	c.Send("CONNECT", headers...)
	f := c.Want("CONNECTED")
	v, ok := frames.ParseVersion(f.Get("version"))
	if !ok {
		c.Fatalf("CONNECTED without a known version")
	}
	c.setVersion(v)
	return f
}

// Send sends a frame: its command, its header lines without further encoding,
// and after an empty string its body.
func (c *Client) Send(command string, lines ...string) {
	c.t.Helper()
	headers, body, _ := split(lines)
	var b strings.Builder
	b.WriteString(command + "\n")
	for _, h := range headers {
		b.WriteString(h + "\n")
	}
	c.Write(b.String() + "\n" + body + "\x00")
}

// Write sends raw bytes.
func (c *Client) Write(raw string) {
	c.t.Helper()
	c.told.add(">>> ", raw)
	if err := c.TryWrite(raw); err != nil {
		c.Fatalf("write: %v", err)
	}
}

// TryWrite is Write for a connection that may be closed.
func (c *Client) TryWrite(raw string) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.Limit)); err != nil {
		return err
	}
	_, err := io.WriteString(c.conn, raw)
	return err
}

// Close ends the connection without DISCONNECT.
func (c *Client) Close() { _ = c.conn.Close() }

// HalfClose ends the client's writing side. The client can still read.
func (c *Client) HalfClose() {
	c.t.Helper()
	var err error
	switch conn := c.conn.(type) {
	case *end:
		err = conn.halfClose()
	case interface{ CloseWrite() error }:
		err = conn.CloseWrite()
	default:
		err = errors.New("the connection has no halves")
	}
	if err != nil {
		c.Fatalf("half close: %v", err)
	}
}

// split splits the arguments of Send and Want at the first empty string.
func split(lines []string) (headers []string, body string, hasBody bool) {
	for i, l := range lines {
		if l == "" {
			return lines[:i], strings.Join(lines[i+1:], ""), true
		}
	}
	return lines, "", false
}

// fill reads at least one byte.
func (c *Client) fill() error {
	if err := c.conn.SetReadDeadline(time.Now().Add(c.Limit)); err != nil {
		return err
	}
	n, err := c.conn.Read(c.buffer)
	c.unread = append(c.unread, c.buffer[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// Fatalf ends the test with a message and the conversation so far.
func (c *Client) Fatalf(format string, a ...any) {
	c.t.Helper()
	c.t.Fatalf("%s\nThe conversation was:\n%s", fmt.Sprintf(format, a...), c.told.String())
}

// isEnd distinguishes the end of a connection from a timeout.
func isEnd(err error) bool {
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !isTimeout(err)
}

func isTimeout(err error) bool {
	t := net.Error(nil)
	return errors.As(err, &t) && t.Timeout()
}

// A transcript is the latest part of the conversation.
type transcript struct {
	lines   []string
	skipped int
}

func (t *transcript) add(arrow, text string) {
	const most, longest = 40, 300
	if len(text) > longest {
		text = text[:longest] + fmt.Sprintf("... (%d bytes)", len(text))
	}
	if t.lines = append(t.lines, fmt.Sprintf("%s%q", arrow, text)); len(t.lines) > 2*most {
		t.skipped += most
		t.lines = append(t.lines[:0], t.lines[most:]...)
	}
}

func (t *transcript) String() string {
	s := strings.Join(t.lines, "\n")
	if t.skipped > 0 {
		s = fmt.Sprintf("(%d frames)\n", t.skipped) + s
	}
	return s
}
