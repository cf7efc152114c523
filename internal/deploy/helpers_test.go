//go:build unix

package deploy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The module's root.
const root = "../.."

// patience is the time limit of a command: a release on a busy machine that
// compiles everything.
const patience = 10 * time.Minute

// need skips a test if a program is missing; with CI=true the test fails.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			lack(t, p+" is not installed")
		}
	}
}

// lack skips a test, or fails it with CI=true.
func lack(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// A shell runs commands in a folder, with variables added to the test's
// environment.
type shell struct {
	dir string
	env []string
}

// try runs a command and returns its combined output.
func (s shell) try(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.env...)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run is try for a command that must succeed.
func (s shell) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := s.try(t.Context(), name, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return out
}

// snapshot creates a repository with one commit of the tree's present files,
// committed or not. Author and date are constant, so the same files give the
// same commit.
func snapshot(t *testing.T, into string) {
	t.Helper()
	if err := os.MkdirAll(into, 0o755); err != nil {
		t.Fatal(err)
	}
	files := shell{dir: root}.run(t, "git", "ls-files", "-co", "--exclude-standard")
	for name := range strings.Lines(files) {
		copyFile(t, filepath.Join(root, strings.TrimSpace(name)), filepath.Join(into, strings.TrimSpace(name)))
	}
	const date = "2026-01-02T03:04:05Z"
	git := shell{dir: into, env: []string{
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@hoofbeat.example", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@hoofbeat.example",
		"GIT_AUTHOR_DATE=" + date, "GIT_COMMITTER_DATE=" + date, "GIT_CONFIG_GLOBAL=/dev/null",
	}}
	git.run(t, "git", "init", "-q", "-b", "main")
	git.run(t, "git", "add", "-A")
	git.run(t, "git", "commit", "-q", "-m", "snapshot")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if errors.Is(err, os.ErrNotExist) {
		return // deleted, but still known to git
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		t.Fatal(errors.Join(err, in.Close()))
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, in.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// version is the version of the releases here: a prerelease, which Debian
// orders differently.
const version = "v1.2.3-rc.1"

// releaseOf builds a release of a clone for this machine, and returns the
// folder with its files.
func releaseOf(t *testing.T, clone string, env ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	env = append(env, "VERSION="+version, "PLATFORMS=linux/amd64", "OUT="+out, "DEB_LEVEL=1")
	shell{dir: clone, env: env}.run(t, "bash", "scripts/release.sh")
	return out
}

// released is a release for this machine, built once for all tests.
var released struct {
	once     sync.Once
	clone    string // its source
	out      string // its files
	unpacked string // the folder of its unpacked archive
}

// release returns the folder with the files of a release, and that of its
// unpacked archive.
func release(t *testing.T) (out, unpacked string) {
	t.Helper()
	need(t, "git", "tar", "dpkg-deb", "sha256sum")
	released.once.Do(func() {
		folder := filepath.Join(scratch, "release")
		released.clone = filepath.Join(scratch, "first", "clone")
		snapshot(t, released.clone)
		out := releaseOf(t, released.clone)
		if err := os.Rename(out, folder); err != nil {
			t.Fatal(err)
		}
		shell{dir: scratch}.run(t, "tar", "xzf", filepath.Join(folder, "hoofbeat_1.2.3-rc.1_linux_amd64.tar.gz"))
		released.out, released.unpacked = folder, filepath.Join(scratch, "hoofbeat_1.2.3-rc.1_linux_amd64")
	})
	if released.out == "" {
		t.Fatal("there is no release")
	}
	return released.out, released.unpacked
}

// scratch exists as long as the tests of this package run.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "deploy"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(scratch); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// A process is a program that runs until the test ends, together with its
// children.
type process struct {
	output lines
	ended  chan error
}

// start runs a command and waits until its output contains a text.
func start(t *testing.T, cmd *exec.Cmd, until string) *process {
	t.Helper()
	p := &process{output: lines{changed: make(chan struct{}, 1)}, ended: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &p.output, &p.output, 5*time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // fails if all of them have ended
		<-p.ended
	})
	late := time.After(time.Minute)
	for !strings.Contains(p.output.String(), until) {
		select {
		case <-p.output.changed:
		case err := <-p.ended:
			p.ended <- err
			t.Fatalf("it has ended: %v\n%s", err, p.output.String())
		case <-late:
			t.Fatalf("%q has not been written:\n%s", until, p.output.String())
		}
	}
	return p
}

// lines is the output of a process.
type lines struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // has an element after each write
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
