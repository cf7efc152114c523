package config

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the time limit of every wait.
const patience = 20 * time.Second

// observed is a running watch. Its calls of changed are queued.
type observed struct {
	calls chan struct{}
	stop  func() error
}

// observe returns once later changes of the files will be noticed.
func observe(t *testing.T, files func() []string) *observed {
	t.Helper()
	w, err := startWatch(files())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	o := &observed{calls: make(chan struct{})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.run(ctx, nil, files, func() {
			select {
			case o.calls <- struct{}{}:
			case <-ctx.Done():
			}
		})
	}()
	o.stop = func() error {
		cancel()
		<-ended
		return w.close()
	}
	t.Cleanup(func() {
		if err := o.stop(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// want waits for one call.
func (o *observed) want(t *testing.T, why string) {
	t.Helper()
	select {
	case <-o.calls:
	case <-time.After(patience):
		t.Fatalf("no call after: %s", why)
	}
}

// replace replaces a file by a rename.
func replace(t *testing.T, path, text string) {
	t.Helper()
	writeFile(t, path+".new", text)
	rename(t, path+".new", path)
}

// replaceDir replaces a directory, with the only file in it, by renames.
func replaceDir(t *testing.T, dir, file, text string) {
	t.Helper()
	mkdir(t, filepath.Dir(filepath.Join(dir+".new", file)))
	writeFile(t, filepath.Join(dir+".new", file), text)
	remove(t, dir+".old")
	rename(t, dir, dir+".old")
	rename(t, dir+".new", dir)
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// TestWatchFile changes one file in every way, twice each, since the first
// change may break the watch.
func TestWatchFile(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, path, text string){
		"in place": func(t *testing.T, path, text string) { writeFile(t, path, text) },
		"rename":   replace,
		"removed and written": func(t *testing.T, path, text string) {
			remove(t, path)
			writeFile(t, path, text)
		},
		"moved aside and written": func(t *testing.T, path, text string) {
			rename(t, path, path+"~")
			writeFile(t, path, text)
		},
		"directory removed": func(t *testing.T, path, text string) {
			remove(t, filepath.Dir(path))
			mkdir(t, filepath.Dir(path))
			writeFile(t, path, text)
		},
		"directory replaced": func(t *testing.T, path, text string) {
			replaceDir(t, filepath.Dir(path), filepath.Base(path), text)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "etc", "hoofbeat.yaml")
			mkdir(t, filepath.Dir(path))
			writeFile(t, path, "0")
			o := observe(t, func() []string { return []string{path} })
			for _, text := range []string{"1", "2"} {
				change(t, path, text)
				o.want(t, name+" "+text)
			}
		})
	}
}

// TestWatchFollow changes the file after it was reported and before it is
// followed, and sees to it that no event tells.
func TestWatchFollow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "etc", "hoofbeat.yaml")
	mkdir(t, filepath.Dir(path))
	writeFile(t, path, "0")
	w, err := startWatch([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	replaceDir(t, filepath.Dir(path), filepath.Base(path), "1")
	w.follow([]string{path})
	select {
	case <-w.timer.C:
	case <-time.After(patience):
		t.Error("follow scheduled no look")
	}
	if !w.look() {
		t.Error("no change")
	}
}

// TestWatchRecheck replaces a directory further up, which causes no event.
func TestWatchRecheck(t *testing.T) {
	t.Parallel()
	top := filepath.Join(t.TempDir(), "etc")
	path := filepath.Join(top, "hoofbeat", "hoofbeat.yaml")
	mkdir(t, filepath.Dir(path))
	writeFile(t, path, "0")
	w, err := startWatch([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	rechecks, calls, ended := make(chan time.Time), make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		w.run(ctx, rechecks, func() []string { return []string{path} }, func() { calls <- struct{}{} })
	}()
	defer func() {
		cancel()
		<-ended
		w.close()
	}()
	for _, text := range []string{"1", "2"} {
		replaceDir(t, top, filepath.Join("hoofbeat", "hoofbeat.yaml"), text)
		rechecks <- time.Now()
		select {
		case <-calls:
		case <-time.After(patience):
			t.Fatal("no call after change", text)
		}
	}
}

// TestWatchRelative watches a relative path, the usual case.
func TestWatchRelative(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "hoofbeat.yaml", "0")
	o := observe(t, func() []string { return []string{"hoofbeat.yaml"} })
	replace(t, "hoofbeat.yaml", "1")
	o.want(t, "replaced")
}

// TestWatchKubernetes swaps the link ..data as the kubelet does, and removes
// the directory that it pointed to.
func TestWatchKubernetes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	version := func(n int) string {
		name := fmt.Sprintf("..2026_%d", n)
		mkdir(t, filepath.Join(dir, name))
		for _, file := range []string{"hoofbeat.yaml", "users"} {
			writeFile(t, filepath.Join(dir, name, file), fmt.Sprintf("%s %d", file, n))
		}
		symlink(t, name, filepath.Join(dir, "..data_tmp"))
		rename(t, filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
		return filepath.Join(dir, name)
	}
	old := version(0)
	var files []string
	for _, file := range []string{"hoofbeat.yaml", "users"} {
		symlink(t, filepath.Join("..data", file), filepath.Join(dir, file))
		files = append(files, filepath.Join(dir, file))
	}
	o := observe(t, func() []string { return files })
	for n := 1; n <= 3; n++ {
		next := version(n)
		remove(t, old)
		old = next
		o.want(t, fmt.Sprint("version ", n))
	}
}

// TestWatchLinks changes links and their targets.
func TestWatchLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	mkdir(t, at("releases", "1"))
	mkdir(t, at("releases", "2"))
	writeFile(t, at("releases", "1", "a.yaml"), "1")
	writeFile(t, at("releases", "2", "a.yaml"), "2")
	symlink(t, at("releases", "1"), at("current"))
	symlink(t, filepath.Join("current", "..", "1", ".", "a.yaml"), at("a.yaml"))
	symlink(t, at("current", "a.yaml"), at("b.yaml"))
	o := observe(t, func() []string { return []string{at("a.yaml"), at("b.yaml")} })
	writeFile(t, at("releases", "1", "a.yaml"), "1 changed")
	o.want(t, "the file behind the links was written")
	symlink(t, at("releases", "2"), at("next"))
	rename(t, at("next"), at("current"))
	o.want(t, "the link to its directory was replaced")
	writeFile(t, at("releases", "2", "a.yaml"), "2 changed")
	o.want(t, "the file behind the new link was written")
}

// TestWatchLost: a missing file is reported after a longer wait, and again when
// it returns.
func TestWatchLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lost, other := filepath.Join(dir, "etc", "lost"), filepath.Join(dir, "other")
	mkdir(t, filepath.Dir(lost))
	writeFile(t, lost, "0")
	writeFile(t, other, "0")
	o := observe(t, func() []string { return []string{lost, other} })
	begin := time.Now()
	remove(t, filepath.Dir(lost))
	o.want(t, "removed")
	if waited := time.Since(begin); waited < lacking {
		t.Errorf("reported after %v", waited)
	}
	writeFile(t, other, "1")
	o.want(t, "another was written")
	mkdir(t, filepath.Dir(lost))
	writeFile(t, lost, "0")
	o.want(t, "it returned")
}

// TestWatchMissingAtFirst watches a file whose directory does not exist yet.
func TestWatchMissingAtFirst(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "b", "c")
	o := observe(t, func() []string { return []string{path} })
	mkdir(t, filepath.Dir(path))
	writeFile(t, path, "1")
	o.want(t, "it was made")
}

// TestWatchOtherFiles: the list has another file from the first call on. The
// second call shows that the new list is in use.
func TestWatchOtherFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := filepath.Join(dir, "1", "a"), filepath.Join(dir, "2", "b")
	mkdir(t, filepath.Dir(first))
	mkdir(t, filepath.Dir(second))
	writeFile(t, first, "0")
	writeFile(t, second, "0")
	asked := 0
	o := observe(t, func() []string {
		asked++
		return []string{first, second}[:min(asked, 2)]
	})
	writeFile(t, first, "1")
	o.want(t, "the first was written")
	writeFile(t, first, "2")
	o.want(t, "the first was written again")
	writeFile(t, second, "1")
	o.want(t, "the second was written")
}

// TestWatchTogether: many changes of two files cause few calls, and the last
// call follows the last change.
func TestWatchTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	for _, path := range files {
		writeFile(t, path, "")
	}
	w, err := startWatch(files)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	const changes = 200
	calls := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(ctx, nil, func() []string { return files }, func() {
			calls++ // unguarded, so that the race detector finds concurrent calls
			text, err := os.ReadFile(files[1])
			if err != nil || string(text) == fmt.Sprint(changes-1) {
				cancel()
			}
		})
	}()
	began := time.Now()
	for n := range changes {
		for _, path := range files {
			replace(t, path, fmt.Sprint(n))
		}
	}
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("the last change was not reported")
		cancel()
		<-done
	}
	// Each call needs a quiet period; a slow machine has several.
	if most := int(time.Since(began)/settling) + 1; calls > min(most, changes) {
		t.Errorf("%d calls for %d changes in %d times what must be quiet", calls, changes, most)
	}
	if err := w.close(); err != nil {
		t.Error(err)
	}
}

// TestWatchNoChange covers events that are no changes.
func TestWatchNoChange(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	writeFile(t, path, "0")
	w, err := startWatch([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	if w.look() {
		t.Error("changed without any change")
	}
	writeFile(t, path, "0")
	replace(t, path, "0")
	if err := os.Chtimes(path, time.Time{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if w.look() {
		t.Error("changed, with the content that it had")
	}
	writeFile(t, path, "1")
	if !w.look() || w.look() {
		t.Error("a change is to be reported once")
	}
	remove(t, path)
	if w.look() || !w.waiting || !w.look() || w.look() {
		t.Error("a lost file is to be reported at the second look")
	}
	if (*w.trail.Load())[filepath.Join(dir, "unrelated")] || !(*w.trail.Load())[path] {
		t.Errorf("trail %v", *w.trail.Load())
	}
}

func TestWatchEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	writeFile(t, path, "0")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Watch(ctx, func() []string { return []string{path} }, func() { t.Error("changed") }); err != nil {
		t.Error(err)
	}
}

func TestTrace(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mkdir(t, filepath.Join(dir, "real", "sub"))
	writeFile(t, filepath.Join(dir, "real", "file"), "")
	symlink(t, "real", filepath.Join(dir, "link"))
	symlink(t, filepath.Join(dir, "link", "file"), filepath.Join(dir, "absolute"))
	symlink(t, "../file", filepath.Join(dir, "real", "sub", "up"))
	symlink(t, "circle", filepath.Join(dir, "circle"))
	symlink(t, ".", filepath.Join(dir, "dot"))
	for path, want := range map[string]string{
		"real/file":        "real/file",
		"real/none":        "real/none",
		"real/none/none":   "real/none",
		"real/file/none":   "real/file/none",
		"link/file":        "link real/file",
		"absolute":         "absolute link real/file",
		"link/sub/up":      "link real/sub/up real/file",
		"link/sub/../file": "link real/file",
		"link/../link/sub": "link real/sub",
		"dot/dot/real":     "dot real",
		"dot":              "dot .",
	} {
		steps, err := trace(dir + "/" + path)
		for i := range steps {
			steps[i] = strings.TrimPrefix(strings.TrimPrefix(steps[i], dir), "/")
			if steps[i] == "" {
				steps[i] = "."
			}
		}
		if got := strings.Join(slices.Compact(steps), " "); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", path, got, err, want)
		}
	}
	_, _ = trace(filepath.Join(dir, "circle")) // ends
	if steps, err := trace("/"); err != nil || !slices.Equal(steps, []string{"/"}) {
		t.Errorf("/: %q, %v", steps, err)
	}
}
