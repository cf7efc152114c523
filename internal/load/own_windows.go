package load

import (
	"time"

	"golang.org/x/sys/windows"
)

// ownCPU returns the processor time of this process.
func ownCPU() time.Duration {
	var created, ended, system, user windows.Filetime
	if err := windows.GetProcessTimes(windows.CurrentProcess(), &created, &ended, &system, &user); err != nil {
		return 0
	}
	return span(system) + span(user)
}

// span converts a time span in Windows' unit of 100 ns.
func span(t windows.Filetime) time.Duration {
	return time.Duration(int64(t.HighDateTime)<<32|int64(t.LowDateTime)) * 100
}

// raiseFileLimit does nothing: Windows has no such limit.
func raiseFileLimit(int) error { return nil }
