package hoofbeat

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"

	"github.com/pires/go-proxyproto"

	"hoofbeat/config"
	"hoofbeat/internal/tlsfiles"
	"hoofbeat/transport"
)

// A listener is an open port for clients, with the function that serves it.
type listener struct {
	net.Listener
	url   string
	page  string // the URL of the page for newcomers, if it is served here
	serve func() error
}

// sockets are opened before anything is created on disk: a start that fails
// because a port is in use leaves no directory behind, which might belong to
// the wrong user.
type sockets struct{ websocket, tcp, admin socket }

// A socket is an open port. Its Listener is nil if the port is off.
type socket struct {
	net.Listener
	tls *tls.Config // nil: plain
}

// openSockets opens all ports of the configuration. The error names each port
// that could not be opened.
func openSockets(c config.Listen, log *slog.Logger) (*sockets, error) {
	var all sockets
	var err1, err2, err3 error
	all.websocket, err1 = listen("listen.websocket", c.WebSocket.Address, c.WebSocket.TLS, log)
	all.tcp, err2 = listen("listen.tcp", c.TCP.Address, c.TCP.TLS, log)
	all.admin, err3 = listen("listen.admin", c.Admin.Address, c.Admin.TLS, log)
	if err := errors.Join(err1, err2, err3); err != nil {
		all.close()
		return nil, err
	}
	return &all, nil
}

// close closes the sockets that are still open.
func (s *sockets) close() {
	for _, l := range []net.Listener{s.websocket.Listener, s.tcp.Listener, s.admin.Listener} {
		if l != nil {
			_ = l.Close() // it fails when it is closed already
		}
	}
}

// listen opens the port of a section; none if the address is empty.
func listen(section, address string, files config.TLS, log *slog.Logger) (socket, error) {
	if address == "" {
		return socket{}, nil
	}
	var s socket
	var err error
	if files.Cert != "" {
		if s.tls, err = tlsfiles.New(tlsfiles.Files(files), log); err != nil {
			return socket{}, fmt.Errorf("%s: %w", section, err)
		}
	}
	if s.Listener, err = net.Listen("tcp", address); err != nil {
		return socket{}, fmt.Errorf("%s: %w", section, err)
	}
	return s, nil
}

// clientListeners returns the listeners for clients.
func clientListeners(c *config.Config, s *transport.Server, open *sockets) []listener {
	var all []listener
	if ws := c.Listen.WebSocket; open.websocket.Listener != nil {
		l, config := behindProxies(open.websocket.Listener, ws.ProxyProtocol, c.Limits), open.websocket.tls
		all = append(all, listener{
			Listener: l, url: scheme("ws", config) + "://" + l.Addr().String() + ws.Path, page: pageURL(c, l.Addr()),
			serve: func() error { return s.ServeWebSocket(l, ws.Path, config) },
		})
	}
	if open.tcp.Listener != nil {
		l, config := behindProxies(open.tcp.Listener, c.Listen.TCP.ProxyProtocol, c.Limits), open.tcp.tls
		all = append(all, listener{
			Listener: l, url: scheme("tcp", config) + "://" + l.Addr().String(),
			serve: func() error { return s.ServeTCP(l, config) },
		})
	}
	return all
}

// kind is "websocket" or "tcp".
func (l *listener) kind() string {
	if strings.HasPrefix(l.url, "tcp") {
		return "tcp"
	}
	return "websocket"
}

func scheme(plain string, t *tls.Config) string {
	if t != nil {
		return plain + "s"
	}
	return plain
}

// behindProxies makes the listener read the PROXY header of connections from
// trusted proxies. On other connections a PROXY header is an invalid STOMP
// frame.
func behindProxies(l net.Listener, on bool, limits config.Limits) net.Listener {
	if !on {
		return l
	}
	return &proxyproto.Listener{
		Listener:          l,
		ReadHeaderTimeout: limits.ConnectTimeout,
		ConnPolicy: func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			if trusted(o.Upstream, limits.TrustedProxies) {
				return proxyproto.REQUIRE, nil
			}
			return proxyproto.SKIP, nil
		},
	}
}

func trusted(a net.Addr, proxies []netip.Prefix) bool {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return false
	}
	for _, p := range proxies {
		if p.Contains(ap.Addr().Unmap().WithZone("")) {
			return true
		}
	}
	return false
}
