package broker

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/destination"
	"hoofbeat/frames"
)

func TestMessageTail(t *testing.T) {
	d := readDestination(t, "/queue/q", alice)
	f := frame.New(frame.SEND, frame.Destination, "/queue/q",
		"a", "1", "content-length", "99", "message-id", "forged", "subscription", "0", "ack", "0", "redelivered", "true",
		"delivery-count", "7", "receipt", "r", "transaction", "t", "user", "root", "a", "2", "reply-to", "/temp-queue/r", "url", "http://x", "z", "")
	f.Body = []byte("body\x00")
	before := f.Header.Len()
	for replyTo, written := range map[string]string{"": "/temp-queue/r", "/reply-queue/c1.r": "/reply-queue/c1.r"} {
		m := NewMessage(d, Content{Header: f.Header, Body: f.Body}, Properties{ReplyTo: replyTo})
		want := "a:1\na:2\nreply-to:" + written + "\nurl:%s\nz:\ncontent-length:5\n\nbody\x00\x00"
		for v, url := range map[frames.Version]string{frames.V10: "http://x", frames.V11: `http\c//x`, frames.V12: `http\c//x`} {
			if got := string(m.AppendTail([]byte("<"), v)); got != "<"+fmt.Sprintf(want, url) {
				t.Errorf("in %s: got %q", v, got)
			}
		}
		if string(m.Body()) != "body\x00" || !m.Text() || m.Destination() != "/queue/q" {
			t.Errorf("body %q, text %v, destination %q", m.Body(), m.Text(), m.Destination())
		}
	}
	if f.Header.Len() != before || f.Header.Get("reply-to") != "/temp-queue/r" {
		t.Error("the frame was changed")
	}
	f.Body = []byte{0xff}
	if NewMessage(d, Content{Header: f.Header, Body: f.Body}, Properties{Priority: DefaultPriority}).Text() {
		t.Error("a body that is not UTF-8 passes as text")
	}
}

// TestMessageKeepsNoFrame: a message takes as much memory as its Size says,
// without the frame's headers that are left out.
func TestMessageKeepsNoFrame(t *testing.T) {
	const n, header = 200, 60 << 10
	namespace := destination.DefaultNamespace()
	messages := make([]*Message, 0, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	size := 0
	for i := range n {
		// As the decoder does: all strings are parts of one.
		text := fmt.Sprintf("/queue/q.%d", i)
		block := text + strings.Repeat("x", header)
		d, err := namespace.ForSend(block[:len(text)], alice)
		if err != nil {
			t.Fatal(err)
		}
		m := NewMessage(d, Content{Header: frame.New(frame.SEND, frame.Destination, block[:len(text)], "receipt", block[len(text):]).Header}, Properties{})
		messages = append(messages, m)
		size += m.Size()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > int64(10*size) {
		t.Errorf("%d messages of %d bytes together take %d", len(messages), size, grown)
	}
	runtime.KeepAlive(messages)
}
