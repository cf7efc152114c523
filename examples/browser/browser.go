// Package browser serves a page for first steps with the broker in a browser.
package browser

import (
	"bytes"
	"embed"
	"html"
	"net/http"
)

//go:embed index.html app.js style.css vendor/stomp.umd.min.js
var files embed.FS

// policy lets the page run its own scripts only, so no message can become one.
// The page may connect to any broker, because its user enters the address.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// defaultPath is the endpoint's path in index.html.
const defaultPath = `data-path="/ws"`

// Handler serves the page at /, with endpoint as the suggested path of the
// WebSocket endpoint. Every other path gets 404.
func Handler(endpoint string) (http.Handler, error) {
	mux := http.NewServeMux()
	for name, kind := range map[string]string{
		"index.html": "text/html; charset=utf-8", "app.js": "text/javascript; charset=utf-8",
		"style.css": "text/css; charset=utf-8", "vendor/stomp.umd.min.js": "text/javascript; charset=utf-8",
	} {
		content, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		at := "/" + name
		if name == "index.html" {
			at = "/{$}"
			content = bytes.Replace(content, []byte(defaultPath), []byte(`data-path="`+html.EscapeString(endpoint)+`"`), 1)
		}
		mux.HandleFunc("GET "+at, func(w http.ResponseWriter, _ *http.Request) { serve(w, kind, content) })
	}
	return mux, nil
}

func serve(w http.ResponseWriter, kind string, content []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(content) // the client may have gone
}
