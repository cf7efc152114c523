package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// skipped are folders without pages of this project.
var skipped = map[string]bool{"node_modules": true, ".git": true, "target": true, ".venv": true, "vendor": true, "dist": true, "data": true}

// Pages returns the text of every page of the tree, by its path from the root,
// with slashes. root is the path from the test's folder to the root.
func Pages(t testing.TB, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped[d.Name()]:
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(at) != ".md":
			return nil
		}
		text, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, at)
		all[filepath.ToSlash(rel)] = string(text)
		return err
	})
	if err != nil || len(all) < 20 {
		t.Fatalf("%d pages, %v", len(all), err)
	}
	return all
}
