package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/viper"
)

// readFile finds the file and decodes it according to its extension. Keys keep
// their spelling. path is "" if there is no file, and is set even if there are
// faults.
func readFile(o Options) (path string, tree map[string]any, at places, faults Faults) {
	path, data, err := findFile(o)
	if err != nil {
		return path, nil, nil, Faults{{Source: path, Expected: "cannot be read: " + reason(err)}}
	}
	if path == "" {
		return "", nil, nil, nil
	}
	if tree, faults = decode(path, data); faults == nil {
		at = placesOf(formatOf(path), data)
	}
	return path, tree, at, faults
}

func formatOf(path string) string { return strings.ToLower(filepath.Ext(path)) }

// findFile reads the named file, or the first that exists. A file that exists
// but cannot be read is an error: falling back to the next one would be a
// surprise.
func findFile(o Options) (path string, data []byte, err error) {
	if o.File != "" {
		data, err = os.ReadFile(o.File)
		return o.File, data, err
	}
	search := o.Search
	if search == nil {
		search = DefaultSearch()
	}
	for _, path := range search {
		data, err := os.ReadFile(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return path, data, err
		}
	}
	return "", nil, nil
}

// reason omits the path, which the fault contains already.
func reason(err error) string {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err.Error()
	}
	return err.Error()
}

func decode(path string, data []byte) (map[string]any, Faults) {
	var syntax []syntaxError
	tree := map[string]any{}
	switch formatOf(path) {
	case ".yaml", ".yml":
		syntax = decodeYAML(data, tree)
	case ".toml":
		syntax = decodeTOML(data, tree)
	case ".json":
		syntax = decodeJSON(data, tree)
	default:
		return nil, Faults{{Source: path, Expected: "expected a name that ends in .yaml, .yml, .toml or .json"}}
	}
	var faults Faults
	for _, e := range syntax {
		faults = append(faults, Fault{Source: path, Line: e.line, Expected: e.text})
	}
	return tree, faults
}

// syntaxError is a fault of a file that prevents reading its keys.
type syntaxError struct {
	line int // from 1
	text string
}

const notKeys = "expected keys with values, such as log: { level: info }"

// codec decodes with viper's codec for the format. It uses no viper instance,
// because that would merge keys that differ in case, treat null as absent, and
// lose the source of values. Each load makes a new registry.
func codec(format string, data []byte, tree map[string]any) error {
	decoder, err := viper.NewCodecRegistry().Decoder(format)
	if err != nil {
		return fmt.Errorf("reading %s: %w", format, err)
	}
	return decoder.Decode(data, tree)
}

func decodeYAML(data []byte, tree map[string]any) []syntaxError {
	if line := secondDocument(data); line > 0 {
		return []syntaxError{{line, "expected one document; what follows this line would be ignored"}}
	}
	err := codec("yaml", data, tree)
	if err == nil {
		return nil
	}
	// The decoder joins several errors in one text, most with a line.
	located := regexp.MustCompile(`(?m)line (\d+): (.*)$`).FindAllStringSubmatch(err.Error(), -1)
	if located == nil {
		line := firstLine("yaml", data, func(other error) bool { return other.Error() == err.Error() })
		return []syntaxError{{line, yamlText(data, line, strings.TrimPrefix(err.Error(), "yaml: "))}}
	}
	var all []syntaxError
	for _, match := range located {
		line := lineNumber(match[1])
		all = append(all, syntaxError{line, yamlText(data, line, match[2])})
	}
	return all
}

// indentedByTab reports whether a line, counted from 1, begins with a tab.
func indentedByTab(data []byte, line int) bool {
	number := 0
	for text := range strings.Lines(string(data)) {
		if number++; number == line {
			indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
			return strings.Contains(indent, "\t")
		}
	}
	return false
}

// yamlText replaces messages that mention Go types or repeat values, and those
// about tabs, which are invisible.
func yamlText(data []byte, line int, message string) string {
	switch {
	case strings.HasPrefix(message, "found character that cannot start") && indentedByTab(data, line):
		return "expected spaces at the beginning of the line: YAML allows no tabs there"
	case strings.HasPrefix(message, "cannot unmarshal"):
		return notKeys
	case strings.HasPrefix(message, "invalid map key"):
		return "expected keys that are strings"
	}
	return message
}

// secondDocument returns the line on which a second document starts, or 0. The
// decoder would read only the first document.
func secondDocument(data []byte) int {
	begun, ended := false, false
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimRight(line, " \t\r\n")
		start, end := isMarker(line, "---"), isMarker(line, "...")
		content := start || line != "" && line[0] != '#' && line[0] != '%' && !end
		if begun && start || ended && content {
			return number
		}
		begun, ended = begun || content, ended || begun && end
	}
	return 0
}

// isMarker expects a line without trailing white space.
func isMarker(line, marker string) bool {
	rest, ok := strings.CutPrefix(line, marker)
	return ok && (rest == "" || rest[0] == ' ' || rest[0] == '\t')
}

func decodeTOML(data []byte, tree map[string]any) []syntaxError {
	err := codec("toml", data, tree)
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(err.Error(), "toml: ")
	if line, ok := tomlLine(err); ok {
		return []syntaxError{{line, text}}
	}
	// An error about a repeated key has no line.
	line := firstLine("toml", data, func(other error) bool {
		_, located := tomlLine(other)
		return !located
	})
	return []syntaxError{{line, text}}
}

// firstLine finds the line of an error without a position: the first line such
// that the text up to it has such an error.
func firstLine(format string, data []byte, such func(error) bool) int {
	lines := strings.SplitAfter(string(data), "\n")
	return 1 + sort.Search(len(lines)-1, func(i int) bool {
		err := codec(format, []byte(strings.Join(lines[:i+1], "")), map[string]any{})
		return err != nil && such(err)
	})
}

func tomlLine(err error) (int, bool) {
	var located interface{ Position() (row, column int) }
	if !errors.As(err, &located) {
		return 0, false
	}
	row, _ := located.Position()
	return row, true
}

// lineNumber converts digits that a pattern has matched.
func lineNumber(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 1
	}
	return n
}
