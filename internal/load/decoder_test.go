package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// transcript is a Handler that records its calls.
type transcript struct{ lines []string }

func (*transcript) Begin(int64) {}
func (*transcript) End() error  { return nil }

func (t *transcript) Frame(f *Frame) error {
	t.lines = append(t.lines, fmt.Sprintf("%s ack=%q headers=%q body=%q", f.Command, f.Ack, f.Headers, f.Body))
	return nil
}

// feed passes stream to a decoder in pieces of the sizes that next returns.
func feed(d *decoder, stream []byte, h Handler, next func() int) error {
	buf := make([]byte, len(stream)+1)
	left := 0
	for len(stream) > 0 {
		n := copy(buf[left:], stream[:min(len(stream), max(1, next()))])
		stream = stream[n:]
		var err error
		if left, err = d.decode(buf[:left+n], h); err != nil {
			return err
		}
	}
	if left > 0 {
		return fmt.Errorf("%d bytes left", left)
	}
	return nil
}

// serverFrame returns an unmasked WebSocket frame.
func serverFrame(final bool, op byte, payload string) []byte {
	b := []byte{op}
	if final {
		b[0] |= 0x80
	}
	switch {
	case len(payload) < 126:
		b = append(b, byte(len(payload)))
	case len(payload) < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(len(payload)))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(len(payload)))
	}
	return append(b, payload...)
}

// stompSample returns a stream with the difficult cases of STOMP, and its
// frames as transcript records them.
func stompSample() (stream string, want []string) {
	long := strings.Repeat("long body with \x00 in it\n\n", 3000)
	stream = "\n\r\nCONNECTED\nversion:1.2\n\n\x00\n" +
		"MESSAGE\r\nack:a\\c1\r\nack:second\r\ncontent-length:3\r\n\r\na\x00b\x00\r\n\n" +
		"RECEIPT\nreceipt-id:7\n\n\x00" +
		"MESSAGE\nack:9\n\nno length\x00\n" +
		"MESSAGE\nc:\nak:1\ncontent-length:" + fmt.Sprint(len(long)) + "\n\n" + long + "\x00" +
		"ERROR\nmessage:m\n\n\x00\n\n"
	return stream, []string{
		`CONNECTED ack="" headers="version:1.2\n" body=""`,
		`MESSAGE ack="a\\c1" headers="ack:a\\c1\r\nack:second\r\ncontent-length:3\r\n" body="a\x00b"`,
		`RECEIPT ack="" headers="receipt-id:7\n" body=""`,
		`MESSAGE ack="9" headers="ack:9\n" body="no length"`,
		fmt.Sprintf(`MESSAGE ack="" headers="c:\nak:1\ncontent-length:%d\n" body=%q`, len(long), long),
		`ERROR ack="" headers="message:m\n" body=""`,
	}
}

// inWebSocket splits a stream into random WebSocket messages and fragments,
// with pings and pongs in between.
func inWebSocket(stream string, random *rand.Rand) (frames []byte, pings int) {
	fragmented := false
	for len(stream) > 0 {
		n := min(len(stream), random.IntN(1<<random.IntN(18)))
		op, final := byte(opText), random.IntN(3) > 0
		if fragmented {
			op = opContinuation
		}
		frames = append(frames, serverFrame(final, op, stream[:n])...)
		stream, fragmented = stream[n:], !final
		switch random.IntN(4) {
		case 0:
			frames = append(frames, serverFrame(true, opPing, strings.Repeat("p", random.IntN(126)))...)
			pings++
		case 1:
			frames = append(frames, serverFrame(true, opPong, "")...)
		}
	}
	return frames, pings
}

func TestDecodeAnyChunks(t *testing.T) {
	stream, want := stompSample()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		next := func() int { return random.IntN(1 << random.IntN(18)) }
		for _, ws := range []bool{false, true} {
			data, pings, pongs := []byte(stream), 0, 0
			if ws {
				data, pings = inWebSocket(stream, random)
			}
			d := &decoder{protocol: stomp{}, websocket: ws, pong: func([]byte) error { pongs++; return nil }}
			var got transcript
			if err := feed(d, data, &got, next); err != nil {
				t.Fatalf("seed %d, WebSocket %t: %v", seed, ws, err)
			}
			if !slices.Equal(got.lines, want) {
				t.Fatalf("seed %d, WebSocket %t: got %.500q", seed, ws, got.lines)
			}
			if pings != pongs {
				t.Fatalf("seed %d: %d pings, %d pongs", seed, pings, pongs)
			}
		}
	}
}

func TestDecodeStops(t *testing.T) {
	// A handler may stop after any frame; the following frames are kept for the
	// next.
	stream := "RECEIPT\nreceipt-id:1\n\n\x00\nRECEIPT\nreceipt-id:2\n\n\x00"
	for _, ws := range []bool{false, true} {
		data := []byte(stream)
		if ws {
			data = serverFrame(true, opText, stream)
		}
		d := &decoder{protocol: stomp{}, websocket: ws}
		first := &waiter{found: func(f *Frame) (bool, error) { return f.Header("receipt-id") == "1", nil }}
		left, err := d.decode(data, first)
		if !errors.Is(err, errStop) || !first.done {
			t.Fatalf("WebSocket %t: first: %v", ws, err)
		}
		var rest transcript
		if left, err = d.decode(data[:left], &rest); err != nil || left != 0 || len(rest.lines) != 1 {
			t.Fatalf("WebSocket %t: %d left, %v, %q", ws, left, err, rest.lines)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		websocket bool
		data      string
		want      error
	}{
		"unknown command":        {false, "HELLO\n\n\x00", errFrame},
		"client command":         {false, "SEND\n\n\x00", errFrame},
		"length is no number":    {false, "MESSAGE\ncontent-length:1x\n\n1\x00", errFrame},
		"length is huge":         {false, "MESSAGE\ncontent-length:99999999999999999999\n\n1\x00", errFrame},
		"length is short":        {false, "MESSAGE\ncontent-length:1\n\n12\x00", errFrame},
		"masked":                 {true, "\x81\x81\x00\x00\x00\x00\n", errWebSocket},
		"reserved bit":           {true, "\xc1\x01\n", errWebSocket},
		"reserved opcode":        {true, "\x83\x01\n", errWebSocket},
		"reserved control":       {true, "\x8b\x01\n", errWebSocket},
		"continuation of none":   {true, "\x80\x01\n", errWebSocket},
		"message inside message": {true, "\x01\x01\n\x81\x01\n", errWebSocket},
		"fragmented ping":        {true, "\x09\x00", errWebSocket},
		"long ping":              {true, "\x89\x7e\x00\x80", errWebSocket},
	} {
		t.Run(name, func(t *testing.T) {
			d := &decoder{protocol: stomp{}, websocket: test.websocket}
			if err := feed(d, []byte(test.data), &transcript{}, func() int { return 1 << 20 }); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestDecodeClose(t *testing.T) {
	d := &decoder{protocol: stomp{}, websocket: true}
	err := feed(d, serverFrame(true, opClose, "\x03\xf0too slow"), &transcript{}, func() int { return 3 })
	var closed *CloseError
	if !errors.As(err, &closed) || closed.Code != 1008 || closed.Reason != "too slow" {
		t.Errorf("got %v", err)
	}
}

// FuzzDecode checks that the pieces of a stream make no difference.
func FuzzDecode(f *testing.F) {
	stream, _ := stompSample()
	random := rand.New(rand.NewPCG(1, 1))
	framed, _ := inWebSocket(stream[:400], random)
	f.Add([]byte(stream[:400]), false, uint8(3))
	f.Add(framed, true, uint8(5))
	f.Add([]byte("\x88\x02\x03\xe8"), true, uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, ws bool, cut uint8) {
		decode := func(next func() int) ([]string, bool) {
			d := &decoder{protocol: stomp{}, websocket: ws, pong: func([]byte) error { return nil }}
			var got transcript
			err := feed(d, data, &got, next)
			return got.lines, errors.Is(err, errFrame) || errors.Is(err, errWebSocket)
		}
		whole, bad := decode(func() int { return len(data) })
		pieces, badPieces := decode(func() int { return int(cut) })
		if !slices.Equal(whole, pieces) || bad != badPieces {
			t.Errorf("at once: %q %t\nin pieces: %q %t", whole, bad, pieces, badPieces)
		}
	})
}

// received returns the bytes of one read: MESSAGE frames as a broker sends
// them, numbered from 0.
func received(ws bool, size, frames int) []byte {
	o := DefaultOptions(ScenarioFanout)
	o.Size = size
	t := newTemplate(&o, 0, "/topic/bench", stomp{}, framer{})
	var b bytes.Buffer
	for i := range frames {
		body := t.appendTo(nil, uint32(i), 1)[t.body:]
		frame := fmt.Sprintf("MESSAGE\nsubscription:0\nmessage-id:%d\ndestination:/topic/bench.0f3a5c11.fanout.0\ncontent-length:%d\n\n%s", 1000000+i, size, body)
		if ws {
			b.Write(serverFrame(true, opText, frame))
		} else {
			b.WriteString(frame)
		}
	}
	return b.Bytes()
}

// receiver returns a subscriber and its decoder, to measure the receive path
// alone.
func receiver(ws bool, ack string) (*subscriber, *decoder) {
	s := &subscriber{
		ack:     ack,
		mask:    15,
		framing: framer{websocket: ws},
		times:   recorder{to: newLatencies()},
		tracks:  []track{{gate: newGate(1024, 1), checkpoint: 128}},
	}
	s.times.to.from.Store(0)
	return s, &decoder{protocol: stomp{}, websocket: ws}
}

func TestReceiveDoesNotAllocate(t *testing.T) {
	for _, ws := range []bool{false, true} {
		s, d := receiver(ws, "client-individual")
		data := bytes.ReplaceAll(received(ws, 128, 64), []byte("message-id:"), []byte("ack:fffffff"))
		buf := make([]byte, len(data))
		n := testing.AllocsPerRun(100, func() {
			s.tracks[0].next, s.tracks[0].total, s.tracks[0].checkpoint = 0, 0, 128
			s.acks = s.acks[:0]
			s.Begin(1000)
			if left, err := d.decode(buf[:copy(buf, data)], s); left != 0 || err != nil {
				t.Fatal(left, err)
			}
		})
		if n != 0 {
			t.Errorf("WebSocket %t: %v allocations for 64 frames", ws, n)
		}
	}
}

func BenchmarkReceive(b *testing.B) {
	for _, ws := range []bool{false, true} {
		for _, size := range []int{128, 1024} {
			b.Run(fmt.Sprintf("websocket=%t/size=%d", ws, size), func(b *testing.B) {
				const frames = 256
				s, d := receiver(ws, "auto")
				data := received(ws, size, frames)
				b.SetBytes(int64(len(data) / frames))
				b.ReportAllocs()
				for n := 0; n < b.N; n += frames {
					s.tracks[0].next, s.tracks[0].total, s.tracks[0].checkpoint = 0, 0, 128
					s.Begin(1000)
					// Nothing is left over, so decode does not change data.
					if left, err := d.decode(data, s); left != 0 || err != nil {
						b.Fatal(left, err)
					}
				}
				b.ReportMetric(float64(s.tracks[0].late), "late")
			})
		}
	}
}
