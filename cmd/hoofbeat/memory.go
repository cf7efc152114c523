package main

import (
	"os"
	"runtime/debug"
)

// tuneRuntime sets the memory limit and the floor of the garbage collector for
// a budget of limit bytes. restore undoes it.
func tuneRuntime(limit int) (restore func()) {
	forget, lower := limitRuntime(limit), raiseCollectorFloor(limit)
	return func() {
		lower()
		forget()
	}
}

// limitRuntime sets Go's memory limit to a quarter above the budget of clients;
// the quarter is for memory that is not accounted. The environment variable
// GOMEMLIMIT takes precedence.
func limitRuntime(limit int) (forget func()) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	before := debug.SetMemoryLimit(int64(limit) + int64(limit)/4)
	return func() { debug.SetMemoryLimit(before) }
}
