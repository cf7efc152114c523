//go:build unix

package load

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ownCPU returns the processor time this process has used.
func ownCPU() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// raiseFileLimit makes room for n open connections, and returns an error if the
// hard limit does not allow them.
func raiseFileLimit(n int) error {
	const others = 64 // files that are not connections
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	want := uint64(n + others)
	if limit.Cur >= want {
		return nil
	}
	if limit.Max < want {
		limit.Max = want // allowed to root
	}
	limit.Cur = want
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("%d connections need a limit of %d open files (ulimit -n): %w", n, want, err)
	}
	return nil
}
