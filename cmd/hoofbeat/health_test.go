package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// health runs `hoofbeat health`.
func health(t *testing.T, args ...string) result {
	t.Helper()
	return runProgram(t.Context(), nil, append([]string{"health"}, args...)...)
}

// health reads the broker's address from the same configuration.
func TestHealth(t *testing.T) {
	s := startServe(t, 2, "--listen-admin-address", "127.0.0.1:0")
	address := host(s.admin)
	for _, args := range [][]string{{"--admin", address}, {"--admin", s.admin + "/"}, {"--listen-admin-address", address}} {
		if r := health(t, args...); r != (result{stdout: "ready\n"}) {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if r := health(t, "--alive", "--admin", address); r != (result{stdout: "alive\n"}) {
		t.Errorf("--alive: %+v", r)
	}
	s.stop()
	if r := health(t, "--admin", address); r.code != 1 || !strings.Contains(r.stderr, "no broker answers") {
		t.Errorf("of a broker that has ended: %+v", r)
	}
}

// health accepts the broker's own certificate.
func TestHealthTLS(t *testing.T) {
	cert, key := certFiles(t)
	s := startServe(t, 2, "--listen-admin-address", "127.0.0.1:0", "--listen-admin-tls-cert", cert, "--listen-admin-tls-key", key)
	if r := health(t, "--listen-admin-address", host(s.admin), "--listen-admin-tls-cert", cert, "--listen-admin-tls-key", key); r != (result{stdout: "ready\n"}) {
		t.Errorf("%+v; the URL is %s", r, s.admin)
	}
}

// health reports failures to its caller, and rejects servers that are not
// brokers.
func TestHealthOfOthers(t *testing.T) {
	for name, tc := range map[string]struct {
		status     int
		body, want string
		args       []string
	}{
		"not ready": {503, `{"ready":false,"reasons":[{"check":"storage","message":"the disk is full"},{"check":"keys","message":"none"}]}`,
			"not ready: storage: the disk is full; keys: none", nil},
		"says one thing, means another": {200, `{"ready":false,"reasons":[]}`, "status 200", nil},
		"no reason":                     {503, `{}`, "status 503", nil},
		"another program":               {200, `<html>hello`, "does not answer as a broker does (status 200)", nil},
		"alive, but not of this kind":   {404, `{"error":"unknown-path"}`, "status 404", []string{"--alive"}},
	} {
		t.Run(name, func(t *testing.T) {
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body)) // missing output is detected below
			}))
			t.Cleanup(other.Close)
			r := health(t, append([]string{"--admin", other.URL}, tc.args...)...)
			if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, tc.want) {
				t.Errorf("%+v, want exit code 1 and %q", r, tc.want)
			}
		})
	}
}

func TestHealthAnswersInTime(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // its connections are never accepted
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	if r := health(t, "--admin", "http://"+silent.Addr().String(), "--timeout", "50ms"); r.code != 1 || !strings.Contains(r.stderr, "deadline exceeded") {
		t.Errorf("%+v", r)
	}
}

func TestHealthURL(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:15680":        "http://127.0.0.1:15680",
		"https://127.0.0.1:1":    "https://127.0.0.1:1",
		"0.0.0.0:15680":          "http://127.0.0.1:15680",
		":15680":                 "http://127.0.0.1:15680",
		"[::]:15680":             "http://[::1]:15680",
		"https://[fd00::1]:15/":  "https://[fd00::1]:15",
		"broker.internal:15680/": "http://broker.internal:15680",
	} {
		if got, err := healthURL(address); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", address, got, err, want)
		}
	}
	for _, address := range []string{"", "127.0.0.1", "127.0.0.1:0", "ftp://127.0.0.1:21", "http://a:1/path", "a:b:c"} {
		if got, err := healthURL(address); err == nil {
			t.Errorf("%q: %s, want an error", address, got)
		}
	}
}
