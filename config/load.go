package config

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// loader combines the sources. It is used for one load.
type loader struct {
	table   []entry
	names   names
	values  map[string]given
	places  places // lines of the file's keys
	faults  Faults
	mounted bool // see Options.Mounted
}

// given is the value of one key from the sources read so far.
type given struct {
	value  any    // of the entry's kind; undefined if not sound
	shown  string // the form in a fault, masked if secret
	source string // as in Setting.Source
	sound  bool
}

func load(o Options, table []entry) (*Config, error) {
	l := &loader{table: table, names: newNames(table), values: map[string]given{}, mounted: o.Mounted}
	path, tree, at, unread := readFile(o)
	l.places, l.faults = at, append(l.faults, unread...)
	l.takeDefaults(path == "")
	if unread == nil {
		l.takeSection("", tree, "file "+path)
	}
	l.takeSettings(o.Settings)
	l.takeEnvironment(o.Environ)
	l.takeFlags(o.Flags)
	l.settleAnonymous()
	c := l.config(path)
	if unread == nil {
		l.checkRelations(c)
	}
	if len(l.faults) > 0 {
		return c, l.faults.sorted()
	}
	return c, nil
}

// takeDefaults parses the defaults like any other text, so that every test
// finds an invalid default.
func (l *loader) takeDefaults(alone bool) {
	for i := range l.table {
		e := &l.table[i]
		text := e.fallback
		if alone && e.alone != nil {
			text = *e.alone
		}
		value, found := readText(e.kind, text)
		l.offer(e, value, found, showDefault(e, value), "default")
	}
}

func showDefault(e *entry, value any) string {
	switch v := value.(type) {
	case string:
		return e.showRaw(v)
	case []string:
		return e.showRaw(anyList(v))
	case []netip.Prefix:
		return show(anyList(prefixTexts(v)))
	}
	return e.kind.format(value)
}

func anyList(list []string) []any {
	out := make([]any, len(list))
	for i, item := range list {
		out[i] = item
	}
	return out
}

// takeSection walks the tree of a file. Keys are taken in sorted order, so that
// the faults are always the same.
func (l *loader) takeSection(prefix string, tree map[string]any, source string) {
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		l.takeKey(prefix+strings.ToLower(name), tree[name], source)
	}
}

func (l *loader) takeKey(key string, raw any, source string) {
	tree, isSection := section(raw)
	e, known := l.names.keys[key]
	switch {
	case known:
		l.takeTyped(e, raw, source)
	case isSection && l.names.sections[key]:
		l.takeSection(key+".", tree, source)
	case l.names.sections[key]:
		l.fault(key, show(raw), source, "expected keys below it")
	default:
		l.fault(key, showUnknown(key, raw), source, didYouMean(l.names.nearestKey(key, isSection || raw == nil)))
	}
}

func didYouMean(name string) string { return "unknown key; did you mean " + name + "?" }

func showUnknown(name string, raw any) string {
	if soundsSecret(name) {
		return masked
	}
	return show(raw)
}

// section returns raw as a tree, if it is one. Keys that are not strings, which
// some formats allow, are taken in their printed form.
func section(raw any) (map[string]any, bool) {
	switch tree := raw.(type) {
	case map[string]any:
		return tree, true
	case map[any]any:
		out := make(map[string]any, len(tree))
		for key, value := range tree {
			out[keyText(key)] = value
		}
		return out, true
	}
	return nil, false
}

func keyText(key any) string {
	if s, ok := key.(string); ok {
		return s
	}
	return show(key)
}

// takeTyped takes a value from a file.
func (l *loader) takeTyped(e *entry, raw any, source string) {
	if l.values[e.key].source == source {
		l.fault(e.key, e.showRaw(raw), source, givenTwice)
		return
	}
	value, found := readTyped(e.kind, raw)
	l.offer(e, value, found, e.showRaw(raw), source)
}

const givenTwice = "expected once; it is given twice, in other letters or with dots"

// showRaw returns a value in the form of a fault. An empty secret is shown,
// because it reveals nothing.
func (e *entry) showRaw(raw any) string {
	if e.secret && !empty(raw) {
		return masked
	}
	if c, ok := e.kind.(composed); ok {
		return c.show(raw)
	}
	return show(raw)
}

// empty reports whether a value is an empty text or list.
func empty(value any) bool {
	switch v := value.(type) {
	case string:
		return v == ""
	case []string:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// showText is showRaw for a value from the environment or a flag.
func (e *entry) showText(text string) string {
	if c, ok := e.kind.(composed); ok && !e.secret {
		return c.showText(text)
	}
	return e.showRaw(text)
}

// takeText takes a value from the environment or a flag.
func (l *loader) takeText(e *entry, text, source string) {
	value, found := readText(e.kind, text)
	l.offer(e, value, found, e.showText(text), source)
}

// offer overrides the value of the previous source. found are the complaints of
// its kind; offer adds those of its key.
func (l *loader) offer(e *entry, value any, found []complaint, shown, source string) {
	found = append(found, e.complaints(value)...)
	for _, c := range found {
		part := shown
		if c.shown != "" && !e.secret {
			part = c.shown
		}
		l.faultIn(e.key+c.at, c.item, part, source, c.expected)
	}
	l.values[e.key] = given{value: value, shown: shown, source: source, sound: len(found) == 0}
}

func (e *entry) complaints(value any) []complaint {
	if e.check == nil || value == nil {
		return nil
	}
	return e.check(value)
}

// takeSettings takes the values that a Go program has set by key.
func (l *loader) takeSettings(settings map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if e, known := l.names.keys[key]; known {
			l.takeText(e, settings[key], "setting")
		} else {
			l.fault(key, showUnknown(key, settings[key]), "setting", didYouMean(l.names.nearestKey(key, false)))
		}
	}
}

// takeEnvironment accepts variables in any order. As in a process, the last of
// several with the same name counts.
func (l *loader) takeEnvironment(environ []string) {
	variables := map[string]string{}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok && strings.HasPrefix(name, envPrefix) {
			variables[name] = value
		}
	}
	for i := range l.table {
		e := &l.table[i]
		if text, ok := variables[e.envName()]; ok {
			l.takeText(e, text, "environment "+e.envName())
			delete(variables, e.envName())
		}
	}
	for name, value := range variables {
		l.strayVariable(name, value)
	}
}

func (l *loader) strayVariable(name, value string) {
	l.fault(name, showUnknown(name, value), "environment", didYouMean(l.names.nearestVariable(name)))
}

func (l *loader) takeFlags(flags *pflag.FlagSet) {
	if flags == nil {
		return
	}
	for i := range l.table {
		e := &l.table[i]
		if f := flags.Lookup(e.flagName()); f != nil && f.Changed {
			l.takeText(e, f.Value.String(), "flag --"+e.flagName())
		}
	}
}

func (l *loader) fault(key, shown, source, expected string) {
	l.faultIn(key, "", shown, source, expected)
}

// faultIn is fault for an element of a list, like [2].
func (l *loader) faultIn(key, item, shown, source, expected string) {
	f := Fault{Key: showKey(key), Value: shown, Expected: expected, Source: source}
	if path, ok := strings.CutPrefix(source, "file "); ok {
		f.Source, f.Line = path, l.places.at(key+item)
	}
	l.faults = append(l.faults, f)
}

// config fills a Config with the sound values.
func (l *loader) config(path string) *Config {
	c := &Config{File: path}
	for i := range l.table {
		e := &l.table[i]
		g := l.values[e.key]
		if g.sound {
			assign(e.field(c), g.value)
		}
		c.settings = append(c.settings, l.setting(e, g))
	}
	return c
}

func (l *loader) setting(e *entry, g given) Setting {
	s := Setting{Key: e.key, Source: g.source}
	switch {
	case e.secret && !empty(g.value):
		s.Value = masked
	case g.sound:
		s.Value = e.kind.format(g.value)
	}
	return s
}

func secrets(list []string) []Secret {
	out := make([]Secret, len(list))
	for i, s := range list {
		out[i] = Secret(s)
	}
	return out
}

// assign stores a value in a field of the same type. A test assigns every
// default of the table, which covers all types.
func assign(field, value any) {
	switch f := field.(type) {
	case *string:
		*f = value.(string)
	case *bool:
		*f = value.(bool)
	case **bool:
		*f = new(value.(bool))
	case *float64:
		*f = value.(float64)
	case *int:
		*f = value.(int)
	case *time.Duration:
		*f = value.(time.Duration)
	case *Rate:
		*f = value.(Rate)
	case *Share:
		*f = value.(Share)
	case *Secret:
		*f = Secret(value.(string))
	case *[]string:
		*f = slices.Clone(value.([]string))
	case *[]Secret:
		*f = secrets(value.([]string))
	case *[]netip.Prefix:
		*f = slices.Clone(value.([]netip.Prefix))
	case *[]User:
		*f = slices.Clone(value.([]User))
	case *[]Rule:
		*f = slices.Clone(value.([]Rule))
	case *Delay:
		*f = value.(Delay)
	case *[]Policy:
		*f = slices.Clone(value.([]Policy))
	case *[]ClaimMatch:
		*f = slices.Clone(value.([]ClaimMatch))
	}
}
