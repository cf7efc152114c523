// Package console is the web page for operators: embedded files that need no
// other network resources.
//
// It does not depend on the broker. The page uses the admin listener's API with
// its user's credentials, and has no rights of its own.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed files
var embedded embed.FS

// policyFile is the page's Content-Security-Policy, one directive per line. It
// allows only the page's own scripts, and connections to its own origin, so no
// client's name, header or body can run as a script.
//
//go:embed policy.txt
var policyFile string

// prefix is the path of all files except the page itself, which is at /.
const prefix = "/console/"

// kinds are the content types by extension. The machine's own table is not
// used: with nosniff, a wrong type breaks the page.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
}

// A file is the response of one path.
type file struct {
	kind    string
	tag     string // changes with the content
	content []byte
}

// handler serves the files by path. It is immutable.
type handler struct {
	policy string
	files  map[string]file
}

// Handler serves the page at / and its files below /console/. Other paths get
// 404; GET and HEAD are allowed. Browsers revalidate each file on every use, so
// that they never mix two versions.
func Handler() http.Handler {
	h := &handler{policy: strings.Join(strings.Split(strings.TrimSpace(policyFile), "\n"), "; "), files: map[string]file{}}
	err := fs.WalkDir(embedded, "files", func(name string, entry fs.DirEntry, err error) error {
		kind, known := kinds[path.Ext(name)]
		if err != nil || entry.IsDir() || !known {
			return err // licences and similar files are not served
		}
		content, err := embedded.ReadFile(name)
		sum := sha256.Sum256(content)
		h.files[place(name)] = file{kind, `"` + hex.EncodeToString(sum[:12]) + `"`, content}
		return err
	})
	if err != nil {
		panic(err) // embedded files are readable unless the program is damaged
	}
	return h
}

// place returns the path at which a file is served.
func place(name string) string {
	if name == "files/index.html" {
		return "/"
	}
	return prefix + strings.TrimPrefix(name, "files/")
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, known := h.files[r.URL.Path]
	switch {
	case !known:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this path takes GET, HEAD", http.StatusMethodNotAllowed)
		return
	}
	header := w.Header()
	for name, value := range map[string]string{
		"Content-Type": f.kind, "Content-Security-Policy": h.policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy": "camera=(), geolocation=(), microphone=()", "Cache-Control": "no-cache", "Etag": f.tag,
	} {
		header.Set(name, value)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}
