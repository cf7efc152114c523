package config

import (
	"strings"

	"github.com/spf13/pflag"
)

// Flags registers a flag for every key: --limits-connect-timeout for
// limits.connect_timeout. Rarely used ones are hidden from the help.
// Underscores are accepted instead of dashes in all flags of the set. The
// values are kept as text; Load validates them and reports their faults
// together with all others.
func Flags(fs *pflag.FlagSet) {
	normalize := fs.GetNormalizeFunc()
	fs.SetNormalizeFunc(func(fs *pflag.FlagSet, name string) pflag.NormalizedName {
		return normalize(fs, strings.ReplaceAll(name, "_", "-"))
	})
	table := schema()
	for i := range table {
		addFlag(fs, &table[i])
	}
}

func addFlag(fs *pflag.FlagSet, e *entry) {
	f := fs.VarPF(&flagText{kind: e.kind.name()}, e.flagName(), "", e.doc)
	f.Hidden = !e.handy
	if e.alone == nil {
		f.DefValue = e.fallback
	}
	if _, isBool := e.kind.(boolKind); isBool {
		f.NoOptDefVal = "true"
	}
}

// flagText keeps a flag's text without parsing it.
type flagText struct {
	kind, text string
}

func (f *flagText) String() string { return f.text }
func (f *flagText) Type() string   { return f.kind }
func (f *flagText) Set(text string) error {
	f.text = text
	return nil
}
