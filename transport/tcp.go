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

	"hoofbeat/frames"
	"hoofbeat/session"
)

// A tcpConn is STOMP on a stream: TCP, TLS, or anything else that is a
// net.Conn. It implements session.Conn.
type tcpConn struct {
	link
	once sync.Once

	// small is what the first bytes of a frame are read into, so that a
	// connection that waits for them needs no larger buffer.
	small [256]byte
}

func newTCPConn(c net.Conn, l frames.Limits, info session.Info) *tcpConn {
	info.Mute = true
	t := &tcpConn{link: link{gatherer: newGatherer(c, nil), decoder: frames.NewDecoder(l), info: info}}
	t.more = t.readMore
	return t
}

func (c *tcpConn) readMore() error {
	// An error that comes with bytes, as TLS gives it, comes again without.
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
// client waits for it, and to others it is a heart-beat (STOMP 1.2, Augmented
// BNF).
func (c *tcpConn) WriteFrame(p []byte, _ bool) error {
	c.gatherFrames()
	c.went.CountEncoded(p)
	if len(p) == 1 { // it is a heart-beat
		_, err := c.Write(p)
		return err
	}
	return c.writeLine(p)
}

const (
	// linger is how long a peer has to read the last frames. A socket that is
	// closed with unread bytes in it is reset, and what was written is lost.
	linger = 2 * time.Second
	// lingerBytes bounds what is read and thrown away meanwhile.
	lingerBytes = 1 << 20
)

// Close implements session.Conn. TCP has no way to tell the reason.
func (c *tcpConn) Close(session.CloseCode, string) {
	c.once.Do(func() {
		// Each step may fail because the peer has gone, which is what they
		// are for; the last one frees the socket whatever happened.
		_ = c.Conn.SetReadDeadline(time.Now().Add(linger))
		closeGently(c.Conn)
	})
}

// closeGently half closes a connection, and reads until the peer has closed
// it, too, or the read deadline has passed.
func closeGently(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, c, lingerBytes)
	}
	_ = c.Close()
}

// ServeTCP serves STOMP on the connections of a listener until that is closed,
// or the server is shut down; then it returns nil. A tls.Config makes it TLS.
func (s *Server) ServeTCP(l net.Listener, config *tls.Config) error {
	if !s.addListener(l) {
		return ErrServerClosed
	}
	defer s.removeListener(l)
	return s.acceptLoop(&door{Listener: l, server: s}, func(c net.Conn) { s.serveTCP(c, config) })
}

// acceptLoop accepts until the listener is closed.
func (s *Server) acceptLoop(l net.Listener, serve func(net.Conn)) error {
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			s.start(c, func() { serve(c) })
		case s.closing(), errors.Is(err, net.ErrClosed):
			return nil
		default:
			return err
		}
	}
}

func isTemporary(err error) bool {
	t, ok := err.(interface{ Temporary() bool })
	return ok && t.Temporary()
}

func (s *Server) serveTCP(c net.Conn, config *tls.Config) {
	if v, ok := c.(*counted); ok && v.refusal != nil {
		s.turnAway(c, config, v.refusal)
		return
	}
	release, refusal := s.admit(c.RemoteAddr())
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
	s.run(newTCPConn(c, s.options.Session.Limits.Limits, info))
}

// handshake does it within the time that a client has for CONNECT.
func (s *Server) handshake(c net.Conn, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(s.context, s.options.Session.ConnectTimeout)
	defer cancel()
	t := tls.Server(c, config)
	if err := t.HandshakeContext(ctx); err != nil {
		if plain := (tls.RecordHeaderError{}); errors.As(err, &plain) && plain.Conn != nil {
			sayGoodbye(plain.Conn, &session.Fault{Word: frames.InvalidFrame, Text: "This is a TLS port, and what came is no TLS (listen.tcp.tls). Connect with TLS."})
		}
		_ = c.Close()
		return nil, err
	}
	return t, nil
}

// noHandshake records a client without TLS. A probe that opens a connection and
// closes it, as load balancers do every few seconds, is none.
func (s *Server) noHandshake(remote string, err error) {
	level := slog.LevelInfo
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, context.Canceled) {
		level = slog.LevelDebug
	}
	s.options.Session.Counters.Reject("tls-handshake")
	s.options.Log.Log(context.Background(), level, "TLS handshake failed", "remote", remote, "error", err)
}

// turnAway tells a client why it is refused, if that costs nothing.
func (s *Server) turnAway(c net.Conn, config *tls.Config, f *session.Fault) {
	s.refused(c.RemoteAddr().String(), f.Word, f.Text)
	if config != nil {
		_ = c.Close()
		return
	}
	sayGoodbye(c, f)
}

// sayGoodbye tells a client why it gets no session. Its CONNECT is on the way,
// or here: see linger. It may fail, as the client may have gone.
func sayGoodbye(c net.Conn, f *session.Fault) {
	_ = c.SetDeadline(time.Now().Add(refuseLinger))
	_, _ = c.Write(append(session.Refusal(f), '\n'))
	closeGently(c)
}

// refuseLinger is linger for those who are refused, who get less of it.
const refuseLinger = time.Second
