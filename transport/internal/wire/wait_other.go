//go:build !unix

package wire

import (
	"net"
	"syscall"
)

// waiter returns nil: on this system, a blocked read needs its buffer.
func waiter(net.Conn, *gatherer) (syscall.RawConn, func(uintptr) bool) { return nil, nil }
