package main

import "golang.org/x/sys/unix"

// How Linux names the calls that read and write a terminal's settings.
const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
)
