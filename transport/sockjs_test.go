package transport_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"hoofbeat/internal/servertest"
)

// sockjs-protocol: BaseUrlGreeting, SessionURLs, and the transports that are
// not supported.
func TestSockJSPaths(t *testing.T) {
	t.Parallel()
	p := newPage(newWorld(t, patientSockJS))
	for _, tc := range []struct {
		method, path string
		status       int
		body         string // its beginning
	}{
		{"GET", "", 200, "Welcome to SockJS!\n"},
		{"GET", "/", 200, "Welcome to SockJS!\n"},
		{"HEAD", "", 200, ""},
		{"POST", "", 426, ""},
		{"GET", "/a", 404, ""},
		{"GET", "/a.html", 404, ""},
		{"GET", "/a/a", 404, ""},
		{"GET", "/a/a/", 404, ""},
		{"POST", "/a/a" + rand.Text() + "/xhr", 200, "o\n"},
		{"POST", "/_/_" + rand.Text() + "/xhr", 200, "o\n"},
		{"POST", "/1/" + rand.Text() + "/xhr", 200, "o\n"},
		{"POST", "/abcdefgh_i-j%20/abcdefg_i-j%20" + rand.Text() + "/xhr", 200, "o\n"},
		{"POST", "/a./a/xhr", 404, ""},
		{"POST", "/a/a./xhr", 404, ""},
		{"POST", "/a/xhr", 404, ""},
		{"POST", "/a/a/a/xhr", 404, ""},
		{"POST", "/a/" + strings.Repeat("a", 129) + "/xhr", 404, ""},
		{"GET", "/a/a/xhr", 405, ""},
		{"GET", "/a/a/xhr_streaming", 405, ""},
		{"PUT", "/a/a/xhr_send", 405, ""},
		{"POST", "/info", 405, ""},
		{"GET", "/websocket", 426, ""},
		{"GET", "/0/0/websocket", 400, `Can "Upgrade" only to "WebSocket".`},
		{"POST", "/0/0/websocket", 405, ""},
		// Transports that no current browser needs; see docs/adr.
		{"GET", "/iframe.html", 404, ""},
		{"GET", "/a/a/eventsource", 404, ""},
		{"GET", "/a/a/htmlfile?c=x", 404, ""},
		{"GET", "/a/a/jsonp?c=x", 404, ""},
		{"POST", "/a/a/jsonp_send", 404, ""},
	} {
		a := p.do(tc.method, tc.path, "")
		if a.StatusCode != tc.status || !strings.HasPrefix(a.body, tc.body) || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s %s: got %s, %q, %q", tc.method, tc.path, a.Status, a.body, a.Header)
		}
		if tc.status == 405 && (a.Header.Get("Allow") == "" || a.body != "") {
			t.Errorf("%s %s: %q, %q", tc.method, tc.path, a.Header, a.body)
		}
	}
	p.do("GET", "/0/0/websocket", "", "Upgrade: websocket", "Connection: close").want(t, 400, `"Connection" must be "Upgrade".`+"\n")
}

// Without the option, the endpoint serves WebSocket only.
func TestSockJSIsOff(t *testing.T) {
	t.Parallel()
	p := newPage(newWorld(t))
	for method, path := range map[string]string{"GET": "/info", "POST": "/000/abcdefgh/xhr", "OPTIONS": "/000/abcdefgh/xhr_send"} {
		if a := p.do(method, path, ""); a.StatusCode != 404 {
			t.Errorf("%s %s: %s", method, path, a.Status)
		}
	}
	if a := p.do("GET", "", ""); a.StatusCode != http.StatusUpgradeRequired {
		t.Error(a.Status)
	}
}

// sockjs-protocol: InfoTest.
func TestSockJSInfo(t *testing.T) {
	t.Parallel()
	p := newPage(newWorld(t, patientSockJS, func(o *servertest.Options) { o.Origins = []string{"*"} }))
	seen := map[uint32]bool{}
	for range 5 {
		a := p.do("GET", "/info", "", "Origin: http://test")
		var info struct {
			WebSocket    *bool    `json:"websocket"`
			CookieNeeded *bool    `json:"cookie_needed"`
			Origins      []string `json:"origins"`
			Entropy      uint32   `json:"entropy"`
		}
		if err := json.Unmarshal([]byte(a.body), &info); err != nil || !*info.WebSocket || *info.CookieNeeded || !slices.Equal(info.Origins, []string{"*:*"}) {
			t.Errorf("%v: %s", err, a.body)
		}
		seen[info.Entropy] = true
		wantHeaders(t, a, "Content-Type: application/json; charset=UTF-8", notCached, "Expires: ", "Last-Modified: ",
			"Access-Control-Allow-Origin: http://test", "Access-Control-Allow-Credentials: true", "Vary: Origin")
	}
	if len(seen) < 4 {
		t.Errorf("entropy is one of %v", seen)
	}
}

const notCached = "Cache-Control: no-store, no-cache, no-transform, must-revalidate, max-age=0"

func wantHeaders(t *testing.T, a answer, headers ...string) {
	t.Helper()
	for _, h := range headers {
		if name, value, _ := strings.Cut(h, ": "); a.Header.Get(name) != value {
			t.Errorf("%s %s: %s is %q, want %q", a.Request.Method, a.Request.URL.Path, name, a.Header.Get(name), value)
		}
	}
}

// A page may send requests if it may open a WebSocket, and no response allows
// "*".
func TestSockJSOrigins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, patientSockJS, func(o *servertest.Options) { o.Origins = []string{"https://app.example.com"} })
	p := newPage(w)
	self := strings.TrimSuffix(p.base, path)
	s := p.connected() // without Origin, as programs do
	for _, tc := range []struct{ method, path, allow string }{
		{"GET", "/info", "OPTIONS, GET"},
		{"POST", newSession() + "/xhr", "OPTIONS, POST"},
		{"POST", newSession() + "/xhr_streaming", "OPTIONS, POST"},
		{"POST", s + "/xhr_send", "OPTIONS, POST"},
	} {
		for _, origin := range []string{"https://evil.com", "null", "http://app.example.com", "rubbish"} {
			for _, method := range []string{tc.method, "OPTIONS"} {
				a := p.do(method, tc.path, "[]", "Origin: "+origin)
				if a.StatusCode != 403 || !strings.Contains(a.body, "listen.websocket.origins") {
					t.Errorf("%s %s from %s: %s, %q", method, tc.path, origin, a.Status, a.body)
				}
				wantHeaders(t, a, "Access-Control-Allow-Origin: ", "Access-Control-Allow-Credentials: ")
			}
		}
		for _, origin := range []string{"https://app.example.com", self} {
			a := p.do("OPTIONS", tc.path, "", "Origin: "+origin, "Access-Control-Request-Method: "+tc.method, "Access-Control-Request-Headers: a, b, c")
			a.want(t, http.StatusNoContent, "")
			wantHeaders(t, a, "Access-Control-Allow-Origin: "+origin, "Access-Control-Allow-Credentials: true", "Access-Control-Allow-Methods: "+tc.allow,
				"Access-Control-Allow-Headers: a, b, c", "Access-Control-Max-Age: 31536000", "Cache-Control: public, max-age=31536000", "Vary: Origin")
			if a.Header.Get("Expires") == "" {
				t.Error("no Expires")
			}
		}
	}
	a := p.do("OPTIONS", "/info", "", "Origin: "+self)
	wantHeaders(t, a, "Access-Control-Allow-Headers: ")
	a = p.do("GET", "/info", "")
	wantHeaders(t, a, "Access-Control-Allow-Origin: ", "Access-Control-Allow-Credentials: ")
	if log := w.log.String(); !strings.Contains(log, `reason=origin detail="\"https://evil.com\""`) {
		t.Error(log)
	}
	ws := "ws" + strings.TrimPrefix(p.base, "http") + newSession() + "/websocket"
	_, r, err := tryWS(t, ws, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://evil.com"}}})
	if err == nil || r.StatusCode != 403 {
		t.Errorf("a WebSocket of another page: %v", err)
	}
}
