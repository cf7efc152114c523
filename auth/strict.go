package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// maxDepth is how deeply the JSON of a token may be nested. Issuers use three
// levels.
const maxDepth = 32

// errJSON is the only error of decodeObject.
var errJSON = errors.New("not one JSON object without duplicate names")

// decodeObject reads JSON that must be one object and nothing else, without
// duplicate names at any depth: two parsers could take different ones of them
// (RFC 8725, 2.4; RFC 7519, 4). Numbers become json.Number.
func decodeObject(data []byte) (map[string]any, error) {
	// The decoder repairs broken UTF-8 and is lax about commas.
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, errJSON
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	value, err := decodeValue(d, maxDepth)
	if err != nil {
		return nil, errJSON
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errJSON
	}
	return object, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth == 0 {
		return nil, errJSON
	}
	if delim == '{' {
		return decodeMembers(d, depth-1)
	}
	list := []any{}
	for d.More() {
		value, err := decodeValue(d, depth-1)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	_, err = d.Token()
	return list, err
}

func decodeMembers(d *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if _, twice := object[name]; twice || !ok {
			return nil, errJSON
		}
		if object[name], err = decodeValue(d, depth); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return object, err
}
