package stomptest

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"hoofbeat/frames"
)

// A Frame is one that came.
type Frame struct {
	frames.Inbound
	Raw   string // as it came, without the line ends before it
	Beats int    // how many line ends came before it
}

// Get gives a header's first value, with its escapes undone.
func (f Frame) Get(name string) string { return f.Header.Get(name) }

// Lines gives the header lines as they came.
func (f Frame) Lines() []string {
	head, _, _ := strings.Cut(f.Raw, "\n\n")
	return strings.Split(head, "\n")[1:]
}

// Next gives the next frame, whatever it is.
func (c *Client) Next() Frame {
	c.t.Helper()
	f, err := c.TryNext()
	if err != nil {
		c.Fatalf("no frame came: %v", err)
	}
	return f
}

// TryNext is Next where the connection may have ended.
func (c *Client) TryNext() (Frame, error) {
	if len(c.early) > 0 {
		f := c.early[0]
		c.early = c.early[1:]
		return f, nil
	}
	return c.read()
}

// read takes one frame off the connection. The decoder is given no byte behind
// a NUL that might end the frame, so that nothing of what follows is in it.
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
				c.unread = c.unread[1:] // the line end that follows a frame on a stream; no heart-beat
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

// Want wants the next frame to be of that command, with these headers
// (name:value as decoded, or !name for one that must be missing) and, behind
// an empty string, this body. Other headers do not matter.
func (c *Client) Want(command string, lines ...string) Frame {
	c.t.Helper()
	f := c.Next()
	if why := f.differs(command, lines); why != "" {
		c.Fatalf("got %q, want %s %q: %s", f.Raw, command, lines, why)
	}
	return f
}

// differs tells what is not as wanted, or nothing.
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

// WantReceipt wants a RECEIPT.
func (c *Client) WantReceipt(id string) {
	c.t.Helper()
	c.Want("RECEIPT", "receipt-id:"+id)
}

// WantError wants an ERROR with that word in its message header, that
// receipt-id or none, and these parts in its body, whatever their case.
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

// WantClosed wants nothing more to come but the end of the connection.
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

// WantBeat wants the next that comes to be a heart-beat.
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

// Barrier returns when everything that was sent before has been handled: a
// message to a user that does not exist has got its RECEIPT. What came before
// that is kept for Want.
func (c *Client) Barrier() {
	c.t.Helper()
	c.barrier++
	id := fmt.Sprintf("stomptest-barrier-%d", c.barrier)
	c.Send("SEND", "destination:/user/stomptest/queue/barrier", "receipt:"+id)
	c.AwaitReceipt(id)
}

// AwaitReceipt is WantReceipt where other frames may come before; they are
// kept for Want.
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

// WantNothing wants that nothing has come, and nothing comes of what was sent
// until now.
func (c *Client) WantNothing() {
	c.t.Helper()
	c.Barrier()
	if len(c.early) > 0 {
		c.Fatalf("got %q, want nothing", c.early[0].Raw)
	}
}

// WantLife reads for a while whatever comes, and wants no longer silence than
// that.
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
