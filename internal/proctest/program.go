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

// StepTimeout is the time limit for every step that is not measured.
const StepTimeout = 60 * time.Second

// Build builds the broker into dir, as make build does, and returns the path of
// the program.
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

// FreeAddress returns a loopback address on which nothing listens.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// A Program is a running program. Its output is in Log.
type Program struct {
	Log *Log
	// Ended is closed when the program has ended and its output is complete.
	Ended <-chan struct{}

	name    string
	process *os.Process
	result  error // written before Ended is closed
}

// Start starts a program. The caller must end it.
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

// PID returns the process id.
func (p *Program) PID() int { return p.process.Pid }

// WaitFor waits until the program listens on address, for StepTimeout at most.
func (p *Program) WaitFor(address string) error {
	for deadline := time.Now().Add(StepTimeout); ; {
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

// Result returns the result of [exec.Cmd.Wait]. Call it only after Ended.
func (p *Program) Result() error { return p.result }

// Signal sends a signal. It does nothing if the program has ended.
func (p *Program) Signal(s syscall.Signal) { _ = p.process.Signal(s) }

// End sends a signal and waits until the program has ended, for StepTimeout at
// most.
func (p *Program) End(s syscall.Signal) error {
	p.Signal(s)
	select {
	case <-p.Ended:
		return nil
	case <-time.After(StepTimeout):
		p.Signal(syscall.SIGKILL)
		return fmt.Errorf("%s did not end after %v:\n%s", p.name, s, p.Log)
	}
}

// A Log is the output of a program so far.
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

// String returns the whole output.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Count returns the number of times that text occurs.
func (l *Log) Count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.b.Bytes(), []byte(text))
}
