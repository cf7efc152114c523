package hoofbeat

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"hoofbeat/config"
)

func TestReachable(t *testing.T) {
	for _, tc := range []struct{ limit, descriptors, want int }{
		{100000, 1048576, 100000},
		{100000, 0, 100000},
		{100000, 65536, 65536 - 400 - 128},
		{100000, 1024, 512},
		{100000, 256, 128},
		{50, 256, 50},
	} {
		var log bytes.Buffer
		c := &config.Config{Limits: config.Limits{Connections: tc.limit}, Listen: config.Listen{Admin: config.Admin{Connections: 128}}}
		got := reachable(c, tc.descriptors, slog.New(slog.NewTextHandler(&log, nil)))
		if got != tc.want || (got < tc.limit) != strings.Contains(log.String(), "limits.connections") {
			t.Errorf("%+v: %d, %s", tc, got, log.String())
		}
	}
	if n := maxDescriptors(); n < 0 {
		t.Errorf("%d descriptors", n)
	}
}

// A newcomer reads no warning about a number that only the defaults have.
func TestReachableWarns(t *testing.T) {
	for level, settings := range map[string]map[string]string{"INFO": nil, "WARN": {"limits.connections": "90000"}} {
		c, err := config.Load(config.Options{Search: []string{}, Settings: settings})
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		reachable(c, 20000, slog.New(slog.NewTextHandler(&log, nil)))
		if !strings.Contains(log.String(), "level="+level) {
			t.Errorf("%s: %s", level, &log)
		}
	}
}
