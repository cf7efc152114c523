//go:build unix && !linux

package main

import "golang.org/x/sys/unix"

// How macOS and the BSDs name the calls that read and write a terminal's settings.
const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
)
