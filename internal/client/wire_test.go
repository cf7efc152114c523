package client

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/go-stomp/stomp/v3/frame"
)

func TestScannerCutsAtAnyChunking(t *testing.T) {
	want := []string{
		"\n",
		"SEND\ndestination:/queue/a\ncontent-length:3\n\na\x00b\x00",
		"\r\n",
		"RECEIPT\r\nreceipt-id:1\r\n\r\n\x00",
		"MESSAGE\na:b\n\ntext without a length\x00",
		"\n", "\n",
		"SEND\ncontent-length:0\ncontent-length:9\n\n\x00",
		"SEND\ncontent-length:many\n\nbody\x00",
	}
	stream := strings.Join(want, "")
	for size := 1; size <= len(stream); size++ {
		var s scanner
		var got []string
		for chunk := range slices.Chunk([]byte(stream), size) {
			s.feed(chunk)
			for f := s.next(); f != nil; f = s.next() {
				got = append(got, string(f))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("in chunks of %d:\ngot  %q\nwant %q", size, got, want)
		}
	}
}

// A memory is a stream that records each message written.
type memory struct {
	bytes.Buffer
	messages []string
}

func (m *memory) Write(p []byte) (int, error) {
	m.messages = append(m.messages, string(p))
	return len(p), nil
}
func (m *memory) Close() error { return nil }
func (m *memory) abort()       {}

func TestWireMendsFrames(t *testing.T) {
	m := &memory{}
	w := frame.NewWriterSize(&wire{stream: m}, 16) // small, so that go-stomp splits each frame over many writes
	frames := []*frame.Frame{
		frame.New(frame.CONNECT, "passcode", `a:b\c`),
		frame.New(frame.SUBSCRIBE, "id", "0", subscribeReceipt, "ready:1"),
		frame.New(frame.SEND, "k", `a:b\c`),
		nil,
	}
	for _, f := range frames {
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"CONNECT\npasscode:a:b\\c\n\n\x00",
		"SUBSCRIBE\nid:0\nreceipt:ready\\c1\n\n\x00",
		"SEND\nk:a\\cb\\\\c\n\n\x00",
		"\n",
	}
	if !slices.Equal(m.messages, want) {
		t.Errorf("\ngot  %q\nwant %q", m.messages, want)
	}
}
