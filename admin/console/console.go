// Package console is the page with which operators see and steer the broker in
// a browser: files that are embedded in the program, and need no network.
//
// It knows nothing of the broker. The page asks the admin listener's API, with
// the credentials that its user gives it, and has no rights of its own.
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

// policyFile lets the page run the scripts that are here and nothing else, and
// connect to where it came from: no name, header or body of a client's can
// become a script. One directive is on each line.
//
//go:embed policy.txt
var policyFile string

// prefix is where all files are but the page itself, which is at /.
const prefix = "/console/"

// kinds are the content types by a file's ending. The table that the machine
// has is not asked: with nosniff, a wrong one breaks the page.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
}

// A file is what one path answers with.
type file struct {
	kind    string
	tag     string // changes with the content
	content []byte
}

// handler serves the files by their paths. It is not changed once it is made.
type handler struct {
	policy string
	files  map[string]file
}

// Handler serves the page at / and its files below /console/. It answers 404 to
// all other paths, and takes GET and HEAD. Files are asked for anew each time
// but sent only if they have changed, so that no browser mixes two versions.
func Handler() http.Handler {
	h := &handler{policy: strings.Join(strings.Split(strings.TrimSpace(policyFile), "\n"), "; "), files: map[string]file{}}
	err := fs.WalkDir(embedded, "files", func(name string, entry fs.DirEntry, err error) error {
		kind, known := kinds[path.Ext(name)]
		if err != nil || entry.IsDir() || !known {
			return err // licences and the like are not served
		}
		content, err := embedded.ReadFile(name)
		sum := sha256.Sum256(content)
		h.files[place(name)] = file{kind, `"` + hex.EncodeToString(sum[:12]) + `"`, content}
		return err
	})
	if err != nil {
		panic(err) // what is embedded can be read, or the program is damaged
	}
	return h
}

// place is the path that a file is served at.
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
