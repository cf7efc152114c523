package dialects

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"hoofbeat/auth/acl"
	"hoofbeat/session"
)

// beatOnce sends the client's heart-beat and ignores errors.
func (p *peer) beatOnce() {
	if p.beat != nil {
		_ = p.tryRaw(*p.beat)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = p.ws.Ping(ctx) // the pong is read by the next read
}

// wantError expects an ERROR that the application can show, and the end of the
// connection.
func (p *peer) wantError(word string, code websocket.StatusCode, parts ...string) frame {
	p.t.Helper()
	f := p.want("ERROR")
	if f.headers["message"] != word || f.headers["content-type"] != "text/plain" || f.headers["version"] != p.version {
		p.t.Errorf("the ERROR is %+v, want %s", f, word)
	}
	for _, part := range parts {
		if !strings.Contains(f.body, part) {
			p.t.Errorf("the ERROR says %q, want %q in it", f.body, part)
		}
	}
	p.ended(code)
	return f
}

func unknownDestination(connect func(...string) *peer) {
	p := connect()
	p.send("SEND", []string{"destination:/app/hello"}, "x")
	f := p.wantError("unknown-destination", websocket.StatusProtocolError, "/app/hello", "/topic/", "/queue/")
	if _, there := f.headers["receipt-id"]; there {
		p.t.Errorf("the ERROR is %+v", f)
	}
}

func errorWithReceipt(connect func(...string) *peer) {
	p := connect()
	p.send("SUBSCRIBE", append(p.subscription("1", "/nowhere/x"), "receipt:r-1"), "")
	if f := p.wantError("unknown-destination", websocket.StatusProtocolError); f.headers["receipt-id"] != "r-1" {
		p.t.Errorf("the ERROR is %+v", f)
	}
}

func badFrame(connect func(...string) *peer) {
	p := connect()
	p.send("HELLO", nil, "")
	p.wantError("invalid-frame", websocket.StatusProtocolError, "HELLO")
}

func disconnect(connect func(...string) *peer) {
	p := connect()
	p.send("DISCONNECT", p.disconnect, "")
	if p.receipt != "" {
		if got := p.want("RECEIPT").headers["receipt-id"]; got != p.receipt {
			p.t.Errorf("the receipt is %q", got)
		}
	}
	p.ended(websocket.StatusNormalClosure)
}

// Frames that a client sent before closing without DISCONNECT are handled.
func leaves(connect func(...string) *peer) {
	p := connect()
	p.send("SEND", []string{"destination:/queue/last"}, "words")
	if p.ws != nil {
		if err := p.ws.Close(websocket.StatusNormalClosure, ""); err != nil {
			p.t.Errorf("close: %v", err) // the close was answered at once
		}
	} else {
		p.stream.Close()
	}
	reader := p.w.plain()
	reader.Send("SUBSCRIBE", "id:1", "destination:/queue/last")
	reader.Want("MESSAGE", "", "words")
}

// React Native truncates text at NUL. Without forceBinaryWSFrames it never
// sends a complete frame, and gets an ERROR that says so.
func TestReactNativeWithoutBinary(t *testing.T) {
	w := newWorld(t, func(o *session.Options) { o.ConnectTimeout = time.Second })
	d := dialects[slices.IndexFunc(dialects, func(d dialect) bool { return strings.Contains(d.name, "React Native") })]
	p := w.dial(d)
	p.raw(text(strings.TrimSuffix(onePiece("")("CONNECT", d.connect(), "")[0].data, "\x00")))
	f := p.want("ERROR")
	if f.headers["message"] != "connect-timeout" || !strings.Contains(f.body, "limits.connect_timeout") {
		t.Errorf("the ERROR is %+v", f)
	}
	p.ended(websocket.StatusPolicyViolation)
}

// With receipt-error, a client whose subscription is denied stays connected,
// and every client can read the ERROR.
func TestDeniedSubscription(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			for _, keep := range []bool{false, true} {
				w := newWorld(t, func(o *session.Options) { o.Authorizer, o.KeepAfterDenied = newsOnly(t), keep })
				p := w.connect(d, "login:eve")
				p.send("SUBSCRIBE", append(p.subscription(p.id("/topic/secret"), "/topic/secret"), "receipt:r"), "")
				if !keep {
					p.wantError("access-denied", websocket.StatusPolicyViolation, "/topic/secret")
					continue
				}
				if f := p.want("ERROR"); f.headers["message"] != "access-denied" || f.headers["receipt-id"] != "r" {
					t.Errorf("the ERROR is %+v", f)
				}
				p.subscribe("/topic/news")
			}
		})
	}
}

// newsOnly allows everybody the news and the queues only.
func newsOnly(t testing.TB) *acl.List {
	t.Helper()
	list, err := acl.Compile([]acl.Rule{{
		Name: "news", Allow: []acl.Action{acl.Send, acl.Subscribe}, Destinations: []string{"/topic/news"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
