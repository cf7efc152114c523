package frames

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-stomp/stomp/v3/frame"
)

// decoded has the parts of a frame that tests compare.
type decoded struct {
	command string
	headers []string
	body    string
}

func flatten(f Inbound) decoded {
	d := decoded{command: f.Command, body: string(f.Body)}
	for i := range f.Header.Len() {
		k, v := f.Header.GetAt(i)
		d.headers = append(d.headers, k, v)
	}
	return d
}

// feed passes data to d in pieces of the sizes in steps, repeatedly, and
// returns all frames up to the end or the first error.
func feed(d *Decoder, data []byte, steps ...int) (out []decoded, err error) {
	for i := 0; ; i++ {
		for {
			f, err := d.Next()
			if err != nil {
				return out, err
			}
			if f.Frame == nil {
				break
			}
			out = append(out, flatten(f))
		}
		if len(data) == 0 {
			return out, nil
		}
		n := min(len(data), max(1, steps[i%len(steps)]))
		n = copy(d.Space(), data[:n])
		d.Commit(n)
		data = data[n:]
	}
}

func client(v Version) *Decoder {
	d := NewDecoder(DefaultLimits())
	d.SetVersion(v)
	return d
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name    string
		version Version
		in      string
		want    []decoded
	}{
		{"connect", 0, "CONNECT\naccept-version:1.2\nlogin:a\\c\n\n\x00", []decoded{{"CONNECT", []string{"accept-version", "1.2", "login", `a\c`}, ""}}},
		{"stomp with CR LF", 0, "STOMP\r\naccept-version:1.2\r\nhost:h\r\n\r\n\x00\r\n", []decoded{{"STOMP", []string{"accept-version", "1.2", "host", "h"}, ""}}},
		{"connect of a 1.0 client is trimmed", 0, "CONNECT\nlogin: a \n\n\x00", []decoded{{"CONNECT", []string{"login", "a"}, ""}}},
		{"connect of a 1.2 client is not", 0, "CONNECT\naccept-version:1.2\nlogin: a \n\n\x00", []decoded{{"CONNECT", []string{"accept-version", "1.2", "login", " a "}, ""}}},
		{"send up to NUL", V12, "SEND\ndestination:/queue/a\n\nhello\x00", []decoded{{"SEND", []string{"destination", "/queue/a"}, "hello"}}},
		{"send with content-length", V12, "SEND\ncontent-length:3\n\n\x00\n\x00\x00", []decoded{{"SEND", []string{"content-length", "3"}, "\x00\n\x00"}}},
		{"content-length with spaces", V12, "SEND\ncontent-length: 1\n\nx\x00", []decoded{{"SEND", []string{"content-length", " 1"}, "x"}}},
		{"empty body", V12, "SEND\ncontent-length:0\n\n\x00", []decoded{{"SEND", []string{"content-length", "0"}, ""}}},
		{"no headers", V12, "DISCONNECT\n\n\x00", []decoded{{"DISCONNECT", nil, ""}}},
		{"content-length means nothing on ACK", V12, "ACK\nid:1\ncontent-length:77\n\n\x00", []decoded{{"ACK", []string{"id", "1", "content-length", "77"}, ""}}},
		{"heart-beats around", V12, "\n\r\n\nBEGIN\ntransaction:t\n\n\x00\n\n\r\nACK\nid:1\n\n\x00\n", []decoded{{"BEGIN", []string{"transaction", "t"}, ""}, {"ACK", []string{"id", "1"}, ""}}},
		{"first of repeated headers", V12, "ACK\nid:1\nid:2\n\n\x00", []decoded{{"ACK", []string{"id", "1", "id", "2"}, ""}}},
		{"colons in values", V12, "SUBSCRIBE\ndestination:/queue/a:b:c\n\n\x00", []decoded{{"SUBSCRIBE", []string{"destination", "/queue/a:b:c"}, ""}}},
		{"escapes of 1.2", V12, "SEND\na\\cb:\\r\\n\\c\\\\n\n\n\x00", []decoded{{"SEND", []string{"a:b", "\r\n:\\n"}, ""}}},
		{"escapes of 1.1", V11, "SEND\na\\cb:\\n\\c\\\\r\n\n\x00", []decoded{{"SEND", []string{"a:b", "\n:\\r"}, ""}}},
		{"no escapes in 1.0", V10, "SEND\na:b\\c\\t\n\n\x00", []decoded{{"SEND", []string{"a", `b\c\t`}, ""}}},
		{"1.0 trims", V10, "SEND\na:  b\t \n\n\x00", []decoded{{"SEND", []string{"a", "b"}, ""}}},
		{"1.1 keeps spaces", V11, "SEND\na:  b\t \n\n\x00", []decoded{{"SEND", []string{"a", "  b\t "}, ""}}},
		{"CR belongs to a 1.1 value", V11, "SEND\na:b\r\n\n\x00", []decoded{{"SEND", []string{"a", "b\r"}, ""}}},
		{"but not if the command's line ended in CR LF", V11, "SEND\r\na:b\r\n\r\n\x00", []decoded{{"SEND", []string{"a", "b"}, ""}}},
		{"mixed line ends in 1.2", V12, "SEND\na:b\r\nc:d\n\r\n\x00", []decoded{{"SEND", []string{"a", "b", "c", "d"}, ""}}},
		{"empty value", V12, "SEND\na:\n\n\x00", []decoded{{"SEND", []string{"a", ""}, ""}}},
		{"four-byte UTF-8", V12, "SEND\na:\U0001F40E\n\n\U0001F40E\x00", []decoded{{"SEND", []string{"a", "\U0001F40E"}, "\U0001F40E"}}},
		{"any bytes in a body", V12, "SEND\n\n\xff\xfe\x00", []decoded{{"SEND", nil, "\xff\xfe"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, steps := range [][]int{{1 << 20}, {1}, {2}, {3, 1, 7}} {
				d := client(c.version)
				got, err := feed(d, []byte(c.in), steps...)
				if err != nil || !reflect.DeepEqual(got, c.want) {
					t.Errorf("in steps of %v:\n got %q, %v\nwant %q", steps, got, err, c.want)
				}
				if d.Buffered() != 0 || d.buf != nil {
					t.Errorf("in steps of %v: %d bytes are left, buffer kept: %v", steps, d.Buffered(), d.buf != nil)
				}
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	long := strings.Repeat("x", 70<<10)
	for _, c := range []struct {
		name    string
		version Version
		in      string
		word    string
		says    string
		receipt string
	}{
		{"unknown command", V12, "HELLO\n\n\x00", InvalidFrame, `"HELLO" is not a STOMP command`, ""},
		{"lower case", V12, "send\n\n\x00", InvalidFrame, "upper case", ""},
		{"a web browser's request", 0, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", InvalidFrame, "not a STOMP command", ""},
		{"no line end in sight", 0, long, InvalidFrame, "not a STOMP command", ""},
		{"server command", V12, "MESSAGE\n\n\x00", InvalidFrame, "only a server sends", ""},
		{"header without a colon", V12, "SEND\nreceipt:r1\nfoo\n\n\x00", InvalidFrame, "no colon", "r1"},
		{"header without a name", V12, "SEND\n:foo\n\n\x00", InvalidFrame, "no name", ""},
		{"undefined escape", V12, "SEND\nreceipt:r\\c1\na:\\t\n\n\x00", InvalidFrame, `"a" of the SEND holds an escape`, `r\c1`},
		{"backslash at the end", V12, "SEND\na:b\\\n\n\x00", InvalidFrame, "escape", ""},
		{`\r in 1.1`, V11, "SEND\na:\\r\n\n\x00", InvalidFrame, "STOMP 1.1 does not define", ""},
		{"bare CR in 1.2", V12, "SEND\na:b\rc\n\n\x00", InvalidFrame, "bare CR", ""},
		{"NUL among the headers", V12, "SUBSCRIBE\nreceipt:r\nid:1\x00", InvalidFrame, "blank line", "r"},
		{"NUL and more", V12, "SUBSCRIBE\nid:1\x00\n\n\x00", InvalidFrame, "blank line", ""},
		{"invalid UTF-8", V12, "SEND\na:\xff\n\n\x00", InvalidFrame, "UTF-8", ""},
		{"body on SUBSCRIBE", V12, "SUBSCRIBE\nreceipt:7\n\nx\x00", InvalidFrame, "only SEND may have a body", "7"},
		{"missing NUL", V12, "SUBSCRIBE\nid:1\n\nSEND\n\n\x00", InvalidFrame, "NUL is missing", ""},
		{"negative content-length", V12, "SEND\ncontent-length:-1\nreceipt:q\n\n\x00", InvalidFrame, "content-length", "q"},
		{"content-length in words", V12, "SEND\ncontent-length:ten\n\n\x00", InvalidFrame, "content-length", ""},
		{"no content-length in it", V12, "SEND\ncontent-length:\n\n\x00", InvalidFrame, "content-length", ""},
		{"content-length over the limit", V12, "SEND\ncontent-length:16777217\nreceipt:q\n\n", FrameTooLarge, "16777216 bytes (limits.frame_body_bytes)", "q"},
		{"content-length beyond numbers", V12, "SEND\ncontent-length:99999999999999999999999\n\n", FrameTooLarge, "limits.frame_body_bytes", ""},
		{"body longer than content-length", V12, "SEND\ncontent-length:1\nreceipt:q\n\nxy\x00", InvalidFrame, "split inside a character", "q"},
		{"body shorter than content-length", V12, "SEND\ncontent-length:3\n\nxy\x00\nSEND", InvalidFrame, "split inside a character", ""},
		{"long header", V12, "SEND\nreceipt:q\na:" + long, FrameTooLarge, "65536 bytes (limits.frame_header_bytes)", "q"},
		{"long header that ends", V12, "SEND\na:" + long + "\n\n\x00", FrameTooLarge, "limits.frame_header_bytes", ""},
		{"many headers", V12, "SEND\n" + strings.Repeat("a:b\n", 101), FrameTooLarge, "100 headers (limits.frame_headers)", ""},
		{"large CONNECT", 0, "CONNECT\na:" + long, FrameTooLarge, "limits.frame_bytes_before_connect", ""},
		{"large body before CONNECT", 0, "SEND\n\n" + long, FrameTooLarge, "limits.frame_bytes_before_connect", ""},
		{"content-length before CONNECT", 0, "SEND\ncontent-length:100000\n\n", FrameTooLarge, "limits.frame_bytes_before_connect", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, steps := range [][]int{{1 << 20}, {1}, {5}} {
				l := DefaultLimits()
				l.BytesBeforeConnect = 60 << 10
				d := NewDecoder(l)
				d.SetVersion(c.version)
				got, err := feed(d, []byte(c.in), steps...)
				var e *Error
				if !errors.As(err, &e) || len(got) != 0 {
					t.Fatalf("in steps of %v: got %q, %v; want an Error", steps, got, err)
				}
				if e.Word != c.word || !strings.Contains(e.Text, c.says) || e.Receipt != c.receipt {
					t.Errorf("in steps of %v: got %q %q receipt %q\nwant %q %q receipt %q", steps, e.Word, e.Text, e.Receipt, c.word, c.says, c.receipt)
				}
				if _, again := d.Next(); again != err {
					t.Errorf("the error is not final: then came %v", again)
				}
			}
		})
	}
}

func TestErrorsShowNoValues(t *testing.T) {
	for _, in := range []string{"CONNECT\npasscode\n\n\x00", "CONNECT\naccept-version:1.2\npasscode:s3cret\rs3cret\n\n\x00", "CONNECT\npasscode:s3cret\x00"} {
		_, err := feed(NewDecoder(DefaultLimits()), []byte(in), 100)
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// Size counts the bytes of the frame on the wire, independent of pieces and
// line ends around it.
func TestSize(t *testing.T) {
	parts := []string{
		"CONNECT\naccept-version:1.2\n\n\x00", "SEND\na:b\\c\n\nup to NUL\x00", "SEND\r\ncontent-length:3\r\n\r\n\x00\n\x00\x00",
		"SEND\ncontent-length:40000\n\n" + strings.Repeat("x", 40000) + "\x00", "SEND\n\n" + strings.Repeat("y", 40000) + "\x00", "DISCONNECT\n\n\x00",
	}
	for _, step := range []int{1, 7, 1 << 20} {
		d := client(V12)
		data := []byte("\n\r\n" + strings.Join(parts, "\n\r\n\n"))
		for _, part := range parts {
			f, err := d.Next()
			for ; err == nil && f.Frame == nil; f, err = d.Next() {
				n := copy(d.Space(), data[:min(step, len(data))])
				d.Commit(n)
				data = data[n:]
			}
			if err != nil || f.Size != len(part) {
				t.Fatalf("in steps of %d, %.20q has %d bytes, want %d; %v", step, part, f.Size, len(part), err)
			}
		}
	}
}

// A header exactly at the limit is accepted, one byte more is not.
func TestLimitsAreExact(t *testing.T) {
	l := Limits{HeaderBytes: 40, Headers: 2, BodyBytes: 5, BytesBeforeConnect: 1000}
	try := func(in string) error {
		d := NewDecoder(l)
		d.SetVersion(V12)
		_, err := feed(d, []byte(in), 1000)
		return err
	}
	pad := func(total int) string { return "SEND\na:" + strings.Repeat("x", total-9) + "\n\n\x00" }
	for _, c := range []struct {
		in string
		ok bool
	}{
		{pad(40), true}, {pad(41), false},
		{"SEND\na:b\nc:d\n\n\x00", true}, {"SEND\na:b\nc:d\ne:f\n\n\x00", false},
		{"SEND\n\n12345\x00", true}, {"SEND\n\n123456\x00", false},
		{"SEND\ncontent-length:5\n\n12345\x00", true}, {"SEND\ncontent-length:6\n\n123456\x00", false},
	} {
		if err := try(c.in); (err == nil) != c.ok {
			t.Errorf("%q: %v", c.in, err)
		}
	}
}

// Next may be called after Release; only the partial frame is lost.
func TestNextAfterRelease(t *testing.T) {
	for _, partial := range []string{"SEN", "SEND\ndestination:/queue/a\nx:"} {
		d := client(V12)
		if _, err := feed(d, []byte(partial), 1); err != nil {
			t.Fatal(err)
		}
		d.Release()
		if f, err := d.Next(); err != nil || f.Frame != nil {
			t.Errorf("%q: %v, %v", partial, f.Frame, err)
		}
		if all, err := feed(d, []byte("DISCONNECT\n\n\x00"), 1); err != nil || len(all) != 1 || all[0].command != frame.DISCONNECT {
			t.Errorf("%q: %v, %v", partial, all, err)
		}
	}
}

// No memory is allocated for an announced content-length before bytes arrive.
func TestContentLengthIsNotBelieved(t *testing.T) {
	in := []byte("SEND\ncontent-length:16000000\n\nabc")
	got := testing.AllocsPerRun(10, func() {
		d := client(V12)
		if _, err := feed(d, in, 1000); err != nil {
			t.Fatal(err)
		}
		if cap(d.body) > 4096 {
			t.Fatalf("3 bytes came and %d were allocated", cap(d.body))
		}
		d.Release()
	})
	if got > 8 {
		t.Errorf("%v allocations", got)
	}
}

func TestLargeBodyInPieces(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 100_000)
	for _, in := range []string{
		fmt.Sprintf("SEND\ncontent-length:%d\n\n%s\x00", len(body), body),
		fmt.Sprintf("SEND\n\n%s\x00", body),
	} {
		d := client(V12)
		got, err := feed(d, []byte(in), 1, 100, 10_000)
		if err != nil || len(got) != 1 || got[0].body != string(body) {
			t.Fatalf("got %d frames, %v", len(got), err)
		}
	}
}

// A client's frame takes the memory of the one before; its strings stay. A
// server's frames stay as a whole.
func TestFrameIsValidUntilNext(t *testing.T) {
	const in = "%s\na:1\n\nfirst\x00%[1]s\na:2\n\nother\x00"
	d := client(V12)
	d.Commit(copy(d.Space(), fmt.Sprintf(in, "SEND")))
	f1, err := d.Next()
	if err != nil || string(f1.Body) != "first" || f1.Header.Get("a") != "1" {
		t.Fatalf("got %q %q, %v", f1.Body, f1.Header.Get("a"), err)
	}
	a := f1.Header.Get("a")
	f2, err := d.Next()
	if err != nil || a != "1" || string(f2.Body) != "other" || f2.Header.Get("a") != "2" || f2.Frame != f1.Frame {
		t.Errorf("got %q %q %q, %v", a, f2.Header.Get("a"), f2.Body, err)
	}
	if f, err := d.Next(); f.Frame != nil || err != nil || f2.Header != nil || d.Held() != 0 {
		t.Errorf("got %v, %v, and the last frame is %v", f, err, f2)
	}

	d = NewServerDecoder(DefaultLimits(), V12)
	d.Commit(copy(d.Space(), fmt.Sprintf(in, "MESSAGE")))
	f1, _ = d.Next()
	f2, err = d.Next()
	d.Space()[0] = 'x'
	if err != nil || string(f1.Body) != "first" || f1.Header.Get("a") != "1" || string(f2.Body) != "other" {
		t.Errorf("got %q %q %q, %v", f1.Body, f1.Header.Get("a"), f2.Body, err)
	}
}

// A frame has as many headers as the limits allow, and the next one has none of
// them.
func TestManyHeaders(t *testing.T) {
	d := client(V12)
	var lines strings.Builder
	for i := range DefaultLimits().Headers {
		fmt.Fprintf(&lines, "h%d:%d\n", i, i)
	}
	got, err := feed(d, []byte("SEND\n"+lines.String()+"\n\x00SEND\nb:1\n\n\x00"), 1, 7, 1<<20)
	if err != nil || len(got) != 2 || len(got[0].headers) != 2*DefaultLimits().Headers || !slices.Equal(got[1].headers, []string{"b", "1"}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestWire(t *testing.T) {
	d := client(V12)
	d.Commit(copy(d.Space(), "SUBSCRIBE\r\nid:a:b\r\ndestination:/topic/x\\cy\r\nid:second\r\n\r\n\x00"))
	f, err := d.Next()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"id": "a:b", "destination": `/topic/x\cy`, "receipt": ""} {
		if got := f.Wire(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := f.Header.Get("destination"); got != "/topic/x:y" {
		t.Errorf("destination: %q", got)
	}
}

// A header block is decoded by the rules of the negotiated version.
func TestVersionAfterConnect(t *testing.T) {
	d := NewDecoder(DefaultLimits())
	d.Commit(copy(d.Space(), "CONNECT\naccept-version:1.2\n\n\x00SEND\na:\\c\n\n\x00"))
	if _, err := d.Next(); err != nil {
		t.Fatal(err)
	}
	d.SetVersion(V12)
	f, err := d.Next()
	if err != nil || f.Header.Get("a") != ":" {
		t.Errorf("got %v, %v", f.Header, err)
	}
}

func TestServerDecoder(t *testing.T) {
	in := "CONNECTED\nversion:1.2\nserver:a\\cb\n\n\x00MESSAGE\nx:a\\cb\n\nbody\x00\nERROR\nmessage:no\n\nwhy\x00RECEIPT\nreceipt-id:1\n\n\x00"
	got, err := feed(NewServerDecoder(DefaultLimits(), V12), []byte(in), 9)
	want := []decoded{
		{"CONNECTED", []string{"version", "1.2", "server", `a\cb`}, ""},
		{"MESSAGE", []string{"x", "a:b"}, "body"},
		{"ERROR", []string{"message", "no"}, "why"},
		{"RECEIPT", []string{"receipt-id", "1"}, ""},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := feed(NewServerDecoder(DefaultLimits(), V12), []byte("SEND\n\n\x00"), 9); err == nil {
		t.Error("a server may not SEND")
	}
}

func TestNegotiate(t *testing.T) {
	for in, want := range map[string]Version{"1.0": V10, "1.2,1.1,1.0": V12, "1.0, 1.1": V11, "1.3,1.1": V11, "2.0": 0, "": 0, "1.20": 0} {
		if got, ok := Negotiate(in); got != want || ok != (want != 0) {
			t.Errorf("%q: %v %v", in, got, ok)
		}
	}
}

func TestSmallSendAllocations(t *testing.T) {
	d := client(V12)
	got := testing.AllocsPerRun(200, func() {
		d.Commit(copy(d.Space(), smallSend))
		if f, err := d.Next(); err != nil || f.Command != frame.SEND {
			t.Fatal(f, err)
		}
	})
	if got > 5 {
		t.Errorf("%v allocations to decode a small SEND; want at most 5", got)
	}
}

// Heart-beats cost no allocation.
func TestHeartBeatsDoNotAllocate(t *testing.T) {
	d := client(V12)
	flood := strings.Repeat("\n\r\n", 1000)
	if got := testing.AllocsPerRun(100, func() {
		d.Commit(copy(d.Space(), flood))
		if f, err := d.Next(); err != nil || f.Frame != nil {
			t.Fatal(f, err)
		}
	}); got > 0 {
		t.Errorf("%v allocations for 2000 heart-beats", got)
	}
}
