package admin

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A document is openapi.json, with which responses are compared.
type document struct {
	root     map[string]any
	compiler *jsonschema.Compiler
	mu       sync.Mutex // the compiler is not safe for concurrent use
	answered map[string]bool
}

var theDocument = sync.OnceValue(func() *document {
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPIDocument))
	if err != nil {
		panic(err)
	}
	d := &document{root: root.(map[string]any), compiler: jsonschema.NewCompiler(), answered: make(map[string]bool)}
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("openapi.json", root); err != nil {
		panic(err)
	}
	return d
})

// at returns the value at a path of names.
func (d *document) at(names ...string) (any, bool) {
	var here any = d.root
	for _, n := range names {
		object, ok := here.(map[string]any)
		if !ok {
			return nil, false
		}
		if here, ok = object[n]; !ok {
			return nil, false
		}
	}
	return here, true
}

// schemaOf returns the pointer to the schema of a response; "" if the document
// does not have it.
func (d *document) schemaOf(method, path string, status int) string {
	names := []string{"paths", path, strings.ToLower(method), "responses", strconv.Itoa(status)}
	answer, ok := d.at(names...)
	if !ok {
		return ""
	}
	if _, elsewhere := answer.(map[string]any)["$ref"]; elsewhere {
		names = []string{"components", "responses", strconv.Itoa(status)}
	}
	pointer := "openapi.json#"
	for _, n := range append(names, "content", "application/json", "schema") {
		pointer += "/" + strings.ReplaceAll(strings.ReplaceAll(n, "~", "~0"), "/", "~1")
	}
	return pointer
}

// conforms expects a response that conforms to the document.
func conforms(t *testing.T, method, path string, r *http.Response) {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	d := theDocument()
	d.mu.Lock()
	defer d.mu.Unlock()
	if method == http.MethodHead {
		method = http.MethodGet
	}
	pointer := d.schemaOf(method, path, r.StatusCode)
	if r.StatusCode == http.StatusNotFound && bytes.Contains(body, []byte(`"unknown-path"`)) {
		pointer = "openapi.json#/components/schemas/Error" // the path was spelt differently
	}
	if _, known := d.at("paths", path, strings.ToLower(method)); !known || method != strings.ToUpper(method) {
		pointer = "openapi.json#/components/schemas/Error" // there is no such path, or it does not allow the method
		if r.StatusCode != 404 && r.StatusCode != 405 && r.StatusCode != 403 {
			t.Errorf("%s %s is not in the document: %d", method, path, r.StatusCode)
		}
	}
	if pointer == "" {
		t.Errorf("%s %s: the document has no answer %d: %s", method, path, r.StatusCode, body)
		return
	}
	schema, err := d.compiler.Compile(pointer)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s %s: %s: %v", method, path, body, err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s %s: %s is not what the document says: %v", method, path, body, err)
	}
	d.answered[method+" "+path+" "+strconv.Itoa(r.StatusCode)] = true
}

// The document and the handler have the same paths.
func TestDocumentHasAllPaths(t *testing.T) {
	d := theDocument()
	paths, _ := d.at("paths")
	routes := New(newDesk().options).(*server).routes
	var documented, served []string
	for path, item := range paths.(map[string]any) {
		for method := range item.(map[string]any) {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	for path, methods := range routes {
		for method := range methods {
			served = append(served, method+" "+path)
		}
	}
	slices.Sort(documented)
	slices.Sort(served)
	if !slices.Equal(documented, served) {
		t.Errorf("documented:\n%q\nserved:\n%q", documented, served)
	}
}

// The document and the handler require the same rights.
func TestDocumentHasAllRights(t *testing.T) {
	for path, methods := range New(newDesk().options).(*server).routes {
		for method, to := range methods {
			op, _ := theDocument().at("paths", path, strings.ToLower(method))
			said, _ := op.(map[string]any)["x-right"].(string)
			_, open := op.(map[string]any)["security"]
			want := map[right]string{reading: "admin:read", writing: "admin:write"}[to.needs]
			if said != want || open != (to.needs == nothing) {
				t.Errorf("%s %s: it says %q, open %v", method, path, said, open)
			}
		}
	}
}

// wordsOfCode returns the error words in the package's source.
func wordsOfCode(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	words := make(map[string]bool)
	dashed := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			kind, named := literal, false
			if ok {
				id, isName := kind.Type.(*ast.Ident)
				named = isName && id.Name == "refusal"
			}
			if !named || len(literal.Elts) != 3 {
				return true
			}
			word, ok := literal.Elts[1].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s: a refusal whose word is no literal", name)
				return true
			}
			text, err := strconv.Unquote(word.Value)
			if err != nil || !dashed.MatchString(text) {
				t.Errorf("%s: %s is no dashed word", name, word.Value)
			}
			words[text] = true
			return true
		})
	}
	return slices.Sorted(maps.Keys(words))
}

// The document contains every error word, and the reference explains it.
func TestDocumentHasAllWords(t *testing.T) {
	list, ok := theDocument().at("components", "schemas", "Error", "properties", "error", "enum")
	if !ok {
		t.Fatal("there are no words in the document")
	}
	var documented []string
	for _, w := range list.([]any) {
		documented = append(documented, w.(string))
	}
	slices.Sort(documented)
	if words := wordsOfCode(t); !slices.Equal(documented, words) {
		t.Errorf("documented:\n%q\nin the code:\n%q", documented, words)
	}
	page, err := os.ReadFile("../docs/admin-api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range documented {
		if !bytes.Contains(page, []byte("`"+w+"`")) {
			t.Errorf("docs/admin-api.md does not explain %s", w)
		}
	}
}

// The document contains every parameter of the handlers: an unknown parameter
// gets another refusal than an invalid one.
func TestDocumentHasAllParameters(t *testing.T) {
	d := newDesk()
	paths, _ := theDocument().at("paths")
	for path, item := range paths.(map[string]any) {
		op, ok := item.(map[string]any)["get"].(map[string]any)
		if !ok {
			continue
		}
		var known []string
		all, _ := op["parameters"].([]any)
		for _, p := range all {
			parameter := p.(map[string]any)
			if ref, elsewhere := parameter["$ref"].(string); elsewhere {
				found, _ := theDocument().at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
				parameter = found.(map[string]any)
			}
			known = append(known, parameter["name"].(string))
		}
		for _, name := range []string{"q", "user", "transport", "address", "limit", "after", "id", "destination", "connection", "sort", "order", "name", "skip", "body", "x"} {
			r := d.do(t, "GET", path+"?"+name+"=1", "")
			var told struct{ Message string }
			if err := json.NewDecoder(r.Body).Decode(&told); err != nil {
				t.Fatal(err)
			}
			taken := !strings.Contains(told.Message, "there is no parameter")
			if taken != slices.Contains(known, name) {
				t.Errorf("%s?%s: taken %v, documented %q", path, name, taken, known)
			}
		}
	}
}
