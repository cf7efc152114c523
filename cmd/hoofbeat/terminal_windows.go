package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// isTerminal reports whether a file is a console.
func isTerminal(f *os.File) bool {
	var mode uint32
	return windows.GetConsoleMode(windows.Handle(f.Fd()), &mode) == nil
}

// silence disables a console's echo until restore is called.
func silence(terminal *os.File) (restore func() error, err error) {
	console := windows.Handle(terminal.Fd())
	var was uint32
	if err := windows.GetConsoleMode(console, &was); err != nil {
		return nil, fmt.Errorf("the console: %w", err)
	}
	silent := was&^windows.ENABLE_ECHO_INPUT | windows.ENABLE_LINE_INPUT | windows.ENABLE_PROCESSED_INPUT
	if err := windows.SetConsoleMode(console, silent); err != nil {
		return nil, fmt.Errorf("the console: %w", err)
	}
	return func() error { return windows.SetConsoleMode(console, was) }, nil
}
