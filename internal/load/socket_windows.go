package load

import (
	"net"
	"syscall"
)

// socketOf returns nil: on Windows, sockets are not read directly, and an idle
// connection keeps its buffer.
func socketOf(net.Conn) (syscall.RawConn, error) { return nil, nil }

// serveSocket is never called, because socketOf returns nil.
func (c *Conn) serveSocket(h Handler) error { return c.serveReader(h) }
