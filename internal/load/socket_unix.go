//go:build unix

package load

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// socketOf returns the socket of a TCP connection for serveSocket.
func socketOf(c net.Conn) (syscall.RawConn, error) { return c.(syscall.Conn).SyscallConn() }

// serveSocket implements Serve with its own read calls, so that a buffer is
// needed only when there is input.
func (c *Conn) serveSocket(h Handler) error {
	var failure error
	drained := false // the socket is known to be empty until the poller reports it
	step := func(fd uintptr) bool {
		drained, failure = c.drain(int(fd), h, drained)
		return failure != nil
	}
	if err := c.raw.Read(step); err != nil && failure == nil {
		failure = err
	}
	return failure
}

// drain reads until the socket is empty. short means that a read which does not
// fill the buffer proves this: the poller is edge-triggered and armed since the
// socket was last empty, so it will report later input.
func (c *Conn) drain(fd int, h Handler, short bool) (bool, error) {
	buf := c.acquire()
	defer c.release(buf)
	if !short {
		if err := c.consume(0, h); err != nil {
			return false, err
		}
	}
	for {
		room := (*buf)[c.left:]
		n, err := syscall.Read(fd, room)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return true, nil
		case err != nil:
			return false, fmt.Errorf("read: %w", err)
		case n == 0:
			return false, io.EOF
		}
		if err := c.consume(n, h); err != nil {
			return false, err
		}
		if short && n < len(room) {
			return true, nil
		}
	}
}
