package main

import (
	"os"
	"testing"
)

// docs/configuration.md equals the program's output. Run make docs to update
// it.
func TestReferenceIsCurrent(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	r := runProgram(t.Context(), nil, "config", "reference")
	if r.code != 0 || r.stdout != string(page) {
		t.Error("docs/configuration.md is not what hoofbeat config reference prints; make docs writes it")
	}
}
