//go:build !linux

package load

import "time"

// nap sleeps for ns nanoseconds, as precisely as the runtime's timers can.
func nap(ns int64) { time.Sleep(time.Duration(ns)) }
