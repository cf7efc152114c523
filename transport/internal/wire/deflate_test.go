package wire

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"hoofbeat/frames"
	"hoofbeat/session"
)

// compressing returns a connection that writes compressed messages to a tape.
func compressing(c *compression) (*WebSocket, *tape) {
	to := &tape{}
	return &WebSocket{link: link{gatherer: newGatherer(to, nil)}, compression: c}, to
}

// message returns the payload of the only message on a tape, and whether it was
// compressed.
func (c *tape) message(t *testing.T) (payload []byte, compressed bool) {
	t.Helper()
	raw := []byte(strings.Join(c.writes, ""))
	c.writes = nil
	compressed = raw[0]&compressedBit != 0
	n, rest := uint64(raw[1]), raw[2:]
	switch n {
	case 126:
		n, rest = uint64(binary.BigEndian.Uint16(rest)), rest[2:]
	case 127:
		n, rest = binary.BigEndian.Uint64(rest), rest[8:]
	}
	if raw[0]&finBit == 0 || uint64(len(rest)) != n {
		t.Fatalf("the frame has %d bytes of payload and announces %d", len(rest), n)
	}
	if !compressed {
		return rest, false
	}
	// RFC 7692, 7.2.2; the last block ends the stream for the library.
	in := io.MultiReader(bytes.NewReader(rest), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))
	payload, err := io.ReadAll(flate.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	return payload, true
}

func randomText(r *rand.Rand, n int) []byte {
	words := strings.Fields(`{"price": 12.5, "symbol": "abc", "volume": true} grüße`)
	var b []byte
	for len(b) < n {
		b = append(b, words[r.IntN(len(words))]...)
	}
	return b[:n]
}

// Each message is one valid message by itself, whatever its parts, its threshold
// and its window.
func TestDeflatedMessages(t *testing.T) {
	sizes := []int{0, 1, 5, 100, 511, 512, 1000, 5000, 70_000, 200_000}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		c, to := compressing(&compression{new(deflater), 1 << (8 + r.IntN(8)), r.IntN(600)})
		head := randomText(r, 1+sizes[r.IntN(len(sizes))])
		tail := &frames.Tail{Bytes: randomText(r, sizes[r.IntN(len(sizes))])}
		if r.IntN(5) == 0 {
			tail = nil
		}
		for range 2 { // the second time with what the first one has kept
			if err := c.WriteFrame(head, tail, true); err != nil {
				t.Fatal(err)
			}
			if err := c.Flush(); err != nil {
				t.Fatal(err)
			}
			want := string(head) + string(tail.Span())
			got, compressed := to.message(t)
			if string(got) != want {
				t.Fatalf("seed %d: %d bytes came, want %d", seed, len(got), len(want))
			}
			if compressed && len(want) < c.compression.threshold || !compressed && len(want) > 5000 && tail.Len() > len(head) {
				t.Errorf("seed %d: compressed: %v, of %d and %d bytes", seed, compressed, len(head), tail.Len())
			}
		}
	}
}

// No reference goes further back than the window: without what is before the
// window, the rest is still readable.
func TestDeflateKeepsToWindow(t *testing.T) {
	text := bytes.Repeat([]byte("The same again and again. "), 4000)
	for bits := 8; bits <= 15; bits++ {
		window := 1 << bits
		out := deflate(nil, text, window)
		in := flate.NewReader(io.MultiReader(bytes.NewReader(out), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
		got, err := io.ReadAll(in)
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%d bits: %v", bits, err)
		}
		if window == maxWindow {
			continue
		}
		// Blocks of one window each are independent: any of them can be read alone.
		for at := 0; at < len(text); at += window {
			end := min(at+window, len(text))
			piece := deflate(nil, text[at:end], window)
			if i := bytes.Index(out, piece); i < 0 {
				t.Fatalf("%d bits: the piece at %d is not a stream of its own", bits, at)
			}
		}
	}
}

// What does not become shorter is sent as it is.
func TestIncompressible(t *testing.T) {
	c, to := compressing(&compression{new(deflater), maxWindow, 0})
	random := make([]byte, 4096)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	tail := &frames.Tail{Bytes: random}
	for _, f := range []func() error{
		func() error { return c.WriteFrame([]byte("MESSAGE\n"), tail, false) },
		func() error { return c.WriteFrame(random, nil, false) },
	} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
		_ = c.Flush()
		if _, compressed := to.message(t); compressed {
			t.Error("a random message was compressed")
		}
	}
	if c.compression.deflater.bytes != 0 {
		t.Errorf("%d bytes are kept", c.compression.deflater.bytes)
	}
}

// All connections share the compressed bytes, and these stay within their bound.
func TestDeflatedOnce(t *testing.T) {
	shared := &compression{new(deflater), maxWindow, 0}
	r := rand.New(rand.NewPCG(3, 4))
	var tails []*frames.Tail
	for range 40 {
		tails = append(tails, &frames.Tail{Bytes: randomText(r, 400_000)})
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			c, _ := compressing(shared)
			for _, tail := range tails {
				if err := c.WriteFrame([]byte("MESSAGE\n"), tail, true); err != nil {
					t.Error(err)
				}
			}
			_ = c.Flush()
		})
	}
	wait.Wait()
	d := shared.deflater
	kept, sum := 0, 0
	for _, tail := range tails {
		if p := tail.Deflated.Load(); p != nil {
			kept++
			sum += len(tail.Bytes) + len(*p)
		}
	}
	if kept != len(d.kept) || sum != d.bytes || sum > keptBytes || kept < 10 {
		t.Errorf("%d tails have compressed bytes, %d together; kept are %d, %d", kept, sum, len(d.kept), d.bytes)
	}
	last := tails[len(tails)-1]
	before := last.Deflated.Load()
	if d.of(last); before == nil || last.Deflated.Load() != before {
		t.Error("the last tail was compressed again")
	}
}

func TestTakeWindow(t *testing.T) {
	for offer, want := range map[string]struct {
		bits int
		rest string
	}{
		"": {0, ""},
		"permessage-deflate; client_max_window_bits":                                 {0, "permessage-deflate; client_max_window_bits"},
		"permessage-deflate; server_max_window_bits=10":                              {10, "permessage-deflate; server_max_window_bits=15"},
		`permessage-deflate;server_max_window_bits="9"`:                              {9, "permessage-deflate;server_max_window_bits=15"},
		"permessage-deflate; server_max_window_bits=15, permessage-deflate":          {15, "permessage-deflate; server_max_window_bits=15, permessage-deflate"},
		"a; server_max_window_bits=12, permessage-deflate; server_max_window_bits=8": {8, "a; server_max_window_bits=15, permessage-deflate; server_max_window_bits=15"},
		"permessage-deflate; server_max_window_bits=7":                               {0, "permessage-deflate; server_max_window_bits=7"},
		"permessage-deflate; server_max_window_bits=x":                               {0, "permessage-deflate; server_max_window_bits=x"},
		"permessage-deflate; server_max_window_bits":                                 {0, "permessage-deflate; server_max_window_bits"},
	} {
		r := &http.Request{Header: http.Header{}}
		if offer != "" {
			r.Header.Set(extensions, offer)
		}
		got, bits := takeWindow(r)
		if rest := got.Header.Get(extensions); bits != want.bits || rest != want.rest || r.Header.Get(extensions) != offer {
			t.Errorf("%q: %d bits, and %q goes on", offer, bits, rest)
		}
	}
}

// BenchmarkDeflatedFanOut writes one message of 1 KiB to 50 connections.
func BenchmarkDeflatedFanOut(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 6))
	shared := &compression{new(deflater), maxWindow, 512}
	var conns []*WebSocket
	for range 50 {
		c, to := compressing(shared)
		to.err = nil
		c.gatherer.Conn = discard{to}
		conns = append(conns, c)
	}
	head := []byte("MESSAGE\nsubscription:0\nmessage-id:abc-1\ndestination:/topic/prices\n")
	body := randomText(r, 1024)
	b.ReportAllocs()
	for b.Loop() {
		tail := &frames.Tail{Bytes: body}
		for _, c := range conns {
			if err := c.WriteFrame(head, tail, true); err != nil {
				b.Fatal(err)
			}
		}
		for _, c := range conns {
			_ = c.Flush()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(conns)), "ns/delivery")
}

// discard is a tape that records nothing.
type discard struct{ *tape }

func (discard) Write(p []byte) (int, error) { return len(p), nil }

var _ session.Conn = (*WebSocket)(nil)
