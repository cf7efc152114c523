package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// masked replaces the value of a secret.
const masked = "********"

// Fault is one fault of a configuration.
type Fault struct {
	// Key is the full key in lower case, or the name of an environment variable
	// that belongs to no key. Within a list of maps it has the form
	// acl[2].destinations, counted from 0. It is "" for a fault of the whole
	// file.
	Key string
	// Value is the faulty value as a message quotes it: strings in quotes, a
	// secret as ********. It is "" for a fault of the whole file.
	Value string
	// Expected is a sentence with the fault and the expected form.
	Expected string
	// Source is the origin of the value: the path of the file, "environment
	// HOOFBEAT_X", "flag --x" or "default".
	Source string
	// Line is its line in the file, from 1; 0 if unknown.
	Line int
}

// Error is the fault on one line, such as
//
//	limits.connect_timeout: "ten" (hoofbeat.yaml:7): expected a duration such as 10s
func (f Fault) Error() string {
	place := f.Source
	if f.Line > 0 {
		place = fmt.Sprintf("%s:%d", f.Source, f.Line)
	}
	if f.Key == "" {
		return fmt.Sprintf("%s: %s", place, f.Expected)
	}
	return fmt.Sprintf("%s: %s (%s): %s", f.Key, f.Value, place, f.Expected)
}

// Faults is every fault of a configuration, sorted by key.
type Faults []Fault

// Error returns one line per fault, without a newline at the end.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

func (fs Faults) sorted() Faults {
	out := slices.Clone(fs)
	slices.SortFunc(out, func(a, b Fault) int {
		return cmp.Or(
			cmp.Compare(sortable(a.Key), sortable(b.Key)),
			cmp.Compare(a.Source, b.Source),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Expected, b.Expected),
			cmp.Compare(a.Value, b.Value),
		)
	})
	return slices.Compact(out)
}

// sortable returns the key with its numbers padded, so that acl[10] sorts after
// acl[9].
func sortable(key string) string {
	return regexp.MustCompile(`\[\d{1,9}\]`).ReplaceAllStringFunc(key, func(index string) string {
		return fmt.Sprintf("[%010s", index[1:])
	})
}

// longestShown limits the bytes of a value in a fault, so that the line stays
// readable if a whole file was pasted into a string.
const longestShown = 120

// show formats a value as a file would contain it, on one line.
func show(raw any) string {
	return shorten(showWhole(raw))
}

func shorten(text string) string {
	if len(text) <= longestShown {
		return text
	}
	return strings.ToValidUTF8(text[:longestShown], "") + "..."
}

func showWhole(raw any) string {
	switch v := raw.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(v)
	case []any:
		return "[" + strings.Join(showSome(v), ", ") + "]"
	case map[string]any, map[any]any:
		return "{...}"
	}
	return strings.Join(strings.Fields(fmt.Sprint(raw)), " ")
}

// showSome shows the first elements of a list; the rest would not fit on the
// line.
func showSome(list []any) []string {
	const most = 16
	var out []string
	for _, item := range list[:min(len(list), most)] {
		if _, nested := item.([]any); nested {
			item = map[string]any{}
		}
		out = append(out, showWhole(item))
	}
	if len(list) > most {
		out = append(out, "...")
	}
	return out
}

// showKey returns key unchanged, unless it would break the line that it is
// printed on.
func showKey(key string) string {
	plain := key != "" && !strings.ContainsFunc(key, func(r rune) bool {
		return r == ' ' || !strconv.IsPrint(r)
	})
	if !plain {
		return show(key)
	}
	return shorten(key)
}
