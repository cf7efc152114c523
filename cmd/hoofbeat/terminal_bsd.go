//go:build unix && !linux

package main

import "golang.org/x/sys/unix"

// The ioctl numbers of a terminal's settings on macOS and the BSDs.
const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
)
