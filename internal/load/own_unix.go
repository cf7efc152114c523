//go:build unix

package load

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ownCPU returns the processor time of this process.
func ownCPU() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// raiseFileLimit raises the limit of open files for n connections. It returns
// an error if the hard limit is too low.
func raiseFileLimit(n int) error {
	const others = 64 // files that are not connections
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	want := n + others
	if !raise(&limit.Cur, &limit.Max, want) {
		return nil
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("%d connections need a limit of %d open files (ulimit -n): %w", n, want, err)
	}
	return nil
}

// raise raises a soft limit, and the hard one if need be, which root may. It
// reports whether it had to. The types differ between systems.
func raise[T int64 | uint64](soft, hard *T, want int) bool {
	if *soft >= T(want) {
		return false
	}
	*soft, *hard = T(want), max(*hard, T(want))
	return true
}
