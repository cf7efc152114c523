package docs

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// prose returns a page without its code blocks.
func prose(page string) string {
	var out strings.Builder
	fenced := false
	for line := range strings.Lines(page) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if !fenced {
			out.WriteString(line)
		}
	}
	return out.String()
}

// anchors returns the fragments of a page's headings.
func anchors(page string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(prose(page)) {
		if title := strings.TrimLeft(line, "#"); title != line && strings.HasPrefix(title, " ") {
			all[anchor(strings.TrimSpace(title))] = true
		}
	}
	return all
}

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

func anchor(title string) string {
	return strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
}

var (
	link       = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	inlineCode = regexp.MustCompile("`[^`\n]*`")
)

// Links to pages, files and headings of this tree work.
func TestLinks(t *testing.T) {
	all := Pages(t, root)
	checked := 0
	for from, page := range all {
		for _, m := range link.FindAllStringSubmatch(inlineCode.ReplaceAllString(prose(page), ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			checked++
			if fault := follow(all, from, m[1]); fault != "" {
				t.Errorf("%s: %s: %s", from, m[1], fault)
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d links were found", checked)
	}
}

// follow returns the fault of a link, or "".
func follow(all map[string]string, from, target string) string {
	file, fragment, _ := strings.Cut(target, "#")
	to := from
	if file != "" {
		to = path.Join(path.Dir(from), file)
	}
	if _, err := os.Stat(filepath.Join(root, to)); err != nil {
		return "there is no such file"
	}
	if page, isPage := all[to]; fragment != "" && isPage && !anchors(page)[fragment] {
		return "there is no such heading"
	}
	return ""
}

// errorWords returns the words of ERROR frames: the values of constants in the
// packages that write them.
func errorWords(t *testing.T) []string {
	t.Helper()
	var words []string
	for _, file := range []string{"session/fault.go", "frames/error.go"} {
		words = append(words, constants(t, file, "")...)
	}
	words = append(words, constants(t, "connections/gate.go", "TooManyConnections")...)
	words = append(words, constants(t, "transport/sockjs/ws.go", "BinaryMessage")...)
	if len(words) < 30 {
		t.Fatalf("only %d words: %v", len(words), words)
	}
	return words
}

// constants returns the exported constants of a file that have one dashed word
// as their value; with a name, only that constant.
func constants(t *testing.T, file, name string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 || !v.Names[0].IsExported() || name != "" && v.Names[0].Name != name {
			return true
		}
		if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if word, err := strconv.Unquote(lit.Value); err == nil && strings.Contains(word, "-") {
				words = append(words, word)
			}
		}
		return true
	})
	return words
}

// Every word is explained in the reference and in the troubleshooting page.
func TestErrorWordsAreExplained(t *testing.T) {
	all := Pages(t, root)
	headings := map[string]bool{}
	s := bufio.NewScanner(strings.NewReader(all["docs/troubleshooting.md"]))
	for s.Scan() {
		if title, ok := strings.CutPrefix(s.Text(), "### "); ok {
			for _, word := range strings.Split(title, ", ") {
				headings[strings.Trim(word, "`")] = true
			}
		}
	}
	known := map[string]bool{}
	for _, word := range errorWords(t) {
		known[word] = true
		if !headings[word] {
			t.Errorf("docs/troubleshooting.md has no heading for %s", word)
		}
		if !strings.Contains(all["docs/protocol.md"], fmt.Sprintf("`%s`", word)) {
			t.Errorf("docs/protocol.md does not mention %s", word)
		}
	}
	for word := range headings {
		if !known[word] {
			t.Errorf("docs/troubleshooting.md explains %s, which no ERROR says", word)
		}
	}
}

var alertName = regexp.MustCompile(`(?m)^\s*- alert: (\S+)$`)

// Every alert has instructions for the person on call.
func TestAlertsAreExplained(t *testing.T) {
	rules, err := os.ReadFile(filepath.Join(root, "deploy/prometheus/hoofbeat.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	found := anchors(Pages(t, root)["docs/operations.md"])
	names := alertName.FindAllStringSubmatch(string(rules), -1)
	if len(names) < 10 {
		t.Fatalf("only %d alerts", len(names))
	}
	for _, name := range names {
		if !found[anchor(name[1])] {
			t.Errorf("docs/operations.md has no heading for %s", name[1])
		}
		if !strings.Contains(string(rules), "runbook: docs/operations.md#"+anchor(name[1])+"\n") {
			t.Errorf("%s does not say where it is explained", name[1])
		}
	}
}

// Metrics named on pages exist. cmd/hoofbeat checks the commands.
func TestPagesNameWhatThereIs(t *testing.T) {
	all := Pages(t, root)
	metric := regexp.MustCompile(`\bhoofbeat_[a-z0-9_]+\b`)
	for _, name := range []string{"docs/operations.md", "docs/troubleshooting.md"} {
		for _, m := range metric.FindAllString(all[name], -1) {
			if !strings.Contains(all["docs/metrics.md"], "`"+m) {
				t.Errorf("%s names %s, which docs/metrics.md does not", name, m)
			}
		}
	}
}

// Each rule in ARCHITECTURE.md names a file and a function in it.
func TestTenRules(t *testing.T) {
	_, section, _ := strings.Cut(string(readFile(t, "ARCHITECTURE.md")), "## Ten rules and their places\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := regexp.MustCompile("(?m)^\\| .* \\| `([^`]+)` \\| `([^`]+)` \\|$").FindAllStringSubmatch(section, -1)
	if len(rows) != 10 {
		t.Fatalf("there are %d rules", len(rows))
	}
	for _, row := range rows {
		function := regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + row[2] + `\(`)
		if !function.Match(readFile(t, row[1])) {
			t.Errorf("%s has no function %s", row[1], row[2])
		}
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
