package session

import (
	"slices"
	"strings"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
)

// connect handles the first frame (STOMP 1.2, Connecting).
func (s *Session) connect(f frames.Inbound) error {
	if f.Command != frame.CONNECT && f.Command != frame.STOMP {
		return fault(NotConnected, "%s came before CONNECT, which must be the first frame.", f.Command)
	}
	version, err := s.negotiate(f.Header)
	if err != nil {
		return err
	}
	beat, err := s.options.HeartBeat.negotiate(f.Header, version)
	if err != nil {
		return err
	}
	if s.clientID, err = clientID(f.Header); err != nil {
		return err
	}
	identity, err := s.authenticate(f.Header)
	if err != nil {
		return err
	}
	if err := s.enter(identity); err != nil {
		return err
	}
	s.version, s.beat = version, beat
	s.conn.Negotiated(version)
	s.out.Control(s.connectedFrame())
	if _, to := s.life.on(connectAccepted); to != serving {
		return nil // it was ended meanwhile, and its client told
	}
	s.counts.accept(s.peer())
	s.timer.Reset(s.beat.first(time.Now()))
	s.watchToken()
	s.audit("connected", "user", identity.User, "method", identity.Method, "expires", expiry(identity))
	s.options.Log.Info("connection opened", "session", s.id, "user", identity.User, "remote", s.info.Remote,
		"transport", s.info.Transport, "version", version.String())
	return nil
}

// negotiate picks the version (STOMP 1.2, Protocol Negotiation): the highest
// that both know, or the one of the WebSocket subprotocol if the client
// accepts that. No accept-version means 1.0.
func (s *Session) negotiate(h *frame.Header) (frames.Version, error) {
	accept, ok := h.Contains(frame.AcceptVersion)
	if !ok {
		return frames.V10, nil
	}
	version, ok := frames.Negotiate(accept)
	if !ok {
		return 0, fault(UnsupportedVersion, "None of the versions in accept-version is known here; known are 1.0, 1.1 and 1.2.")
	}
	if v := s.info.Version; v != 0 && slices.Contains(strings.Split(strings.ReplaceAll(accept, " ", ""), ","), v.String()) {
		version = v
	}
	return version, nil
}

// connectedFrame encodes CONNECTED. Its headers are not escaped, and there are
// clients that fall over a space or an empty value, so there are none.
func (s *Session) connectedFrame() []byte {
	dst := []byte(frame.CONNECTED + "\n")
	dst = frames.AppendRawHeader(dst, frame.Version, s.version.String())
	dst = frames.AppendRawHeader(dst, frame.HeartBeat, s.beat.header())
	dst = frames.AppendRawHeader(dst, frame.Server, s.options.Server)
	dst = frames.AppendRawHeader(dst, frame.Session, s.id)
	if u := plain(s.user()); u != "" {
		dst = frames.AppendRawHeader(dst, "user-name", u)
	}
	return append(dst, '\n', 0)
}

// plain writes characters that could break a CONNECTED as %XX, as in a URL.
func plain(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ' || c == ':' || c == '\\' || c == '%' || c == 0x7f:
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
