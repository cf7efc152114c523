package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"syscall"
	"time"

	"hoofbeat/connections"
	"hoofbeat/frames"
	"hoofbeat/session"
	"hoofbeat/transport/internal/wire"
)

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
	s.conns.Run(wire.NewTCP(c, s.session.Limits.Limits, info))
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
	wire.CloseGently(c)
}

// refuseLinger is the linger of refused clients; they get less time.
const refuseLinger = time.Second
