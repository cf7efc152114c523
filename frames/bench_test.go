package frames

import (
	"strings"
	"testing"

	"github.com/go-stomp/stomp/v3/frame"
)

var smallSend = "SEND\ndestination:/topic/prices.eu.42\ncontent-type:application/json\nx-trace:0af7651916cd43dd8448eb211c80319c\ncontent-length:128\n\n" +
	strings.Repeat("x", 128) + "\x00"

func (d decoded) frame() *frame.Frame {
	f := frame.New(d.command, d.headers...)
	f.Body = []byte(d.body)
	return f
}

func BenchmarkDecodeSmallSend(b *testing.B) {
	d := client(V12)
	b.ReportAllocs()
	b.SetBytes(int64(len(smallSend)))
	for b.Loop() {
		d.Commit(copy(d.Space(), smallSend))
		if _, err := d.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeManySends decodes many frames per read, as under load.
func BenchmarkDecodeManySends(b *testing.B) {
	d := client(V12)
	const n = 40
	in := strings.Repeat(smallSend, n)
	b.ReportAllocs()
	for b.Loop() {
		d.Commit(copy(d.Space(), in))
		for range n {
			if f, err := d.Next(); err != nil || f.Frame == nil {
				b.Fatal(f, err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/frame")
}

func BenchmarkEncodeMessage(b *testing.B) {
	f := frame.New("MESSAGE", "subscription", "sub-0", "message-id", "x1-17", "destination", "/topic/prices.eu.42", "content-type", "application/json")
	f.Body = []byte(strings.Repeat("x", 128))
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = Append(buf[:0], f, V12)
	}
}
