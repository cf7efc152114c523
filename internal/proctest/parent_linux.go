package proctest

import (
	"os/exec"
	"syscall"
)

// endWithParent lets a program end when the tests are killed, which cannot do
// it then.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
