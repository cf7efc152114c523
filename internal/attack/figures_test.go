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

// proc is a file of the process.
func (w *world) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(w.broker.PID()), name)
}

// memory is a figure of the process's status, in bytes.
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

// forgetPeak makes VmHWM begin anew. A kernel that refuses goes on with the
// highest of all attacks, which has the same bound.
func (w *world) forgetPeak() { _ = os.WriteFile(w.proc("clear_refs"), []byte("5"), 0) }

// descriptors is how many files are open, but for those of the store, which
// opens and closes them as it likes.
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

// operators ask on connections of their own, so that none is left.
var operators = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: proctest.Patience}

// ask sends an operator's request, with a body unless it is empty.
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

// Figures are what an attack must not change for good.
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

// What may be left when attackers have gone: goroutines of the store and of the
// request that asks, and what a bystander has under way.
const (
	goroutinesLeft  = 12
	descriptorsLeft = 3
	usedLeft        = 1 << 20
)

// above tells which figures are above those of before.
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

// until asks for a condition several times a second, for Patience at most.
func until(condition func() bool) bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(proctest.Patience); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// wantCalm waits until all figures are near those of before, while an operator
// empties queues. What attackers have written is still read for a while.
func (w *world) wantCalm(t *testing.T, before figures, queues []string) {
	t.Helper()
	above := ""
	if !until(func() bool {
		for _, queue := range queues {
			// That a queue is gone already is no fault: the figures tell.
			_, _ = w.ask(http.MethodPost, "/api/v1/queue/purge", fmt.Sprintf(`{"name":%q}`, queue))
		}
		above = w.figures(t).above(before)
		return above == ""
	}) {
		t.Errorf("left behind: %s", above)
	}
}
