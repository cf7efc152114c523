package stomptest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A recorder is a testing.TB that records the failure.
type recorder struct {
	testing.TB
	why string
}

func (r *recorder) Helper()        {}
func (r *recorder) Cleanup(func()) {}
func (r *recorder) Fatalf(format string, a ...any) {
	r.why = fmt.Sprintf(format, a...)
	runtime.Goexit()
}

// failure runs a conversation with a server that sends says, and returns the
// failure message.
func failure(says string, f func(c *Client)) string {
	r := &recorder{}
	here, there := Pipe(1 << 20)
	_, _ = io.WriteString(there, says)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(New(r, here))
	}()
	<-done
	_ = there.Close()
	return r.why
}

const message = "MESSAGE\nsubscription:1\nmessage-id:x\na:b\\cc\n\nbody\x00"

func TestClient(t *testing.T) {
	for name, tc := range map[string]struct {
		says string
		do   func(c *Client)
		want string // part of the failure; empty: none
	}{
		"message":         {message, func(c *Client) { c.Want("MESSAGE", "subscription:1", "a:b:c", "!ack", "", "body") }, ""},
		"command":         {message, func(c *Client) { c.Want("RECEIPT") }, "another command"},
		"header":          {message, func(c *Client) { c.Want("MESSAGE", "subscription:2") }, `subscription is "1"`},
		"missing header":  {message, func(c *Client) { c.Want("MESSAGE", "ack:2") }, `ack is ""`},
		"extra header":    {message, func(c *Client) { c.Want("MESSAGE", "!a") }, "a should be missing"},
		"body":            {message, func(c *Client) { c.Want("MESSAGE", "", "other") }, "another body"},
		"no frame":        {"rubbish\n", func(c *Client) { c.Next() }, "not a frame"},
		"silence":         {"", func(c *Client) { c.Next() }, "timeout"},
		"beat":            {"\n" + message, func(c *Client) { c.WantBeat(); c.Want("MESSAGE") }, ""},
		"beat behind":     {message + "\n\n\n", func(c *Client) { c.Next(); c.WantBeat(); c.WantBeat() }, ""},
		"line end behind": {message + "\n", func(c *Client) { c.Next(); c.WantBeat() }, "timeout"},
		"no beat":         {message, func(c *Client) { c.WantBeat() }, "want a heart-beat"},
		"not closed":      {message, func(c *Client) { c.WantClosed() }, "want the end"},
		"open":            {"", func(c *Client) { c.WantClosed() }, "is open"},
		"error": {"ERROR\nmessage:word\nversion:1.2\ncontent-type:text/plain\nreceipt-id:r\n\nThe header\x00", func(c *Client) {
			c.WantError("word", "r", "the header")
		}, ""},
		"error's body": {"ERROR\nmessage:word\nversion:1.2\ncontent-type:text/plain\n\nprose\x00", func(c *Client) {
			c.WantError("word", "", "limits.x")
		}, "limits.x"},
		"receipt-id": {"ERROR\nmessage:word\ncontent-type:text/plain\n\n\x00", func(c *Client) { c.WantError("word", "r") }, "receipt-id is"},
		"barrier": {message + "RECEIPT\nreceipt-id:stomptest-barrier-1\n\n\x00", func(c *Client) {
			c.Barrier()
			c.Want("MESSAGE")
		}, ""},
		"something": {message + "RECEIPT\nreceipt-id:stomptest-barrier-1\n\n\x00", func(c *Client) { c.WantNothing() }, "want nothing"},
		"transcript": {message, func(c *Client) {
			c.Send("SEND", "destination:/queue/a", "", "x")
			c.Next()
			c.Next()
		}, `>>> "SEND\ndestination:/queue/a\n\nx\x00"` + "\n" + `<<< "MESSAGE`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				why := failure(tc.says, tc.do)
				if tc.want == "" && why != "" || !strings.Contains(why, tc.want) {
					t.Errorf("failure is %q, want %q in it", why, tc.want)
				}
			})
		})
	}
}

func TestRaw(t *testing.T) {
	here, there := Pipe(1 << 10)
	c := New(t, here)
	_, _ = io.WriteString(there, "\n\r\n"+message+message)
	for i := range 2 {
		if f := c.Next(); f.Beats != 2-2*i || f.Raw != message || strings.Join(f.Lines(), ",") != "subscription:1,message-id:x,a:b\\cc" {
			t.Errorf("raw is %q, lines are %q", f.Raw, f.Lines())
		}
	}
}

func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(10)
		go func() {
			if _, err := io.WriteString(a, strings.Repeat("x", 35)); err != nil {
				t.Error(err)
			}
			_ = a.Close()
		}()
		got, err := io.ReadAll(b)
		if err != nil || len(got) != 35 {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("write to a closed end: %v", err)
		}
	})
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(10)
		start := time.Now()
		_ = a.SetDeadline(start.Add(time.Minute))
		if n, err := a.Write(make([]byte, 20)); n != 10 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("wrote %d, %v", n, err)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("waited %v", took)
		}
		_ = a.SetDeadline(time.Time{})
		go func() { _ = a.SetReadDeadline(time.Now()) }()
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a deadline did not end a read: %v", err)
		}
		_ = a.Close()
		if n, err := b.Read(make([]byte, 20)); n != 10 || err != nil {
			t.Errorf("bytes written before the end: %d, %v", n, err)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read of an own end that is closed: %v", err)
		}
	})
}
