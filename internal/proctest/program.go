package proctest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long anything may take that is not to be measured.
const Patience = 60 * time.Second

// Build builds the broker into a directory, as make build does, and returns
// its path.
func Build(t testing.TB, dir string) string {
	t.Helper()
	program := filepath.Join(dir, "hoofbeat")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "hoofbeat/cmd/hoofbeat")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// FreeAddress is one on loopback that nobody listens on.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// A Program is one that runs. What it writes is in Log.
type Program struct {
	Log *Log
	// Ended is closed when it has ended and all that it wrote is in Log.
	Ended <-chan struct{}

	name    string
	process *os.Process
	result  error // written before Ended is closed
}

// Start starts a program. Whoever starts it ends it.
func Start(name string, args ...string) (*Program, error) {
	ended := make(chan struct{})
	p := &Program{Log: &Log{}, Ended: ended, name: name}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = p.Log, p.Log
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.process = cmd.Process
	go func() {
		defer close(ended)
		p.result = cmd.Wait()
	}()
	return p, nil
}

// PID is the id of its process.
func (p *Program) PID() int { return p.process.Pid }

// WaitFor waits until it listens on an address, for Patience at most.
func (p *Program) WaitFor(address string) error {
	for deadline := time.Now().Add(Patience); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.Ended:
			return fmt.Errorf("%s has ended:\n%s", p.name, p.Log)
		case <-time.After(5 * time.Millisecond): // between two attempts to connect
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not listen on %s:\n%s", p.name, address, p.Log)
		}
	}
}

// Result is how it has ended, as [exec.Cmd.Wait] says it; called after that.
func (p *Program) Result() error { return p.result }

// Signal sends it a signal; to one that has ended it does nothing.
func (p *Program) Signal(s syscall.Signal) { _ = p.process.Signal(s) }

// End sends it a signal and waits for its end, for Patience at most.
func (p *Program) End(s syscall.Signal) error {
	p.Signal(s)
	select {
	case <-p.Ended:
		return nil
	case <-time.After(Patience):
		p.Signal(syscall.SIGKILL)
		return fmt.Errorf("%s did not end after %v:\n%s", p.name, s, p.Log)
	}
}

// A Log is what a program has written so far.
type Log struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Count is how often a text is in it.
func (l *Log) Count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.b.Bytes(), []byte(text))
}
