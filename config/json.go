package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// decodeJSON is stricter than viper's codec: numbers keep their digits, a
// repeated key is an error, and errors have a line.
func decodeJSON(data []byte, tree map[string]any) []syntaxError {
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return []syntaxError{{jsonLine(data, err), strings.TrimPrefix(err.Error(), "json: ")}}
	}
	if whole = bytes.TrimSpace(whole); whole[0] != '{' {
		return []syntaxError{{1, notKeys}}
	}
	if twice := jsonDuplicates(data); twice != nil {
		return twice
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return []syntaxError{{jsonLine(data, err), err.Error()}}
	}
	return nil
}

// jsonList parses a list from the environment or a flag, as strictly as a file,
// or describes the fault without repeating much of the text.
func jsonList(text string) (list []any, wrong string) {
	data := []byte(text)
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, strings.TrimPrefix(err.Error(), "json: ")
	}
	if whole = bytes.TrimSpace(whole); whole[0] != '[' {
		return nil, "it is no list"
	}
	if twice := jsonDuplicates(data); twice != nil {
		return nil, twice[0].text
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&list); err != nil {
		return nil, err.Error()
	}
	return list, ""
}

// toJSON encodes a value of strings, numbers and booleans.
func toJSON(value any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "" // not reached: such values can always be encoded
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func jsonLine(data []byte, err error) int {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return lineAt(data, syntax.Offset)
	}
	return 1
}

func lineAt(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(offset, int64(len(data)))], []byte("\n"))
}

// jsonDuplicates finds repeated keys of objects. The data must be well-formed.
func jsonDuplicates(data []byte) []syntaxError {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var found []syntaxError
	var open []*jsonLevel
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			return append(found, syntaxError{lineAt(data, d.InputOffset()), err.Error()})
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			open = append(open, &jsonLevel{object: token == json.Delim('{'), seen: map[string]bool{}})
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		default:
			if name, twice := open[len(open)-1].take(token); twice {
				found = append(found, syntaxError{lineAt(data, d.InputOffset()), fmt.Sprintf("key %q is given twice", name)})
			}
			continue
		}
		if len(open) > 0 {
			open[len(open)-1].valueEnded()
		}
	}
}

// jsonLevel is an object or array that is still open.
type jsonLevel struct {
	object bool
	inside bool // after a key, before its value
	seen   map[string]bool
}

// take accepts a token other than a bracket: a key, or a whole value.
func (l *jsonLevel) take(token json.Token) (name string, twice bool) {
	if !l.object || l.inside {
		l.valueEnded()
		return "", false
	}
	name, _ = token.(string)
	twice = l.seen[name]
	l.seen[name] = true
	l.inside = true
	return name, twice
}

func (l *jsonLevel) valueEnded() { l.inside = false }
