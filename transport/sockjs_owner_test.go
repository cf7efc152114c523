package transport_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"hoofbeat/auth"
	"hoofbeat/connections"
	"hoofbeat/internal/servertest"
	"hoofbeat/internal/stomptest"
	"hoofbeat/transport"
)

// A request that exceeds the limit ends the session, and the client can still
// read the ERROR.
func TestSockJSTooLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, patientSockJS, func(o *servertest.Options) { o.Session.Limits.BodyBytes = 100 << 10 })
	p := newPage(w)
	for _, n := range []int{64 << 10, 200 << 10, 2 << 20} {
		s := newSession()
		p.do("POST", s+"/xhr", "").want(t, 200, "o\n")
		p.do("POST", s+"/xhr_send", inMessages(connectFrame+strings.Repeat("x", n))).want(t, 204, "")
		p.poll(s, "ERROR\nmessage:")
		s = p.connected()
		if n < 100<<10 {
			p.do("POST", s+"/xhr_send", "["+strings.Repeat(`"\n",`, n)+`"\n"]`).want(t, 204, "")
		}
		p.do("POST", s+"/xhr_send", inMessages("SEND\ndestination:/topic/a\nreceipt:1\n\n"+strings.Repeat("x", n)))
		a := p.do("POST", s+"/xhr", "")
		if ok := n < 100<<10; ok != strings.Contains(a.body, "RECEIPT") || ok == strings.Contains(a.body, "message:frame-too-large") {
			t.Errorf("%d bytes: %q", n, a.body)
		}
	}
	s := p.connected()
	if a := p.do("POST", s+"/xhr", strings.Repeat("x", 5000)); a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a receiver with a body: %s", a.Status)
	}
}

// A session cannot be used from another page or network, even with its id.
func TestSockJSSessionsAreOwned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, patientSockJS, func(o *servertest.Options) {
		o.Origins = []string{"http://a", "http://b"}
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	p := newPage(w)
	s := newSession()
	open := func(want string, headers ...string) {
		t.Helper()
		p.do("POST", s+"/xhr", "", headers...).want(t, 200, want)
	}
	from := func(origin, address string) []string {
		return []string{"Origin: http://" + origin, "X-Forwarded-For: " + address}
	}
	open("o\n", from("a", "192.0.2.1")...)
	for _, who := range [][]string{from("b", "192.0.2.1"), from("a", "192.0.3.1"), from("a", "2001:db8::1")} {
		p.do("POST", s+"/xhr_send", inMessages(connectFrame), who...).want(t, 404, "404 page not found\n")
		open("o\n", who...) // of a new session
	}
	p.do("POST", s+"/xhr_send", inMessages(connectFrame), from("a", "192.0.2.200")...).want(t, 204, "")
	if a := p.do("POST", s+"/xhr", "", from("a", "192.0.2.1")...); !strings.HasPrefix(a.body, `a["CONNECTED`) {
		t.Errorf("got %q", a.body)
	}
	p.do("POST", s+"/xhr_send", inMessages(connectFrame), from("a", "2001:db8::1")...).want(t, 204, "")
	p.do("POST", s+"/xhr_send", "[]", from("a", "2001:db8::2:1")...).want(t, 204, "")
	p.do("POST", s+"/xhr_send", "[]", from("a", "2001:db8:0:1::1")...).want(t, 404, "404 page not found\n")
	if log := w.log.String(); !strings.Contains(log, "remote=192.0.2.1:0 transport=sockjs-http") {
		t.Error(log)
	}
}

// Sessions count against the limits like connections, and free their place.
func TestSockJSPlaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, patientSockJS, func(o *servertest.Options) { o.Limits = connections.Limits{Connections: 2} })
	p := newPage(w)
	s := p.connected()
	ws := dialSockWS(t, "ws"+strings.TrimPrefix(p.base, "http")+newSession()+"/websocket", nil)
	for _, path := range []string{"/xhr", "/xhr_streaming"} {
		a := p.do("POST", newSession()+path, "")
		if a.StatusCode != 503 || !strings.Contains(a.body, "limits.connections)") || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s, %q", a.Status, a.body)
		}
	}
	p.send(s, "DISCONNECT\n\n")
	p.do("POST", s+"/xhr", "").want(t, 200, `c[1000,""]`+"\n")
	eventually(t, "there is a place", func() bool { return p.do("POST", newSession()+"/xhr", "").body == "o\n" })
	_ = ws.Close()
}

// Any number of concurrent requests is safe.
func TestSockJSManyRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, patientSockJS)
	p := newPage(w)
	s := p.connected()
	done := make(chan string)
	const n = 40
	for i := range n {
		go func() {
			path, body := "/xhr_send", inMessages("SEND\ndestination:/topic/a\n\n")
			if i%2 == 0 {
				path, body = "/xhr", ""
			}
			r, err := p.web.Post(p.base+s+path, "text/plain", bytes.NewReader([]byte(body)))
			if err != nil {
				done <- err.Error()
				return
			}
			b, _ := io.ReadAll(r.Body)
			_ = r.Body.Close()
			done <- fmt.Sprintf("%d %s", r.StatusCode, b)
		}()
	}
	for range n - 1 {
		switch got := <-done; {
		case got == "204 ", got == "200 "+another, strings.HasPrefix(got, "503 This session has too many"):
		default:
			t.Errorf("got %q", got)
		}
	}
	p.send(s, "SEND\ndestination:/topic/a\nreceipt:r\n\n")
	if got := <-done; !strings.HasPrefix(got, `200 a["RECEIPT`) {
		t.Errorf("got %q", got)
	}
}

// A clerk records the HTTP request data of authentications.
type clerk struct {
	auth.Anonymous
	seen chan auth.Request
}

func (c clerk) Authenticate(r auth.Request) (*auth.Identity, error) {
	c.seen <- r
	return c.Anonymous.Authenticate(r)
}

// The request that opens a session provides its credentials; later requests
// must have the same.
func TestSockJSCredentials(t *testing.T) {
	t.Parallel()
	seen := make(chan auth.Request, 1)
	p := newPage(newWorld(t, patientSockJS, func(o *servertest.Options) {
		o.Credentials = transport.Credentials{HTTPAuthorization: true, QueryParameter: "token", Cookie: "session"}
		o.Session.Authenticator = clerk{seen: seen}
	}))
	const query = "?token=in-query"
	headers := []string{"Authorization: Bearer in-header", "Cookie: session=in-cookie"}
	want := func() {
		t.Helper()
		if r := <-seen; r.HTTPAuthorization != "Bearer in-header" || r.QueryToken != "in-query" || r.CookieToken != "in-cookie" {
			t.Errorf("got %+v", r)
		}
	}
	s := newSession()
	p.do("POST", s+"/xhr"+query, "", headers...).want(t, 200, "o\n")
	if a := p.do("POST", s+"/xhr_send?token=other", inMessages(connectFrame), "Cookie: session=other"); a.StatusCode != http.StatusNotFound {
		t.Errorf("with other credentials: %s", a.Status)
	}
	p.do("POST", s+"/xhr_send"+query, inMessages(connectFrame), headers...).want(t, 204, "")
	want()
	if a := p.do("POST", s+"/xhr"+query, "", headers...); !strings.Contains(a.body, "CONNECTED") {
		t.Errorf("received %q", a.body)
	}
	p.do("POST", s+"/xhr_send"+query, inMessages("DISCONNECT\n\n\x00"), headers...).want(t, 204, "")
	p.do("POST", s+"/xhr"+query, "", headers...)

	o := &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer in-header"}, "Cookie": {"session=in-cookie"}}}
	ws := dialSockWS(t, "ws"+strings.TrimPrefix(p.base, "http")+newSession()+"/websocket"+query, o)
	stomptest.New(t, ws).Connect("1.2")
	want()
}

// All endpoints are below the path, for any path.
func TestSockJSPrefix(t *testing.T) {
	t.Parallel()
	w := newWorld(t, patientSockJS, func(o *servertest.Options) { o.SockJS.DisconnectDelay = time.Millisecond })
	for prefix, others := range map[string][]string{
		"/":            {"/x/info"},
		"/ws":          {"/info", "/wsx/info", "/ws/ws/info", "/wsx/a/b/xhr"},
		"/ws/":         {"/info", "/wsx/info"},
		"/app/v1/chat": {"/info", "/app/info", "/app/v1/chatinfo", "/app/v1/chat/x/info"},
	} {
		h := w.server.SockJSHandler(prefix)
		get := func(method, path string) (int, string) {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(method, "http://x"+path, nil))
			return rec.Code, rec.Body.String()
		}
		base := strings.TrimSuffix(prefix, "/")
		if code, body := get("GET", base+"/info"); code != 200 || !strings.Contains(body, "entropy") {
			t.Errorf("%s: %d, %q", prefix, code, body)
		}
		if code, body := get("GET", base+"/"); code != 200 || !strings.HasPrefix(body, "Welcome") {
			t.Errorf("%s: %d, %q", prefix, code, body)
		}
		if code, body := get("POST", base+newSession()+"/xhr"); code != 200 || body != "o\n" {
			t.Errorf("%s: %d, %q", prefix, code, body)
		}
		for _, path := range others {
			if code, _ := get("POST", path); code != 404 {
				t.Errorf("%s: %s is served", prefix, path)
			}
		}
	}
}
