//go:build unix

package hoofbeat

import (
	"math"
	"syscall"
)

// maxDescriptors is how many files the process may have open; 0: nobody knows.
func maxDescriptors() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0
	}
	return int(min(uint64(r.Cur), math.MaxInt32)) //nolint:unconvert // it is signed on some systems
}
