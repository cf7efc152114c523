package transport_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"hoofbeat/internal/servertest"
)

// Text that is not UTF-8 closes the connection with 1007, however it is
// fragmented. Binary messages are not checked (RFC 6455, 8.1).
func TestInvalidText(t *testing.T) {
	const head = "SEND\ndestination:/topic/a\n\n"
	for name, edit := range map[string]func(o *servertest.Options){
		"plain": func(o *servertest.Options) {}, "compressed": func(o *servertest.Options) { o.Compression = true },
	} {
		w := newWorld(t, edit)
		for _, tc := range []struct {
			name string
			kind websocket.MessageType
			text []string // the fragments of a message
			want websocket.StatusCode
		}{
			{"body", websocket.MessageText, []string{head + "\xff\x00"}, 1007},
			{"header", websocket.MessageText, []string{"SEND\nx:\xc3\ndestination:/topic/a\n\n\x00"}, 1007},
			{"surrogate", websocket.MessageText, []string{head + "\xed\xa0\x80\x00"}, 1007},
			{"overlong", websocket.MessageText, []string{head + "\xc0\xaf\x00"}, 1007},
			{"ends within a character", websocket.MessageText, []string{head + "\x00\n\xc3"}, 1007},
			{"fragment", websocket.MessageText, []string{head, "gr\xc3", "x\x00"}, 1007},
			{"long", websocket.MessageText, []string{head + strings.Repeat("ü", 40_000), "\xbc\x00"}, 1007},
			{"split character", websocket.MessageText, []string{head + "gr\xc3", "\xbc", "\xc3\x9fe\xf0", "\x9f", "\x90\xb4\x00"}, 0},
			{"long and split", websocket.MessageText, []string{head + "x" + strings.Repeat("ü", 40_000) + "\xc3", "\xbc\x00"}, 0},
			{"binary", websocket.MessageBinary, []string{head + "\xff\x00"}, 0},
		} {
			t.Run(name+" "+tc.name, func(t *testing.T) {
				ws := dialWS(t, "ws://"+w.ws(nil)+path, &websocket.DialOptions{CompressionMode: websocket.CompressionNoContextTakeover})
				write(t, ws, websocket.MessageText, "CONNECT\naccept-version:1.2\n\n\x00")
				wantMessage(t, ws, "CONNECTED")
				write(t, ws, tc.kind, tc.text...)
				if tc.want == 0 {
					write(t, ws, websocket.MessageText, head[:len(head)-1]+"receipt:r\n\n\x00")
					wantMessage(t, ws, "RECEIPT")
					return
				}
				if f := wantMessage(t, ws, "ERROR"); !strings.Contains(f, "message:invalid-text") {
					t.Errorf("got %q", f)
				}
				if got := closeCode(t, ws); got != tc.want {
					t.Errorf("closed with %v", got)
				}
			})
		}
	}
}

// A close reason that is not UTF-8 is answered with 1007, any other one with
// its own code.
func TestInvalidCloseReason(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		w := newWorld(t, func(o *servertest.Options) { o.Compression = compressed })
		for reason, want := range map[string]websocket.StatusCode{"bye": 4000, "grüße": 4000, "": 4000, "\xff": 1007, "gr\xc3": 1007} {
			ws := dialWS(t, "ws://"+w.ws(nil)+path, nil)
			write(t, ws, websocket.MessageText, "CONNECT\naccept-version:1.2\n\n\x00")
			wantMessage(t, ws, "CONNECTED")
			err := ws.Close(4000, reason)
			got := websocket.StatusCode(4000) // Close returns nil if the peer echoes the code
			if err != nil {
				got = websocket.CloseStatus(err)
			}
			if got != want {
				t.Errorf("%q is answered with %v (%v), want %v", reason, got, err, want)
			}
		}
	}
}

func write(t *testing.T, ws *websocket.Conn, kind websocket.MessageType, fragments ...string) {
	t.Helper()
	m, err := ws.Writer(context.Background(), kind)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fragments {
		_, e := m.Write([]byte(f))
		err = errors.Join(err, e)
	}
	if err := errors.Join(err, m.Close()); err != nil {
		t.Fatal(err)
	}
}

func closeCode(t *testing.T, ws *websocket.Conn) websocket.StatusCode {
	t.Helper()
	for {
		if _, _, err := ws.Read(context.Background()); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}
