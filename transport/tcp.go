package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"hoofbeat/connections"
	"hoofbeat/frames"
	"hoofbeat/session"
)

// A tcpConn carries STOMP on a stream: TCP, TLS, or any other net.Conn. It
// implements session.Conn.
type tcpConn struct {
	link
	once sync.Once

	// small receives the first bytes of a frame, so that an idle connection
	// needs no larger buffer.
	small [256]byte
}

func newTCPConn(c net.Conn, l frames.Limits, info session.Info) *tcpConn {
	info.Mute = true
	t := &tcpConn{link: link{gatherer: newGatherer(c, nil), decoder: frames.NewDecoder(l), info: info}}
	t.more = t.readMore
	return t
}

func (c *tcpConn) readMore() error {
	// An error that comes together with bytes (TLS does that) is returned again
	// by the next Read, without bytes.
	if c.decoder.Buffered() > 0 {
		n, err := c.Read(c.decoder.Space())
		if c.decoder.Commit(n); n > 0 {
			return nil
		}
		return err
	}
	n, err := c.Read(c.small[:])
	if n > 0 {
		c.decoder.Commit(copy(c.decoder.Space(), c.small[:n]))
		return nil
	}
	return err
}

// Negotiated implements session.Conn.
func (c *tcpConn) Negotiated(v frames.Version) { c.decoder.SetVersion(v) }

// WriteFrame implements session.Conn. A LF follows each frame: ActiveMQ's Java
// client waits for it, and other clients take it for a heart-beat (STOMP 1.2,
// Augmented BNF).
func (c *tcpConn) WriteFrame(p []byte, tail *frames.Tail, _ bool) error {
	c.went.CountEncoded(p, tail.Len())
	if len(p) == 1 { // a heart-beat
		_, err := c.Write(p)
		return err
	}
	return c.writeLine(p, tail.Span())
}

const (
	// linger is how long a peer has to read the last frames. Closing a socket
	// with unread bytes resets the connection, and the peer loses them.
	linger = 2 * time.Second
	// lingerBytes bounds the bytes that are discarded meanwhile.
	lingerBytes = 1 << 20
)

// Close implements session.Conn. TCP cannot transmit the reason.
func (c *tcpConn) Close(session.CloseCode, string) {
	c.once.Do(func() {
		// The first steps fail if the peer has gone, and need no handling: the
		// last one frees the socket in any case.
		_ = c.Conn.SetReadDeadline(time.Now().Add(linger))
		closeGently(c.Conn)
	})
}

// closeGently half-closes the connection and reads until the peer closes it,
// too, or the read deadline passes. Then it closes it.
func closeGently(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, c, lingerBytes)
	}
	_ = c.Close()
}

// ServeTCP serves STOMP on the listener's connections until the listener is
// closed or the server is shut down, and then returns nil. After Shutdown it
// returns ErrServerClosed. config, if not nil, makes it TLS.
func (s *Server) ServeTCP(l net.Listener, config *tls.Config) error {
	counted, ok := s.conns.Listen(l)
	if !ok {
		return ErrServerClosed
	}
	defer counted.Release()
	return s.acceptLoop(counted, func(c net.Conn) { s.serveTCP(c, config) })
}

// acceptLoop accepts connections until the listener is closed.
func (s *Server) acceptLoop(l net.Listener, serve func(net.Conn)) error {
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			s.conns.Start(c, func() { serve(c) })
		case s.conns.Closing(), errors.Is(err, net.ErrClosed):
			return nil
		default:
			return err
		}
	}
}

func (s *Server) serveTCP(c net.Conn, config *tls.Config) {
	if socket, ok := c.(*connections.Socket); ok && socket.Refusal() != nil {
		s.turnAway(c, config, socket.Refusal())
		return
	}
	release, refusal := s.conns.Admit(c.RemoteAddr())
	if refusal != nil {
		s.turnAway(c, config, refusal)
		return
	}
	defer release()
	info := session.Info{Transport: "tcp", Remote: c.RemoteAddr().String()}
	if config != nil {
		info.Transport = "tls"
		t, err := s.handshake(c, config)
		if err != nil {
			s.noHandshake(info.Remote, err)
			return
		}
		c = t
	}
	s.conns.Run(newTCPConn(c, s.session.Limits.Limits, info))
}

// handshake performs the TLS handshake within ConnectTimeout.
func (s *Server) handshake(c net.Conn, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(s.conns.Context(), s.session.ConnectTimeout)
	defer cancel()
	t := tls.Server(c, config)
	if err := t.HandshakeContext(ctx); err != nil {
		if plain := (tls.RecordHeaderError{}); errors.As(err, &plain) && plain.Conn != nil {
			sayGoodbye(plain.Conn, &session.Fault{Word: frames.InvalidFrame, Text: "This port expects TLS (listen.tcp.tls), but the client does not use it. Connect with TLS."})
		}
		_ = c.Close()
		return nil, err
	}
	return t, nil
}

// noHandshake records a failed TLS handshake. Load balancers probe the port
// every few seconds by opening and closing a connection; those are logged at
// debug level only.
func (s *Server) noHandshake(remote string, err error) {
	level := slog.LevelInfo
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, context.Canceled) {
		level = slog.LevelDebug
	}
	s.session.Counters.Reject("tls-handshake")
	s.conns.Log().Log(context.Background(), level, "TLS handshake failed", "remote", remote, "error", err)
}

// turnAway tells a client why it is refused, unless that needs a TLS handshake.
func (s *Server) turnAway(c net.Conn, config *tls.Config, f *session.Fault) {
	s.conns.Refused(c.RemoteAddr().String(), f.Word, f.Text)
	if config != nil {
		_ = c.Close()
		return
	}
	sayGoodbye(c, f)
}

// sayGoodbye sends an ERROR to a client that gets no session. Its CONNECT may
// be unread, which is why it closes gently (see linger). Errors are ignored:
// the client may have gone.
func sayGoodbye(c net.Conn, f *session.Fault) {
	_ = c.SetDeadline(time.Now().Add(refuseLinger))
	_, _ = c.Write(append(session.Refusal(f), '\n'))
	closeGently(c)
}

// refuseLinger is the linger of refused clients; they get less time.
const refuseLinger = time.Second
