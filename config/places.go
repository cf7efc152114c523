package config

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
	"go.yaml.in/yaml/v3"
)

// places are the lines of keys in a file, by the key as a fault names it:
// limits.prefetch, acl[2].destinations, and acl[2].destinations[0] for an
// element of a list.
type places map[string]int

// at returns the line of a key, or of the nearest one above it; 0 if unknown.
func (l places) at(key string) int {
	for key != "" {
		if line, known := l[key]; known {
			return line
		}
		key = key[:max(strings.LastIndexByte(key, '.'), strings.LastIndexByte(key, '['), 0)]
	}
	return 0
}

// put records the first line of a key.
func (l places) put(key string, line int) {
	if _, known := l[key]; !known {
		l[key] = line
	}
}

// placesOf finds the lines of keys in a file that has been decoded. Parts that
// it cannot parse have no lines, which is no fault.
func placesOf(format string, data []byte) places {
	found := places{}
	if format == ".toml" {
		found.readTOML(data)
		return found
	}
	// JSON is YAML, except for escapes that hardly occur in configurations.
	var document yaml.Node
	if yaml.Unmarshal(data, &document) == nil && len(document.Content) > 0 {
		found.readYAML("", document.Content[0])
	}
	return found
}

// readYAML does not follow aliases: their targets have their own lines.
func (l places) readYAML(key string, node *yaml.Node) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			name, value := node.Content[i], node.Content[i+1]
			below := joinKey(key, name.Value)
			l.put(below, name.Line)
			l.readYAML(below, value)
		}
	case yaml.SequenceNode:
		for i, item := range node.Content {
			below := fmt.Sprintf("%s[%d]", key, i)
			l.put(below, item.Line)
			l.readYAML(below, item)
		}
	}
}

func joinKey(above, name string) string {
	if above == "" {
		return strings.ToLower(name)
	}
	return above + "." + strings.ToLower(name)
}

func (l places) readTOML(data []byte) {
	t := tomlLines{places: l, data: data, elements: map[string]int{}}
	t.parser.Reset(data)
	table := ""
	for t.parser.NextExpression() {
		switch e := t.parser.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = t.table(e)
		case unstable.KeyValue:
			t.pair(table, e)
		}
	}
}

// tomlLines finds the lines of one file.
type tomlLines struct {
	places
	data     []byte
	parser   unstable.Parser
	elements map[string]int // number of elements so far, by array of tables
}

func (t *tomlLines) line(node *unstable.Node) int { return lineAt(t.data, int64(node.Raw.Offset)) }

// table returns the key of a table, or of a new element of an array of tables.
func (t *tomlLines) table(node *unstable.Node) string {
	key := ""
	for names := node.Key(); names.Next(); {
		name := names.Node()
		key = joinKey(key, string(name.Data))
		t.put(key, t.line(name))
		if node.Kind == unstable.ArrayTable && names.IsLast() {
			t.elements[key]++
		}
		if n := t.elements[key]; n > 0 {
			key = fmt.Sprintf("%s[%d]", key, n-1)
			t.put(key, t.line(name))
		}
	}
	return key
}

func (t *tomlLines) pair(above string, node *unstable.Node) {
	line := 0
	for names := node.Key(); names.Next(); {
		above, line = joinKey(above, string(names.Node().Data)), t.line(names.Node())
		t.put(above, line)
	}
	t.value(above, node.Value(), line)
}

// value records the lines within lists and inline tables. These have no
// position of their own, but their strings and keys have.
func (t *tomlLines) value(key string, node *unstable.Node, line int) {
	switch node.Kind {
	case unstable.InlineTable:
		for pairs := node.Children(); pairs.Next(); {
			t.pair(key, pairs.Node())
		}
	case unstable.Array:
		items, i := node.Children(), 0
		for ; items.Next(); i++ {
			item := items.Node()
			line = max(line, t.firstLine(item))
			below := fmt.Sprintf("%s[%d]", key, i)
			t.put(below, line)
			t.value(below, item, line)
		}
	}
}

// firstLine returns the line at which a value begins, if known.
func (t *tomlLines) firstLine(node *unstable.Node) int {
	switch {
	case node.Raw.Length > 0:
		return t.line(node)
	case node.Kind == unstable.InlineTable && node.Child() != nil:
		names := node.Child().Key()
		names.Next()
		return t.line(names.Node())
	}
	return 0
}
