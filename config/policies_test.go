package config

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// everyPolicy has a value for every field.
func everyPolicy() []Policy {
	return []Policy{
		{
			Match: "/queue/Orders.**", Durable: new(false), MaxDeliveries: 5, RedeliveryDelay: Delay{time.Second, 2.5, time.Minute},
			DeadLetter: "/queue/Dead", TTL: 24 * time.Hour, MaxMessages: 1000, MaxBytes: 1 << 30, Overflow: "drop-oldest", Prefetch: 10,
		},
		{Match: "/topic/>", RedeliveryDelay: Delay{Initial: time.Second, Multiplier: 1}, SubscriptionExpiry: 168 * time.Hour, DurableSharing: true},
	}
}

const everyPolicyJSON = `[
	{"match": "/queue/Orders.**", "durable": false, "max_deliveries": 5, "redelivery_delay": {"initial": "1s", "multiplier": 2.5, "max": "1m"},
		"dead_letter": "/queue/Dead", "ttl": "24h", "max_messages": 1000, "max_bytes": "1GiB", "overflow": "drop-oldest", "prefetch": 10},
	{"match": "/topic/>", "redelivery_delay": "1s", "subscription_expiry": "168h", "durable_sharing": true}
]`

// TestPolicyForms loads the same policies in every supported form.
func TestPolicyForms(t *testing.T) {
	for name, tr := range map[string]trial{
		"yaml": {text: open + `
Destinations:
  - Match: /queue/Orders.**
    Durable: false
    max_deliveries: 5
    redelivery_delay: { INITIAL: 1s, multiplier: 2.5, max: 60s }
    dead_letter: /queue/Dead
    ttl: 24h
    max_messages: 1000
    max_bytes: 1073741824
    overflow: drop-oldest
    prefetch: 10
  - match: "/topic/>"
    redelivery_delay: 1s
    subscription_expiry: 168h
    durable_sharing: true
`},
		"toml": {name: "a.toml", text: `
auth.anonymous = true
[[destinations]]
match = "/queue/Orders.**"
durable = false
max_deliveries = 5
redelivery_delay = { initial = "1s", multiplier = 2.5, max = "1m" }
dead_letter = "/queue/Dead"
ttl = "24h"
max_messages = 1_000
max_bytes = "1GiB"
overflow = "drop-oldest"
prefetch = 10
[[destinations]]
match = "/topic/>"
redelivery_delay = { initial = "1s", multiplier = 1 }
subscription_expiry = "168h"
durable_sharing = true
`},
		"json":        {name: "a.json", text: `{"auth": {"anonymous": true}, "destinations": ` + everyPolicyJSON + `}`},
		"environment": {text: open + "destinations: [{ match: /queue/a }]", environ: []string{"HOOFBEAT_DESTINATIONS=" + everyPolicyJSON}},
		"flag":        {text: open, flags: []string{"--destinations=" + everyPolicyJSON}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tr.mustLoad(t).Destinations; !reflect.DeepEqual(got, everyPolicy()) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestPoliciesPrinted(t *testing.T) {
	c := trial{text: open, environ: []string{"HOOFBEAT_DESTINATIONS=" + everyPolicyJSON}}.mustLoad(t)
	want := `[{"match":"/queue/Orders.**","durable":false,"max_deliveries":5,"redelivery_delay":{"initial":"1s","multiplier":2.5,"max":"1m"},` +
		`"dead_letter":"/queue/Dead","ttl":"24h","max_messages":1000,"max_bytes":"1GiB","overflow":"drop-oldest","prefetch":10},` +
		`{"match":"/topic/>","redelivery_delay":{"initial":"1s","multiplier":1},"subscription_expiry":"168h","durable_sharing":true}]`
	if got := settings(c)["destinations"].Value; got != want {
		t.Errorf("got %s", got)
	}
}

// TestPolicyFaults has invalid values of every field.
func TestPolicyFaults(t *testing.T) {
	const (
		count    = "expected a whole number such as 100, not negative"
		duration = "expected a duration such as 10s"
		size     = "expected a size such as 64KiB, or a whole number of bytes"
		none     = "expected 0s for none, or at least 1ms"
		delay    = "expected a duration such as 1s, or a map such as " + delayExample
		braces   = "expected no braces; templates such as {user} are for acl"
	)
	for _, tt := range []struct{ yaml, at, shown, expected string }{
		{"match: 5", ".match", "5", "expected a string"},
		{"match: ''", ".match", `""`, "expected a destination that begins with '/', such as /topic/news.**"},
		{"match: queue/a", ".match", `"queue/a"`, "expected a destination that begins with '/', such as /topic/news.**"},
		{"match: '/queue/{user}'", ".match", `"/queue/{user}"`, braces},
		{"match: /queue/", ".match", `"/queue/"`, "expected a name behind the last '/'; ** stands for all names"},
		{"match: /queue", ".match", `"/queue"`, "expected a name behind the prefix, such as /topic/news or /topic/**"},
		{"durable: true", "", "{...}", "expected match with the destinations that it is for, such as /queue/orders.**"},
		{"match: /queue/a, durable: yes", ".durable", `"yes"`, "expected true or false"},
		{"match: /queue/a, durable: null", ".durable", "null", "expected true or false"},
		{"match: /queue/a, max_deliveries: -1", ".max_deliveries", "-1", count},
		{"match: /queue/a, max_deliveries: 2.5", ".max_deliveries", "2.5", count},
		{"match: /queue/a, max_deliveries: 65536", ".max_deliveries", "65536", "expected a number from 0 to 65535"},
		{"match: /queue/a, redelivery_delay: 5", ".redelivery_delay", "5", delay},
		{"match: /queue/a, redelivery_delay: ten", ".redelivery_delay", `"ten"`, delay},
		{"match: /queue/a, redelivery_delay: -1s", ".redelivery_delay", `"-1s"`, delay},
		{"match: /queue/a, redelivery_delay: [1s]", ".redelivery_delay", `["1s"]`, delay},
		{"match: /queue/a, redelivery_delay: null", ".redelivery_delay", "null", delay},
		{"match: /queue/a, redelivery_delay: 1us", ".redelivery_delay", `"1us"`, none},
		{"match: /queue/a, redelivery_delay: {}", ".redelivery_delay", "{...}", "expected initial with the delay after the first failure"},
		{"match: /queue/a, redelivery_delay: { initial: 0s }", ".redelivery_delay.initial", `"0s"`, "expected at least 1ms"},
		{"match: /queue/a, redelivery_delay: { initial: 1 }", ".redelivery_delay.initial", "1", duration},
		{"match: /queue/a, redelivery_delay: { initial: 1s, multiplier: 0.5 }", ".redelivery_delay.multiplier", "0.5", "expected a number from 1 to 1000"},
		{"match: /queue/a, redelivery_delay: { initial: 1s, multiplier: 1001 }", ".redelivery_delay.multiplier", "1001", "expected a number from 1 to 1000"},
		{"match: /queue/a, redelivery_delay: { initial: 1s, multiplier: -2 }", ".redelivery_delay.multiplier", "-2", "expected a number such as 1.5"},
		{"match: /queue/a, redelivery_delay: { initial: 1s, multiplier: .nan }", ".redelivery_delay.multiplier", "NaN", "expected a number such as 1.5"},
		{"match: /queue/a, redelivery_delay: { initial: 1s, multiplier: .inf }", ".redelivery_delay.multiplier", "+Inf", "expected a number such as 1.5"},
		{"match: /queue/a, redelivery_delay: { initial: 1s, multiplier: '2' }", ".redelivery_delay.multiplier", `"2"`, "expected a number such as 1.5"},
		{"match: /queue/a, redelivery_delay: { initial: 1s, multiplier: 2, max: 999ms }", ".redelivery_delay", "{...}", "expected max to be at least initial"},
		{"match: /queue/a, redelivery_delay: { initial: 1s, max: 2s }", ".redelivery_delay", "{...}",
			"expected a multiplier above 1 beside max, as the delay does not grow without"},
		{"match: /queue/a, redelivery_delay: { initial: 1s, maximum: 2s }", ".redelivery_delay.maximum", `"2s"`, "unknown key; did you mean max?"},
		{"match: /queue/a, redelivery_delay: { initial: 1s, Initial: 2s }", ".redelivery_delay.initial", `"1s"`, givenTwice},
		{"match: /queue/a, redelivery_delay: 1s, max_deliveries: 1", "", "{...}",
			"expected max_deliveries of at least 2 beside redelivery_delay, as with 1 nothing is delivered again"},
		{"match: /queue/a, dead_letter: 5", ".dead_letter", "5", "expected a string"},
		{"match: /queue/a, dead_letter: ''", ".dead_letter", `""`, "expected a destination that begins with '/', such as /topic/news.**"},
		{"match: /queue/a, dead_letter: /queue/*", ".dead_letter", `"/queue/*"`, "expected one queue, without wildcards"},
		{"match: /queue/a, dead_letter: /queue/a.#", ".dead_letter", `"/queue/a.#"`, "expected one queue, without wildcards"},
		{"match: /queue/a, dead_letter: '/queue/{user}'", ".dead_letter", `"/queue/{user}"`, braces},
		{"match: /queue/a, dead_letter: \"/queue/\\n\"", ".dead_letter", `"/queue/\n"`, "expected at most 1024 bytes without control characters"},
		{"match: /queue/a, ttl: 24", ".ttl", "24", duration},
		{"match: /queue/a, ttl: 10us", ".ttl", `"10us"`, none},
		{"match: /queue/a, ttl: -1h", ".ttl", `"-1h"`, duration},
		{"match: /queue/a, max_messages: 1e6", ".max_messages", "1e+06", count},
		{"match: /queue/a, max_messages: -5", ".max_messages", "-5", count},
		{"match: /queue/a, max_bytes: 1G", ".max_bytes", `"1G"`, size},
		{"match: /queue/a, max_bytes: -1", ".max_bytes", "-1", size},
		{"match: /queue/a, max_bytes: 1, overflow: drop", ".overflow", `"drop"`, "expected one of reject, drop-oldest, block"},
		{"match: /queue/a, overflow: block", "", "{...}", "expected max_messages or max_bytes beside overflow, as nothing overflows without a limit"},
		{"match: /queue/a, overflow: reject, max_bytes: 0", "", "{...}", "expected max_messages or max_bytes beside overflow, as nothing overflows without a limit"},
		{"match: /queue/a, prefetch: 0", ".prefetch", "0", "expected a number from 1 to 65535"},
		{"match: /queue/a, prefetch: 65536", ".prefetch", "65536", "expected a number from 1 to 65535"},
		{"match: /queue/a, prefetch: many", ".prefetch", `"many"`, count},
		{"match: /topic/a, subscription_expiry: 999ms", ".subscription_expiry", `"999ms"`, "expected 0s for none, or at least 1s"},
		{"match: /topic/a, durable_sharing: maybe", ".durable_sharing", `"maybe"`, "expected true or false"},
		{"match: /topic/a, subscription_expiry: never", ".subscription_expiry", `"never"`, duration},
		{"match: /queue/a, max_delivery: 5", ".max_delivery", "5", "unknown key; did you mean max_deliveries?"},
		{"match: /queue/a, Match: /queue/b", ".match", `"/queue/a"`, givenTwice},
	} {
		t.Run(tt.yaml, func(t *testing.T) {
			trial{text: open + "destinations: [{ " + tt.yaml + " }]"}.wantFaults(t,
				"destinations[0]"+tt.at+": "+tt.shown+" (hoofbeat.yaml): "+tt.expected)
		})
	}
}

func TestPolicyListFaults(t *testing.T) {
	const (
		list   = `expected a list such as [{"match": "/queue/orders.**", "max_deliveries": 5, "dead_letter": "/queue/dead"}]`
		policy = `expected a map such as {"match": "/queue/orders.**", "max_deliveries": 5, "dead_letter": "/queue/dead"}`
	)
	for yaml, want := range map[string][]string{
		"destinations:":                          {"destinations: null (hoofbeat.yaml): " + list},
		"destinations: { match: /queue/a }":      {"destinations: {...} (hoofbeat.yaml): " + list},
		"destinations: [/queue/a, null]":         {`destinations[0]: "/queue/a" (hoofbeat.yaml): ` + policy, `destinations[1]: null (hoofbeat.yaml): ` + policy},
		"destinations: [{}, { ttl: 1 }]":         {"destinations[0]: {...} (hoofbeat.yaml): expected match with the destinations that it is for, such as /queue/orders.**", "destinations[1]: {...} (hoofbeat.yaml): expected match with the destinations that it is for, such as /queue/orders.**", "destinations[1].ttl: 1 (hoofbeat.yaml): expected a duration such as 10s"},
		"destinations./queue/a: { durable: no }": {`destinations./queue/a: {...} (hoofbeat.yaml): unknown key; did you mean destinations?`},
	} {
		t.Run(yaml, func(t *testing.T) { trial{text: open + yaml}.wantFaults(t, want...) })
	}
}

// TestPolicyRelations covers conflicts between policies, and with other keys.
func TestPolicyRelations(t *testing.T) {
	const (
		round  = "expected dead letters to come to rest; these go round: "
		mend   = "; an entry before this one that matches %s and has no dead_letter mends it"
		shadow = "expected it before destinations[%d], whose %s matches all of it: the first that matches counts, so this one never would"
	)
	for _, tt := range []struct {
		name, yaml string
		want       []string
	}{
		{"all prefixes", "prefixes: { queue: [/queue/, /jobs/] }\ndestinations: [{ match: /jobs/**, dead_letter: /queue/dead }, { match: /topic/a }]", nil},
		{"no prefix", "destinations: [{ match: /jobs/** }, { match: /** }, { match: /user/** }, { match: /temp-queue/a }]", []string{
			`destinations[0].match: "/jobs/**" (hoofbeat.yaml): expected a topic or a queue, and so one of /topic/, /queue/ at its beginning`,
			`destinations[1].match: "/**" (hoofbeat.yaml): expected a topic or a queue, and so one of /topic/, /queue/ at its beginning`,
			`destinations[2].match: "/user/**" (hoofbeat.yaml): expected a topic or a queue, and so one of /topic/, /queue/ at its beginning`,
			`destinations[3].match: "/temp-queue/a" (hoofbeat.yaml): expected a topic or a queue, and so one of /topic/, /queue/ at its beginning`,
		}},
		{"dead letter topic", "destinations: [{ match: /queue/a, dead_letter: /topic/b }, { match: /topic/a, dead_letter: /queue/b }]", []string{
			`destinations[0].dead_letter: "/topic/b" (hoofbeat.yaml): expected a queue, and so one of /queue/ at its beginning`,
		}},
		{"segments", "destinations: [{ match: /queue" + strings.Repeat("/a", 33) + ", dead_letter: /queue/" + strings.Repeat("a.", 32) + "a }]", []string{
			`destinations[0].dead_letter: "/queue/` + strings.Repeat("a.", 32) + `a" (hoofbeat.yaml): expected at most 32 segments behind the prefix`,
			`destinations[0].match: "/queue` + strings.Repeat("/a", 33) + `" (hoofbeat.yaml): expected at most 32 segments behind the prefix`,
		}},
		{"as many segments", "destinations: [{ match: /queue" + strings.Repeat("/a", 32) + " }]", nil},
		{"expiry of a queue", "destinations: [{ match: /queue/a, subscription_expiry: 1h }, { match: /queue/b, subscription_expiry: 0s }]", []string{
			`destinations[0].subscription_expiry: "1h" (hoofbeat.yaml): expected it with a topic only, as it is durable subscriptions that expire`,
		}},
		{"sharing of a queue", "destinations: [{ match: /queue/a, durable_sharing: true }, { match: /queue/b, durable_sharing: false }]", []string{
			`destinations[0].durable_sharing: true (hoofbeat.yaml): expected it with a topic only, as a queue's consumers share it anyway`,
		}},
		{"durable nowhere", "storage: { directory: '' }\ndestinations: [{ match: /queue/a, durable: false }, { match: /queue/b, durable: true }, { match: /queue/c }]", []string{
			`destinations[1].durable: true (hoofbeat.yaml): expected storage.directory to be set, as there is nowhere to keep anything`,
		}},
		{"shadowed", "destinations: [{ match: /queue/**, ttl: 1h }, { match: /queue/a }, { match: /topic/a }]", []string{
			`destinations[1].match: "/queue/a" (hoofbeat.yaml): ` + fmt.Sprintf(shadow, 0, "/queue/**"),
		}},
		{"no shadows where there is no place", "destinations: [{ match: /topic/** }, { match: /topic/a }, { match: /topic.a }]", []string{
			`destinations[2].match: "/topic.a" (hoofbeat.yaml): expected a topic or a queue, and so one of /topic/, /queue/ at its beginning`,
		}},
		{"shadowed twice", "destinations: [{ match: /queue/a.b }, { match: '/queue/a/#' }, { match: /queue/a/b }, { match: /queue/a.* }, { match: /queue/> }]", []string{
			`destinations[2].match: "/queue/a/b" (hoofbeat.yaml): ` + fmt.Sprintf(shadow, 0, "/queue/a.b"),
			`destinations[3].match: "/queue/a.*" (hoofbeat.yaml): ` + fmt.Sprintf(shadow, 1, "/queue/a/#"),
		}},
		{"from the special to the general", "destinations: [{ match: /queue/a }, { match: /queue/a.* }, { match: /queue/a.** }, { match: /queue/** }, { match: /topic/** }]", nil},
		{"own dead letter", "destinations: [{ match: /queue/a, dead_letter: /queue/a }]", []string{
			`destinations[0].dead_letter: "/queue/a" (hoofbeat.yaml): ` + round + "/queue/a -> /queue/a" + fmt.Sprintf(mend, "/queue/a"),
		}},
		{"own dead letter by a pattern", "destinations: [{ match: /queue/**, dead_letter: /queue/dead }]", []string{
			`destinations[0].dead_letter: "/queue/dead" (hoofbeat.yaml): ` + round + "/queue/dead -> /queue/dead" + fmt.Sprintf(mend, "/queue/dead"),
		}},
		{"own dead letter, mended", "destinations: [{ match: /queue/dead }, { match: /queue/**, dead_letter: /queue/dead }]", nil},
		{"two", "destinations: [{ match: /queue/a, dead_letter: /queue/b }, { match: /queue/b, dead_letter: /queue/a }]", []string{
			`destinations[0].dead_letter: "/queue/b" (hoofbeat.yaml): ` + round + "/queue/b -> /queue/a -> /queue/b" + fmt.Sprintf(mend, "/queue/b"),
		}},
		{"three, and one that leads there", "destinations: [{ match: /queue/x, dead_letter: /queue/c }, { match: /queue/c, dead_letter: /queue/a }, " +
			"{ match: /queue/a, dead_letter: /queue/b }, { match: /queue/b.**, dead_letter: /queue/c }]", []string{
			`destinations[1].dead_letter: "/queue/a" (hoofbeat.yaml): ` + round + "/queue/a -> /queue/b -> /queue/c -> /queue/a" + fmt.Sprintf(mend, "/queue/a"),
		}},
		{"a chain that ends", "destinations: [{ match: /queue/a, dead_letter: /queue/b }, { match: /queue/b, dead_letter: /queue/c }, { match: /topic/c, dead_letter: /queue/a }]", nil},
		{"not after another fault", "prefixes: { queue: [queue] }\ndestinations: [{ match: /jobs/a, dead_letter: /jobs/a }]", []string{
			`prefixes.queue: "queue" (hoofbeat.yaml): expected a prefix that begins and ends with '/', without wildcards, such as /topic/`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trial{text: open + tt.yaml}.wantFaults(t, tt.want...)
		})
	}
}

func TestPolicyWarnings(t *testing.T) {
	for yaml, want := range map[string]string{
		"[{ match: /queue/a, max_deliveries: 3 }]":                                                      "destinations[0] (/queue/a): max_deliveries without dead_letter: messages that have failed so often are dropped",
		"[{ match: /queue/a, max_deliveries: 3, dead_letter: /queue/b }]":                               "",
		"[{ match: /queue/a, redelivery_delay: { initial: 1s, multiplier: 2 } }]":                       "destinations[0] (/queue/a): redelivery_delay grows to a year in the end, as there is neither max nor max_deliveries",
		"[{ match: /queue/a, redelivery_delay: { initial: 1s, multiplier: 2, max: 1m } }]":              "",
		"[{ match: /queue/b, durable: false }, { match: /queue/**, dead_letter: /queue/b }]":            "destinations[1] (/queue/**): its dead letters are lost when the broker stops, as /queue/b is not durable by destinations[0]",
		"[{ match: /queue/b, durable: false }, { match: /queue/a, dead_letter: /queue/c }]":             "",
		"[{ match: /queue/**, durable: false, ttl: 1h }, { match: /topic/a, durable: false }]":          "",
		"[{ match: /topic/a, max_messages: 5 }]":                                                        "destinations[0] (/topic/a): a durable subscription that is full makes its topic refuse messages for all subscribers; with overflow: drop-oldest it would lose its own oldest messages only",
		"[{ match: /topic/a, max_bytes: 5, overflow: block }]":                                          "destinations[0] (/topic/a): a durable subscription that is full makes everybody wait who sends to its topic; with overflow: drop-oldest it would lose its own oldest messages only",
		"[{ match: /topic/a, max_bytes: 5, overflow: drop-oldest }, { match: /queue/a, max_bytes: 5 }]": "",
	} {
		got := trial{text: open + "acl: [{ deny: [send], destinations: [/queue/b] }]\ndestinations: " + yaml}.mustLoad(t).Warnings()
		if !slices.Equal(got, slices.DeleteFunc([]string{want}, func(w string) bool { return w == "" })) {
			t.Errorf("%s: %q", yaml, got)
		}
	}
}

func TestKeepsOnDisk(t *testing.T) {
	for directory, byDefault := range map[string]bool{"data": true, "": false} {
		c := &Config{Storage: Storage{Directory: directory}}
		if c.KeepsOnDisk(Policy{}) != byDefault || c.KeepsOnDisk(Policy{Durable: new(false)}) || !c.KeepsOnDisk(Policy{Durable: new(true)}) {
			t.Errorf("storage.directory %q: it is decided otherwise", directory)
		}
	}
}

func TestCoversAll(t *testing.T) {
	for _, tt := range []struct {
		pattern, other string
		want           bool
	}{
		{"/q/a", "/q/a", true}, {"/q/a", "/q.a", true}, {"/q/a", "/q/b", false}, {"/q/a", "/q/a.b", false}, {"/q/a.b", "/q/a", false},
		{"/q/*", "/q/a", true}, {"/q/*", "/q/a.b", false}, {"/q/a", "/q/*", false}, {"/q/*", "/q/*", true}, {"/q/*", "/q/**", false},
		{"/q/**", "/q/a", true}, {"/q/**", "/q/a.b.c", true}, {"/q/**", "/q/*.b", true}, {"/q/**", "/q/**", true}, {"/q/#", "/q/>", true},
		{"/q/a.**", "/q/a", true}, {"/q/a.**", "/q/b", false}, {"/q/**.a", "/q/a", true}, {"/q/**.a", "/q/b.a", true}, {"/q/**.a", "/q/a.b", false},
		{"/q/**.a.**.b", "/q/x.a.a.y.b", true}, {"/q/**.a.**.b", "/q/x.b.a", false}, {"/q/**.*", "/q/a", true}, {"/q/**.*", "/q/**", false},
		{"/q/a.**", "/q/**.a", false}, {"/q/**.**", "/q/**", true}, {"/q/**.**.**", "/q/*.a.**", true}, {"/q/**", "/t/a", false},
		{"/q/a*", "/q/ab", true}, {"/q/a*", "/q/a", true}, {"/q/a*", "/q/a.b", false}, {"/q/*a", "/q/ab", false}, {"/q/*-user*", "/q/x-user1", true},
		{"/q/*", "/q/a*", true}, {"/q/a*", "/q/a*", true}, {"/q/a*", "/q/ab*", true}, {"/q/ab*", "/q/a*", false}, {"/q/a*", "/q/*", false}, {"/q/**", "/q/a*b.c", true}, {"/q/[a*", "/q/a", false},
	} {
		if got := coversAll(tt.pattern, tt.other); got != tt.want {
			t.Errorf("%s covers %s: %v", tt.pattern, tt.other, got)
		}
	}
}

// FuzzCovers instantiates the covered pattern's wildcards and matches the
// result with the covering pattern.
func FuzzCovers(f *testing.F) {
	f.Add("/q/**.a", "/q/*.a", "b", "c.d")
	f.Add("/q/a.**", "/q/**", "", "a")
	f.Add("/q/a*", "/q/ab", "b", "")
	f.Add("/q/*-user*", "/q/a-user*", "1", "")
	f.Add("/#.>/**", "/*.**", "x", "")
	f.Fuzz(func(t *testing.T, pattern, other, one, many string) {
		if checkMatch(pattern) != "" || checkMatch(other) != "" || !coversAll(pattern, other) || strings.ContainsAny(one, "./*#>") || strings.ContainsAny(many, "*#>") {
			return
		}
		name := instance(other, one, many)
		if len(name) == 0 || strings.HasPrefix(other, "/user") || strings.HasPrefix(pattern, "/user") {
			return
		}
		if !matches(segmentsOf(pattern), name) {
			t.Errorf("%q covers %q, but not %q", pattern, other, name)
		}
	})
}

// segmentsOf splits a pattern that is not below /user/.
func segmentsOf(pattern string) []string {
	all := strings.Split(strings.ReplaceAll(pattern[1:], ".", "/"), "/")
	for i, s := range all {
		if s == "#" || s == ">" {
			all[i] = "**"
		}
	}
	return all
}

// instance replaces the wildcards of a pattern.
func instance(pattern, one, many string) []string {
	var name []string
	for _, s := range segmentsOf(pattern) {
		switch {
		case s == "*":
			name = append(name, one)
		case s != "**":
			name = append(name, strings.ReplaceAll(s, "*", one))
		case many != "":
			name = append(name, strings.FieldsFunc(many, func(r rune) bool { return r == '.' || r == '/' })...)
		}
	}
	return name
}

// matches is a simple matcher, which is slow for long patterns.
func matches(pattern, name []string) bool {
	switch {
	case len(pattern) > 8 || len(name) > 12:
		return true // too long for it
	case len(pattern) == 0:
		return len(name) == 0
	case pattern[0] == "**":
		return matches(pattern[1:], name) || len(name) > 0 && matches(pattern, name[1:])
	}
	return len(name) > 0 && regexp.MustCompile("^(?s:"+strings.ReplaceAll(regexp.QuoteMeta(pattern[0]), `\*`, ".*")+")$").MatchString(name[0]) && matches(pattern[1:], name[1:])
}

// FuzzPolicies loads policies again that it has printed.
func FuzzPolicies(f *testing.F) {
	f.Add(everyPolicyJSON)
	f.Add(`[{"match":"/queue/a","redelivery_delay":"1.5s","ttl":"0s","durable":true}]`)
	f.Add(`[{"match":"/queue/<","redelivery_delay":{"initial":"1ns","multiplier":1e2}}]`)
	f.Fuzz(func(t *testing.T, text string) {
		kind := policyKind()
		policies, found := kind.decode(text)
		if len(found) > 0 {
			return
		}
		again, found := kind.decode(kind.format(policies))
		if len(found) > 0 || !reflect.DeepEqual(settled(policies), settled(again)) {
			t.Errorf("%q: %+v, then %+v, %v", text, policies, again, found)
		}
	})
}

// settled removes differences without effect: the growth of a zero delay.
func settled(value any) []Policy {
	all := slices.Clone(value.([]Policy))
	for i := range all {
		if all[i].RedeliveryDelay.Initial == 0 {
			all[i].RedeliveryDelay = Delay{}
		}
	}
	return all
}

// TestDelayAsText parses the output of delayKind.format, and durations.
func TestDelayAsText(t *testing.T) {
	for _, d := range []Delay{{time.Second, 1, 0}, {time.Millisecond, 1.1, time.Hour}, {time.Minute, 1000, 0}} {
		if got, ok := (delayKind{}).text(delayKind{}.format(d)); !ok || got != d {
			t.Errorf("%+v: %+v, %v", d, got, ok)
		}
	}
	if got, ok := (delayKind{}).text("90s"); !ok || got != (Delay{Initial: 90 * time.Second, Multiplier: 1}) {
		t.Errorf("got %+v, %v", got, ok)
	}
	for _, text := range []string{"", "1", "{}", "1s,2s", `{"initial":"1s"},{"initial":"1s"}`, "[", `{"initial":"1s","initial":"1s"}`} {
		if got, ok := (delayKind{}).text(text); ok {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestDecimals(t *testing.T) {
	for text, want := range map[string]float64{"1": 1, "1.5": 1.5, "1e2": 100, "-3": -3, ".5": .5} {
		if got, ok := (decimalKind{}).text(text); !ok || got != want {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
		if got := (decimalKind{}).format(want); got == "" {
			t.Errorf("%v is formatted as nothing", want)
		}
	}
	for _, text := range []string{"", "x", "1,5", "inf", "NaN", "0x1p4", "1_000", "1e999", " 1"} {
		if got, ok := (decimalKind{}).text(text); ok {
			t.Errorf("%q: %v", text, got)
		}
	}
	for _, raw := range []any{math.NaN(), math.Inf(1), "1", nil, true} {
		if got, ok := (decimalKind{}).typed(raw); ok {
			t.Errorf("%v: %v", raw, got)
		}
	}
}
