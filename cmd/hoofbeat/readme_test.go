package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hoofbeat/config"
)

// root is the module's root, which contains README.md.
const root = "../.."

// readmeBlocks returns the code blocks of README.md in a language.
func readmeBlocks(t *testing.T, language string) []string {
	t.Helper()
	return documentBlocks(t, "README.md", language)
}

// documentBlocks returns the code blocks of a document in a language.
func documentBlocks(t *testing.T, name, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?\n)```\n").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no block of %s", name, language)
	}
	return blocks
}

func TestReadmeGo(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	const address = "127.0.0.1:61613"
	s := startServe(t, 2, "--listen-tcp-address", "127.0.0.1:0")
	for _, block := range readmeBlocks(t, "go") {
		if !strings.HasPrefix(block, "package main\n") {
			continue
		}
		if strings.Count(block, address) != 1 {
			t.Fatalf("%s is not in the program once", address)
		}
		file := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(file, []byte(strings.Replace(block, address, host(s.urls[1]), 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		run := exec.CommandContext(t.Context(), "go", "run", file)
		run.Dir = root
		out, err := run.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "order two horseshoes\n") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	t.Error("README.md has no Go program")
}

func TestReadmeYAML(t *testing.T) {
	cert, key := certFiles(t)
	for _, block := range readmeBlocks(t, "yaml") {
		file := regexp.MustCompile(`/etc/hoofbeat/[\w.-]+\.pem`).ReplaceAllStringFunc(block, func(name string) string {
			if strings.Contains(name, "key") {
				return key
			}
			return cert
		})
		if _, err := config.Load(config.Options{File: writeConfig(t, file)}); err != nil {
			t.Errorf("%v\n%s", err, block)
		}
	}
}

// The commands in README.md exist.
func TestReadmeShell(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, block := range readmeBlocks(t, "sh") {
		for line := range strings.Lines(block) {
			words := strings.Fields(line)
			switch {
			case len(words) >= 2 && words[0] == "make":
				if !strings.Contains(string(makefile), "\n"+words[1]+":") {
					t.Errorf("the Makefile has no target for %q", line)
				}
			case len(words) >= 4 && strings.HasPrefix(line, "go run ./cmd/hoofbeat "):
				if c, _, err := newRootCommand().Find(words[3:]); err != nil || c.Name() != words[3] {
					t.Errorf("there is no command for %q", line)
				}
			default:
				continue
			}
			commands++
		}
	}
	if commands < 4 {
		t.Errorf("only %d commands were found", commands)
	}
}
