package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// config check also checks the files that a configuration names.
func TestConfigCheckReadsUsers(t *testing.T) {
	dir := t.TempDir()
	users, file := filepath.Join(dir, "users"), filepath.Join(dir, "hoofbeat.yaml")
	for name, content := range map[string]string{
		users: "alice:no hash at all:admin\n",
		file:  "auth:\n  users_file: " + users + "\n",
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := runProgram(t.Context(), nil, "config", "check", file)
	if r.code != exitFaults || !strings.Contains(r.stderr, "auth.users_file") || strings.Contains(r.stderr, "no hash at all") {
		t.Errorf("got %+v", r)
	}
}
