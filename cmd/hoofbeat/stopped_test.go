package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Commands on a directory keep messages on disk: they do not move messages to a
// queue that is in memory only, and do not create such a queue.
func TestStoppedKeepsWhatItMoves(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "data")
	s := startDurable(t, directory)
	s.publish("/queue/a", "one", "two")
	s.stop()
	file := filepath.Join(t.TempDir(), "hoofbeat.yaml")
	if err := os.WriteFile(file, []byte("auth: {anonymous: true}\ndestinations: [{match: /queue/mem, durable: false}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	on := []string{"--directory", directory, "--config", file}
	for _, command := range [][]string{{"queue", "move", "/queue/a", "/queue/mem"}, {"queue", "create", "/queue/mem"}} {
		r := runProgram(t.Context(), nil, append(command, on...)...)
		if r.code != 1 || !strings.Contains(r.stderr, "/queue/mem is in memory only") {
			t.Errorf("%q: got %+v", command, r)
		}
	}
	if got := mustRun(t, append([]string{"queue", "move", "/queue/a", "/queue/b"}, on...)...); got != "2 messages moved from /queue/a to /queue/b\n" {
		t.Errorf("move: %s", got)
	}
	if got := mustRun(t, append([]string{"queue", "list"}, on...)...); !strings.Contains(got, "/queue/b  2 ") || strings.Contains(got, "/queue/a") {
		t.Errorf("list:\n%s", got)
	}
}
