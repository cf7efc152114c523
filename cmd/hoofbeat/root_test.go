package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

// result is the outcome of a run of the program.
type result struct {
	code           int
	stdout, stderr string
}

// runProgram runs the program with these arguments, as main does.
func runProgram(ctx context.Context, stdin io.Reader, args ...string) result {
	var stdout, stderr bytes.Buffer
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	code := report(&stderr, root.ExecuteContext(apart(ctx)))
	return result{code, stdout.String(), stderr.String()}
}

// apart keeps programs in tests from reading the configuration of a broker on
// this machine, in /etc.
func apart(ctx context.Context) context.Context {
	return context.WithValue(ctx, searchKey{}, []string{"hoofbeat.yaml"})
}

// TestMain removes the settings of a broker on this machine from the
// environment.
func TestMain(m *testing.M) {
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "HOOFBEAT_") {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(m.Run())
}

func TestReport(t *testing.T) {
	plain := errors.New("broken")
	for name, tc := range map[string]struct {
		err  error
		code int
		want string
	}{
		"none":     {nil, 0, ""},
		"plain":    {plain, 1, "hoofbeat: broken\n"},
		"shown":    {&exitError{2, plain}, 2, ""},
		"not last": {errors.Join(&exitError{2, plain}, errors.New("more")), 2, "hoofbeat: broken\nmore\n"},
	} {
		var out bytes.Buffer
		if code := report(&out, tc.err); code != tc.code || out.String() != tc.want {
			t.Errorf("%s: code %d and %q, want %d and %q", name, code, out.String(), tc.code, tc.want)
		}
	}
}

func TestHelpNamesTheCommands(t *testing.T) {
	r := runProgram(t.Context(), nil, "--help")
	for _, name := range []string{"config", "pub", "sub", "version", "--config"} {
		if !strings.Contains(r.stdout, name) {
			t.Errorf("the help does not name %s:\n%s", name, r.stdout)
		}
	}
	if r.code != 0 {
		t.Errorf("exit code %d, want 0", r.code)
	}
}

func TestVersion(t *testing.T) {
	if r := runProgram(t.Context(), nil, "version"); r.code != 0 || !strings.HasPrefix(r.stdout, "hoofbeat ") {
		t.Errorf("got %+v", r)
	}
	var v buildVersion
	if err := json.Unmarshal([]byte(runProgram(t.Context(), nil, "version", "--json").stdout), &v); err != nil || v.Go == "" {
		t.Errorf("got %+v, %v", v, err)
	}
}

func TestVersionIsReadFromTheBuild(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.0.0"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "3f2a91c"}, {Key: "vcs.modified", Value: "true"},
	}}
	var v buildVersion
	v.read(info)
	if got, want := v.String(), "hoofbeat v1.0.0 (3f2a91c, modified) go1.26.8"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A mistyped command gets a suggestion and a failing exit code.
func TestMistypedCommands(t *testing.T) {
	for line, want := range map[string]string{
		"srve":                     `unknown command "srve" for "hoofbeat"; did you mean serve?`,
		"nothing-like-it":          `unknown command "nothing-like-it" for "hoofbeat"; see hoofbeat --help`,
		"config chek":              `unknown command "chek" for "hoofbeat config"; did you mean check?`,
		"config check a b":         "accepts at most 1 arg(s), received 2; usage: hoofbeat config check [FILE] [flags]",
		"serve --listen-websocket": "unknown flag: --listen-websocket; see hoofbeat serve --help",
	} {
		if r := runProgram(t.Context(), nil, strings.Fields(line)...); r.code != 1 || r.stdout != "" || r.stderr != "hoofbeat: "+want+"\n" {
			t.Errorf("%s: got %+v, want %q", line, r, want)
		}
	}
}

// Commands that only look up the configuration accept its keys, but do not list
// them in their help.
func TestHelpHidesKeys(t *testing.T) {
	for line, shown := range map[string]bool{"serve": true, "config print": true, "queue list": false, "health": false, "acl test": false, "token sign": false, "store check": false} {
		r := runProgram(t.Context(), nil, append(strings.Fields(line), "--help")...)
		if strings.Contains(r.stdout, "--storage-directory") != shown {
			t.Errorf("%s: keys are shown: %t, want %t", line, !shown, shown)
		}
	}
	if r := runProgram(t.Context(), nil, "health", "--listen_admin_address", "nowhere"); r.code != exitFaults || !strings.Contains(r.stderr, "--listen-admin-address") {
		t.Errorf("got %+v, want a fault of the flag", r)
	}
}
