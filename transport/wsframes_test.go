package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"hoofbeat/auth"
	"hoofbeat/internal/servertest"
	"hoofbeat/internal/stomptest"
)

// A frame is one message, as text if it is valid UTF-8.
func TestMessages(t *testing.T) {
	for name, compressed := range map[string]bool{"plain": false, "compressed": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *servertest.Options) { o.Compression = compressed })
			ws := dialWS(t, "ws://"+w.ws(nil)+path, &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
			put := func(text string) {
				t.Helper()
				if err := ws.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			put("CONNECT\naccept-version:1.2\n\n\x00SUBSCRIBE\nid:ü\ndestination:/topic/a\n\n\x00")
			wantMessage(t, ws, "CONNECTED")
			bodies := []string{"", "x", "grüße", "\xff", "a\x00b", strings.Repeat("y", 70_000), "\xc3\x28", strings.Repeat("\xf0", 1000)}
			for range 100 {
				bodies = append(bodies, strings.Repeat("z", rand.IntN(300)))
			}
			var all strings.Builder
			for _, b := range bodies {
				fmt.Fprintf(&all, "SEND\ndestination:/topic/a\ncontent-length:%d\n\n%s\x00", len(b), b)
			}
			if err := ws.Write(context.Background(), websocket.MessageBinary, []byte(all.String())); err != nil {
				t.Fatal(err)
			}
			for _, b := range bodies {
				if f := wantMessage(t, ws, "MESSAGE"); !strings.HasSuffix(f, "\n\n"+b+"\x00") {
					t.Errorf("got %.200q, want the body %.100q", f, b)
				}
			}
		})
	}
}

// wantMessage expects a message that holds one frame with this command.
func wantMessage(t *testing.T, ws *websocket.Conn, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stomptest.DefaultLimit)
	defer cancel()
	kind, p, err := ws.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	f := string(p)
	if !strings.HasPrefix(f, command+"\n") || !strings.HasSuffix(f, "\x00") {
		t.Errorf("the message is %.200q, want a %s", f, command)
	}
	if (kind == websocket.MessageText) != utf8.Valid(p) {
		t.Errorf("%.200q came as %v", f, kind)
	}
	return f
}

// Frames may be split over messages and fragments anywhere, of alternating
// types, but not within a character of a text message.
func TestFramesOverMessages(t *testing.T) {
	w := newWorld(t)
	text := "CONNECT\naccept-version:1.2\n\n\x00\n\r\nSUBSCRIBE\nid:1\ndestination:/topic/a\n\n\x00" +
		strings.Repeat("SEND\ndestination:/topic/a\nk:v\\c\n\ngrüße\x00\n", 20)
	url := "ws://" + w.ws(nil) + path
	for range 8 {
		ws := dialWS(t, url, nil)
		for i := 0; len(text) > 0 && i < len(text); {
			part := text[i:min(len(text), i+1+rand.IntN(40))]
			i += len(part)
			kind := []websocket.MessageType{websocket.MessageText, websocket.MessageBinary}[rand.IntN(2)]
			if !utf8.ValidString(part) {
				kind = websocket.MessageBinary
			}
			m, err := ws.Writer(context.Background(), kind)
			if err != nil {
				t.Fatal(err)
			}
			for len(part) > 0 {
				n := 1 + rand.IntN(len(part))
				_, err = io.WriteString(m, part[:n])
				part = part[n:]
			}
			if err := errors.Join(err, m.Close()); err != nil {
				t.Fatal(err)
			}
		}
		wantMessage(t, ws, "CONNECTED")
		for range 20 {
			if f := wantMessage(t, ws, "MESSAGE"); !strings.HasSuffix(f, "k:v\\c\ncontent-length:7\n\ngrüße\x00") {
				t.Fatalf("got %q", f)
			}
		}
	}
}

// Each class of ERROR closes with its own code, and with its word as the
// reason.
func TestCloseCodes(t *testing.T) {
	const connect = "CONNECT\naccept-version:1.2\n\n\x00"
	for _, tc := range []struct {
		sends string
		code  websocket.StatusCode
		word  string
	}{
		{"SEND\n\n\x00", 1002, "not-connected"},
		{"rubbish\n", 1002, "invalid-frame"},
		{connect + connect, 1002, "already-connected"},
		{connect + "SEND\ndestination:/nowhere\n\n\x00", 1002, "unknown-destination"},
		{connect + "ACK\nid:x\n\n\x00", 1002, "unknown-ack-id"},
		{connect + "SEND\ndestination:/topic/a\nx:" + strings.Repeat("y", 1000), 1009, "frame-too-large"},
		{connect + "SEND\ndestination:/topic/a\ncontent-length:2001\n\n", 1009, "frame-too-large"},
		{connect + "SEND\ndestination:/topic/a\n\n" + strings.Repeat("y", 2001), 1009, "frame-too-large"},
		{connect + strings.Repeat("\n", 10_000), 1009, "frame-too-large"},
		{strings.Repeat("\n", 10_000), 1009, "frame-too-large"},
		{"CONNECT\nx:" + strings.Repeat("y", 600), 1009, "frame-too-large"},
		{"CONNECT\naccept-version:1.2\nlogin:mallory\n\n\x00", 1008, "authentication-failed"},
		{"CONNECT\naccept-version:1.2\nlogin:panic\n\n\x00", 1011, "internal-error"},
		{connect + strings.Repeat("SEND\ndestination:/topic/a\n\n\x00", 4), 1008, "rate-limited"},
		{connect + "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\x00SUBSCRIBE\nid:2\ndestination:/topic/b\n\n\x00", 1008, "too-many-subscriptions"},
	} {
		t.Run(fmt.Sprintf("%s %.60q", tc.word, tc.sends), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, smallLimits)
			ws := dialWS(t, "ws://"+w.ws(nil)+path, nil)
			if err := ws.Write(context.Background(), websocket.MessageText, []byte(tc.sends)); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(tc.sends, connect) {
				wantMessage(t, ws, "CONNECTED")
			}
			if f := wantMessage(t, ws, "ERROR"); !strings.Contains(f, "\nmessage:"+tc.word+"\n") {
				t.Errorf("got %q", f)
			}
			wantStatus(t, ws, tc.code, tc.word)
		})
	}
}

func smallLimits(o *servertest.Options) {
	l := &o.Session.Limits
	l.HeaderBytes, l.BodyBytes, l.BytesBeforeConnect = 1000, 2000, 500
	l.SendRate, l.SendRatePer, l.Subscriptions = 3, time.Hour, 1
	o.Session.Authenticator = doorman{}
}

// A doorman refuses mallory, and panics for a certain name.
type doorman struct{ auth.Anonymous }

func (d doorman) Authenticate(r auth.Request) (*auth.Identity, error) {
	switch r.Login {
	case "mallory":
		return nil, errors.New("it is mallory")
	case "panic":
		panic("no such name")
	}
	return d.Anonymous.Authenticate(r)
}

// wantStatus expects the closing handshake with this code and reason.
func wantStatus(t *testing.T, ws *websocket.Conn, code websocket.StatusCode, reason string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stomptest.DefaultLimit)
	defer cancel()
	_, p, err := ws.Read(ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || closed.Reason != reason {
		t.Errorf("got %q, %v; want close code %d and %q", p, err, code, reason)
	}
}

func TestPing(t *testing.T) {
	w := newWorld(t, quickBeats)
	ws := upgrade(t, dialTCP(t, w.ws(nil)))
	for _, payload := range []string{"", "x", strings.Repeat("p", 125)} {
		ws.write(masked(opPing, payload))
		if op, p := ws.next(); op != opPong || p != payload {
			t.Errorf("ping %q was answered with opcode %d and %q", payload, op, p)
		}
	}
	// In the middle of a fragmented message, which continues afterwards.
	whole := masked(opText, "CONNECT\nheart-beat:0,0\n\n\x00")
	first := []byte(masked(opText, "CONNECT\n"))
	first[0] &^= 0x80
	ws.write(string(first) + masked(opPing, "amid") + masked(0, "heart-beat:0,0\n\n\x00"))
	if op, p := ws.next(); op != opPong || p != "amid" {
		t.Errorf("got opcode %d and %q", op, p)
	}
	ws.wantText("CONNECTED")
	ws.write(whole)
	ws.wantText("already-connected")
}

func TestCloseIsAnswered(t *testing.T) {
	w := newWorld(t)
	address := w.ws(nil)
	for _, payload := range []string{"", "\x03\xe8", "\x03\xe9gone", "\x0b\xb8", "\x13\x87four thousand"} {
		for _, connected := range []bool{false, true} {
			ws := upgrade(t, dialTCP(t, address))
			if connected {
				ws.write(masked(opText, "CONNECT\n\n\x00"))
				ws.wantText("CONNECTED")
			}
			ws.write(masked(opClose, payload))
			if op, p := ws.next(); op != opClose || p != payload {
				t.Errorf("close %q was answered with opcode %d and %q", payload, op, p)
			}
			if rest := wantEnd(t, ws); rest != "" {
				t.Errorf("behind the close frame came %q", rest)
			}
		}
	}
}

func TestWebSocketProtocolErrors(t *testing.T) {
	w := newWorld(t)
	address := w.ws(nil)
	for name, frame := range map[string]string{
		"reserved bit":      "\xc1\x80\x00\x00\x00\x00",
		"unknown opcode":    masked(5, ""),
		"stray part":        masked(0, "x"),
		"large control":     "\x89\xfe\x01\x00\x00\x00\x00\x00",
		"close of one byte": masked(opClose, "x"),
		"not masked":        "\x81\x01x",
	} {
		ws := upgrade(t, dialTCP(t, address))
		ws.write(frame)
		if op, p := ws.next(); op != opClose || !strings.HasPrefix(p, "\x03\xea") {
			t.Errorf("%s: answered with opcode %d and %q", name, op, p)
		}
		_ = ws.Close() // otherwise the broker waits for a close frame
	}
	eventually(t, "the sessions have ended", func() bool { return w.server.Sessions() == 0 })
}

func TestCompressionIsNegotiated(t *testing.T) {
	for _, offered := range []bool{false, true} {
		w := newWorld(t, func(o *servertest.Options) { o.Compression = offered })
		_, r, err := tryWS(t, "ws://"+w.ws(nil)+path, &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Header.Get("Sec-WebSocket-Extensions"); strings.Contains(got, "permessage-deflate") != offered {
			t.Errorf("offered %v: the extensions are %q", offered, got)
		}
	}
}

// A message that becomes large by decompression is abandoned at the limit, and
// costs no more than an uncompressed one of that size.
func TestCompressionBomb(t *testing.T) {
	w := newWorld(t, func(o *servertest.Options) {
		o.Compression = true
		o.Session.Limits.BodyBytes = 1 << 20
	})
	ws := dialWS(t, "ws://"+w.ws(nil)+path, &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
	c := converse(t, ws)
	c.Connect("1.2")
	part := make([]byte, 1<<20)
	for i := range part {
		part[i] = '\n'
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, err := ws.Writer(context.Background(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := m.Write(part); err != nil {
			break // reading to the end is not required
		}
	}
	_ = m.Close()
	c.WantError("frame-too-large", "", "after decompression", "limits.frame_body_bytes")
	wantStatus(t, ws, 1009, "frame-too-large")
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("%d bytes of memory were used", used)
	}
}

func TestResetAmidFrame(t *testing.T) {
	w := newWorld(t)
	for name, address := range map[string]string{"tcp": w.tcp(nil), "ws": w.ws(nil)} {
		for _, reset := range []bool{false, true} {
			raw := dialTCP(t, address)
			c := stomptest.New(t, raw)
			begun := "SEND\ndestination:/queue/a\ncontent-length:1000\n\nbegun"
			if name == "ws" {
				ws := upgrade(t, raw)
				ws.write(masked(opText, "CONNECT\naccept-version:1.2\n\n\x00") + masked(opText, "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\x00"))
				ws.wantText("CONNECTED")
				ws.write(masked(opText, begun)[:40])
			} else {
				c.Connect("1.2")
				c.Write(begun)
			}
			if reset {
				_ = raw.SetLinger(0)
			}
			_ = raw.Close()
			eventually(t, name+"'s session has ended", func() bool { return w.server.Sessions() == 0 })
		}
	}
	if d := w.depth("/queue/a"); d.Ready != 0 {
		t.Error("a part of a SEND was taken for one")
	}
	if log := w.log.String(); strings.Contains(log, "level=ERROR") {
		t.Error(log)
	}
}

// Frames sent together with the handshake are read.
func TestFramesBehindHandshake(t *testing.T) {
	w := newWorld(t)
	ws := upgrade(t, dialTCP(t, w.ws(nil)), masked(opText, "CONNECT\n\n\x00"), masked(opText, "DISCONNECT\nreceipt:bye\n\n\x00"))
	ws.wantText("CONNECTED")
	ws.wantText("receipt-id:bye")
	ws.wantClose(1000, "")
}
