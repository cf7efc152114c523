package load

import "golang.org/x/sys/unix"

// nap sleeps for ns nanoseconds. The runtime's timers are too coarse: on an
// idle process they may be late by 1 ms.
func nap(ns int64) {
	ts := unix.NsecToTimespec(ns)
	_ = unix.Nanosleep(&ts, nil) // a signal only shortens the pause
}
