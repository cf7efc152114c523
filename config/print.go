package config

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Setting is the effective value of one key.
type Setting struct {
	Key string `json:"key"`
	// Value is the text for the key's environment variable that has the same
	// effect, or ******** for a secret that is set. Lists of maps are JSON,
	// with ******** for their secrets.
	Value string `json:"value"`
	// Source is "default", "file hoofbeat.yaml", "environment HOOFBEAT_X",
	// "flag --x", or "setting" for one of Options.Settings.
	Source string `json:"source"`
}

// Effective lists every key, in the order of the default file. It is empty for
// a Config that did not come from Load.
func (c *Config) Effective() []Setting {
	return slices.Clone(c.settings)
}

const defaultHead = `# Every key of hoofbeat with its default value. A line that is left out means the same.
# Durations are written as 10s, sizes as 64KiB or 65536, rates as 5/s or 100/m.
# An environment variable overrides a key: HOOFBEAT_LISTEN_WEBSOCKET_ADDRESS for
# listen.websocket.address. A flag overrides both: --listen-websocket-address.
# The paths of files are relative to where hoofbeat is started.
`

// WriteDefault writes a YAML file with every key, its default and its meaning.
// Load accepts the file once auth.anonymous is true in it, or clients can
// authenticate. The error is that of the writer.
func WriteDefault(w io.Writer) error {
	return writeDefault(w, schema())
}

func writeDefault(w io.Writer, table []entry) error {
	out := bytes.NewBufferString(defaultHead)
	var open []string
	for i := range table {
		e := &table[i]
		parts := strings.Split(e.key, ".")
		sections, name := parts[:len(parts)-1], parts[len(parts)-1]
		openSections(out, open, sections)
		open = sections
		indent := strings.Repeat("  ", len(sections))
		if len(sections) == 0 {
			out.WriteString("\n")
		}
		fmt.Fprintf(out, "%s# %s\n", indent, e.doc)
		for line := range strings.Lines(e.example) {
			fmt.Fprintf(out, "%s# %s", indent, line)
		}
		fmt.Fprintf(out, "%s%s: %s\n", indent, name, yamlLiteral(e))
	}
	_, err := out.WriteTo(w)
	return err
}

// openSections writes the names of the sections that are not open yet.
func openSections(out *bytes.Buffer, open, want []string) {
	same := 0
	for same < len(open) && same < len(want) && open[same] == want[same] {
		same++
	}
	for depth, name := range want[same:] {
		if same+depth == 0 {
			out.WriteString("\n")
		}
		fmt.Fprintf(out, "%s%s:\n", strings.Repeat("  ", same+depth), name)
	}
}

// yamlLiteral returns an entry's default as YAML.
func yamlLiteral(e *entry) string {
	value, _ := e.kind.text(e.fallback)
	switch v := value.(type) {
	case string:
		if _, word := e.kind.(choiceKind); word {
			return v
		}
		return strconv.Quote(v)
	case []string:
		return show(anyList(v))
	case []netip.Prefix:
		return show(anyList(prefixTexts(v)))
	}
	return e.fallback
}
