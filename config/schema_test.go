package config

import (
	"bytes"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestSchema checks the invariants of the table.
func TestSchema(t *testing.T) {
	names, variables, flags, fields := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[any]bool{}
	c := &Config{}
	for _, e := range schema() {
		field := e.field(c)
		if names[e.key] || variables[e.envName()] || flags[e.flagName()] || fields[field] {
			t.Errorf("%s: the key, its variable, its flag or its field is another's too", e.key)
		}
		names[e.key], variables[e.envName()], flags[e.flagName()], fields[field] = true, true, true, true
		if !regexp.MustCompile(`^[a-z]+(\.[a-z_]+)*$`).MatchString(e.key) {
			t.Errorf("%s: not a key in lower case", e.key)
		}
		if e.doc == "" || strings.ContainsRune(e.doc, '\n') {
			t.Errorf("%s: doc %q is not one line", e.key, e.doc)
		}
		checkDefault(t, &e, e.fallback, field)
		if e.alone != nil {
			checkDefault(t, &e, *e.alone, field)
		}
	}
}

// checkDefault stores a default in its field and formats it again.
func checkDefault(t *testing.T, e *entry, text string, field any) {
	t.Helper()
	value, ok := e.kind.text(text)
	if !ok || len(e.complaints(value)) > 0 {
		t.Errorf("%s: default %q: %v", e.key, text, e.complaints(value))
		return
	}
	assign(field, value)
	got := reflect.ValueOf(field).Elem().Interface()
	switch secret := got.(type) {
	case Secret:
		got = string(secret)
	case []Secret:
		list := make([]string, len(secret))
		for i, s := range secret {
			list[i] = string(s)
		}
		got = list
	}
	if !reflect.DeepEqual(got, value) {
		t.Errorf("%s: field has %v, want %v", e.key, got, value)
	}
	if got := e.kind.format(value); got != text {
		t.Errorf("%s: default %q is formatted as %q", e.key, text, got)
	}
}

// TestSchemaFillsConfig reports fields that no key sets.
func TestSchemaFillsConfig(t *testing.T) {
	c := &Config{}
	known := map[uintptr]bool{}
	for _, e := range schema() {
		known[reflect.ValueOf(e.field(c)).Pointer()] = true
	}
	var walk func(name string, v reflect.Value)
	walk = func(name string, v reflect.Value) {
		if v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[Rate]() && v.Type() != reflect.TypeFor[Share]() {
			for i := range v.NumField() {
				walk(name+"."+v.Type().Field(i).Name, v.Field(i))
			}
			return
		}
		if name != "Config.File" && name != "Config.settings" && !known[v.Addr().Pointer()] {
			t.Errorf("%s: no key sets it", name)
		}
	}
	walk("Config", reflect.ValueOf(c).Elem())
}

func TestFlagsHelp(t *testing.T) {
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Flags(fs)
	var shown []string
	fs.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			shown = append(shown, f.Name)
		}
	})
	if got, want := strings.Join(shown, " "), "auth-anonymous listen-tcp-address listen-websocket-address log-format log-level storage-directory"; got != want {
		t.Errorf("shown %s, want %s", got, want)
	}
	if usage := fs.FlagUsages(); !strings.Contains(usage, "--listen-websocket-address text") || !strings.Contains(usage, "(default 127.0.0.1:15674)") {
		t.Errorf("usage:\n%s", usage)
	}
}

// secretTable returns the table with secrets of further kinds.
func secretTable() []entry {
	return append(schema(),
		entry{key: "auth.secret", kind: textKind{}, fallback: "hunter0", secret: true, doc: "for tests",
			check: single(func(s string) string {
				if s == "hunter3" {
					return "expected another"
				}
				return ""
			}),
			field: func(*Config) any { return new(string) }},
		entry{key: "auth.secrets", kind: listKind{}, secret: true, doc: "for tests", check: each(func(s string) string {
			return "expected none"
		}), field: func(*Config) any { return new([]string) }})
}

func TestSecretsAreMasked(t *testing.T) {
	for _, value := range []string{"hunter2", "hunter3", "[hunter4]", "{ hunter5: hunter6 }"} {
		path := t.TempDir() + "/hoofbeat.yaml"
		writeFile(t, path, "auth: { anonymous: true, secret: "+value+", secrets: [hunter7] }")
		_, err := load(Options{File: path, Environ: []string{"HOOFBEAT_AUTH_SECRET=hunter3", "HOOFBEAT_AUTH_SECRETS=hunter8"}}, secretTable())
		if err == nil || strings.Contains(err.Error(), "hunter") {
			t.Fatalf("%s: %v", value, err)
		}
		if !strings.Contains(err.Error(), "auth.secret: ******** (environment HOOFBEAT_AUTH_SECRET): expected another") {
			t.Errorf("%s: %v", value, err)
		}
	}
	c, err := load(Options{Search: []string{}, Environ: []string{"HOOFBEAT_AUTH_SECRET=hunter2"}}, secretTable())
	if err != nil {
		t.Fatal(err)
	}
	if got := settings(c)["auth.secret"]; got.Value != "********" {
		t.Errorf("setting %+v", got)
	}
}

func TestWriteDefault(t *testing.T) {
	var out bytes.Buffer
	if err := WriteDefault(&out); err != nil {
		t.Fatal(err)
	}
	trial{text: out.String()}.wantFaults(t, `auth.anonymous: false (hoofbeat.yaml): `+nobodyCan)
	c := trial{text: strings.Replace(out.String(), "anonymous: false", "anonymous: true", 1)}.mustLoad(t)
	same(t, c, defaults())
	for _, s := range c.Effective() {
		if !strings.HasPrefix(s.Source, "file ") {
			t.Errorf("%s is not in the default file", s.Key)
		}
	}
	if got, want := len(c.Effective()), len(schema()); got != want {
		t.Errorf("%d settings, want %d", got, want)
	}
}

// TestEffectiveRoundTrip sets the environment to the output of Effective.
func TestEffectiveRoundTrip(t *testing.T) {
	first := trial{text: open + `
listen: { websocket: { origins: ["*", "http://a"], path: /x }, tcp: { address: "[::1]:1" } }
limits: { connect_rate_per_ip: 7/m, frame_body_bytes: 1537, connect_timeout: 1h0m1s, trusted_proxies: [10.0.0.1, "fd00::/8"] }
acl:
  - { name: "a, b", roles: [R, "x,y"], users: [Ünal], claims: [{ name: Tenant.id, values: [A, "<&>"] }], allow: [send], destinations: [/topic/A.**] }
  - { deny: [subscribe], destinations: ["/queue/{user}.{claim:https://a/b}"] }
destinations: [{ match: "/queue/Dead,<&>.>", durable: false }, { match: /queue/>, redelivery_delay: { initial: 1ms, multiplier: 1.25, max: 1h },
  dead_letter: "/queue/Dead,<&>.x", ttl: 36h, max_messages: 7, max_bytes: 1537, overflow: drop-oldest, prefetch: 65535, max_deliveries: 2 }]
storage: { sync: interval, sync_interval: 20ms, min_free: 0, directory: Data }
`}.mustLoad(t)
	var environ []string
	for _, s := range first.Effective() {
		environ = append(environ, envName(s.Key)+"="+s.Value)
	}
	second, err := Load(Options{Search: []string{}, Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	first.settings = nil
	same(t, second, &Config{
		Listen: first.Listen, Auth: first.Auth, Prefixes: first.Prefixes, Limits: first.Limits,
		ACL: first.ACL, Heartbeat: first.Heartbeat, Transactions: first.Transactions, Log: first.Log, Tracing: first.Tracing, Destinations: first.Destinations, Storage: first.Storage,
	})
}
