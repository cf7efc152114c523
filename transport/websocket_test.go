package transport_test

import (
	"hoofbeat/internal/servertest"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

func TestSubprotocol(t *testing.T) {
	w := newWorld(t)
	url := "ws://" + w.ws(nil) + path
	for _, tc := range []struct{ offers, want, accepts, version string }{
		{"", "", "1.0,1.1,1.2", "1.2"},
		{"v12.stomp", "v12.stomp", "1.0,1.1,1.2", "1.2"},
		{"v11.stomp", "v11.stomp", "1.0,1.1,1.2", "1.1"},
		{"v10.stomp", "v10.stomp", "1.0,1.1,1.2", "1.0"},
		{"v10.stomp v11.stomp v12.stomp", "v12.stomp", "1.0,1.1,1.2", "1.2"},
		{"v12.stomp v11.stomp v10.stomp", "v12.stomp", "1.0,1.1", "1.1"},
		{"v10.stomp mqtt v11.stomp", "v11.stomp", "1.1", "1.1"},
		{"mqtt", "", "1.1", "1.1"},
		{"V11.STOMP", "V11.STOMP", "1.1,1.2", "1.1"},
	} {
		c := dialWS(t, url, &websocket.DialOptions{Subprotocols: strings.Fields(tc.offers)})
		if got := c.Subprotocol(); got != tc.want {
			t.Errorf("of %q, %q was chosen", tc.offers, got)
		}
		if f := converse(t, c).ConnectAs("accept-version:" + tc.accepts); f.Get("version") != tc.version {
			t.Errorf("with %q, %s of %s was negotiated", tc.offers, f.Get("version"), tc.accepts)
		}
	}
}

func TestOrigin(t *testing.T) {
	some := []string{"https://*.example.com", "http://localhost:3000", "*.intern", "http://[::1]:3000"}
	for _, tc := range []struct {
		patterns []string
		refused  string
		accepted string // NONE: without Origin; SELF: the broker's own
	}{
		{nil, "https://example.com null http://127.0.0.1 http://localhost rubbish", "NONE SELF"},
		{
			some,
			"http://app.example.com https://example.com https://a.b.example.com https://app.example.com:444 http://localhost:3001 " +
				"http://localhost null https://evil.com https://app.example.com.evil.com rubbish https://.example.com " +
				"https://x.example.com@evil.com https://evil.com/app.example.com http://[::1] %zz",
			"NONE SELF https://app.example.com https://APP.Example.COM HTTP://localhost:3000 https://x.intern http://y.intern http://[::1]:3000",
		},
		{[]string{"*"}, "", "NONE SELF null https://evil.com http://localhost:3000 rubbish %zz"},
		{
			[]string{"null", "https://a.example.com:443", "http://b.example.com:80", "*.c.example.com:443", "d.example.com"},
			"http://a.example.com https://a.example.com:80 https://b.example.com http://x.c.example.com https://d.example.com:444 http://d.example.com:443 file://",
			"null https://a.example.com https://a.example.com:443 http://b.example.com http://b.example.com:80 https://x.c.example.com " +
				"https://d.example.com http://d.example.com https://d.example.com:443 capacitor://d.example.com",
		},
		{
			[]string{"capacitor://localhost", "ionic://localhost", "chrome-extension://abcd", "http://localhost:*", "file://", "http://[::1]:*"},
			"null http://evil.com capacitor://evil capacitor://localhost:1 https://localhost:1 chrome-extension://abce ionic://localhost.evil.com file://evil http://[::2]:1",
			"capacitor://localhost ionic://localhost chrome-extension://abcd http://localhost http://localhost:1 http://localhost:8080 file:// http://[::1]:7 http://[::1]",
		},
	} {
		w := newWorld(t, func(o *servertest.Options) { o.Origins = tc.patterns })
		address := w.ws(nil)
		dial := func(origin string) *http.Response {
			o := &websocket.DialOptions{HTTPHeader: http.Header{}}
			switch origin {
			case "NONE":
			case "SELF":
				o.HTTPHeader.Set("Origin", "http://"+address)
			default:
				o.HTTPHeader.Set("Origin", origin)
			}
			_, r, err := tryWS(t, "ws://"+address+path, o)
			if r == nil {
				t.Fatal(err)
			}
			return r
		}
		for _, origin := range strings.Fields(tc.accepted) {
			if r := dial(origin); r.StatusCode != http.StatusSwitchingProtocols {
				t.Errorf("with %q, %q is answered %s", tc.patterns, origin, r.Status)
			}
		}
		for _, origin := range strings.Fields(tc.refused) {
			r := dial(origin)
			if body, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusForbidden || !strings.Contains(string(body), "listen.websocket.origins") {
				t.Errorf("with %q, %q is answered %s %q", tc.patterns, origin, r.Status, body)
			}
		}
	}
}

// A missing port in Host or Origin means the scheme's default port.
func TestOwnHost(t *testing.T) {
	w := newWorld(t)
	url := "ws://" + w.ws(nil) + path
	for _, tc := range []struct {
		origin, host string
		want         int
	}{
		{"https://broker.example.com", "broker.example.com", 101},
		{"https://broker.example.com", "broker.example.com:443", 101},
		{"https://broker.example.com:443", "broker.example.com", 101},
		{"http://broker.example.com", "broker.example.com:80", 101},
		{"http://broker.example.com:8080", "Broker.Example.com:8080", 101},
		{"http://[::1]", "[::1]:80", 101},
		{"https://broker.example.com", "broker.example.com:80", 403},
		{"http://broker.example.com", "broker.example.com:8080", 403},
		{"http://broker.example.com:8080", "broker.example.com", 403},
		{"null", "null", 403},
		{"capacitor://localhost", "localhost:80", 403},
	} {
		_, r, err := tryWS(t, url, &websocket.DialOptions{Host: tc.host, HTTPHeader: http.Header{"Origin": {tc.origin}}})
		if r == nil {
			t.Fatal(err)
		}
		if r.StatusCode != tc.want {
			t.Errorf("%s asks for %s: %s", tc.origin, tc.host, r.Status)
		}
	}
	_, r, _ := tryWS(t, url, &websocket.DialOptions{Host: "a", HTTPHeader: http.Header{"Origin": {"http://a", "http://b"}}})
	if r == nil || r.StatusCode != http.StatusForbidden {
		t.Errorf("two origins, one of them foreign: %v", r)
	}
}

func TestRequestsThatAreNoHandshake(t *testing.T) {
	w := newWorld(t)
	url := "http://" + w.ws(nil)
	upgrade := map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg=="}
	with := func(k, v string) map[string]string {
		m := map[string]string{k: v}
		for name, value := range upgrade {
			if name != k {
				m[name] = value
			}
		}
		return m
	}
	for _, tc := range []struct {
		method, path string
		headers      map[string]string
		status       int
		says         string
	}{
		{"GET", path, nil, 426, "websocket"},
		{"HEAD", path, nil, 426, ""},
		{"POST", path, nil, 426, "websocket"},
		{"POST", path, upgrade, 405, "GET"},
		{"GET", path, with("Sec-WebSocket-Version", "8"), 400, "version"},
		{"GET", path, with("Sec-WebSocket-Key", "short"), 400, "key"},
		{"GET", path, with("Upgrade", "h2c"), 426, "websocket"},
		{"GET", "/", nil, 404, ""},
		{"GET", path + "/info", upgrade, 404, ""},
	} {
		r, err := http.NewRequest(tc.method, url+tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range tc.headers {
			r.Header.Set(k, v)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != tc.status || !strings.Contains(strings.ToLower(string(body)), strings.ToLower(tc.says)) {
			t.Errorf("%s %s with %v is answered %s %q, %v", tc.method, tc.path, tc.headers, resp.Status, body, err)
		}
		if tc.status == 426 && resp.Header.Get("Upgrade") != "websocket" {
			t.Errorf("%s %s: Upgrade is %q", tc.method, tc.path, resp.Header.Get("Upgrade"))
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if strings.Contains(w.log.String(), "connection opened") {
		t.Error("there was a connection")
	}
}
