package config

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFaultLines expects each fault on the line of its key or list element, in
// all formats.
func TestFaultLines(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string // key and line
	}{
		{"a.yaml", `# comment
auth:
  anonymous: true
limits.connections: many
Limits:
  prefetch: 0

  trusted_proxies:
    - 10.0.0.1
    - x
listen: { websocket: { origins: [a/b,
  c/d] } }
acl:
  - allow: [send]
    destinations:
      - /topic/a
      - /topics/a
  - allow: [send]
    destination: [/topic/a]
    claims:
      - name: a
        values: []
unknown: 1
prefixes:
  topic:
    - /topic/
    - /topic.a/
`, []string{"acl[0].destinations 17", "acl[1].claims[0] 21", "acl[1].destination 19", "limits.connections 4", "limits.prefetch 6",
			"limits.trusted_proxies 10", "listen.websocket.origins 11", "listen.websocket.origins 12", "prefixes.topic 27", "unknown 23"}},
		{"b.toml", `auth.anonymous = true
limits.prefetch = 0
acl = [
  { allow = ["send"], destinations = ["/topic/a",
    "/topics/a"] },
  { allow = ["sned"], destinations = ["/topic/a"] },
]
[limits.x]
a = 1
[[destinations]]
match = "/queue/a"
[[destinations]]
match = "/topics/a"
[destinations.redelivery_delay]
max = "x"
[listen]
websocket = { path = "a", sockjs = 1 }
`, []string{"acl[0].destinations 5", "acl[1].allow 6", "destinations[1].match 13", "destinations[1].redelivery_delay 14", "destinations[1].redelivery_delay.max 15",
			"limits.prefetch 2", "limits.x 8", "listen.websocket.path 17", "listen.websocket.sockjs 17"}},
		{"c.json", `{
	"auth": {"anonymous": true},
	"acl": [
		{"allow": ["send"], "destinations": ["/topic/a"]},
		{"deny": ["send"],
			"destinations": ["/queue/a",
				"/topics/audit.**"]}],
	"log": {"level":
		"loud"}
}`, []string{"acl[1].destinations 7", "log.level 8"}},
	} {
		path := filepath.Join(t.TempDir(), tt.name)
		writeFile(t, path, tt.text)
		_, err := Load(Options{File: path})
		faults, _ := err.(Faults)
		var got []string
		for _, f := range faults {
			got = append(got, f.Key+" "+show(f.Line))
			if f.Source != path || !strings.Contains(f.Error(), path+":"+show(f.Line)) {
				t.Errorf("%s: source %q, %s", tt.name, f.Source, f)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s:\n%q, want\n%q\n%v", tt.name, got, tt.want, err)
		}
	}
}

// yamlBreak is a line break of YAML 1.1, which has more of them than TOML and JSON.
var yamlBreak = regexp.MustCompile("\r\n|[\r\n\u0085\u2028\u2029]")

// FuzzPlaces runs places on any input that a decoder accepts.
func FuzzPlaces(f *testing.F) {
	f.Add(".yaml", "a: &x [1]\nb: *x\n<<: {c: d}")
	f.Add(".yml", "\r0:")
	f.Add(".toml", "a.b = [1, {c = 2}, [[]]]\n[[d.e]]\n[d.e.f]\n")
	f.Add(".json", `{"a": [{"b": null}]}`)
	f.Fuzz(func(t *testing.T, format, text string) {
		if _, faults := decode("a"+format, []byte(text)); faults != nil {
			return
		}
		lines := len(yamlBreak.FindAllString(text, -1)) + 1
		for key, line := range placesOf(format, []byte(text)) {
			if line < 1 || line > lines {
				t.Errorf("%q is on line %d", key, line)
			}
		}
	})
}
