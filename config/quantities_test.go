package config

import (
	"math"
	"testing"
	"time"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int{
		"0": 0, "65536": 65536, "1B": 1, "64KiB": 64 << 10, "64 kib": 64 << 10, "64KB": 64000, "16MiB": 16 << 20,
		"16mb": 16000000, "1GiB": 1 << 30, "1GB": 1000000000, "2TiB": 2 << 40, "9223372036854775807": math.MaxInt64,
	} {
		if got, ok := parseSize(text); !ok || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", " ", "KiB", "-1", "+1", "1.5KiB", "1,000", "1K", "1M", "1Ki", "1  KiB", " 1", "1 ", "1PiB", "1KiBB", "0x10",
		"9223372036854775808", "9223372036854775807KiB", "٣KiB", "1e3", "K1B",
	} {
		if got, ok := parseSize(text); ok {
			t.Errorf("%q: accepted as %d", text, got)
		}
	}
}

func TestParseShare(t *testing.T) {
	for text, want := range map[string]int{"50%": 500, "1%": 10, "100%": 1000, "512MiB": 512 << 20, "33554432": 32 << 20} {
		s, ok := parseShare(text)
		if !ok || s.Of(1000) != want {
			t.Errorf("%q: %v, %v, want %d of 1000", text, s, ok, want)
		}
		if again, ok := parseShare(s.String()); !ok || again != s {
			t.Errorf("%q is written as %q", text, s)
		}
	}
	for _, text := range []string{"", "%", "0%", "101%", "-1%", "1.5%", "50 %", "50%%", "half", "5x"} {
		if s, ok := parseShare(text); ok {
			t.Errorf("%q: accepted as %v", text, s)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"10s": 10 * time.Second, "1h30m": 90 * time.Minute, "1.5s": 1500 * time.Millisecond, "250ms": 250 * time.Millisecond, "0s": 0,
	} {
		if got, ok := parseDuration(text); !ok || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "0", "10", "-1s", "+1s", "ten", "1d", "1 s", "9999999999h", "s"} {
		if got, ok := parseDuration(text); ok {
			t.Errorf("%q: accepted as %v", text, got)
		}
	}
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]Rate{
		"0/s": {0, time.Second}, "5/s": {5, time.Second}, "100/m": {100, time.Minute}, "1000/h": {1000, time.Hour},
	} {
		got, ok := parseRate(text)
		if !ok || got != want || got.String() != text {
			t.Errorf("%q: %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "5", "/s", "5/", "-5/s", "5/d", "5/S", "5/s/s", "5 /s", "1.5/s", "99999999999999999999/s"} {
		if got, ok := parseRate(text); ok {
			t.Errorf("%q: accepted as %v", text, got)
		}
	}
	if got := (Rate{Events: 3, Per: 10 * time.Second}).String(); got != "3/10s" {
		t.Errorf("rate without a unit of its own: %s", got)
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 10 * time.Second: "10s", time.Minute: "1m", time.Hour: "1h", 90 * time.Minute: "1h30m",
		time.Hour + time.Second: "1h0m1s", 100 * time.Minute: "1h40m", 10 * time.Minute: "10m", 1500 * time.Millisecond: "1.5s",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func FuzzSize(f *testing.F) {
	for _, seed := range []string{"0", "64KiB", "64 kib", "1GB", "-1", "1.5MiB", "٣KiB", "9223372036854775808"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := parseSize(text)
		if !ok {
			return
		}
		again, ok := parseSize(formatSize(n))
		if n < 0 || !ok || again != n {
			t.Errorf("%q: %d, then %d, %v", text, n, again, ok)
		}
	})
}

func FuzzDuration(f *testing.F) {
	for _, seed := range []string{"10s", "1h0m", "0", "-1s", "1.5us", "2562047h47m16.854775807s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, ok := parseDuration(text)
		if !ok {
			return
		}
		again, ok := parseDuration(formatDuration(d))
		if d < 0 || !ok || again != d {
			t.Errorf("%q: %v, then %v, %v", text, d, again, ok)
		}
	})
}

func FuzzRate(f *testing.F) {
	for _, seed := range []string{"5/s", "100/m", "00/h", "/s", "5/d", "-1/s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := parseRate(text)
		if !ok {
			return
		}
		again, ok := parseRate(r.String())
		if r.Events < 0 || !ok || again != r {
			t.Errorf("%q: %v, then %v, %v", text, r, again, ok)
		}
	})
}

// FuzzFile decodes arbitrary input in each format and walks the result.
func FuzzFile(f *testing.F) {
	f.Add(0, "log: { level: info, 5: [a, {b: c}], ? [x] : y }\n'a.b': &z 1\n\"\": *z\n")
	f.Add(0, "auth: {jwt: {1: {2: 3}}}\n---\n")
	f.Add(1, "log.level = 'info'\n[[acl]]\nname = 07:32:00\n")
	f.Add(1, "[log]\nlevel=1\nlevel=[\n2]\n")
	f.Add(0, "auth: {users: [{name: a, hash: x}, {Name: b}, c], jwt: {secret: 5}}\nacl: [{claims: [{name: a}], 5: *x}]\n")
	f.Add(1, "[[acl]]\nallow=['send']\n[[acl.claims]]\nname='a'\n[limits]\ntrusted_proxies=['::1','1/2']\n")
	f.Add(2, `{"acl": [{"destinations": ["/{user}", "/*a"], "allow": ["send"]}, 1e9]}`)
	f.Add(2, `{"log": {"level": [1, {"a": null}], "": {}}, "log": 1e99}`)
	f.Fuzz(func(t *testing.T, format int, text string) {
		names := []string{"a.yaml", "a.toml", "a.json"}
		if format < 0 || format >= len(names) {
			return
		}
		table := schema()
		l := &loader{table: table, names: newNames(table), values: map[string]given{}}
		tree, _ := decode(names[format], []byte(text))
		l.takeDefaults(false)
		l.takeSection("", tree, "file a")
		for _, fault := range l.faults {
			if fault.Key == "" || fault.Value == "" || fault.Expected == "" {
				t.Errorf("%q: %+v", text, fault)
			}
		}
	})
}
