package config

import (
	"bytes"
	"strings"
	"testing"
)

// Every key and field has a description in the reference.
func TestReferenceIsComplete(t *testing.T) {
	var out bytes.Buffer
	if err := WriteReference(&out); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	row := func(key string) string {
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, "| `"+key+"` | ") {
				return line
			}
		}
		t.Errorf("there is no row for %s", key)
		return ""
	}
	for _, e := range schema() {
		line := row(e.key)
		if e.doc == "" || !strings.HasSuffix(line, " | "+cell(e.doc)+" |\n") {
			t.Errorf("%s: %q does not say what it means", e.key, line)
		}
		if reloads := strings.Contains(line, " | yes | "); reloads != e.reload {
			t.Errorf("%s: %q", e.key, line)
		}
		if k, ok := e.kind.(interface{ partRows(string) []partRow }); ok {
			for _, p := range k.partRows(e.key + "[].") {
				if p.doc == "" {
					t.Errorf("%s is not explained", p.path)
				}
				row(p.path)
			}
		}
	}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "|") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") < 4 {
			t.Errorf("not a row of a table: %q", line)
		}
	}
}
