package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"hoofbeat/config"
)

// manual writes all pages and returns them by name.
func manual(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	if r := runProgram(t.Context(), nil, "man", dir); r != (result{}) {
		t.Fatalf("man: %+v", r)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		pages[e.Name()] = string(text)
	}
	return pages
}

// Each visible command has a page with its flags.
func TestManHasAllCommands(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	pages := manual(t)
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		if !strings.Contains(pages[name], "Nov 2023") {
			t.Errorf("%s is missing, or of another date", name)
		}
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				check(sub)
			}
		}
	}
	check(newRootCommand())
	for page, want := range map[string]string{
		"hoofbeat-serve.1": "--listen-tcp-address", "hoofbeat-completion-bash.1": "bash", "hoofbeat.1": "hoofbeat-serve(1)",
	} {
		if !strings.Contains(pages[page], want) {
			t.Errorf("%s does not have %q:\n%s", page, want, pages[page])
		}
	}
	if _, ok := pages["hoofbeat-man.1"]; ok {
		t.Error("man is not hidden")
	}
}

// hoofbeat.yaml(5) documents all keys.
func TestManOfTheConfiguration(t *testing.T) {
	page := strings.ReplaceAll(manual(t)["hoofbeat.yaml.5"], `\-`, "-")
	c, err := config.Load(config.Options{Search: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Effective() {
		key := s.Key[strings.LastIndex(s.Key, ".")+1:]
		if !strings.Contains(page, key+":") {
			t.Errorf("hoofbeat.yaml(5) does not have %s", s.Key)
		}
	}
}

func TestManSameBytes(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	first, second := manual(t), manual(t)
	for name, text := range first {
		if second[name] != text {
			t.Errorf("%s is not the same when it is written again", name)
		}
	}
}

func TestManRefuses(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if r := runProgram(t.Context(), nil, "man", t.TempDir()); r.code != 1 || !strings.Contains(r.stderr, `SOURCE_DATE_EPOCH is "yesterday"`) {
		t.Errorf("%+v", r)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "")
	if r := runProgram(t.Context(), nil, "man", filepath.Join(t.TempDir(), "none")); r.code != 1 {
		t.Errorf("into a folder that does not exist: %+v", r)
	}
}

func TestCompletion(t *testing.T) {
	for shell, want := range map[string]string{"bash": "__start_hoofbeat", "zsh": "#compdef hoofbeat", "fish": "complete -c hoofbeat"} {
		if r := runProgram(t.Context(), nil, "completion", shell); r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("%s: exit code %d, without %q", shell, r.code, want)
		}
	}
}
