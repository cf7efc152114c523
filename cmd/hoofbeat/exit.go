package main

import (
	"errors"
	"fmt"
	"io"
)

// exitError is an error that chooses the exit code of the program. A command that returns one as it is has shown
// everything there is to say; wrapped in another error, it is printed like any other. Any other error exits with 1.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exitInterrupted is what shells expect of a program that SIGINT ended before its work was done (128 + 2).
const exitInterrupted = 130

// report prints what a command returned, unless it was shown before, and returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	if _, shown := err.(*exitError); !shown {
		_, _ = fmt.Fprintln(w, "hoofbeat:", err) // to the standard error; there is nowhere left to complain
	}
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	return 1
}
