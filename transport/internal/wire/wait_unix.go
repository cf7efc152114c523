//go:build unix

package wire

import (
	"net"
	"syscall"

	"hoofbeat/connections"
)

// waiter returns the means to wait for a TCP connection without a buffer: the
// runtime calls the function when the socket may be readable, and only then a
// buffer is taken. It returns nil if c is not a plain TCP connection.
func waiter(c net.Conn, g *gatherer) (syscall.RawConn, func(uintptr) bool) {
	if socket, ok := c.(*connections.Socket); ok {
		c = socket.Conn
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil, nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, nil
	}
	return raw, g.readReady
}

// readReady reads the available bytes; it returns false if there are none.
func (g *gatherer) readReady(fd uintptr) bool {
	chunk := TakeChunk()
	for {
		n, err := syscall.Read(int(fd), chunk[:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			RecycleChunk(chunk)
			return false
		case err != nil || n == 0:
			RecycleChunk(chunk)
			g.inErr = err
			return true
		}
		g.in, g.inChunk = chunk[:n], chunk
		return true
	}
}
