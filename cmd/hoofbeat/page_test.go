package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// get returns a response and its body. Its connection is closed.
func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

// Without a configuration file, / serves a page for first steps.
func TestPage(t *testing.T) {
	s := startServe(t, 2, "--listen-websocket-path", "/a\"b&c")
	url, rest, _ := strings.Cut(s.page, " ")
	if url != "http://"+host(s.urls[0])+"/" || rest != "in a browser to try it." {
		t.Fatalf("the page is announced as %q", s.page)
	}
	answer, body := get(t, url)
	if answer.StatusCode != http.StatusOK || !strings.Contains(body, `data-path="/a&#34;b&amp;c"`) {
		t.Errorf("status %d:\n%s", answer.StatusCode, body)
	}
	if policy := answer.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'; script-src 'self';") {
		t.Errorf("the policy is %q", policy)
	}
	for name, want := range map[string]int{
		"app.js": 200, "style.css": 200, "vendor/stomp.umd.min.js": 200, "vendor/LICENSE": 404, "index.html": 404, "browser.go": 404, "ws": 404,
	} {
		if answer, _ := get(t, url+name); answer.StatusCode != want {
			t.Errorf("%s: status %d, want %d", name, answer.StatusCode, want)
		}
	}
	s.converse(s.urls[0])
}

// The page is not served in production: with a file, or where other hosts can
// connect.
func TestNoPage(t *testing.T) {
	file := writeConfig(t, "auth: { anonymous: true }\nlisten: { admin: { address: \"\" } }\nstorage: { directory: \"\" }\n")
	for what, args := range map[string][]string{
		"a file":        {"--config", file},
		"any address":   {"--listen-websocket-address", "0.0.0.0:0", "--auth-anonymous=true"},
		"endpoint at /": {"--listen-websocket-path", "/"},
	} {
		t.Run(what, func(t *testing.T) {
			s := startServe(t, 1, args...)
			if s.page != "" {
				t.Errorf("there is a page: %q", s.page)
			}
			_, at, _ := strings.Cut(s.urls[0], "://")
			address, _, _ := strings.Cut(at, "/")
			if answer, body := get(t, "http://"+strings.Replace(address, "[::]", "127.0.0.1", 1)+"/"); strings.Contains(body, "data-path") {
				t.Errorf("status %d, there is a page:\n%s", answer.StatusCode, body)
			}
		})
	}
}
