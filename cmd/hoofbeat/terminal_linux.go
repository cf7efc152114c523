package main

import "golang.org/x/sys/unix"

// The ioctl numbers of a terminal's settings on Linux.
const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
)
