package load

import "golang.org/x/sys/unix"

// nap waits for so many ns. The runtime's timers are too coarse for it: they
// are late by up to 1 ms when nothing else goes on.
func nap(ns int64) {
	ts := unix.NsecToTimespec(ns)
	_ = unix.Nanosleep(&ts, nil) // a signal only makes the pause shorter
}
