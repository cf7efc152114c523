//go:build !linux

package proctest

import "os/exec"

// endWithParent does nothing: these systems offer no such feature.
func endWithParent(*exec.Cmd) {}
