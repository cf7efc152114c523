package config

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// open is the minimal valid file.
const open = "auth: { anonymous: true }\n"

// trial is one load from a file in its own directory.
type trial struct {
	name    string // name of the file; "": hoofbeat.yaml
	text    string
	environ []string
	flags   []string
}

// load returns the faults, if any, without the directory and without the line
// numbers, which TestFaultLines covers.
func (tr trial) load(t *testing.T) (*Config, []string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, tr.fileName())
	writeFile(t, path, tr.text)
	c, err := Load(Options{File: path, Environ: tr.environ, Flags: parseFlags(t, tr.flags)})
	return c, lines(t, err, dir)
}

func (tr trial) fileName() string {
	if tr.name == "" {
		return "hoofbeat.yaml"
	}
	return tr.name
}

// mustLoad fails the test if there are faults.
func (tr trial) mustLoad(t *testing.T) *Config {
	t.Helper()
	c, faults := tr.load(t)
	if faults != nil {
		t.Fatalf("faults:\n%s", strings.Join(faults, "\n"))
	}
	return c
}

// wantFaults expects exactly these faults, in this order.
func (tr trial) wantFaults(t *testing.T, want ...string) {
	t.Helper()
	c, got := tr.load(t)
	if !slices.Equal(got, want) {
		t.Errorf("faults:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if (c == nil) != (len(want) > 0) {
		t.Errorf("config is %v", c)
	}
}

func lines(t *testing.T, err error, dir string) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("error of type %T: %v", err, err)
	}
	text := strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "")
	return strings.Split(regexp.MustCompile(`(?m)(\((?:file )?[^()\n]*\.\w+):\d+\)`).ReplaceAllString(text, "$1)"), "\n")
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func parseFlags(t *testing.T, args []string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	fs.String("config", "", "not a key")
	Flags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

// settings returns the effective values by key.
func settings(c *Config) map[string]Setting {
	all := map[string]Setting{}
	for _, s := range c.Effective() {
		all[s.Key] = s
	}
	return all
}
