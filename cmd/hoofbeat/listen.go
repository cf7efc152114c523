package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"

	"hoofbeat/config"
	"hoofbeat/internal/tlsfiles"
	"hoofbeat/transport"
)

// A listener is one that is open, with how to serve it.
type listener struct {
	net.Listener
	url   string
	page  string // the URL of the page for newcomers, if it is served here
	serve func() error
}

// openListeners opens all that the configuration names, so that a port in use
// is an error at the start.
func openListeners(c *config.Config, s *transport.Server, log *slog.Logger) ([]listener, error) {
	var all []listener
	if ws := c.Listen.WebSocket; ws.Address != "" {
		l, config, err := listen(ws.Address, ws.TLS, log)
		if err != nil {
			return all, fmt.Errorf("listen.websocket: %w", err)
		}
		l = behindProxies(l, ws.ProxyProtocol, c.Limits)
		all = append(all, listener{
			Listener: l, url: scheme("ws", config) + "://" + l.Addr().String() + ws.Path, page: pageURL(c, l.Addr()),
			serve: func() error { return s.ServeWebSocket(l, ws.Path, config) },
		})
	}
	if tcp := c.Listen.TCP; tcp.Address != "" {
		l, config, err := listen(tcp.Address, tcp.TLS, log)
		if err != nil {
			return all, fmt.Errorf("listen.tcp: %w", err)
		}
		l = behindProxies(l, tcp.ProxyProtocol, c.Limits)
		all = append(all, listener{
			Listener: l, url: scheme("tcp", config) + "://" + l.Addr().String(),
			serve: func() error { return s.ServeTCP(l, config) },
		})
	}
	return all, nil
}

func listen(address string, files config.TLS, log *slog.Logger) (net.Listener, *tls.Config, error) {
	var t *tls.Config
	if files.Cert != "" {
		var err error
		if t, err = tlsfiles.New(tlsfiles.Files(files), log); err != nil {
			return nil, nil, err
		}
	}
	l, err := net.Listen("tcp", address)
	return l, t, err
}

func scheme(plain string, t *tls.Config) string {
	if t != nil {
		return plain + "s"
	}
	return plain
}

// behindProxies reads the PROXY header with which connections from trusted
// proxies begin. Others begin as they always do, and a header of theirs is no
// STOMP frame.
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
