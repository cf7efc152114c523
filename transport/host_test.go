package transport_test

import (
	"hoofbeat/internal/servertest"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
)

// TestHosts covers pages whose name was made to resolve to the broker, and the
// pages and programs that may connect.
func TestHosts(t *testing.T) {
	var anonymous atomic.Bool
	w := newWorld(t, func(o *servertest.Options) {
		o.Origins, o.Hosts, o.GuardHosts = []string{"https://app.example.com"}, []string{"Broker.example.com", "192.0.2.1"}, anonymous.Load
		o.SockJS.Enabled = true
		o.Elsewhere = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "page") })
	})
	address := w.ws(nil)
	_, port, _ := strings.Cut(address, ":")
	for _, tc := range []struct {
		host, origin string // SELF: the origin of the host
		want         bool
	}{
		{"evil.example.com:" + port, "SELF", false},
		{"127.0.0.1.evil.com:" + port, "SELF", false},
		{"localhost.evil.com", "SELF", false},
		{"192.0.2.2:" + port, "SELF", false},
		{"[2001:db8::1]:" + port, "SELF", false},
		{"broker.example.com.:" + port, "SELF", false},
		{address, "SELF", true},
		{"localhost:" + port, "SELF", true},
		{"LOCALHOST", "SELF", true},
		{"127.9.9.9", "SELF", true},
		{"[::1]:" + port, "SELF", true},
		{"[::ffff:127.0.0.1]:" + port, "SELF", true},
		{"broker.example.com:1", "SELF", true},
		{"192.0.2.1", "SELF", true},
		{"evil.example.com", "https://app.example.com", true},
		{"evil.example.com", "", true}, // a program
	} {
		origin := strings.Replace(tc.origin, "SELF", "http://"+tc.host, 1)
		for _, on := range []bool{true, false} {
			anonymous.Store(on)
			h := http.Header{}
			if origin != "" {
				h.Set("Origin", origin)
			}
			_, r, err := tryWS(t, "ws://"+address+path, &websocket.DialOptions{Host: tc.host, HTTPHeader: h})
			if r == nil {
				t.Fatal(err)
			}
			if accepted := r.StatusCode == http.StatusSwitchingProtocols; accepted != (tc.want || !on) {
				t.Errorf("%s from %q, anonymous %v: %s", tc.host, origin, on, r.Status)
			}
			if r.StatusCode != http.StatusForbidden {
				continue
			}
			if body, _ := io.ReadAll(r.Body); !strings.Contains(string(body), "listen.websocket.hosts") {
				t.Errorf("%s from %q is told %q", tc.host, origin, body)
			}
		}
	}
	anonymous.Store(true)
	// Browsers mark requests that they send without Origin by Sec-Fetch-Site.
	for _, at := range []string{"/", path, path + "/info"} {
		for site, want := range map[string]int{"": 200, "same-origin": 403, "none": 403} {
			r, err := http.NewRequest(http.MethodGet, "http://"+address+at, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = "evil.example.com"
			r.Close = true
			if site != "" {
				r.Header.Set("Sec-Fetch-Site", site)
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			if answer.StatusCode != want {
				t.Errorf("%s with Sec-Fetch-Site %q: %s", at, site, answer.Status)
			}
		}
	}
	if !strings.Contains(w.log.String(), "reason=host") {
		t.Error("the refusal is not logged")
	}
}
