//go:build unix

package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// A goPackage is the part of `go list -json` that the test uses.
type goPackage struct {
	Dir, ImportPath string
	GoFiles         []string
	ImportMap       map[string]string
	Module          *struct{ Main bool }
	Standard        bool
}

// A checker holds the packages of one platform that have been type-checked.
type checker struct {
	files *token.FileSet
	done  map[string]*types.Package
	sizes types.Sizes
}

// check type-checks a package after its imports. For other modules, only
// declarations are checked.
func (c *checker) check(p goPackage) error {
	if p.ImportPath == "unsafe" {
		c.done["unsafe"] = types.Unsafe
		return nil
	}
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(c.files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		parsed = append(parsed, f)
	}
	own := p.Module != nil && p.Module.Main
	var faults []error
	config := types.Config{
		Importer: importer{c, p.ImportMap}, Sizes: c.sizes, IgnoreFuncBodies: !own, FakeImportC: true,
		Error: func(err error) {
			if own {
				faults = append(faults, err)
			}
		},
	}
	// Errors are collected in faults.
	c.done[p.ImportPath], _ = config.Check(p.ImportPath, c.files, parsed, nil)
	return errors.Join(faults...)
}

// An importer finds the imports of a package.
type importer struct {
	c       *checker
	renamed map[string]string
}

// Import implements types.Importer.
func (i importer) Import(path string) (*types.Package, error) {
	if to := i.renamed[path]; to != "" {
		path = to
	}
	if p := i.c.done[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%s has not been checked", path)
}

// The program type-checks for every released platform. Compiling is left to
// `make release`.
func TestEachPlatform(t *testing.T) {
	for _, platform := range []string{"darwin/arm64", "windows/amd64"} {
		t.Run(platform, func(t *testing.T) {
			t.Parallel()
			system, machine, _ := strings.Cut(platform, "/")
			listed := shell{dir: root, env: []string{"GOOS=" + system, "GOARCH=" + machine, "CGO_ENABLED=0"}}.
				run(t, "go", "list", "-deps", "-json=Dir,ImportPath,GoFiles,ImportMap,Module,Standard", "./cmd/hoofbeat")
			c := &checker{files: token.NewFileSet(), done: map[string]*types.Package{}, sizes: types.SizesFor("gc", machine)}
			own := 0
			for in := json.NewDecoder(strings.NewReader(listed)); ; {
				var p goPackage
				if err := in.Decode(&p); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				if p.Module != nil && p.Module.Main {
					own++
				}
				if err := c.check(p); err != nil {
					t.Error(err)
				}
			}
			if own < 10 {
				t.Errorf("only %d packages are ours", own)
			}
		})
	}
}
