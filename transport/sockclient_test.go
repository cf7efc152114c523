package transport_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"hoofbeat/internal/socktest"
	"hoofbeat/internal/stomptest"
)

// A sockWS is a SockJS session over WebSocket.
type sockWS struct {
	*socktest.WebSocket
	ws *websocket.Conn
}

func dialSockWS(t testing.TB, url string, o *websocket.DialOptions) sockWS {
	t.Helper()
	ws := dialWS(t, url, o)
	s := sockWS{socktest.OverWebSocket(ws, socktest.Plenty), ws}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func dialXHR(t testing.TB, web *http.Client, url string, streaming bool) *socktest.XHR {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stomptest.DefaultLimit)
	defer cancel()
	s, err := socktest.OverHTTP(ctx, web, url, streaming, socktest.Plenty)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func httpClient(t testing.TB, dial func() net.Conn) *http.Client {
	tr := &http.Transport{TLSClientConfig: trust()}
	if dial != nil {
		tr.DialContext = func(context.Context, string, string) (net.Conn, error) { return dial(), nil }
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// A sockClient is a SockJS session over any transport.
type sockClient interface {
	stomptest.Conn
	Last() socktest.Frame
}

// wantLast waits for the c frame.
func wantLast(t testing.TB, s sockClient, code int, reason string) {
	t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(stomptest.DefaultLimit)); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(s)
	if f := s.Last(); err != nil || f.Code != code || f.Reason != reason {
		t.Fatalf("closed with %d %q, %v, want %d %q; the rest is %q", f.Code, f.Reason, err, code, reason, rest)
	}
}
