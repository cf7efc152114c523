package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"hoofbeat/auth"
	"hoofbeat/connections"
	"hoofbeat/internal/servertest"
	"hoofbeat/internal/socktest"
	"hoofbeat/internal/stomptest"
	"hoofbeat/transport"
)

// A page sends requests to the broker as a browser would.
type page struct {
	t    testing.TB
	web  *http.Client
	base string // URL of the endpoint
}

func newPage(w *world) page {
	return page{w.t, httpClient(w.t, nil), "http://" + w.ws(nil) + path}
}

// An answer is a complete response.
type answer struct {
	*http.Response
	body string
}

// do sends a request with headers of the form "Origin: x".
func (p page) do(method, path, body string, headers ...string) answer {
	p.t.Helper()
	r := p.begin(context.Background(), method, path, body, headers...)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer{r, string(b)}
}

func (p page) begin(ctx context.Context, method, path, body string, headers ...string) *http.Response {
	p.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, p.base+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := p.web.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp
}

func (a answer) want(t testing.TB, status int, body string) {
	t.Helper()
	if a.StatusCode != status || a.body != body {
		t.Fatalf("%s %s: got %s and %q, want %d and %q", a.Request.Method, a.Request.URL.Path, a.Status, a.body, status, body)
	}
}

// A stream is a response that is still open.
type stream struct {
	t     testing.TB
	lines *bufio.Reader
	abort context.CancelFunc
}

// open sends a streaming request and reads the prelude.
func (p page) open(session string) *stream {
	p.t.Helper()
	s := p.receive(session + "/xhr_streaming")
	s.want(strings.Repeat("h", 2048))
	return s
}

func (p page) receive(path string) *stream {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := p.begin(ctx, http.MethodPost, path, "")
	p.t.Cleanup(func() {
		cancel()
		_ = r.Body.Close()
	})
	if r.StatusCode != http.StatusOK {
		p.t.Fatalf("status %s", r.Status)
	}
	return &stream{p.t, bufio.NewReader(r.Body), cancel}
}

func (s *stream) next() string {
	s.t.Helper()
	line, err := s.lines.ReadString('\n')
	if err != nil {
		s.t.Fatalf("got %q, %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (s *stream) want(line string) {
	s.t.Helper()
	if got := s.next(); got != line {
		s.t.Fatalf("got %q, want %q", got, line)
	}
}

func (s *stream) wantEnd() {
	s.t.Helper()
	if b, err := io.ReadAll(s.lines); err != nil || len(b) > 0 {
		s.t.Fatalf("got %q, %v, want the end", b, err)
	}
}

// newSession returns the path of an unused session.
func newSession() string { return "/000/" + rand.Text() }

// inMessages encodes frames as the body of an xhr_send request.
func inMessages(frames ...string) string {
	var all []string
	for _, f := range frames {
		all = append(all, socktest.Quote(f+"\x00"))
	}
	return "[" + strings.Join(all, ",") + "]"
}

const (
	connectFrame   = "CONNECT\naccept-version:1.2\n\n"
	subscribeFrame = "SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:s\n\n"
	another        = `c[2010,"Another connection still open"]` + "\n"
)

// send sends frames on a session.
func (p page) send(session string, frames ...string) {
	p.t.Helper()
	p.do("POST", session+"/xhr_send", inMessages(frames...)).want(p.t, http.StatusNoContent, "")
}

// poll expects one response with exactly these messages, compared by their
// beginnings.
func (p page) poll(session string, begins ...string) {
	p.t.Helper()
	a := p.do("POST", session+"/xhr", "")
	var all []string
	for line := range strings.Lines(a.body) {
		f, err := socktest.Parse(strings.TrimSuffix(line, "\n"))
		if err != nil || f.Kind != 'a' {
			p.t.Fatalf("got %q, %v", a.body, err)
		}
		all = append(all, f.Messages...)
	}
	if len(all) != len(begins) {
		p.t.Fatalf("got %q, want %q", all, begins)
	}
	for i, want := range begins {
		if !strings.HasPrefix(all[i], want) {
			p.t.Fatalf("got %q, want %q", all[i], want)
		}
	}
}

// connected opens a session by polling, up to CONNECTED.
func (p page) connected() string {
	p.t.Helper()
	session := newSession()
	p.do("POST", session+"/xhr", "").want(p.t, 200, "o\n")
	p.send(session, connectFrame)
	p.poll(session, "CONNECTED\n")
	return session
}

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

// sockjs-protocol: XhrPolling, and Protocol.
func TestSockJSPolling(t *testing.T) {
	t.Parallel()
	p := newPage(newWorld(t, patientSockJS))
	self := strings.TrimSuffix(p.base, path)
	s := newSession()
	a := p.do("POST", s+"/xhr", "", "Origin: "+self)
	a.want(t, 200, "o\n")
	wantHeaders(t, a, "Content-Type: application/javascript; charset=UTF-8", notCached, "Access-Control-Allow-Origin: "+self)
	a = p.do("POST", s+"/xhr_send", inMessages(connectFrame), "Origin: "+self)
	a.want(t, http.StatusNoContent, "")
	wantHeaders(t, a, "Content-Type: text/plain; charset=UTF-8", notCached, "Access-Control-Allow-Origin: "+self, "Access-Control-Allow-Credentials: true")

	s = p.connected()
	for _, tc := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"/000/bad_session", `["x"]`, 404, ""},
		{s, `["x`, 500, "Broken JSON encoding."},
		{s, `x`, 500, "Broken JSON encoding."},
		{s, `{}`, 500, "Broken JSON encoding."},
		{s, `[1]`, 500, "Broken JSON encoding."},
		{s, ``, 500, "Payload expected."},
		{s, ` `, 500, "Payload expected."},
		{s, `[]`, 204, ""},
		{s, `["\n"]`, 204, ""},
		{s, `["\r\n","\n"]`, 204, ""},
	} {
		if a := p.do("POST", tc.path+"/xhr_send", tc.body); a.StatusCode != tc.status || !strings.Contains(a.body, tc.says) {
			t.Errorf("%s: %s, %q", tc.body, a.Status, a.body)
		}
	}
	types := []string{"text/plain", "T", "application/json", "application/xml", "", "application/json; charset=utf-8", "text/xml; charset=utf-8"}
	var begins []string
	for i, ct := range types {
		frame := fmt.Sprintf("SEND\ndestination:/topic/x\nreceipt:%d\n\n", i)
		p.do("POST", s+"/xhr_send", inMessages(frame), "Content-Type: "+ct).want(t, 204, "")
		begins = append(begins, fmt.Sprintf("RECEIPT\nreceipt-id:%d\n", i))
		p.poll(s, begins[i])
	}
	// The server part of the path does not identify the session.
	p.send(strings.Replace(s, "/000/", "/999/", 1), "SEND\ndestination:/topic/x\nreceipt:last\n\n")
	p.poll(strings.Replace(s, "/000/", "/123/", 1), "RECEIPT\nreceipt-id:last\n")
}

// sockjs-protocol: XhrStreaming, HandlingClose.
func TestSockJSStreaming(t *testing.T) {
	t.Parallel()
	w := newWorld(t, patientSockJS, func(o *servertest.Options) { o.SockJS.ResponseBytes = 4096 })
	p := newPage(w)
	s := newSession()
	r := p.open(s)
	r.want("o")
	p.send(s, connectFrame, subscribeFrame)
	if line := r.next(); !strings.HasPrefix(line, `a["CONNECTED\n`) {
		t.Fatal(line)
	}
	other := p.open(s)
	other.want(`c[2010,"Another connection still open"]`)
	other.wantEnd()
	p.do("POST", s+"/xhr", "").want(t, 200, another)
	// Responses end at the size limit, and no message is lost in between.
	var got []string
	const n = 60
	for i := range n {
		p.send(s, fmt.Sprintf("SEND\ndestination:/topic/a\nn:%d\n\n%s", i, strings.Repeat("x", 128)))
	}
	responses := 1
	for len(got) < n {
		line, err := r.lines.ReadString('\n')
		if err == io.EOF {
			responses++
			r = p.open(s)
			continue
		}
		f, err := socktest.Parse(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for _, m := range f.Messages {
			if strings.HasPrefix(m, "MESSAGE\n") {
				got = append(got, m)
			}
		}
	}
	for i, m := range got {
		if !strings.Contains(m, fmt.Sprintf("\nn:%d\n", i)) {
			t.Fatalf("message %d is %q", i, m)
		}
	}
	if want := n * 250 / 4096; responses < want || responses > want+5 {
		t.Errorf("%d responses for %d messages", responses, n)
	}
	// A client whose response breaks loses the session, and is told so.
	r.abort()
	eventually(t, "the session has ended", func() bool { return w.server.Sessions() == 0 })
	for range 2 {
		p.do("POST", s+"/xhr", "").want(t, 200, `c[1002,"Connection interrupted"]`+"\n")
	}
	p.do("POST", s+"/xhr_send", `["x"]`).want(t, 404, "404 page not found\n")
}

// The ERROR comes first, then the c frame with WebSocket's close code. Every
// request gets it until the session is forgotten.
func TestSockJSCloses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ frame, word, closes string }{
		"error":      {"SEND\n\n", "ERROR\nmessage:missing-header\n", `c[1002,"missing-header"]`},
		"disconnect": {"DISCONNECT\nreceipt:bye\n\n", "RECEIPT\nreceipt-id:bye\n", `c[1000,""]`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, patientSockJS)
			p := newPage(w)
			s := p.connected()
			p.send(s, tc.frame)
			p.poll(s, tc.word)
			for range 3 {
				p.do("POST", s+"/xhr", "").want(t, 200, tc.closes+"\n")
			}
			r := p.open(s)
			r.want(tc.closes)
			r.wantEnd()

			s = newSession()
			r = p.open(s)
			r.want("o")
			p.send(s, connectFrame, tc.frame)
			if line := r.next(); !strings.HasPrefix(line, `a["CONNECTED\n`) {
				t.Fatal(line)
			} else if !strings.Contains(line, tc.word[:5]) { // or in the same frame
				r.next()
			}
			r.want(tc.closes)
			r.wantEnd()

			ws := dialSockWS(t, "ws"+strings.TrimPrefix(p.base, "http")+s+"/websocket", nil) // session ids may be reused
			c := stomptest.New(t, ws)
			c.Connect("1.2")
			c.Write(tc.frame + "\x00")
			if f := c.Next(); !strings.HasPrefix(tc.word, f.Command) {
				t.Fatal(f.Raw)
			}
			last, err := socktest.Parse(tc.closes)
			if err != nil {
				t.Fatal(err)
			}
			wantLast(t, ws, last.Code, last.Reason)
		})
	}
}

// sockjs-protocol: Websocket.
func TestSockJSWebSocket(t *testing.T) {
	t.Parallel()
	for _, compressed := range []bool{false, true} {
		w := newWorld(t, patientSockJS, func(o *servertest.Options) { o.Compression = compressed })
		url := "ws://" + w.ws(nil) + path + newSession() + "/websocket"
		o := &websocket.DialOptions{Subprotocols: []string{"v12.stomp"}}
		if compressed {
			o.CompressionMode = websocket.CompressionNoContextTakeover
		}
		ws := dialSockWS(t, url, o)
		if p := ws.ws.Subprotocol(); p != "" {
			t.Errorf("the subprotocol %q was chosen", p)
		}
		for _, text := range []string{"", " ", "[]", `["\n"]`, `"\n"`, `["CONNECT\naccept-ver","sion:1.2\n","","\n\u0000"]`} {
			if err := ws.ws.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		c := stomptest.New(t, ws)
		c.Want("CONNECTED")
		if others := ws.Others(); len(others) != 1 || others[0].Kind != 'o' {
			t.Errorf("%v came before CONNECTED", others)
		}
		subscribe(c, "/topic/a")
		for _, n := range []int{0, 1, 100, 1 << 10, 70 << 10, 300 << 10} {
			body := strings.Repeat("\u2028é\"\n", n/7+1)
			c.Send("SEND", "destination:/topic/a", "", body)
			c.Want("MESSAGE", "", body)
		}
		if err := ws.ws.Write(context.Background(), websocket.MessageText, []byte(`["a`)); err != nil {
			t.Fatal(err)
		}
		c.WantError("invalid-frame", "", "JSON array")
		wantLast(t, ws, 1002, "invalid-frame")
	}
}

// A binary frame is never converted: its subscriber gets an ERROR that tells it
// to connect in another way.
func TestSockJSBinary(t *testing.T) {
	t.Parallel()
	for name, dial := range ways {
		if !strings.HasPrefix(name, "sockjs") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, patientSockJS)
			conn := dial(w)()
			c := stomptest.New(t, conn)
			c.Connect("1.2")
			subscribe(c, "/topic/a")
			publisher := stomptest.New(t, dialTCP(t, w.tcp(nil)))
			publisher.Connect("1.2")
			send(publisher, "/topic/a", "text", "\xff\xfe", "more")
			c.Want("MESSAGE", "", "text")
			c.WantError("binary-message", "", "UTF-8", "WebSocket")
			wantLast(t, conn.(sockClient), 1003, "binary-message")
		})
	}
}

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
