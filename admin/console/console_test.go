package console

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, method, at string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, at, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func TestPage(t *testing.T) {
	res := get(t, http.MethodGet, "/")
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), "<title>hoofbeat</title>") {
		t.Fatalf("status %d, error %v, body %.80q", res.StatusCode, err, body)
	}
	for name, want := range map[string]string{
		"Content-Type":            "text/html; charset=utf-8",
		"X-Content-Type-Options":  "nosniff",
		"Referrer-Policy":         "no-referrer",
		"Cache-Control":           "no-cache",
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	again := get(t, http.MethodGet, "/", "If-None-Match", res.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("asked again with the ETag: %d", again.StatusCode)
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
		kind         string
	}{
		{http.MethodGet, "/console/js/main.js", http.StatusOK, "text/javascript; charset=utf-8"},
		{http.MethodHead, "/console/vendor/preact.mjs", http.StatusOK, "text/javascript; charset=utf-8"},
		{http.MethodGet, "/console/icon.svg", http.StatusOK, "image/svg+xml"},
		{http.MethodPost, "/", http.StatusMethodNotAllowed, ""},
		{http.MethodGet, "/console/", http.StatusNotFound, ""},
		{http.MethodGet, "/console", http.StatusNotFound, ""},
		{http.MethodGet, "/console/index.html", http.StatusNotFound, ""},
		{http.MethodGet, "/console/vendor/preact.LICENSE", http.StatusNotFound, ""},
		{http.MethodGet, "/console/../policy.txt", http.StatusNotFound, ""},
		{http.MethodGet, "/console/js/%2e%2e/style.css", http.StatusNotFound, ""},
	} {
		res := get(t, c.method, c.path)
		if res.StatusCode != c.status || c.kind != "" && res.Header.Get("Content-Type") != c.kind {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.path, res.StatusCode, res.Header.Get("Content-Type"), c.status, c.kind)
		}
	}
}

// All files that a file refers to exist and are embedded, and none contains
// markup that the policy forbids.
func TestFiles(t *testing.T) {
	h := Handler().(*handler)
	outside := regexp.MustCompile(`https?://|@import|url\(`)
	inline := regexp.MustCompile(`innerHTML|dangerouslySet|insertAdjacent|document\.write|eval\(|new Function| style=|<style|\son[a-z]+="`)
	imports := regexp.MustCompile(`(?:from|import|import\() ?'([^']+)'`)
	size := 0
	for at, f := range h.files {
		size += len(f.content)
		text := string(f.content)
		if strings.Contains(at, "/vendor/") {
			continue
		}
		if found := outside.FindString(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "")); found != "" {
			t.Errorf("%s refers to elsewhere: %s", at, found)
		}
		if found := inline.FindString(text); found != "" {
			t.Errorf("%s has %s", at, found)
		}
		for _, m := range imports.FindAllStringSubmatch(text, -1) {
			if needed := path.Join(path.Dir(at), m[1]); h.files[needed].content == nil {
				t.Errorf("%s imports %s, which is not at %s", at, m[1], needed)
			}
		}
	}
	if size > 300<<10 {
		t.Errorf("the console has %d bytes, more than 300 KiB", size)
	}
}
