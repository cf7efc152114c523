package main

import (
	"runtime/debug"
	"testing"

	"hoofbeat/config"
)

// The runtime's memory limit is set, unless the environment sets it.
func TestRuntimeLimit(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetMemoryLimit(-1)
	forget := limitRuntime(config.Share{Bytes: 1 << 40}.Bytes)
	if got := debug.SetMemoryLimit(-1); got != 5<<38 {
		t.Errorf("the limit is %d", got)
	}
	forget()
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("the limit stays at %d", got)
	}
	t.Setenv("GOMEMLIMIT", "1TiB")
	defer limitRuntime(1 << 30)()
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("the limit is %d in spite of the environment", got)
	}
}
