package attack

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"hoofbeat/internal/proctest"
)

// proc returns the path of a file of the process in /proc.
func (w *world) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(w.broker.PID()), name)
}

// memory returns a figure of the process's status, in bytes.
func (w *world) memory(t *testing.T, name string) int {
	t.Helper()
	status, err := os.ReadFile(w.proc("status"))
	if err != nil {
		t.Fatalf("%v\n%s", err, w.broker.Log)
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name+":" {
			kib, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("no %s in\n%s", name, status)
	return 0
}

// forgetPeak resets VmHWM. If the kernel refuses, the peak is that of all
// attacks so far, which has the same bound.
func (w *world) forgetPeak() { _ = os.WriteFile(w.proc("clear_refs"), []byte("5"), 0) }

// descriptors returns the number of open files, without those of the store,
// which opens and closes files at any time.
func (w *world) descriptors(t *testing.T) (n int) {
	t.Helper()
	all, err := os.ReadDir(w.proc("fd"))
	if err != nil {
		t.Fatalf("%v\n%s", err, w.broker.Log)
	}
	for _, one := range all {
		to, err := os.Readlink(filepath.Join(w.proc("fd"), one.Name()))
		if err == nil && !strings.HasPrefix(to, w.dir) {
			n++
		}
	}
	return n
}

// operators uses a connection per request, so that none is left.
var operators = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: proctest.StepTimeout}

// ask sends an operator's request, with a body unless that is empty.
func (w *world) ask(method, path, body string) (string, error) {
	r, err := http.NewRequest(method, "http://"+w.admin+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	r.SetBasicAuth(bystanderName, bystanderPasscode)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := operators.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	return string(text), err
}

// Figures must be back at their old values after an attack.
type figures struct {
	goroutines, descriptors int
	used                    int // hoofbeat_memory_used_bytes
	ended                   int // hoofbeat_memory_ended_total
}

func (w *world) figures(t *testing.T) figures {
	t.Helper()
	text, err := w.ask(http.MethodGet, "/metrics", "")
	if err != nil {
		t.Fatalf("%v\n%s", err, w.broker.Log)
	}
	return figures{
		goroutines: metric(t, text, "go_goroutines"), descriptors: w.descriptors(t),
		used: metric(t, text, "hoofbeat_memory_used_bytes"), ended: metric(t, text, "hoofbeat_memory_ended_total"),
	}
}

func metric(t *testing.T, text, name string) int {
	t.Helper()
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		}
	}
	t.Fatalf("no %s in\n%s", name, text)
	return 0
}

// Goroutines and descriptors that may be left when the attackers have gone:
// those of the store, of the current request, and of the bystander.
const (
	goroutinesLeft  = 12
	descriptorsLeft = 3
	usedLeft        = 1 << 20
)

// above lists the figures that are above those of before.
func (f figures) above(before figures) string {
	var all []string
	for _, one := range []struct {
		name    string
		is, was int
		left    int
	}{
		{"goroutines", f.goroutines, before.goroutines, goroutinesLeft},
		{"open descriptors", f.descriptors, before.descriptors, descriptorsLeft},
		{"hoofbeat_memory_used_bytes", f.used, before.used, usedLeft},
	} {
		if one.is > one.was+one.left {
			all = append(all, fmt.Sprintf("%s: %d, and %d before", one.name, one.is, one.was))
		}
	}
	return strings.Join(all, "; ")
}

// until polls for a condition several times a second, for StepTimeout at most.
func until(condition func() bool) bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(proctest.StepTimeout); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// wantCalm waits until all figures are near those of before, while an operator
// purges queues. The broker still reads the attackers' bytes for a while.
func (w *world) wantCalm(t *testing.T, before figures, queues []string) {
	t.Helper()
	above := ""
	if !until(func() bool {
		for _, queue := range queues {
			// A queue may be gone already; the figures tell.
			_, _ = w.ask(http.MethodPost, "/api/v1/queue/purge", fmt.Sprintf(`{"name":%q}`, queue))
		}
		above = w.figures(t).above(before)
		return above == ""
	}) {
		t.Errorf("left behind: %s", above)
	}
}
