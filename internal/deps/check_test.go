package deps

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// A rule lists the imports that one package may have besides the standard
// library.
type rule struct {
	pkg     string   // folder below the module's root
	own     []string // packages of this module, by folder
	third   []string // other modules or packages; everything below them is included
	without []string // packages of the standard library that are not allowed, with all below them except net/netip
	reason  string   // shown to the author of a refused import
	planned bool     // may be missing from the tree
}

// file is one Go file's imports.
type file struct {
	name    string
	imports []string
}

// check compares the imports below root with rules and returns one sentence per
// fault, in a stable order.
func check(root fs.FS, module string, rules []rule, testLibs []string) []string {
	tree, err := readTree(root)
	if err != nil {
		return []string{err.Error()}
	}
	faults := checkTable(tree, rules)
	for _, r := range rules {
		for _, f := range tree[r.pkg] {
			for _, imported := range f.imports {
				if why := r.refuses(imported, module, strings.HasSuffix(f.name, "_test.go"), testLibs); why != "" {
					faults = append(faults, fmt.Sprintf("%s: %s may not import %q: %s.\n\tWhy %s is kept like this: %s (the table in internal/deps/deps_test.go)",
						f.name, r.pkg, imported, why, r.pkg, r.reason))
				}
			}
		}
	}
	slices.Sort(faults)
	return faults
}

// checkTable compares the packages of the tree with the rows.
func checkTable(tree map[string][]file, rules []rule) []string {
	var faults []string
	rows := map[string]bool{}
	for _, r := range rules {
		if rows[r.pkg] {
			faults = append(faults, r.pkg+" has two rows in internal/deps/deps_test.go")
		}
		rows[r.pkg] = true
		if r.reason == "" {
			faults = append(faults, r.pkg+" has a row without a reason in internal/deps/deps_test.go")
		}
		if len(tree[r.pkg]) == 0 && !r.planned {
			faults = append(faults, r.pkg+" has a row in internal/deps/deps_test.go but no Go files: remove the row, or mark it planned")
		}
	}
	for pkg := range tree {
		if !rows[pkg] {
			faults = append(faults, pkg+" has no row in internal/deps/deps_test.go: add one with the imports that it may have, and the reason")
		}
	}
	return faults
}

// refuses returns why r does not allow the import, or "".
func (r rule) refuses(imported, module string, test bool, testLibs []string) string {
	first, _, _ := strings.Cut(imported, "/")
	own, isOwn := strings.CutPrefix(imported, module+"/")
	if imported == module {
		own, isOwn = ".", true
	}
	switch {
	case isOwn:
		if !test && !slices.Contains(r.own, own) {
			return "of our packages it may import " + list(r.own)
		}
	case strings.Contains(first, "."):
		if !under(imported, r.third) && !(test && under(imported, testLibs)) {
			return "of other modules it may import " + list(r.third)
		}
	case !test && under(imported, r.without) && imported != "net/netip":
		return "of the standard library it does without " + list(r.without)
	}
	return ""
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// under reports whether p is one of roots or below one.
func under(p string, roots []string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return p == r || strings.HasPrefix(p, r+"/") })
}

// readTree returns the Go files below root by folder. Like the go command, it
// skips testdata, folders that start with a dot or an underscore, and nested
// modules.
func readTree(root fs.FS) (map[string][]file, error) {
	tree := map[string][]file{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && skipped(root, name):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		imports, err := readImports(root, name)
		tree[path.Dir(name)] = append(tree[path.Dir(name)], file{name, imports})
		return err
	})
	return tree, err
}

func skipped(root fs.FS, dir string) bool {
	base := path.Base(dir)
	if base == "testdata" || base == "node_modules" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := fs.Stat(root, path.Join(dir, "go.mod"))
	return err == nil
}

func readImports(root fs.FS, name string) ([]string, error) {
	src, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var imports []string
	for _, spec := range parsed.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		imports = append(imports, p)
	}
	return imports, nil
}

func TestCheckFindsEachFault(t *testing.T) {
	rules := []rule{
		{pkg: "low", third: []string{"example.com/lib/sub"}, without: []string{"net"}, reason: "r"},
		{pkg: "high", own: []string{"low"}, reason: "r"},
		{pkg: "later", reason: "r", planned: true},
	}
	src := func(imports ...string) *fstest.MapFile {
		b := "package p\n"
		for _, i := range imports {
			b += "import _ " + strconv.Quote(i) + "\n"
		}
		return &fstest.MapFile{Data: []byte(b)}
	}
	for name, tc := range map[string]struct {
		files fstest.MapFS // on top of a low/a.go and a high/a.go without imports
		rules []rule       // on top of rules
		want  string       // part of the one fault; empty: none
	}{
		"clean":             {files: fstest.MapFS{"high/b.go": src("m/low", "fmt", "net/http")}},
		"allowed library":   {files: fstest.MapFS{"low/b.go": src("example.com/lib/sub", "example.com/lib/sub/x")}},
		"netip is pure":     {files: fstest.MapFS{"low/b.go": src("net/netip")}},
		"test upwards":      {files: fstest.MapFS{"low/b_test.go": src("m/high", "example.com/testlib", "net")}},
		"skipped folders":   {files: fstest.MapFS{"low/testdata/b.go": src("x.com/y"), ".x/b.go": src(), "tool/go.mod": {}, "tool/b.go": src()}},
		"root":              {files: fstest.MapFS{"low/b.go": src("m")}, want: `low/b.go: low may not import "m": of our packages it may import none`},
		"upwards":           {files: fstest.MapFS{"low/b.go": src("m/high")}, want: `low/b.go: low may not import "m/high": of our packages it may import none`},
		"parent of allowed": {files: fstest.MapFS{"low/b.go": src("example.com/lib")}, want: "of other modules it may import example.com/lib/sub"},
		"same beginning":    {files: fstest.MapFS{"low/b.go": src("example.com/lib/subtle")}, want: `"example.com/lib/subtle"`},
		"standard library":  {files: fstest.MapFS{"low/b.go": src("net/http")}, want: "of the standard library it does without net"},
		"test library":      {files: fstest.MapFS{"low/b.go": src("example.com/testlib")}, want: `"example.com/testlib"`},
		"unknown in a test": {files: fstest.MapFS{"low/b_test.go": src("example.com/other")}, want: `"example.com/other"`},
		"no row":            {files: fstest.MapFS{"new/a.go": src()}, want: "new has no row"},
		"no package":        {rules: []rule{{pkg: "gone", reason: "r"}}, want: "gone has a row"},
		"no reason":         {rules: []rule{{pkg: "later2", planned: true}}, want: "later2 has a row without a reason"},
		"two rows":          {rules: []rule{{pkg: "low", reason: "r"}}, want: "low has two rows"},
		"not Go":            {files: fstest.MapFS{"low/b.go": {Data: []byte("import")}}, want: "expected 'package'"},
	} {
		t.Run(name, func(t *testing.T) {
			tree := fstest.MapFS{"low/a.go": src(), "high/a.go": src(), "README.md": {}}
			for k, v := range tc.files {
				tree[k] = v
			}
			got := check(tree, "m", append(slices.Clone(rules), tc.rules...), []string{"example.com/testlib"})
			switch {
			case tc.want == "" && len(got) != 0:
				t.Errorf("got %q, want no fault", got)
			case tc.want != "" && (len(got) != 1 || !strings.Contains(got[0], tc.want)):
				t.Errorf("got %q, want one fault with %q", got, tc.want)
			}
		})
	}
}
