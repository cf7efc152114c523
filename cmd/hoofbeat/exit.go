package main

import (
	"errors"
	"fmt"
	"io"
)

// exitError is an error that determines the exit code. A command that returns
// one unwrapped has printed everything; wrapped in another error, it is printed
// like any other. Other errors exit with 1.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exitInterrupted is the exit code that shells expect of a program that SIGINT
// has ended early (128 + 2).
const exitInterrupted = 130

// report prints a command's error, unless it was printed before, and returns
// the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	if _, shown := err.(*exitError); !shown {
		_, _ = fmt.Fprintln(w, "hoofbeat:", err) // if standard error fails, there is no place for a message
	}
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	return 1
}
