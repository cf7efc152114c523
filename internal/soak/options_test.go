package soak

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// options are the duration and size of a run.
type options struct {
	traffic     time.Duration // duration after the warm-up
	warmup      time.Duration
	connections int
	seed        uint64
	lifetime    time.Duration // mean duration of a connection
}

// readOptions reads SOAK, SOAK_CONNECTIONS and SOAK_SEED. By default the run is
// short and small, which only checks the test itself.
func readOptions(t *testing.T) options {
	t.Helper()
	o := options{traffic: 20 * time.Second, connections: 300, seed: uint64(time.Now().UnixNano())}
	if text := os.Getenv("SOAK"); text != "" {
		o.traffic = value(t, "SOAK", time.ParseDuration)
		if o.traffic >= time.Minute {
			o.connections = 3000
		}
	}
	if os.Getenv("SOAK_CONNECTIONS") != "" {
		o.connections = value(t, "SOAK_CONNECTIONS", strconv.Atoi)
	}
	if os.Getenv("SOAK_SEED") != "" {
		o.seed = value(t, "SOAK_SEED", func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) })
	}
	o.warmup = min(max(o.traffic/5, 10*time.Second), 30*time.Second)
	o.lifetime = min(max(o.traffic/10, 5*time.Second), 30*time.Second)
	return o
}

func value[T any](t *testing.T, name string, parse func(string) (T, error)) T {
	t.Helper()
	v, err := parse(os.Getenv(name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}
