package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

const referenceHead = `# Configuration reference

Every key, as ` + "`hoofbeat config reference`" + ` prints it; a test compares this page with the program. How keys work together is in
[queues.md](queues.md), [security.md](security.md) and [deployment.md](deployment.md).

The file is YAML, TOML or JSON by its ending: ` + "`--config FILE`, else `./hoofbeat.yaml`, else `/etc/hoofbeat/hoofbeat.yaml`" + `, else none. A key is overridden by its
environment variable, ` + "`HOOFBEAT_LISTEN_TCP_ADDRESS` for `listen.tcp.address`, and that by its flag of `serve`, `--listen-tcp-address`" + `. A key that
does not exist is a fault, and so is a value that means nothing; all faults are reported together, with their lines, by ` + "`hoofbeat config check`" + ` too.

Durations are written as ` + "`10s`, sizes as `64KiB` or `65536`, rates as `5/s` or `100/m`" + `, lists as YAML's, or with commas in the environment.
Paths are relative to where hoofbeat is started. Reload: yes says that a change of the file is in force within a second, without a restart; it is
with SIGHUP as well. The others wait for the next start, and the log says so.
`

// WriteReference writes a Markdown page about every key. The error is that of
// the writer.
func WriteReference(w io.Writer) error {
	out := bytes.NewBufferString(referenceHead)
	for _, section := range sections(schema()) {
		name, _, _ := strings.Cut(section[0].key, ".")
		fmt.Fprintf(out, "\n## %s\n\n| key | kind | default | reload | meaning |\n|---|---|---|---|---|\n", name)
		for _, e := range section {
			fmt.Fprintf(out, "| `%s` | %s | %s | %s | %s |\n", e.key, cell(kindWords(e.kind)), e.defaults(), yesNo(e.reload), cell(e.doc))
		}
		for _, e := range section {
			writeParts(out, &e)
		}
	}
	_, err := out.WriteTo(w)
	return err
}

// sections splits the table where the first part of the key changes.
func sections(table []entry) [][]entry {
	var all [][]entry
	last := ""
	for _, e := range table {
		name, _, _ := strings.Cut(e.key, ".")
		if name != last {
			all = append(all, nil)
			last = name
		}
		all[len(all)-1] = append(all[len(all)-1], e)
	}
	return all
}

// writeParts writes the keys of the maps of a list, and an example.
func writeParts(out *bytes.Buffer, e *entry) {
	k, ok := e.kind.(interface{ partRows(path string) []partRow })
	if !ok {
		return
	}
	fmt.Fprintf(out, "\nEach element of `%s` is a map:\n\n| key | kind | meaning |\n|---|---|---|\n", e.key)
	for _, row := range k.partRows(e.key + "[].") {
		fmt.Fprintf(out, "| `%s` | %s | %s |\n", row.path, cell(row.kind), cell(row.doc))
	}
	if e.example != "" {
		fmt.Fprintf(out, "\n```yaml\n%s```\n", e.example)
	}
}

// A partRow is one key of a map in a list.
type partRow struct{ path, kind, doc string }

func (k recordsKind[T]) partRows(path string) []partRow {
	var rows []partRow
	for _, p := range k.parts {
		at := path + p.name
		rows = append(rows, partRow{at, kindWords(p.kind), p.doc})
		if inner, ok := p.kind.(interface{ partRows(path string) []partRow }); ok {
			rows = append(rows, inner.partRows(at+".")...)
		}
	}
	return rows
}

func (delayKind) partRows(path string) []partRow { return delayParts().partRows(path) }

// kindWords describes a kind's values.
func kindWords(k kind) string {
	switch k := k.(type) {
	case choiceKind:
		return strings.Join(k, ", ")
	case networksKind:
		return "list of networks"
	case delayKind:
		return "duration or map"
	case composed:
		return "list of maps"
	}
	return k.name()
}

// defaults returns an entry's default values in the form of the reference.
func (e *entry) defaults() string {
	said := code(e.fallback)
	if e.alone != nil {
		said += ", without a file " + code(*e.alone)
	}
	return said
}

func code(text string) string {
	if text == "" {
		return "none"
	}
	return "`" + cell(text) + "`"
}

// cell escapes text for a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
