package stomptest

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"hoofbeat/frames"
)

// A Frame is a received frame.
type Frame struct {
	frames.Inbound
	Raw   string // its bytes, without the line ends before it
	Beats int    // number of line ends before it
}

// Get returns the first value of a header, unescaped.
func (f Frame) Get(name string) string { return f.Header.Get(name) }

// Lines returns the header lines as encoded.
func (f Frame) Lines() []string {
	head, _, _ := strings.Cut(f.Raw, "\n\n")
	return strings.Split(head, "\n")[1:]
}

// Next returns the next frame.
func (c *Client) Next() Frame {
	c.t.Helper()
	f, err := c.TryNext()
	if err != nil {
		c.Fatalf("no frame came: %v", err)
	}
	return f
}

// TryNext is Next for a connection that may have ended.
func (c *Client) TryNext() (Frame, error) {
	if len(c.early) > 0 {
		f := c.early[0]
		c.early = c.early[1:]
		return f, nil
	}
	return c.read()
}

// read reads one frame. It gives the decoder no byte after a NUL that may end
// the frame, so that Raw contains exactly one frame.
func (c *Client) read() (Frame, error) {
	for {
		in, err := c.decoder.Next()
		if err != nil {
			return Frame{}, fmt.Errorf("not a frame (%w): %q", err, c.raw)
		}
		if in.Frame != nil {
			raw := string(c.raw)
			c.raw = c.raw[:0]
			f := Frame{Inbound: in, Raw: strings.TrimLeft(raw, "\r\n")}
			f.Beats = strings.Count(raw[:len(raw)-len(f.Raw)], "\n")
			c.told.add("<<< ", f.Raw)
			if len(c.unread) > 0 && c.unread[0] == '\n' {
				c.unread = c.unread[1:] // the LF after a frame on a stream; not a heart-beat
			}
			return f, nil
		}
		for len(c.unread) == 0 {
			if err := c.fill(); err != nil {
				return Frame{}, err
			}
		}
		part := c.unread
		if i := bytes.IndexByte(part, 0); i >= 0 {
			part = part[:i+1]
		}
		n := copy(c.decoder.Space(), part)
		c.decoder.Commit(n)
		c.raw = append(c.raw, part[:n]...)
		c.unread = c.unread[n:]
	}
}

// Want expects the next frame to have this command, these headers (name:value,
// unescaped, or !name for a header that must be missing) and, after an empty
// string, this body. Further headers are ignored.
func (c *Client) Want(command string, lines ...string) Frame {
	c.t.Helper()
	f := c.Next()
	if why := f.differs(command, lines); why != "" {
		c.Fatalf("got %q, want %s %q: %s", f.Raw, command, lines, why)
	}
	return f
}

// differs returns the difference from the expected frame, or "".
func (f Frame) differs(command string, lines []string) string {
	if f.Command != command {
		return "another command"
	}
	headers, body, hasBody := split(lines)
	for _, h := range headers {
		if name, ok := strings.CutPrefix(h, "!"); ok {
			if _, there := f.Header.Contains(name); there {
				return name + " should be missing"
			}
			continue
		}
		name, value, _ := strings.Cut(h, ":")
		if got, ok := f.Header.Contains(name); !ok || got != value {
			return fmt.Sprintf("%s is %q", name, got)
		}
	}
	if hasBody && string(f.Body) != body {
		return "another body"
	}
	return ""
}

// WantReceipt expects a RECEIPT.
func (c *Client) WantReceipt(id string) {
	c.t.Helper()
	c.Want("RECEIPT", "receipt-id:"+id)
}

// WantError expects an ERROR with this word in its message header, this
// receipt-id (or none), and a body that contains the parts, ignoring case.
func (c *Client) WantError(word, receipt string, parts ...string) Frame {
	c.t.Helper()
	id := "!receipt-id"
	if receipt != "" {
		id = "receipt-id:" + receipt
	}
	f := c.Want("ERROR", "message:"+word, id, "content-type:text/plain")
	if f.Get("version") == "" {
		c.Fatalf("ERROR without version")
	}
	for _, p := range parts {
		if !strings.Contains(strings.ToLower(string(f.Body)), strings.ToLower(p)) {
			c.Fatalf("the ERROR's body is %q; want %q in it", f.Body, p)
		}
	}
	return f
}

// WantClosed expects the end of the connection and no more frames.
func (c *Client) WantClosed() {
	c.t.Helper()
	f, err := c.TryNext()
	switch {
	case err == nil:
		c.Fatalf("got %q, want the end", f.Raw)
	case !isEnd(err):
		c.Fatalf("the connection is open: %v", err)
	}
}

// WantBeat expects a heart-beat to come next.
func (c *Client) WantBeat() {
	c.t.Helper()
	for len(c.unread) == 0 {
		if err := c.fill(); err != nil {
			c.Fatalf("no heart-beat came: %v", err)
		}
	}
	if c.unread[0] != '\n' || len(c.raw) > 0 || len(c.early) > 0 {
		c.Fatalf("got %q, want a heart-beat", c.unread)
	}
	c.unread = c.unread[1:]
}

// Barrier returns when the broker has handled everything sent before: it sends
// a message to a user that does not exist and waits for the RECEIPT. Frames
// that come before are kept for Want.
func (c *Client) Barrier() {
	c.t.Helper()
	c.barrier++
	id := fmt.Sprintf("stomptest-barrier-%d", c.barrier)
	c.Send("SEND", "destination:/user/stomptest/queue/barrier", "receipt:"+id)
	c.AwaitReceipt(id)
}

// AwaitReceipt is WantReceipt if other frames may come first; those are kept
// for Want.
func (c *Client) AwaitReceipt(id string) {
	c.t.Helper()
	for {
		f, err := c.read()
		if err != nil {
			c.Fatalf("the RECEIPT %q did not come: %v", id, err)
		}
		if f.Command == "RECEIPT" && f.Get("receipt-id") == id {
			return
		}
		c.early = append(c.early, f)
	}
}

// WantNothing expects that no frame has come, and none results from anything
// sent before.
func (c *Client) WantNothing() {
	c.t.Helper()
	c.Barrier()
	if len(c.early) > 0 {
		c.Fatalf("got %q, want nothing", c.early[0].Raw)
	}
}

// WantLife reads everything that comes for a while, and expects no longer
// silence than that.
func (c *Client) WantLife(while, silence time.Duration) {
	c.t.Helper()
	for start := time.Now(); time.Since(start) < while; {
		last := time.Now()
		if err := c.fill(); err != nil {
			c.Fatalf("nothing came: %v", err)
		}
		if gap := time.Since(last); gap > silence {
			c.Fatalf("nothing came for %v, want something each %v", gap, silence)
		}
		c.unread = c.unread[:0]
	}
}
