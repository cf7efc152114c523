//go:build unix

package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// sums returns the checksum of each file in a folder.
func sums(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		all[e.Name()] = sumOf(t, filepath.Join(folder, e.Name()))
	}
	return all
}

func sumOf(t *testing.T, name string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(read(t, name)))
	return hex.EncodeToString(sum[:])
}

// Clones at different paths, built at different times with another umask, time
// zone and language, give the same bytes. Compiled packages are taken from the
// cache; `make release-check` compiles them again.
func TestReleaseIsReproducible(t *testing.T) {
	first, _ := release(t)
	clone := filepath.Join(t.TempDir(), "a folder of another name")
	shell{}.run(t, "git", "clone", "-q", released.clone, clone)
	second := releaseOf(t, clone, "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "GOFLAGS=-v", "GOAMD64=v2", "TMPDIR="+t.TempDir())
	a, b := sums(t, first), sums(t, second)
	if len(a) != 4 || len(a) != len(b) {
		t.Errorf("the files are %v and %v, want 4", a, b)
	}
	for name, sum := range a {
		if b[name] != sum {
			t.Errorf("%s has %s once and %s once more", name, sum, b[name])
		}
	}
}

// TestReleaseArchive checks the archive's files and the binary's version.
func TestReleaseArchive(t *testing.T) {
	out, folder := release(t)
	for _, name := range []string{
		"hoofbeat", "LICENSE", "README.md", "CHANGELOG.md", "LICENSES-OF-OTHERS", "hoofbeat.example.yaml", "hoofbeat.service",
		"man/hoofbeat.1", "man/hoofbeat-serve.1", "man/hoofbeat.yaml.5", "completions/hoofbeat.bash", "completions/_hoofbeat", "completions/hoofbeat.fish",
	} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	var about struct{ Version, Commit, Go string }
	text := shell{}.run(t, filepath.Join(folder, "hoofbeat"), "version", "--json")
	if err := json.Unmarshal([]byte(text), &about); err != nil || about.Version != version || len(about.Commit) != 40 || about.Go != runtime.Version() {
		t.Errorf("the version is %s", text)
	}
	listing := shell{}.run(t, "tar", "tvzf", filepath.Join(out, "hoofbeat_1.2.3-rc.1_linux_amd64.tar.gz"), "--numeric-owner", "--utc", "--full-time")
	for line := range strings.Lines(listing) {
		if !strings.Contains(line, " 0/0 ") || !strings.Contains(line, " 2026-01-02 03:04:05 ") {
			t.Errorf("an owner or date is not the commit's: %s", line)
		}
	}
	licences := read(t, filepath.Join(folder, "LICENSES-OF-OTHERS"))
	for _, module := range []string{"Go, go", "github.com/cockroachdb/pebble/v2", "github.com/spf13/cobra", "stomp", "examples/browser/vendor"} {
		if !strings.Contains(licences, module) {
			t.Errorf("there is no licence of %s", module)
		}
	}
	shell{dir: out}.run(t, "sha256sum", "--check", "--strict", "SHA256SUMS")
}

// The bill of materials lists the modules that go finds in the binary, and the
// embedded scripts.
func TestReleaseBill(t *testing.T) {
	out, folder := release(t)
	var bill struct {
		BOMFormat, SpecVersion, SerialNumber string
		Metadata                             struct {
			Timestamp string
			Component struct {
				Name, Version string
				Hashes        []struct{ Alg, Content string }
			}
		}
		Components []struct{ Name, Version, Purl string }
	}
	if err := json.Unmarshal([]byte(read(t, filepath.Join(out, "hoofbeat_1.2.3-rc.1_linux_amd64.cdx.json"))), &bill); err != nil {
		t.Fatal(err)
	}
	own := bill.Metadata.Component
	if bill.BOMFormat != "CycloneDX" || own.Name != "hoofbeat" || own.Version != version || bill.Metadata.Timestamp != "2026-01-02T03:04:05Z" ||
		!strings.HasPrefix(bill.SerialNumber, "urn:uuid:") {
		t.Errorf("the bill begins with %+v", bill)
	}
	if sum := sumOf(t, filepath.Join(folder, "hoofbeat")); len(own.Hashes) != 1 || own.Hashes[0].Content != sum {
		t.Errorf("the binary has the sum %s, the bill %v", sum, own.Hashes)
	}
	var named []string
	for _, c := range bill.Components {
		named = append(named, c.Purl)
	}
	for line := range strings.Lines(shell{}.run(t, "go", "version", "-m", filepath.Join(folder, "hoofbeat"))) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "dep" && !slices.Contains(named, "pkg:golang/"+f[1]+"@"+f[2]) {
			t.Errorf("%s %s is not in the bill", f[1], f[2])
		}
	}
	for _, script := range vendored(t) {
		if !slices.ContainsFunc(named, func(purl string) bool { return strings.HasPrefix(purl, "pkg:npm/"+script+"@") }) {
			t.Errorf("%s is embedded, but not in the bill: see scripts/release/sbom.go", script)
		}
	}
}

// packageOf maps a vendored script to its npm package.
var packageOf = map[string]string{"stomp.umd.min.js": "%40stomp/stompjs", "htm.mjs": "htm", "preact.mjs": "preact"}

// vendored returns the npm packages with scripts in the tree.
func vendored(t *testing.T) []string {
	t.Helper()
	var packages []string
	for _, pattern := range []string{"examples/browser/vendor/*js", "admin/console/files/vendor/*js"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name := packageOf[filepath.Base(f)]
			if name == "" {
				t.Errorf("%s belongs to no known package: see packageOf here and scripts/release/sbom.go", f)
			}
			packages = append(packages, name)
		}
	}
	if len(packages) == 0 {
		t.Error("there are no vendored scripts")
	}
	return packages
}

func TestReleaseRefuses(t *testing.T) {
	need(t, "git", "bash")
	clone := filepath.Join(t.TempDir(), "clone")
	snapshot(t, clone)
	for _, wrong := range []string{"", "1.0.0", "v1.0", "v1.0.0 -X main.evil=1", "v1.0.0/.."} {
		out, err := shell{dir: clone, env: []string{"VERSION=" + wrong}}.try(t.Context(), "bash", "scripts/release.sh")
		if err == nil || !strings.Contains(out, "expected such as v1.0.0") {
			t.Errorf("VERSION=%q: %v, %s", wrong, err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(clone, "more.go"), []byte("package more\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := shell{dir: clone, env: []string{"VERSION=v1.0.0"}}.try(t.Context(), "bash", "scripts/release.sh")
	if err == nil || !strings.Contains(out, "changes that are in no commit") {
		t.Errorf("with a file in no commit: %v, %s", err, out)
	}
}
