package proctest

import (
	"os/exec"
	"syscall"
)

// endWithParent ends the program when the test process is killed, which then
// cannot do it itself.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
