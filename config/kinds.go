package config

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is the type of a key's values. A file provides typed values, the
// environment and flags provide text. Both forms are parsed strictly; false
// means that the value is invalid. Valid values have one Go type per kind.
type kind interface {
	name() string     // one word, for a flag's help
	expected() string // the part of a fault after "expected"
	typed(raw any) (any, bool)
	text(s string) (any, bool)
	format(value any) string // the form that text parses
}

// composed is a kind whose values have parts with separate faults. Its typed
// and text only report whether there are no faults.
type composed interface {
	kind
	read(raw any) (any, []complaint)
	decode(text string) (any, []complaint)
	show(raw any) string // the form in a fault
	showText(text string) string
}

// readTyped is typed with complaints. The value is nil if checks cannot use it.
func readTyped(k kind, raw any) (any, []complaint) {
	if c, ok := k.(composed); ok {
		return c.read(raw)
	}
	return orExpected(k, raw, k.typed)
}

// readText is text with complaints.
func readText(k kind, text string) (any, []complaint) {
	if c, ok := k.(composed); ok {
		return c.decode(text)
	}
	return orExpected(k, text, k.text)
}

func orExpected[T any](k kind, in T, read func(T) (any, bool)) (any, []complaint) {
	value, ok := read(in)
	if !ok {
		return nil, []complaint{{expected: "expected " + k.expected()}}
	}
	return value, nil
}

// textKind is a string. Its values are of type string.
type textKind struct{}

func (textKind) name() string              { return "text" }
func (textKind) expected() string          { return "a string" }
func (textKind) text(s string) (any, bool) { return s, true }
func (textKind) format(value any) string   { return value.(string) }
func (textKind) typed(raw any) (any, bool) {
	s, ok := raw.(string)
	return s, ok
}

// choiceKind is one of several words. Its values are of type string.
type choiceKind []string

func (choiceKind) name() string                { return "word" }
func (c choiceKind) expected() string          { return "one of " + strings.Join(c, ", ") }
func (c choiceKind) text(s string) (any, bool) { return s, slices.Contains(c, s) }
func (choiceKind) format(value any) string     { return value.(string) }
func (c choiceKind) typed(raw any) (any, bool) { return typedAsText(c, raw) }

// boolKind is true or false. Other words are not accepted.
type boolKind struct{}

func (boolKind) name() string              { return "bool" }
func (boolKind) expected() string          { return "true or false" }
func (boolKind) text(s string) (any, bool) { return s == "true", s == "true" || s == "false" }
func (boolKind) format(value any) string   { return strconv.FormatBool(value.(bool)) }
func (boolKind) typed(raw any) (any, bool) {
	b, ok := raw.(bool)
	return b, ok
}

// countKind is a whole number of at least zero. Its values are of type int.
type countKind struct{}

func (countKind) name() string              { return "number" }
func (countKind) expected() string          { return "a whole number such as 100, not negative" }
func (countKind) format(value any) string   { return strconv.Itoa(value.(int)) }
func (countKind) typed(raw any) (any, bool) { return wholeNumber(raw) }
func (countKind) text(s string) (any, bool) { return parseDigits(s) }

// sizeKind is a number of bytes. Its values are of type int.
type sizeKind struct{}

func (sizeKind) name() string              { return "size" }
func (sizeKind) expected() string          { return "a size such as 64KiB, or a whole number of bytes" }
func (sizeKind) format(value any) string   { return formatSize(value.(int)) }
func (sizeKind) text(s string) (any, bool) { return parseSize(s) }
func (k sizeKind) typed(raw any) (any, bool) {
	if _, ok := raw.(string); ok {
		return typedAsText(k, raw)
	}
	return wholeNumber(raw)
}

// shareKind is a number of bytes, or a percentage. Its values are of type
// Share.
type shareKind struct{}

func (shareKind) name() string              { return "size" }
func (shareKind) expected() string          { return "a size such as 512MiB, or a percentage such as 50%" }
func (shareKind) format(value any) string   { return value.(Share).String() }
func (shareKind) text(s string) (any, bool) { return parseShare(s) }
func (k shareKind) typed(raw any) (any, bool) {
	if _, ok := raw.(string); ok {
		return typedAsText(k, raw)
	}
	n, ok := wholeNumber(raw)
	return Share{Bytes: n}, ok
}

// decimalKind is a decimal number. Its values are of type float64, and finite.
type decimalKind struct{}

func (decimalKind) name() string            { return "number" }
func (decimalKind) expected() string        { return "a number such as 1.5" }
func (decimalKind) format(value any) string { return strconv.FormatFloat(value.(float64), 'g', -1, 64) }

func (decimalKind) text(s string) (any, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) && strings.Trim(s, "0123456789.eE+-") == ""
}

func (k decimalKind) typed(raw any) (any, bool) {
	switch n := raw.(type) {
	case float64:
		return n, !math.IsInf(n, 0) && !math.IsNaN(n)
	case json.Number:
		return k.text(n.String())
	}
	n, ok := wholeNumber(raw)
	return float64(n), ok
}

// durationKind is a duration with a unit. Its values are of type time.Duration.
type durationKind struct{}

func (durationKind) name() string                { return "duration" }
func (durationKind) expected() string            { return "a duration such as 10s" }
func (durationKind) format(value any) string     { return formatDuration(value.(time.Duration)) }
func (durationKind) text(s string) (any, bool)   { return parseDuration(s) }
func (k durationKind) typed(raw any) (any, bool) { return typedAsText(k, raw) }

// rateKind is a number of events per time. Its values are of type Rate.
type rateKind struct{}

func (rateKind) name() string                { return "rate" }
func (rateKind) expected() string            { return "a rate such as 5/s, 100/m or 1000/h" }
func (rateKind) format(value any) string     { return value.(Rate).String() }
func (rateKind) text(s string) (any, bool)   { return parseRate(s) }
func (k rateKind) typed(raw any) (any, bool) { return typedAsText(k, raw) }

// listKind is a list of strings; as text, its elements are separated by commas.
// Its values are of type []string and never nil. The checks of its keys reject
// elements with a comma, so every list has a text form.
type listKind struct{}

func (listKind) name() string            { return "list" }
func (listKind) expected() string        { return "a list of strings" }
func (listKind) format(value any) string { return strings.Join(value.([]string), ",") }

func (listKind) text(s string) (any, bool) {
	list := []string{}
	if strings.TrimSpace(s) == "" {
		return list, true
	}
	for item := range strings.SplitSeq(s, ",") {
		list = append(list, strings.TrimSpace(item))
	}
	return list, true
}

func (listKind) typed(raw any) (any, bool) {
	items, ok := raw.([]any)
	list := make([]string, 0, len(items))
	for _, item := range items {
		s, isText := item.(string)
		ok = ok && isText
		list = append(list, s)
	}
	return list, ok
}

// typedAsText is for kinds that are strings in a file.
func typedAsText(k kind, raw any) (any, bool) {
	s, ok := raw.(string)
	if !ok {
		return nil, false
	}
	return k.text(s)
}

// wholeNumber accepts the integer types of the three formats, from 0 to the
// largest int.
func wholeNumber(raw any) (int, bool) {
	switch n := raw.(type) {
	case int:
		return n, n >= 0
	case int64:
		return int(n), n >= 0 && n <= math.MaxInt
	case uint64:
		return int(n), n <= math.MaxInt
	case json.Number:
		return parseDigits(n.String())
	}
	return 0, false
}
