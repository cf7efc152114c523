package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// recordsKind is a list of maps with their own keys; as text it is JSON. Its
// values are of type []T and never nil.
type recordsKind[T any] struct {
	example string // one element as JSON
	parts   []part[T]
	needs   []need[T]
	form    func(T) any // returns the value to encode as JSON for a T; nil: the T itself
}

// part is one key of the maps. Its name is in lower case.
type part[T any] struct {
	name   string
	kind   kind
	doc    string // one line, for the reference
	check  check  // may be nil
	secret bool
	field  func(*T) any
}

// need is a relation between parts. It is checked only if the parts have no
// faults, so that one mistake is not reported twice.
type need[T any] struct {
	parts    []string // the first is the one to report
	met      func(*T) bool
	expected string
}

func (recordsKind[T]) name() string { return "json" }

func (k recordsKind[T]) expected() string { return "a list such as [" + k.example + "]" }

func (k recordsKind[T]) typed(raw any) (any, bool) {
	value, found := k.read(raw)
	return value, len(found) == 0
}

func (k recordsKind[T]) text(s string) (any, bool) {
	value, found := k.decode(s)
	return value, len(found) == 0
}

// format writes JSON, with secrets masked.
func (k recordsKind[T]) format(value any) string {
	if k.form == nil {
		return toJSON(value)
	}
	forms := []any{}
	for _, record := range value.([]T) {
		forms = append(forms, k.form(record))
	}
	return toJSON(forms)
}

func (k recordsKind[T]) decode(text string) (any, []complaint) {
	if strings.TrimSpace(text) == "" {
		return []T{}, nil
	}
	raw, wrong := jsonList(text)
	if wrong != "" {
		return nil, []complaint{{expected: "expected " + k.expected() + ", in JSON: " + wrong}}
	}
	return k.read(raw)
}

// read parses the valid parts of a list, so that all faults are found.
func (k recordsKind[T]) read(raw any) (any, []complaint) {
	items, ok := raw.([]any)
	if !ok {
		return nil, []complaint{{expected: "expected " + k.expected()}}
	}
	var all []complaint
	records := make([]T, len(items))
	for i, item := range items {
		found := k.readRecord(&records[i], item)
		all = append(all, below(fmt.Sprintf("[%d]", i), found)...)
	}
	return records, all
}

func (k recordsKind[T]) readRecord(record *T, raw any) []complaint {
	tree, ok := section(raw)
	if !ok {
		return []complaint{{shown: k.show(raw), expected: "expected a map such as " + k.example}}
	}
	var all []complaint
	seen, unsound := map[string]bool{}, map[string]bool{}
	for _, written := range slices.Sorted(maps.Keys(tree)) {
		name := strings.ToLower(written)
		found := k.readPart(record, name, tree[written], seen[name])
		seen[name] = true
		if len(found) > 0 {
			unsound[k.nearestPart(name)] = true
		}
		all = append(all, below("."+k.showName(name), found)...)
	}
	return append(all, k.missing(record, unsound)...)
}

func (k recordsKind[T]) missing(record *T, unsound map[string]bool) []complaint {
	var all []complaint
	for _, n := range k.needs {
		found := slices.ContainsFunc(n.parts, func(name string) bool { return unsound[name] })
		if !found && !n.met(record) {
			all = append(all, complaint{shown: "{...}", expected: n.expected})
		}
	}
	return all
}

func (k recordsKind[T]) readPart(record *T, name string, raw any, again bool) []complaint {
	i := slices.IndexFunc(k.parts, func(p part[T]) bool { return p.name == name })
	if i < 0 {
		return []complaint{{shown: k.showUnknown(name, raw), expected: didYouMean(k.nearestPart(name))}}
	}
	p := k.parts[i]
	whole := p.show(raw)
	if again {
		return []complaint{{shown: whole, expected: givenTwice}}
	}
	value, found := readTyped(p.kind, raw)
	if p.check != nil && value != nil {
		found = append(found, p.check(value)...)
	}
	for i := range found {
		if found[i].shown == "" || p.secret {
			found[i].shown = whole
		}
	}
	if value != nil {
		assign(p.field(record), value) // even if it is faulty: relations check its valid parts
	}
	return found
}

func (p part[T]) show(raw any) string {
	if p.secret {
		return masked
	}
	return show(raw)
}

// nearestPart returns name itself if it is a part's.
func (k recordsKind[T]) nearestPart(name string) string {
	names := make([]string, len(k.parts))
	for i, p := range k.parts {
		names[i] = p.name
	}
	return nearest(names, func(known string) int { return levenshtein.ComputeDistance(name, known) })
}

// showText formats a value from the environment or a flag.
func (k recordsKind[T]) showText(text string) string {
	if list, wrong := jsonList(text); wrong == "" {
		return k.show(list)
	}
	return k.show(text)
}

// show formats a whole value, or an element that is not a map. If a part is
// secret, misplaced text is masked, because it may be the secret.
func (k recordsKind[T]) show(raw any) string {
	_, isMap := section(raw)
	switch {
	case !k.veiled() || isMap:
		return show(raw)
	case isList(raw):
		return "[...]"
	}
	return masked
}

// showName masks unusual names, which may be a part of a secret: YAML takes a
// comma in an unquoted hash for the end of a value.
func (k recordsKind[T]) showName(name string) string {
	if k.veiled() && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return masked
	}
	return name
}

func (k recordsKind[T]) showUnknown(name string, raw any) string {
	if k.veiled() {
		return masked
	}
	return showUnknown(name, raw)
}

func (k recordsKind[T]) veiled() bool {
	return slices.ContainsFunc(k.parts, func(p part[T]) bool { return p.secret })
}

func isList(raw any) bool {
	_, ok := raw.([]any)
	return ok
}
