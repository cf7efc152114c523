package docs

import (
	"bufio"
	"bytes"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// relative matches the words that make sentences stiff: "a message that was
// refused" reads faster than its form with one of these.
var relative = regexp.MustCompile(`(?i)\b(what|who|whom|whose|whoever)\b`)

var word = regexp.MustCompile(`[A-Za-z]+`)

const (
	mostRelative = 3   // of 1,000 words; net/http has 0.5, log/slog 1.7
	mostColumns  = 120 // of a line of prose
)

// generated has lines as they stand in package config.
const generated = "docs/configuration.md"

// A wording counts the words of one folder.
type wording struct{ words, relative int }

func (p *wording) add(text string) {
	p.words += len(word.FindAllString(text, -1))
	p.relative += len(relative.FindAllString(text, -1))
}

// above reports whether there are too many. A small folder may have one.
func (p *wording) above() bool { return p.relative > 1 && p.relative*1000 > mostRelative*p.words }

// Comments and pages are plain English, as far as that can be measured.
func TestLanguage(t *testing.T) {
	comments, pages := map[string]*wording{}, map[string]*wording{}
	in := func(m map[string]*wording, file string) *wording {
		dir := path.Dir(file)
		if m[dir] == nil {
			m[dir] = &wording{}
		}
		return m[dir]
	}
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return skipForeign(file)
		case strings.HasSuffix(file, ".go"):
			return addComments(root, file, in(comments, file))
		case strings.HasSuffix(file, ".md"):
			return addPage(t, root, file, in(pages, file))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for kind, folders := range map[string]map[string]*wording{"Go comments": comments, "Markdown": pages} {
		for dir, p := range folders {
			if p.above() {
				t.Errorf("%s: %d of %d words in %s are what, who, whom, whose or whoever; at most %d of 1,000 may be",
					dir, p.relative, p.words, kind, mostRelative)
			}
		}
	}
}

// skipForeign leaves out folders that are not the project's own text.
func skipForeign(dir string) error {
	switch path.Base(dir) {
	case "node_modules", "vendor", "target", "bin", "dist", ".git", "testdata":
		return fs.SkipDir
	}
	return nil
}

func addComments(root fs.FS, file string, p *wording) error {
	src, err := fs.ReadFile(root, file)
	if err != nil {
		return err
	}
	var s scanner.Scanner
	files := token.NewFileSet()
	s.Init(files.AddFile(file, -1, len(src)), src, nil, scanner.ScanComments)
	for {
		_, tok, text := s.Scan()
		switch {
		case tok == token.EOF:
			return nil
		case tok == token.COMMENT && !strings.HasPrefix(text, "//go:"):
			p.add(text)
		}
	}
}

// addPage counts the prose of a page, without code, and checks its width. Tables
// may be wider.
func addPage(t *testing.T, root fs.FS, file string, p *wording) error {
	src, err := fs.ReadFile(root, file)
	if err != nil {
		return err
	}
	code := false
	lines := bufio.NewScanner(bytes.NewReader(src))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
			continue
		}
		if code {
			continue
		}
		p.add(inlineCode.ReplaceAllString(line, "x"))
		if file != generated && len(line) > mostColumns && !strings.Contains(line, "|") && !strings.Contains(line, "](") {
			t.Errorf("%s:%d: %d columns, at most %d", file, n, len(line), mostColumns)
		}
	}
	return lines.Err()
}
