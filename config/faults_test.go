package config

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestValueFaults sets one key at a time to an invalid value.
func TestValueFaults(t *testing.T) {
	const (
		number    = "expected a whole number such as 100, not negative"
		size      = "expected a size such as 64KiB, or a whole number of bytes"
		duration  = "expected a duration such as 10s"
		rate      = "expected a rate such as 5/s, 100/m or 1000/h"
		list      = "expected a list of strings"
		boolean   = "expected true or false"
		address   = "expected host:port with a port from 0 to 65535, such as 127.0.0.1:15674"
		directory = "expected the path of a directory, without control characters or white space around it"
		path      = "expected a plain path that begins with '/', such as /ws"
		prefix    = "expected a prefix that begins and ends with '/', without wildcards, such as /topic/"
	)
	for _, tt := range []struct{ key, yaml, shown, expected string }{
		{"limits.connections", `"5"`, `"5"`, number},
		{"limits.connections", "five", `"five"`, number},
		{"limits.connections", "1.5", "1.5", number},
		{"limits.connections", "-1", "-1", number},
		{"limits.connections", "99999999999999999999", "1e+20", number},
		{"limits.connections", "18446744073709551615", "18446744073709551615", number},
		{"limits.connections", "true", "true", number},
		{"limits.connections", "null", "null", number},
		{"limits.connections", "", "null", number},
		{"limits.connections", "[1]", "[1]", number},
		{"limits.connections", "{ a: 1 }", "{...}", number},
		{"limits.connections", "0", "0", "expected at least 1"},
		{"limits.connections", "2001-01-01", "2001-01-01 00:00:00 +0000 UTC", number},
		{"limits.connections_per_ip", "-1", "-1", number},
		{"limits.frame_body_bytes", "-1", "-1", size},
		{"limits.frame_body_bytes", "-1KiB", `"-1KiB"`, size},
		{"limits.frame_body_bytes", "1.5KiB", `"1.5KiB"`, size},
		{"limits.frame_body_bytes", "16M", `"16M"`, size},
		{"limits.frame_body_bytes", "99999999TiB", `"99999999TiB"`, size},
		{"limits.frame_body_bytes", "KiB", `"KiB"`, size},
		{"limits.frame_body_bytes", "0KiB", `"0KiB"`, "expected at least 1"},
		{"limits.connect_timeout", "10", "10", duration},
		{"limits.connect_timeout", `"10"`, `"10"`, duration},
		{"limits.connect_timeout", `"0"`, `"0"`, duration},
		{"limits.connect_timeout", "-1s", `"-1s"`, duration},
		{"limits.connect_timeout", "ten", `"ten"`, duration},
		{"limits.connect_timeout", "0s", `"0s"`, "expected at least 1ms"},
		{"limits.drain_timeout", "0s", `"0s"`, "expected at least 1ms"},
		{"limits.connect_rate_per_ip", "5", "5", rate},
		{"limits.connect_rate_per_ip", "-5/s", `"-5/s"`, rate},
		{"limits.connect_rate_per_ip", "5/d", `"5/d"`, rate},
		{"limits.connect_rate_per_ip", "/s", `"/s"`, rate},
		{"limits.slow_consumer", "drop", `"drop"`, "expected one of disconnect, drop-newest, drop-oldest"},
		{"limits.slow_consumer", "1", "1", "expected one of disconnect, drop-newest, drop-oldest"},
		{"log.level", "INFO", `"INFO"`, "expected one of debug, info, warn, error"},
		{"limits.failed_connects", "10", "10", rate},
		{"transactions.receipts", "never", `"never"`, "expected one of on-commit, on-read"},
		{"auth.on_denied_subscribe", "ignore", `"ignore"`, "expected one of close, receipt-error"},
		{"auth.anonymous_roles", "[a, 'b,c']", `"b,c"`, "expected no comma, as that separates the elements of a list"},
		{"auth.anonymous_roles", "guest", `"guest"`, list},
		{"listen.tcp.proxy_protocol", "v2", `"v2"`, boolean},
		{"log.format", "xml", `"xml"`, "expected one of text, json"},
		{"listen.websocket.compression", "yes", `"yes"`, boolean},
		{"listen.websocket.compression", "1", "1", boolean},
		{"listen.websocket.compression", `"true"`, `"true"`, boolean},
		{"listen.websocket.sockjs", "on", `"on"`, boolean},
		{"listen.websocket.origins", `"*"`, `"*"`, list},
		{"listen.websocket.origins", "[1, a]", `[1, "a"]`, list},
		{"listen.websocket.origins", "[null]", `[null]`, list},
		{"listen.websocket.path", "5", "5", "expected a string"},
		{"listen.websocket.path", "ws", `"ws"`, path},
		{"listen.websocket.path", `""`, `""`, path},
		{"listen.websocket.path", "/ws?a=b", `"/ws?a=b"`, path},
		{"listen.websocket.path", "/a/../b", `"/a/../b"`, path},
		{"listen.websocket.path", `"/{id}"`, `"/{id}"`, path},
		{"listen.websocket.address", "127.0.0.1", `"127.0.0.1"`, address},
		{"listen.websocket.address", "'127.0.0.1:'", `"127.0.0.1:"`, address},
		{"listen.websocket.address", "127.0.0.1:http", `"127.0.0.1:http"`, address},
		{"listen.websocket.address", "127.0.0.1:65536", `"127.0.0.1:65536"`, address},
		{"listen.websocket.address", `"a b:80"`, `"a b:80"`, address},
		{"listen.websocket.address", "http://localhost:80", `"http://localhost:80"`, address},
		{"listen.tcp.address", "61613", "61613", "expected a string"},
		{"prefixes.topic", "[topic/]", `"topic/"`, prefix},
		{"prefixes.topic", "[/topic]", `"/topic"`, prefix},
		{"prefixes.topic", "[/]", `"/"`, prefix},
		{"prefixes.topic", "[/a//b/]", `"/a//b/"`, prefix},
		{"prefixes.topic", `["/a,b/"]`, `"/a,b/"`, prefix},
		{"prefixes.topic", `["/a.*/"]`, `"/a.*/"`, prefix},
		{"prefixes.topic", "[/" + strings.Repeat("a.", 16) + "b/]", `"/` + strings.Repeat("a.", 16) + `b/"`, "expected at most 16 segments"},
		{"prefixes.queue", "[/user/]", `"/user/"`, "expected another prefix, as /user/ has a meaning of its own"},
		{"prefixes.queue", "[/temp-queue/a/]", `"/temp-queue/a/"`, "expected another prefix, as /temp-queue/ has a meaning of its own"},
		{"listen.admin.address", "15680", "15680", "expected a string"},
		{"listen.admin.address", "localhost", `"localhost"`, address},
		{"storage", "data", `"data"`, "expected keys below it"},
		{"storage.directory", "5", "5", "expected a string"},
		{"storage.directory", "' data'", `" data"`, directory},
		{"storage.directory", `"a\x00b"`, `"a\x00b"`, directory},
		{"storage.sync", "true", "true", "expected one of always, interval, never"},
		{"storage.sync", "Always", `"Always"`, "expected one of always, interval, never"},
		{"storage.sync_interval", "1", "1", duration},
		{"storage.sync_interval", "1us", `"1us"`, "expected at least 1ms"},
		{"storage.min_free", "-1", "-1", size},
		{"storage.min_free", "10%", `"10%"`, size},
		{"heartbeat.min", "0s", `"0s"`, "expected at least 1ms"},
		{"heartbeat.server", "1us", `"1us"`, "expected at least 1ms"},
	} {
		t.Run(tt.key+"="+tt.yaml, func(t *testing.T) {
			trial{text: open + tt.key + ": " + tt.yaml}.wantFaults(t,
				tt.key+": "+tt.shown+" (hoofbeat.yaml): "+tt.expected)
		})
	}
}

func TestJSONNumbers(t *testing.T) {
	const number = "): expected a whole number such as 100, not negative"
	for _, text := range []string{"1.0", "1e3", "-5", "99999999999999999999"} {
		trial{name: "a.json", text: `{"auth":{"anonymous":true},"limits":{"prefetch":` + text + `}}`}.wantFaults(t,
			"limits.prefetch: "+text+" (a.json"+number)
	}
}

func TestTOMLTypes(t *testing.T) {
	trial{name: "a.toml", text: "auth.anonymous = true\nlimits.prefetch = 1.0\nlimits.connect_timeout = 07:32:00\n"}.wantFaults(t,
		"limits.connect_timeout: 07:32:00 (a.toml): expected a duration such as 10s",
		"limits.prefetch: 1 (a.toml): expected a whole number such as 100, not negative")
}

func TestOrigins(t *testing.T) {
	const (
		expected = "expected an origin such as https://app.example.com or http://localhost:*, a host such as *.example.com " +
			"where * stands for one label, null, or * alone"
		slash = "expected no '/' at the end, as browsers send none"
		path  = "expected no path, as browsers send none; all pages of an origin may connect, or none"
		wild  = "expected http://, https:// or another scheme as it is, or none for any; there is no wildcard for schemes"
		ws    = "expected http:// or https://, as that is how browsers name a page; ws:// and wss:// are for connecting"
	)
	for origin, want := range map[string]string{
		"https://app.example.com": "", "https://app.example.com:8443": "", "http://localhost:3000": "",
		"http://127.0.0.1": "", "http://[::1]:3000": "", "http://[::1]": "", "HTTPS://App.example.com": "",
		"*": "", "*.example.com": "", "app.*.example.com": "", "example.com:8080": "", "https://*.example.com": "",
		"null": "", "file://": "", "capacitor://localhost": "", "ionic://localhost": "", "chrome-extension://abcdefghijklmnop": "", "tauri://localhost": "",
		"http://localhost:*": "", "localhost:*": "", "http://[::1]:*": "", "https://a.example.com:443": "",
		"": expected, "https://": expected, "https://app.example.com/": slash, "https://app.example.com/path": path, "app.example.com/": slash,
		"ftp://example.com": expected, "wss://example.com": ws, "WS://example.com": ws, "https://user@example.com": expected,
		"*://example.com": wild, "http*://example.com": wild, "://example.com": expected, "data://x": expected, "file:///x": expected,
		"app*.example.com": expected, "**.example.com": expected, "example.com:": expected, "example.com:0": expected, "example.com:3*": expected,
		"example.com:99999": expected, "-a.example.com": expected, "a..example.com": expected, "a b.example.com": expected, "[::1": expected,
		"https://example.com?x": expected, "1x://localhost": expected,
	} {
		if got := checkOrigin(origin); got != want {
			t.Errorf("%q: %q, want %q", origin, got, want)
		}
	}
	trial{text: open + `listen: { websocket: { origins: ["*", "a/b", "c/"], hosts: [a.example.com, 192.0.2.1, "::1", localhost, "a:1", "*.a"] } }`}.wantFaults(t,
		`listen.websocket.hosts: "*.a" (hoofbeat.yaml): `+checkAnyHost(""),
		`listen.websocket.hosts: "a:1" (hoofbeat.yaml): `+checkAnyHost(""),
		`listen.websocket.origins: "c/" (hoofbeat.yaml): `+slash,
		`listen.websocket.origins: "a/b" (hoofbeat.yaml): `+path)
}

func TestUnknownKeys(t *testing.T) {
	for _, tt := range []struct{ yaml, want string }{
		{"limits: { conections: 5 }", "limits.conections: 5 (hoofbeat.yaml): unknown key; did you mean limits.connections?"},
		{"limts: { connections: 5 }", "limts: {...} (hoofbeat.yaml): unknown key; did you mean limits?"},
		{"prefetch: 5", "prefetch: 5 (hoofbeat.yaml): unknown key; did you mean limits.prefetch?"},
		{"listen: { address: x }", `listen.address: "x" (hoofbeat.yaml): unknown key; did you mean listen.tcp.address?`},
		{"Log: { Levle: warn }", `log.levle: "warn" (hoofbeat.yaml): unknown key; did you mean log.level?`},
		{"log: { 5: x }", `log.5: "x" (hoofbeat.yaml): unknown key; did you mean log.level?`},
		{"log: { [a]: x }", "hoofbeat.yaml:2: expected keys that are strings"},
		{"limts:", "limts: null (hoofbeat.yaml): unknown key; did you mean limits?"},
		{`log: { "a.b": x }`, `log.a.b: "x" (hoofbeat.yaml): unknown key; did you mean log.audit?`},
		{`"": x`, `"": "x" (hoofbeat.yaml): unknown key; did you mean acl?`},
		{`"...": x`, `...: "x" (hoofbeat.yaml): unknown key; did you mean acl?`},
		{`"lo\ng": x`, `"lo\ng": "x" (hoofbeat.yaml): unknown key; did you mean acl?`},
		{"auth: { password: hunter2 }", "auth.password: ******** (hoofbeat.yaml): unknown key; did you mean auth.users?"},
		{"auth.users.bob: hunter2", "auth.users.bob: ******** (hoofbeat.yaml): unknown key; did you mean auth.users?"},
		{"auth: { jwt: { isuer: me } }", `auth.jwt.isuer: "me" (hoofbeat.yaml): unknown key; did you mean auth.jwt.issuer?`},
		{"auth: { jwt: }", "auth.jwt: null (hoofbeat.yaml): expected keys below it"},
		{"log: { level: { a: 1 } }", "log.level: {...} (hoofbeat.yaml): expected one of debug, info, warn, error"},
		{"log: 5", "log: 5 (hoofbeat.yaml): expected keys below it"},
		{"log:", "log: null (hoofbeat.yaml): expected keys below it"},
		{"log: [a, [b], {c: d}]", `log: ["a", {...}, {...}] (hoofbeat.yaml): expected keys below it`},
	} {
		t.Run(tt.yaml, func(t *testing.T) {
			text := open + tt.yaml
			if strings.HasPrefix(tt.yaml, "auth:") {
				text = "auth.anonymous: true\n" + tt.yaml
			}
			trial{text: text}.wantFaults(t, tt.want)
		})
	}
}

func TestStrayVariables(t *testing.T) {
	trial{text: open, environ: []string{
		"HOOFBEAT_LIMITS_CONECTIONS=5",
		"HOOFBEAT_STORAGE_KEY=hunter2",
		"HOOFBEAT_TOKEN=hunter2",
		"HOOFBEAT_AUTH_USERS_BOB=hunter2",
		"HOOFBEAT_log_level=info",
		"HOOFBEAT_=1",
	}}.wantFaults(t,
		`HOOFBEAT_: "1" (environment): unknown key; did you mean HOOFBEAT_ACL?`,
		`HOOFBEAT_AUTH_USERS_BOB: ******** (environment): unknown key; did you mean HOOFBEAT_AUTH_USERS?`,
		`HOOFBEAT_LIMITS_CONECTIONS: "5" (environment): unknown key; did you mean HOOFBEAT_LIMITS_CONNECTIONS?`,
		`HOOFBEAT_STORAGE_KEY: ******** (environment): unknown key; did you mean HOOFBEAT_STORAGE_SYNC?`,
		`HOOFBEAT_TOKEN: ******** (environment): unknown key; did you mean HOOFBEAT_ACL?`,
		`HOOFBEAT_log_level: "info" (environment): unknown key; did you mean HOOFBEAT_LOG_LEVEL?`)
}

// TestEveryFault has faults in every source at once.
func TestEveryFault(t *testing.T) {
	trial{
		text: `
limits: { connect_timeout: ten, prefetch: 0, colour: red }
storage: { sync: sometimes }
log: { level: loud }
`,
		environ: []string{"HOOFBEAT_LIMITS_CONNECTIONS=many", "HOOFBEAT_LOG_LEVEL=info", "HOOFBEAT_X=1"},
		flags:   []string{"--heartbeat-min=20s", "--listen-websocket-compression=on"},
	}.wantFaults(t,
		`HOOFBEAT_X: "1" (environment): unknown key; did you mean HOOFBEAT_ACL?`,
		`auth.anonymous: false (default): `+nobodyCan,
		`heartbeat.min: "20s" (flag --heartbeat-min): expected at most heartbeat.server, which is 10s`,
		`limits.colour: "red" (hoofbeat.yaml): unknown key; did you mean limits.memory?`,
		`limits.connect_timeout: "ten" (hoofbeat.yaml): expected a duration such as 10s`,
		`limits.connections: "many" (environment HOOFBEAT_LIMITS_CONNECTIONS): expected a whole number such as 100, not negative`,
		`limits.prefetch: 0 (hoofbeat.yaml): expected at least 1`,
		`listen.websocket.compression: "on" (flag --listen-websocket-compression): expected true or false`,
		`log.level: "loud" (hoofbeat.yaml): expected one of debug, info, warn, error`,
		`storage.sync: "sometimes" (hoofbeat.yaml): expected one of always, interval, never`)
}

func TestGivenTwice(t *testing.T) {
	const twice = " (hoofbeat.yaml): expected once; it is given twice, in other letters or with dots"
	trial{text: open + "Log: { level: info }\nlog: { level: debug }"}.wantFaults(t, `log.level: "debug"`+twice)
	trial{text: open + "log: { level: info }\nlog.level: debug"}.wantFaults(t, `log.level: "debug"`+twice)
}

// TestLongValues: a fault with long values stays on a readable line.
func TestLongValues(t *testing.T) {
	long := strings.Repeat("é", 1000)
	_, faults := trial{text: open + "log: { level: " + long + ", " + long + ": [" + strings.Repeat("a,", 1000) + "] }"}.load(t)
	if len(faults) != 2 {
		t.Fatalf("faults %q", faults)
	}
	for _, fault := range faults {
		if len(fault) > 400 || !strings.Contains(fault, "...") {
			t.Errorf("%d bytes: %s", len(fault), fault)
		}
	}
}

func TestSyntaxFaults(t *testing.T) {
	const notMap = "expected keys with values, such as log: { level: info }"
	for _, tt := range []struct{ name, text, want string }{
		{"a.yaml", "log:\n  level: info\n  level: warn\n", `a.yaml:3: mapping key "level" already defined at line 2`},
		{"a.yaml", "log:\n\tlevel: info\n", "a.yaml:2: expected spaces at the beginning of the line: YAML allows no tabs there"},
		{"a.yml", "@", "a.yml:1: found character that cannot start any token"},
		{"a.yaml", "hunter2", "a.yaml:1: " + notMap},
		{"a.yaml", "[1]", "a.yaml:1: " + notMap},
		{"a.yaml", "# c\n--- # d\na: 1\n---\nb: 2\n", "a.yaml:4: expected one document; what follows this line would be ignored"},
		{"a.yaml", "a: 1\n...\n\nb: 2\n", "a.yaml:4: expected one document; what follows this line would be ignored"},
		{"a.yaml", "a: 1\nb: *none\nc: 2\n", "a.yaml:2: unknown anchor 'none' referenced"},
		{"a.toml", "[log]\nlevel='info'\n\nlevel='warn'\nformat='text'\n", "a.toml:4: key level is already defined"},
		{"a.toml", "[log]\n[auth]\n[log]\n", "a.toml:3: table log already exists"},
		{"a.toml", "\nlog = \n", "a.toml:2: incomplete number"},
		{"a.json", "{\n\"log\": 1,\n}", "a.json:3: invalid character '}' looking for beginning of object key string"},
		{"a.json", "", "a.json:1: unexpected end of JSON input"},
		{"a.json", "[]", "a.json:1: " + notMap},
		{"a.json", "null", "a.json:1: " + notMap},
		{"a.json", "{}\n{}", "a.json:2: invalid character '{' after top-level value"},
		{"a.json", "{\"log\": {\"level\": [1, {\"level\": 2}],\n\"level\": 3}}", `a.json:2: key "level" is given twice`},
		{"a.conf", "", "a.conf: expected a name that ends in .yaml, .yml, .toml or .json"},
		{"hoofbeat", "", "hoofbeat: expected a name that ends in .yaml, .yml, .toml or .json"},
	} {
		t.Run(tt.name+" "+tt.text, func(t *testing.T) {
			trial{name: tt.name, text: tt.text}.wantFaults(t, tt.want)
		})
	}
}

// TestSyntaxFaultWithOthers: faults of other sources are reported besides a
// syntax error.
func TestSyntaxFaultWithOthers(t *testing.T) {
	trial{text: "a: [", environ: []string{"HOOFBEAT_LOG_LEVEL=loud"}}.wantFaults(t,
		"hoofbeat.yaml:1: did not find expected node content",
		`log.level: "loud" (environment HOOFBEAT_LOG_LEVEL): expected one of debug, info, warn, error`)
}

func TestEmptyFiles(t *testing.T) {
	for name, text := range map[string]string{
		"a.yaml": "", "b.yaml": "# nothing\n---\n# more\n...\n# end\n", "a.toml": "", "a.json": " {}\n", "c.yaml": "null",
	} {
		trial{name: name, text: text}.wantFaults(t, `auth.anonymous: false (default): `+nobodyCan)
	}
}

func TestUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	for _, o := range []Options{
		{File: filepath.Join(dir, "absent.yaml")},
		{File: dir},
		{Search: []string{filepath.Join(dir, "absent.yaml"), dir}},
	} {
		_, err := Load(o)
		if err == nil || !strings.Contains(err.Error(), ": cannot be read: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestFaultFields(t *testing.T) {
	_, err := Load(Options{Search: []string{}, Environ: []string{"HOOFBEAT_LOG_LEVEL=loud"}})
	got, ok := err.(Faults)
	want := Fault{
		Key: "log.level", Value: `"loud"`, Source: "environment HOOFBEAT_LOG_LEVEL",
		Expected: "expected one of debug, info, warn, error",
	}
	if !ok || len(got) != 1 || got[0] != want {
		t.Errorf("got %#v", err)
	}
}
