package load

import (
	"net"
	"syscall"
)

// socketOf returns nil: on Windows sockets are not read directly, and an idle
// connection keeps its buffer.
func socketOf(net.Conn) (syscall.RawConn, error) { return nil, nil }

// serveSocket is never called, as there is no socket to read directly.
func (c *Conn) serveSocket(h Handler) error { return c.serveReader(h) }
