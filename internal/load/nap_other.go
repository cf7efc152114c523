//go:build !linux

package load

import "time"

// nap waits for so many ns, as exactly as the runtime's timers can.
func nap(ns int64) { time.Sleep(time.Duration(ns)) }
