//go:build !unix

package transport

import (
	"net"
	"syscall"
)

// waiter returns nothing: here, a read needs its buffer while it waits.
func waiter(net.Conn, *gatherer) (syscall.RawConn, func(uintptr) bool) { return nil, nil }
