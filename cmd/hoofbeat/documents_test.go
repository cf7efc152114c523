package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"hoofbeat/internal/docs"
)

var (
	inlineCommand = regexp.MustCompile("`(?:\\$ )?hoofbeat ([a-z][^`]*)`")
	blockCommand  = regexp.MustCompile(`(?m)^(?:[^#\n]*[ ($/])?hoofbeat ((?:acl|bench|completion|config|connection|drain|health|log-level|man|overview|pub|queue|revocation|serve|store|sub|subscription|token|topic|user|users|version)\b[^\n]*)`)
	shellBlock    = regexp.MustCompile("(?ms)^```(?:sh|console)\n(.*?)^```$")
	shellWord     = regexp.MustCompile(`'[^']*'|"[^"]*"|[^\s'"]+`)
	shellEnd      = regexp.MustCompile(`\s#\s.*|\s*[|>)].*`)
)

// Commands on pages exist, with their flags.
func TestDocumentedCommands(t *testing.T) {
	checked := 0
	for name, page := range docs.Pages(t, root) {
		for _, m := range inlineCommand.FindAllStringSubmatch(page, -1) {
			checked++
			wantCommand(t, name, m[1])
		}
		for _, block := range shellBlock.FindAllStringSubmatch(page, -1) {
			for _, m := range blockCommand.FindAllStringSubmatch(block[1], -1) {
				checked++
				wantCommand(t, name, m[1])
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d commands were found", checked)
	}
}

// wantCommand finds the command of a line and parses its flags.
func wantCommand(t *testing.T, page, line string) {
	t.Helper()
	words := shellWord.FindAllString(shellEnd.ReplaceAllString(line, ""), -1)
	for i, w := range words {
		words[i] = strings.Trim(w, `'"`)
	}
	program := newRootCommand()
	program.InitDefaultCompletionCmd()
	cmd, rest, err := program.Find(words)
	switch {
	case err != nil:
		t.Errorf("%s: hoofbeat %s: %v", page, line, err)
	case cmd.HasSubCommands():
		if err := cobra.NoArgs(cmd, rest); err != nil {
			t.Errorf("%s: hoofbeat %s: %v", page, line, err)
		}
	default:
		if err := cmd.ParseFlags(rest); err != nil {
			t.Errorf("%s: hoofbeat %s: %v", page, line, err)
		}
	}
}
