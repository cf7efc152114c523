package admin

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hoofbeat/auth"
)

// An attempt is an invalid request.
type attempt struct {
	name   string
	method string // empty: the endpoint's own
	target string // after the endpoint's path
	body   string
	change func(*http.Request)
	status int
	word   string
}

// TestEveryEndpointIsHostile sends attackers' requests to every endpoint. None
// has an effect.
func TestEveryEndpointIsHostile(t *testing.T) {
	d := newRealDesk(t)
	d.options.LoopbackWithoutToken = false
	d.options.Drain = func() { t.Error("it was drained") }
	d.options.Backup = func(string) error { t.Error("it was backed up"); return nil }
	for path, methods := range New(d.options).(*server).routes {
		for method, to := range methods {
			for _, a := range append(withoutRights(t, to.needs), malformed(t, method)...) {
				if a.word == "unauthenticated" && to.needs == nothing {
					continue
				}
				d.attempt(method, path, a)
			}
		}
	}
	if d.audit.Len() == 0 {
		t.Error("nothing was recorded")
	}
	for _, what := range []string{"queue", "store", "drain", "log level", "revocation", "connection close"} {
		if strings.Contains(d.audit.String(), `msg="`+what) {
			t.Errorf("something was done: %s", &d.audit)
		}
	}
	if strings.Contains(d.audit.String()+d.log.String(), "eyJ") {
		t.Error("a token was logged")
	}
}

func (d *realDesk) attempt(method, path string, a attempt) {
	d.t.Helper()
	if a.method != "" {
		method = a.method
	}
	r := d.do(d.t, method, path+a.target, a.body, func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+token(d.t, "root", []string{"changer"}))
	}, a.change)
	d.t.Run(strings.Join([]string{method, path, a.name}, " "), func(t *testing.T) {
		wantRefusal(t, r, a.status, a.word)
		if challenge := r.Header.Get("WWW-Authenticate"); (challenge == "Bearer") != (a.status == 401) {
			t.Errorf("WWW-Authenticate: %s", challenge)
		}
	})
}

// withoutRights are requests without the right that they need.
func withoutRights(t *testing.T, needs right) []attempt {
	in := func(name string, change func(*http.Request)) attempt {
		return attempt{name: name, change: change, status: 401, word: "unauthenticated"}
	}
	header := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	all := []attempt{
		in("no token", func(r *http.Request) { r.Header.Del("Authorization") }),
		in("empty", header("")),
		in("rubbish", header("Bearer rubbish")),
		in("no scheme", header(token(t, "root", []string{"changer"}))),
		in("expired", as(token(t, "root", []string{"changer"}, "exp", time.Now().Add(-time.Hour).Unix()))),
		in("not yet", as(token(t, "root", []string{"changer"}, "nbf", time.Now().Add(time.Hour).Unix()))),
		in("without an end", as(token(t, "root", []string{"changer"}, "exp", nil))),
		in("another key", as(forged(t))),
		in("no signature", as("eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290Iiwicm9sZXMiOlsiY2hhbmdlciJdLCJleHAiOjk5OTk5OTk5OTl9.")),
		in("revoked", as(token(t, "eve", []string{"changer"}))),
		in("wrong passcode", func(r *http.Request) { r.SetBasicAuth("otto", "Sesame") }),
		in("token as passcode", func(r *http.Request) { r.SetBasicAuth("otto", token(t, "root", []string{"changer"})) }),
		in("two headers", func(r *http.Request) { r.Header.Add("Authorization", "Bearer x") }),
		in("token in the query", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.URL.RawQuery = "access_token=" + token(t, "root", []string{"changer"})
		}),
		in("token in a cookie", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.AddCookie(&http.Cookie{Name: "token", Value: token(t, "root", []string{"changer"})})
		}),
	}
	denied := func(name, user string, roles ...string) {
		all = append(all, attempt{name: name, change: as(token(t, user, roles)), status: 403, word: "forbidden"})
	}
	if needs == reading || needs == writing {
		denied("without a role", "anna")
		denied("a client", "anna", "client")
		denied("a right to some destinations", "anna", "partly")
	}
	if needs == writing {
		denied("a looker", "ada", "looker")
		denied("who is denied some", "mallory", "changer")
	}
	return all
}

// forged returns a token signed with another key.
func forged(t *testing.T) string {
	t.Helper()
	key, err := auth.ConfiguredSecret(auth.TokenOptions{Secret: strings.Repeat("x", 32)})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := auth.Sign(key, auth.Draft{Claims: []byte(`{"sub":"root","roles":["changer"]}`), Algorithm: "HS256", Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// malformed are invalid requests with the necessary rights.
func malformed(t *testing.T, method string) []attempt {
	all := []attempt{
		{name: "foreign host", change: func(r *http.Request) { r.Host = "evil.example:15680" }, status: 403, word: "foreign-host"},
		{name: "no host", change: func(r *http.Request) { r.Host = "" }, status: 403, word: "foreign-host"},
		{name: "foreign origin", change: func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, status: 403, word: "foreign-origin"},
		{name: "null origin", change: func(r *http.Request) { r.Header.Set("Origin", "null") }, status: 403, word: "foreign-origin"},
		{name: "cross-site", change: func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, status: 403, word: "foreign-origin"},
		{name: "same-site", change: func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, status: 403, word: "foreign-origin"},
		{name: "wrong method", method: "DELETE", status: 405, word: "wrong-method"},
		{name: "preflight", method: "OPTIONS", status: 405, word: "wrong-method"},
		{name: "trailing slash", target: "/", status: 404, word: "unknown-path"},
		{name: "dots", target: "/../me", status: 404, word: "unknown-path"},
		{name: "escaped slash", target: "%2f", status: 404, word: "unknown-path"},
		{name: "double slash", change: func(r *http.Request) { r.URL.Path = "/" + r.URL.Path }, status: 404, word: "unknown-path"},
		{name: "escaped letter", change: func(r *http.Request) {
			last := len(r.URL.Path) - 1
			r.URL.RawPath = fmt.Sprintf("%s%%%x", r.URL.Path[:last], r.URL.Path[last])
		}, status: 404, word: "unknown-path"},
		{name: "NUL", target: "%00", status: 404, word: "unknown-path"},
		{name: "other case", change: func(r *http.Request) { r.URL.Path = strings.ToUpper(r.URL.Path) }, status: 404, word: "unknown-path"},
		{name: "unknown parameter", target: "?a=1", body: "{}", status: 400, word: "bad-request"},
		{name: "broken query", target: "?%zz", body: "{}", status: 400, word: "bad-request"},
	}
	if method != http.MethodPost {
		return all
	}
	bad := func(name, body string) attempt {
		return attempt{name: name, body: body, status: 400, word: "bad-request"}
	}
	return append(all,
		attempt{name: "huge body", body: `{"name":"` + strings.Repeat("a", 1<<20) + `"}`, status: 413, word: "too-large"},
		attempt{name: "huge space", body: `{}` + strings.Repeat(" ", 1<<20), status: 413, word: "too-large"},
		attempt{name: "a form", body: "a=1", change: func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, status: 415, word: "wrong-content-type"},
		attempt{name: "plain text", body: "{}", change: func(r *http.Request) { r.Header.Set("Content-Type", "text/plain;application/json") }, status: 415, word: "wrong-content-type"},
		attempt{name: "no type", body: "{}", change: func(r *http.Request) { r.Header.Del("Content-Type") }, status: 415, word: "wrong-content-type"},
		bad("nothing", ""), bad("null", "null"), bad("a list", "[]"), bad("a text", `"x"`), bad("broken", `{"name":`), bad("more", `{}{}`),
		bad("unknown member", `{"such":1}`), bad("deep", strings.Repeat(`{"name":`, 1000)), bad("bytes", "\xff\xfe\x00"),
	)
}

// Repeated and nearly repeated members are rejected.
func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		`{"user":"a","limit":2}`:         "",
		`{"us\u0065r":"a"}`:              "",
		`{"user":"a","user":"b"}`:        "user is there twice",
		`{"user":"a","us\u0065r":"b"}`:   "user is there twice",
		`{"User":"a"}`:                   `unknown field "User"`,
		`{"u\u017fer":"a"}`:              `unknown field "uſer"`,
		`{"user":{"user":1,"user":2}}`:   "unexpected object in user",
		`{"limit":1.5}`:                  "unexpected number 1.5 in limit",
		`{"limit":99999999999999999999}`: "unexpected number 99999999999999999999 in limit",
		`{"other":1}`:                    `json: unknown field "other"`,
		`{"user":"a",}`:                  "invalid character '}' looking for beginning of object key string",
	} {
		var into struct {
			User  string `json:"user"`
			Limit int    `json:"limit"`
		}
		if err := parse([]byte(text), &into); fmt.Sprint(err) != cmp.Or(want, "<nil>") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// Requests from the broker's machine need no token if that is allowed, unless a
// proxy forwards them.
func TestLoopback(t *testing.T) {
	d := newRealDesk(t)
	from := func(address string) func(*http.Request) { return func(r *http.Request) { r.RemoteAddr = address } }
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, tt := range []struct {
		allowed bool
		change  func(*http.Request)
		want    string // empty: refused
	}{
		{true, from("127.0.0.1:9"), `{"method":"loopback","read":true,"write":true}`},
		{true, from("[::1]:9"), `{"method":"loopback","read":true,"write":true}`},
		{true, from("[::ffff:127.0.0.1]:9"), `{"method":"loopback","read":true,"write":true}`},
		{false, from("127.0.0.1:9"), ""},
		{true, from("192.0.2.1:9"), ""},
		{true, from("@"), ""},
		{true, from(""), ""},
		{true, header("X-Forwarded-For", "127.0.0.1"), ""},
		{true, header("X-Forwarded-Host", "localhost"), ""},
		{true, header("Forwarded", "for=127.0.0.1"), ""},
		{true, header("X-Real-IP", "127.0.0.1"), ""},
		{true, header("Via", "1.1 proxy"), ""},
		{true, header("Authorization", "Bearer rubbish"), ""}, // credentials, if present, decide
		{true, as(token(t, "ada", []string{"looker"})), `{"user":"ada","method":"token","read":true,"write":false}`},
		{false, as(token(t, "root", []string{"changer"})), `{"user":"root","method":"token","read":true,"write":true}`},
		{false, as(token(t, "anna", []string{"client"})), `{"user":"anna","method":"token","read":false,"write":false}`},
		{false, func(r *http.Request) { r.SetBasicAuth("otto", "sesame") }, `{"user":"otto","method":"password","read":true,"write":false}`},
		{false, header("Authorization", "bearer   "+token(t, "ada", []string{"looker"})), `{"user":"ada","method":"token","read":true,"write":false}`},
	} {
		d.options.LoopbackWithoutToken = tt.allowed
		r := d.do(t, "GET", "/api/v1/me", "", tt.change)
		if tt.want == "" {
			wantRefusal(t, r, 401, "unauthenticated")
		} else {
			want(t, r, 200, tt.want)
		}
	}
}

// Guessing passcodes is limited by user and address; valid tokens, and other
// users at that address, are not affected.
func TestThrottled(t *testing.T) {
	d := newRealDesk(t)
	a, err := auth.New(t.Context(), auth.Options{
		JWT:      &auth.TokenOptions{Algorithms: []string{"HS256"}, Secret: testSecret, Sources: auth.Sources{Authorization: true}},
		Users:    []auth.User{{Name: "otto", Hash: sesame, Roles: []string{"looker"}}, {Name: "olga", Hash: sesame, Roles: []string{"looker"}}},
		Throttle: auth.NewThrottle(2, time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	d.access.Authenticator = a
	login := func(name, passcode string) *http.Response {
		return d.do(t, "GET", "/api/v1/me", "", func(r *http.Request) { r.SetBasicAuth(name, passcode) })
	}
	for range 2 {
		wantRefusal(t, d.do(t, "GET", "/api/v1/me", "", as("rubbish")), 401, "unauthenticated")
		wantRefusal(t, login("otto", "x"), 401, "unauthenticated")
	}
	wantRefusal(t, login("otto", "sesame"), 429, "rate-limited")
	want(t, login("olga", "sesame"), 200, `{"user":"olga","method":"password","read":true,"write":false}`)
	want(t, d.do(t, "GET", "/api/v1/me", "", as(token(t, "ada", []string{"looker"}))), 200, `{"user":"ada","method":"token","read":true,"write":false}`)
}

// The other handlers are guarded like the API, as far as necessary.
func TestElsewhere(t *testing.T) {
	d := newRealDesk(t)
	served := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if err := answer(w, map[string]string{"status": name}); err != nil {
				t.Error(err)
			}
		})
	}
	d.options.StompPath = "/ws"
	for _, path := range []string{"/", "/console/app.js", "/metrics", "/ws"} {
		wantRefusal(t, d.get(path), 404, "unknown-path")
	}
	d.options.Console, d.options.Metrics, d.options.STOMP = served("console"), served("metrics"), served("stomp")
	for path, name := range map[string]string{"/": "console", "/console/app.js": "console", "/console/": "console", "/ws": "stomp"} {
		want(t, d.get(path), 200, `{"status":"`+name+`"}`)
		wantRefusal(t, d.get(path, func(r *http.Request) { r.Host = "evil.example" }), 403, "foreign-host")
		wantRefusal(t, d.get(path, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }), 403, "foreign-origin")
	}
	for _, path := range []string{"/console", "/ws/", "/metrics/", "/index.html"} {
		wantRefusal(t, d.get(path), 404, "unknown-path")
	}
	wantRefusal(t, d.get("/metrics"), 401, "unauthenticated")
	wantRefusal(t, d.get("/metrics", as(token(t, "anna", nil))), 403, "forbidden")
	want(t, d.get("/metrics", as(token(t, "ada", []string{"looker"}))), 200, `{"status":"metrics"}`)
	d.options.MetricsWithoutToken = true
	want(t, d.get("/metrics"), 200, `{"status":"metrics"}`)
}

// get is do for paths that are not in the document.
func (d *realDesk) get(path string, change ...func(*http.Request)) *http.Response {
	return d.send(d.t, "GET", path, "", change...)
}

// Valid host names come from the configuration.
func TestHosts(t *testing.T) {
	d := newRealDesk(t)
	d.options.Hosts = []string{"Broker.example.com", "b"}
	for host, ok := range map[string]bool{
		"broker.example.com": true, "BROKER.example.com:15680": true, "b:1": true, "example.com": false, "c": false, "broker.example.com.evil": false, "xbroker.example.com": false,
	} {
		r := d.get("/healthz", func(r *http.Request) { r.Host = host })
		if (r.StatusCode == 200) != ok {
			t.Errorf("%s: %d", host, r.StatusCode)
		}
	}
	// Behind a proxy that terminates TLS, the browser reports the same origin.
	proxied := func(site string) func(*http.Request) {
		return func(r *http.Request) {
			r.Host = "b"
			r.Header.Set("Origin", "https://b")
			if site != "" {
				r.Header.Set("Sec-Fetch-Site", site)
			}
		}
	}
	for site, status := range map[string]int{"same-origin": 200, "": 403, "cross-site": 403} {
		if r := d.get("/healthz", proxied(site)); r.StatusCode != status {
			t.Errorf("%q: %d", site, r.StatusCode)
		}
	}
	r := d.get("/healthz", func(r *http.Request) {
		r.Host = "b"
		r.Header.Set("Origin", "https://c")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	})
	wantRefusal(t, r, 403, "foreign-origin")
}

// A link on another page may lead to the console only.
func TestVisits(t *testing.T) {
	d := newRealDesk(t)
	d.options.Console = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	visit := func(mode, dest string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Mode", mode)
			r.Header.Set("Sec-Fetch-Dest", dest)
		}
	}
	for _, tt := range []struct {
		path, mode, dest string
		status           int
	}{
		{"/", "navigate", "document", 200},
		{"/", "navigate", "iframe", 403},
		{"/", "no-cors", "script", 403},
		{"/", "cors", "empty", 403},
		{"/console/app.js", "navigate", "document", 403},
		{"/api/v1/overview", "navigate", "document", 403},
	} {
		if r := d.get(tt.path, visit(tt.mode, tt.dest)); r.StatusCode != tt.status {
			t.Errorf("%+v: %d", tt, r.StatusCode)
		}
	}
}
