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

// patience is how long a command may take: a release on a machine that compiles everything anew, with others at work on it.
const patience = 10 * time.Minute

// need skips a test for lack of a program; with CI=true that is a failure.
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

// A shell runs commands in a folder, with variables on top of the test's own.
type shell struct {
	dir string
	env []string
}

// try runs a command, and returns what it has written to both outputs.
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

// run is try of a command that must succeed.
func (s shell) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := s.try(t.Context(), name, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return out
}

// snapshot makes a repository with one commit of what is in the tree now, which need not be in a commit. Its author and date are
// always the same, and so is the commit of the same files.
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

// version is that of the releases here: the kind that Debian orders differently.
const version = "v1.2.3-rc.1"

// releaseOf makes a release for this machine of a clone, and returns the folder with its files.
func releaseOf(t *testing.T, clone string, env ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	env = append(env, "VERSION="+version, "PLATFORMS=linux/amd64", "OUT="+out, "DEB_LEVEL=1")
	shell{dir: clone, env: env}.run(t, "bash", "scripts/release.sh")
	return out
}

// released is a release for this machine, made once for all tests.
var released struct {
	once     sync.Once
	clone    string // what it is made of
	out      string // its files
	unpacked string // the folder of its archive
}

// release gives the folder with the files of a release, and that of its archive, unpacked.
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

// scratch lives as long as the tests of this package.
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

// A process is a program that runs until the test ends, with all that it has started.
type process struct {
	output lines
	ended  chan error
}

// start runs a command, and waits until it has written a text.
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
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // of what has ended already nobody is left
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

// lines is what a process has written.
type lines struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // has an element when something was written
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
