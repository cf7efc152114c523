package wire

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// clientFrame returns a masked client frame with this first byte and payload.
func clientFrame(first byte, payload string) string { return lengthened(first, payload, 0) }

// lengthened is clientFrame with a length field of this many bytes; 0: the
// shortest.
func lengthened(first byte, payload string, bytes int) string {
	n, head := len(payload), []byte{first}
	switch {
	case bytes == 8 || bytes == 0 && n > 0xffff:
		head = binary.BigEndian.AppendUint64(append(head, maskBit|127), uint64(n))
	case bytes == 2 || bytes == 0 && n > 125:
		head = binary.BigEndian.AppendUint16(append(head, maskBit|126), uint16(n))
	default:
		head = append(head, maskBit|byte(n))
	}
	key := [4]byte{0x5a, 0xc3, 0x0f, 0x99}
	head = append(head, key[:]...)
	for i := range n {
		head = append(head, payload[i]^key[i%4])
	}
	return string(head)
}

// decodeAll passes input to a wsDecoder in pieces and returns a line for each
// message, ping and close, and the code of a violation.
func decodeAll(input string, piece, space int) (found []string) {
	var d wsDecoder
	var message []byte
	room := make([]byte, space)
	for len(input) > 0 {
		in := []byte(input[:min(piece, len(input))])
		input = input[len(in):]
		for {
			used, n, high, event, err := d.next(in, room)
			in, message = in[used:], append(message, room[:n]...)
			if ascii := high&notASCII == 0; ascii != isASCII(room[:n]) {
				return append(found, fmt.Sprintf("%q was called ASCII: %v", room[:n], ascii))
			}
			switch {
			case err != nil:
				var v *violation
				errors.As(err, &v)
				return append(found, fmt.Sprintf("violation %d", v.code))
			case event == wsBegin:
				message = message[:0]
			case event == wsEnd:
				found = append(found, fmt.Sprintf("message %.40q of %d", message, len(message)))
			case event == wsPing:
				found = append(found, fmt.Sprintf("ping %q", d.takeControl()))
			case event == wsClose:
				return append(found, fmt.Sprintf("close %q", d.takeControl()))
			}
			if event == wsMore && len(in) == 0 {
				break
			}
		}
	}
	return found
}

func isASCII(p []byte) bool {
	return !bytes.ContainsFunc(p, func(r rune) bool { return r > 0x7f })
}

// The decoder handles all cases of RFC 6455, 5 and 7.4, for a server without
// extensions, with pieces of any size.
func TestWebSocketDecoder(t *testing.T) {
	const (
		text, binaryFrame, more   = finBit | opText, finBit | opBinary, finBit | opContinuation
		first, firstBinary, again = opText, opBinary, opContinuation
		ping, pong, closing       = finBit | opPing, finBit | opPong, finBit | opClose
	)
	long := strings.Repeat("long ", 14_000)
	message := func(s string) string { return fmt.Sprintf("message %.40q of %d", s, len(s)) }
	violated := "violation 1002"
	for name, tc := range map[string]struct {
		input string
		want  []string
	}{
		"nothing":               {"", nil},
		"text":                  {clientFrame(text, "hello"), []string{message("hello")}},
		"binary":                {clientFrame(binaryFrame, "\xff\x00"), []string{message("\xff\x00")}},
		"empty":                 {clientFrame(text, ""), []string{message("")}},
		"two in a row":          {clientFrame(text, "a") + clientFrame(text, "b"), []string{message("a"), message("b")}},
		"125 bytes":             {clientFrame(text, long[:125]), []string{message(long[:125])}},
		"126 bytes":             {clientFrame(text, long[:126]), []string{message(long[:126])}},
		"65535 bytes":           {clientFrame(text, long[:65535]), []string{message(long[:65535])}},
		"65536 bytes":           {clientFrame(text, long[:65536]), []string{message(long[:65536])}},
		"length in two bytes":   {lengthened(text, "x", 2), []string{message("x")}},
		"length in eight bytes": {lengthened(text, "x", 8), []string{message("x")}},
		"highest bit of length": {"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x01mask", []string{violated}},
		"fragments":             {clientFrame(first, "a") + clientFrame(again, "b") + clientFrame(more, "c"), []string{message("abc")}},
		"empty fragments":       {clientFrame(first, "") + clientFrame(again, "") + clientFrame(more, ""), []string{message("")}},
		"binary fragments":      {clientFrame(firstBinary, "a") + clientFrame(more, "b"), []string{message("ab")}},
		"ping between fragments": {clientFrame(first, "a") + clientFrame(ping, "now") + clientFrame(more, "b"),
			[]string{`ping "now"`, message("ab")}},
		"pong between fragments":  {clientFrame(first, "a") + clientFrame(pong, "now") + clientFrame(more, "b"), []string{message("ab")}},
		"close between fragments": {clientFrame(first, "a") + clientFrame(closing, "\x03\xe8"), []string{`close "\x03\xe8"`}},
		"message in a message":    {clientFrame(first, "a") + clientFrame(text, "b"), []string{violated}},
		"begun in a message":      {clientFrame(first, "a") + clientFrame(first, "b"), []string{violated}},
		"continuation of nothing": {clientFrame(more, "a"), []string{violated}},
		"continuation of a whole": {clientFrame(text, "a") + clientFrame(again, "b"), []string{message("a"), violated}},
		"empty ping":              {clientFrame(ping, ""), []string{`ping ""`}},
		"two pings":               {clientFrame(ping, "1") + clientFrame(ping, "2"), []string{`ping "1"`, `ping "2"`}},
		"long ping":               {clientFrame(ping, long[:125]), []string{fmt.Sprintf("ping %q", long[:125])}},
		"ping too long":           {clientFrame(ping, long[:126]), []string{violated}},
		"close too long":          {clientFrame(closing, "\x03\xe8"+long[:124]), []string{violated}},
		"fragmented ping":         {clientFrame(opPing, ""), []string{violated}},
		"fragmented close":        {clientFrame(opClose, ""), []string{violated}},
		"pong":                    {clientFrame(pong, "x"), nil},
		"RSV1":                    {clientFrame(text|0x40, "x"), []string{violated}},
		"RSV2":                    {clientFrame(text|0x20, "x"), []string{violated}},
		"RSV3":                    {clientFrame(text|0x10, "x"), []string{violated}},
		"RSV1 of a ping":          {clientFrame(ping|0x40, "x"), []string{violated}},
		"opcode 3":                {clientFrame(finBit|3, ""), []string{violated}},
		"opcode 7":                {clientFrame(finBit|7, ""), []string{violated}},
		"opcode 11":               {clientFrame(finBit|11, ""), []string{violated}},
		"opcode 15":               {clientFrame(finBit|15, ""), []string{violated}},
		"not masked":              {"\x81\x01x", []string{violated}},
		"ping not masked":         {"\x89\x00", []string{violated}},
		"close":                   {clientFrame(closing, ""), []string{`close ""`}},
		"close with reason":       {clientFrame(closing, "\x03\xe9bye"), []string{`close "\x03\xe9bye"`}},
		"close of one byte":       {clientFrame(closing, "x"), []string{violated}},
		"reason not UTF-8":        {clientFrame(closing, "\x03\xe8\xff"), []string{"violation 1007"}},
		"nothing behind close":    {clientFrame(closing, "\x0f\xa0") + clientFrame(text, "x"), []string{`close "\x0f\xa0"`}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, piece := range []int{1, 2, 3, 5, 7, 13, 14, 15, 100, 16 << 10, 1 << 20} {
				for _, space := range []int{1, 9, 4096, 1 << 20} {
					if got := decodeAll(tc.input, piece, space); !slices.Equal(got, tc.want) {
						t.Fatalf("in pieces of %d to space for %d: %q, want %q", piece, space, got, tc.want)
					}
				}
			}
		})
	}
	for code := range 6000 {
		payload := string(binary.BigEndian.AppendUint16(nil, uint16(code)))
		want := violated
		if code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999 {
			want = fmt.Sprintf("close %q", payload)
		}
		if got := decodeAll(clientFrame(closing, payload), 100, 100); got[0] != want {
			t.Errorf("code %d: %q, want %q", code, got, want)
		}
	}
}

// unmask agrees with a loop over bytes, for all lengths and alignments.
func TestUnmask(t *testing.T) {
	src := make([]byte, 300)
	for i := range src {
		src[i] = byte(rand.Uint32())
	}
	for from := range 9 {
		for to := from; to < len(src); to++ {
			key, in := rand.Uint32(), src[from:to]
			want := make([]byte, len(in))
			var high byte
			for i := range in {
				want[i] = in[i] ^ byte(bits.RotateLeft32(key, -8*(i%4)))
				high |= want[i]
			}
			dst := make([]byte, len(in))
			if got := unmask(dst, in, key); got&notASCII != 0 != (high >= 0x80) || !bytes.Equal(dst, want) {
				t.Fatalf("bytes %d to %d: %x, want %x (high %x)", from, to, dst, want, got)
			}
			same := slices.Clone(in)
			if unmask(same, same, key); !bytes.Equal(same, want) {
				t.Fatalf("bytes %d to %d in place: %x, want %x", from, to, same, want)
			}
		}
	}
}

// A tapeConn reads a given text and records all writes.
type tapeConn struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (c *tapeConn) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c *tapeConn) Write(p []byte) (int, error) { return c.out.Write(p) }
func (c *tapeConn) Close() error                { return nil }

// A broken reader fails: the library takes the end of the stream for the end of
// the message.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type tapeWriter struct {
	*httptest.ResponseRecorder
	conn *tapeConn
}

func (w tapeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(w.conn)), nil
}

// decodeByLibrary is decodeAll with coder/websocket. It also returns the bytes
// written.
func decodeByLibrary(t *testing.T, input string) (found []string, wrote string) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		r.Header.Set(name, value)
	}
	c := &tapeConn{in: io.MultiReader(strings.NewReader(input), broken{})}
	ws, err := websocket.Accept(tapeWriter{httptest.NewRecorder(), c}, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(-1)
	c.out.Reset()
	for {
		_, p, err := ws.Read(context.Background())
		if err != nil {
			return found, c.out.String()
		}
		found = append(found, fmt.Sprintf("message %.40q of %d", p, len(p)))
	}
}

// FuzzWebSocketDecoder compares with coder/websocket: the same input gives the
// same messages, pongs and close code.
func FuzzWebSocketDecoder(f *testing.F) {
	f.Add(clientFrame(finBit|opText, "hello")+clientFrame(finBit|opPing, "p")+clientFrame(finBit|opClose, "\x03\xe8"), uint8(3))
	f.Add(clientFrame(opText, "a")+clientFrame(finBit|opPing, "")+clientFrame(finBit, "b"), uint8(200))
	f.Add(clientFrame(opBinary, "a")+clientFrame(finBit|opText, "b"), uint8(1))
	f.Add("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x01mask", uint8(1))
	f.Add("\x81\x01x", uint8(1))
	f.Fuzz(func(t *testing.T, input string, piece uint8) {
		got := decodeAll(input, int(piece)+1, 1<<16)
		want, wrote := decodeByLibrary(t, input)
		if got := slices.DeleteFunc(slices.Clone(got), func(s string) bool { return !strings.HasPrefix(s, "message") }); !slices.Equal(got, want) {
			t.Fatalf("messages %q, want %q", got, want)
		}
		if got := answers(got); got != wrote && !excepted(got, wrote) {
			t.Fatalf("answered with %q, want %q", got, wrote)
		}
	})
}

// answers returns the frames with which a server answers the result of
// decodeAll, without the reasons of violations.
func answers(found []string) string {
	var b strings.Builder
	for _, s := range found {
		var payload string
		var code int
		switch {
		case must(fmt.Sscanf(s, "ping %q", &payload)) == 1:
			b.WriteString(string([]byte{finBit | opPong, byte(len(payload))}) + payload)
		case must(fmt.Sscanf(s, "close %q", &payload)) == 1:
			b.WriteString(string([]byte{finBit | opClose, byte(len(payload))}) + payload)
		case must(fmt.Sscanf(s, "violation %d", &code)) == 1:
			b.WriteString(string([]byte{finBit | opClose, 2, byte(code >> 8), byte(code)}))
		}
	}
	return b.String()
}

func must(n int, _ error) int { return n }

// excepted reports whether answers may differ: the library adds a reason, does
// not answer frames without a mask or with negative lengths, and echoes reasons
// that are not UTF-8.
func excepted(got, library string) bool {
	i := strings.LastIndex(got, string([]byte{finBit | opClose, 2}))
	if i < 0 || len(got) != i+4 || !strings.HasPrefix(library, got[:i]) {
		return false
	}
	rest, code := library[i:], got[i+2:]
	return rest == "" || code == "\x03\xef" || len(rest) > 4 && rest[0] == finBit|opClose && rest[2:4] == code
}
