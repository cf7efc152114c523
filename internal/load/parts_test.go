package load

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStamp(t *testing.T) {
	body := make([]byte, stampSize)
	for _, n := range []uint32{0, 1, 9, 10, 15, 16, 0x0123_4567, 0x89ab_cdef, 1<<32 - 1, rand.Uint32()} {
		putHex(body, n)
		if want := fmt.Sprintf("%08x", n); string(body[:8]) != want || unhex(body) != n {
			t.Errorf("%s: %s, %x", want, body[:8], unhex(body))
		}
		at := int64(n)<<31 | 12345
		putStamp(body, n, at)
		if unhex(body[8:]) != n || stampTime(body) != at {
			t.Errorf("%d at %d: %s", n, at, body)
		}
	}
}

func TestGate(t *testing.T) {
	for _, window := range []int{1, 7, 8, 15, 16, 100, 1024} {
		g := newGate(window, 3)
		at := [3]uint64{}
		sent := uint64(0)
		for sent < 10_000 {
			n := g.credit(sent)
			if n == 0 || sent+n > g.open.Load()+uint64(window) {
				t.Fatalf("window %d: credit %d after %d", window, n, sent)
			}
			sent += n
			for member := range at {
				for at[member] < sent {
					if at[member]++; at[member]%g.step == 0 {
						g.pass(at[member])
					}
				}
				if member < 2 && g.open.Load()+uint64(window) > sent {
					t.Fatalf("window %d: opened before the slowest member", window)
				}
			}
		}
	}
}

func TestMask(t *testing.T) {
	const text = "a payload of some length"
	for n := range len(text) {
		plain := []byte(text[:n])
		b := bytes.Clone(plain)
		maskBytes(b, 0x04030201)
		for i := range b {
			if b[i] != plain[i]^byte(i%4+1) {
				t.Fatalf("byte %d of %d: %x", i, n, b)
			}
		}
	}
}

func TestParseTarget(t *testing.T) {
	for url, want := range map[string]string{
		"ws://example.test/ws?a=b": "example.test:80 /ws?a=b true false",
		"wss://example.test:8443":  "example.test:8443 / true true",
		"tcp://127.0.0.1":          "127.0.0.1:61613 / false false",
		"stomps://[::1]:1":         "[::1]:1 / false true",
		"http://example.test":      "",
		"127.0.0.1:61613":          "",
		"ws:///ws":                 "",
	} {
		got := ""
		if x, err := parseTarget(url, "", false); err == nil {
			got = fmt.Sprintf("%s %s %t %t", x.address, x.path, x.websocket, x.tls != nil)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

func TestCheckUpgrade(t *testing.T) {
	// Key and answer are from RFC 6455 section 1.3.
	const key, accept = "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	for head, want := range map[string]string{
		"HTTP/1.1 101 Switching Protocols\r\n" + accept:                                 "",
		"HTTP/1.1 101 Switching Protocols\r\n" + strings.ToLower(accept[:20]) + "wrong": "Sec-WebSocket-Accept",
		"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Extensions: x\r\n" + accept:  "not asked for",
		"HTTP/1.1 401 Unauthorized\r\n" + accept:                                        "401",
	} {
		if err := checkUpgrade(head, key); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", head, err)
		}
	}
}

func TestEscape(t *testing.T) {
	const raw, wire = "a:b\\c\nd\re", `a\cb\\c\nd\re`
	if escape(raw) != wire || unescape(wire) != raw {
		t.Errorf("%q, %q", escape(raw), unescape(wire))
	}
}

func TestProcess(t *testing.T) {
	p := process{pid: os.Getpid(), tree: true}
	if cpu, err := p.cpu(); err != nil || cpu < 0 {
		t.Errorf("cpu %v, %v", cpu, err)
	}
	if n, err := p.resident(); err != nil || n < 1<<20 || p.residentFast() < 1<<20 {
		t.Errorf("resident %d and %d, %v", n, p.residentFast(), err)
	}
	gone := process{pid: 1 << 30}
	if _, err := gone.resident(); err == nil {
		t.Error("a process that is not there has memory")
	}
}

func TestCompare(t *testing.T) {
	const input = `{"name":"a","delivered_per_second":3000000,"options":{"size":1}} {"name":"b","connections":{"per_second":50}}
		{"name":"a, stalled","delivered_per_second":1500000,"options":{"size":1},"stalled":{"count":1}}`
	first, err := ReadResults(strings.NewReader(input))
	if err != nil || len(first) != 3 {
		t.Fatalf("%d results, %v", len(first), err)
	}
	other := []*Result{{Name: "a", DeliveredRate: 50_000, Lost: 1}, {Name: "c"}}
	third := []*Result{{Name: "a", DeliveredRate: 100_000, Broker: &BrokerUsage{CPUPerDelivery: 12.3}}}
	sides := []Side{{"x", first}, {"y", other}, {"z", third}}
	rows := Compare(sides)
	if len(rows) != 4 || rows[0].Ratios[0] != 60 || rows[0].Ratios[1] != 30 || rows[1].Results[1] != nil || rows[3].Results[0] != nil {
		t.Errorf("rows %+v", rows)
	}
	var table bytes.Buffer
	if err := WriteRows(&table, rows, sides); err != nil || !strings.Contains(table.String(), "50k LOST") {
		t.Errorf("%v\n%s", err, table.String())
	}
	table.Reset()
	want := "| scenario | x | CPU each | y | CPU each | ratio | z | CPU each | ratio |\n" +
		"|---|---|---|---|---|---|---|---|---|\n" +
		"| a | 3.00M/s |  | 50k/s |  | 60 | 100k/s | 12 us | 30 |\n"
	if err := WriteMarkdown(&table, rows, sides); err != nil || !strings.HasPrefix(table.String(), want) {
		t.Errorf("%v\n%s", err, table.String())
	}
	if notes := StalledNotes(first, "x"); len(notes) != 1 || !strings.Contains(notes[0], "50 %") {
		t.Errorf("notes %q", notes)
	}
	if _, err := ReadResults(strings.NewReader("{")); err == nil {
		t.Error("half an object was read")
	}
}

func TestFigures(t *testing.T) {
	got := strings.Join([]string{
		count(0), count(42), count(2345), count(23456), count(2.345e6),
		duration(12), duration(1234), duration(2.5e6), size(512), size(3 << 20), size(5 << 29),
	}, ", ")
	if want := "0, 42, 2345, 23k, 2.35M, 12 us, 1.2 ms, 2.50 s, 0.5 KiB, 3.0 MiB, 2.50 GiB"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
