package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"hoofbeat/config"
)

// runConfig runs `hoofbeat config ARGS` under a root with the --config flag.
func runConfig(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	root := &cobra.Command{Use: "hoofbeat"}
	root.PersistentFlags().String("config", "", "")
	root.AddCommand(newConfigCommand())
	var out, errOut bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errOut)
	root.SetArgs(append([]string{"config"}, args...))
	err = root.ExecuteContext(apart(t.Context()))
	return out.String(), errOut.String(), err
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hoofbeat.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigCheckOK(t *testing.T) {
	path := writeConfig(t, "auth: { anonymous: true }\ndestinations: [{ match: '/topic/**', subscription_expiry: 720h }]\n")
	stdout, stderr, err := runConfig(t, "check", path)
	if err != nil || stdout != path+": ok\n" || stderr != "warning: everybody who can connect may do everything\n" {
		t.Errorf("got %q, %q, %v", stdout, stderr, err)
	}
}

// TestConfigCheckFilesToo: a faulty configuration and a faulty file that it
// names are reported together.
func TestConfigCheckFilesToo(t *testing.T) {
	users := writeConfig(t, "ada:nothing\n")
	path := writeConfig(t, "auth: { users_file: "+users+", revoked_file: none }\nlog: { level: loud }\n")
	_, stderr, err := runConfig(t, "check", path)
	if err == nil || strings.Count(stderr, "\n") != 3 || !strings.Contains(stderr, "log.level") || !strings.Contains(stderr, users) ||
		strings.Count(stderr, "revoked_file") != 1 {
		t.Errorf("got %q, %v", stderr, err)
	}
}

// TestConfigCheckFindsTheFile: check searches in the same places as serve.
func TestConfigCheckFindsTheFile(t *testing.T) {
	t.Chdir(t.TempDir())
	if stdout, _, err := runConfig(t, "check"); err != nil || !strings.HasSuffix(stdout, ": ok\n") {
		t.Errorf("without a file: %q, %v", stdout, err)
	}
	if err := os.WriteFile("hoofbeat.yaml", []byte("auth: { anonymous: true }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if stdout, _, err := runConfig(t, "check"); err != nil || stdout != "hoofbeat.yaml: ok\n" {
		t.Errorf("in the directory: %q, %v", stdout, err)
	}
	named := writeConfig(t, "auth: { anonymous: yes }\n")
	if _, stderr, err := runConfig(t, "check", "--config", named); err == nil || !strings.Contains(stderr, named) {
		t.Errorf("named by --config: %q, %v", stderr, err)
	}
}

func TestConfigCheckFaults(t *testing.T) {
	path := writeConfig(t, "auth: { anonymous: yes }\nlimits: { connect_timeout: ten }\n")
	stdout, stderr, err := runConfig(t, "check", path)
	var exit *exitError
	if !errors.As(err, &exit) || exit.code != 2 {
		t.Errorf("error %v, want exit code 2", err)
	}
	var faults config.Faults
	if !errors.As(err, &faults) || len(faults) != 2 {
		t.Errorf("error %v, want two faults in it", err)
	}
	want := `auth.anonymous: "yes" (` + path + ":1): expected true or false\n" +
		`limits.connect_timeout: "ten" (` + path + ":2): expected a duration such as 10s\n"
	if stdout != "" || stderr != want {
		t.Errorf("stdout %q, stderr %q, want %q", stdout, stderr, want)
	}
}

func TestConfigCheckWantsOneFile(t *testing.T) {
	if _, _, err := runConfig(t, "check", "a.yaml", "b.yaml"); err == nil {
		t.Error("two files were accepted")
	}
}

func TestConfigPrintTable(t *testing.T) {
	path := writeConfig(t, "auth: { anonymous: true }\n")
	t.Setenv("HOOFBEAT_LIMITS_PREFETCH", "7")
	stdout, _, err := runConfig(t, "print", "--config", path, "--log-level", "debug")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(stdout) {
		fields := strings.Fields(line)
		rows[fields[0]] = fields[1:]
	}
	for key, want := range map[string]string{
		"auth.anonymous":     "true file " + path,
		"limits.prefetch":    "7 environment HOOFBEAT_LIMITS_PREFETCH",
		"log.level":          "debug flag --log-level",
		"log.format":         "text default",
		"listen.tcp.address": `"" default`,
	} {
		if got := strings.Join(rows[key], " "); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func TestConfigPrintJSON(t *testing.T) {
	path := writeConfig(t, "auth: { anonymous: true }\n")
	stdout, _, err := runConfig(t, "print", "--json", "--config", path)
	if err != nil {
		t.Fatal(err)
	}
	var settings []config.Setting
	if err := json.Unmarshal([]byte(stdout), &settings); err != nil {
		t.Fatal(err)
	}
	if len(settings) < 30 || settings[0].Key != "listen.websocket.address" || settings[0].Source != "default" {
		t.Errorf("got %+v", settings)
	}
}

func TestConfigPrintFaults(t *testing.T) {
	_, stderr, err := runConfig(t, "print", "--config", filepath.Join(t.TempDir(), "absent.yaml"))
	var exit *exitError
	if !errors.As(err, &exit) || exit.code != 2 || !strings.Contains(stderr, "absent.yaml: cannot be read: no such file") {
		t.Errorf("got %v, %q", err, stderr)
	}
	if strings.Count(stderr, "\n") != 1 {
		t.Errorf("more than the fault was printed: %q", stderr)
	}
}

func TestConfigDefaultCanBeChecked(t *testing.T) {
	stdout, _, err := runConfig(t, "default")
	if err != nil {
		t.Fatal(err)
	}
	path := writeConfig(t, strings.Replace(stdout, "anonymous: false", "anonymous: true", 1))
	if _, stderr, err := runConfig(t, "check", path); err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
}
