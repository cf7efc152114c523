package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/coder/websocket"
	"github.com/go-stomp/stomp/v3"
)

// target is a parsed address.
type target struct{ url *url.URL }

// parseAddress parses address. Its errors do not contain the address, which may
// hold a token.
func parseAddress(address string) (target, error) {
	u, err := url.Parse(address)
	if err != nil {
		return target{}, errors.New("the address is not a URL such as ws://127.0.0.1:15674/ws")
	}
	switch u.Scheme {
	case "tcp", "tcps", "ws", "wss":
	default:
		return target{}, fmt.Errorf("unknown scheme %q in the address: use tcp, tcps, ws or wss", u.Scheme)
	}
	if u.User != nil {
		return target{}, errors.New("credentials in the address are not supported: give a login and a passcode, or a token")
	}
	if u.Hostname() == "" {
		return target{}, errors.New("the address has no host")
	}
	return target{url: u}, nil
}

// String returns the address without its query, which may hold a token.
func (t target) String() string {
	return t.url.Scheme + "://" + t.url.Host + t.url.EscapedPath()
}

// open connects to t and performs the TLS and WebSocket handshakes.
func (t target) open(ctx context.Context, o Options) (stream, error) {
	switch t.url.Scheme {
	case "tcp":
		c, err := new(net.Dialer).DialContext(ctx, "tcp", t.hostPort("61613"))
		return tcpStream{c}, err
	case "tcps":
		c, err := (&tls.Dialer{Config: o.TLS}).DialContext(ctx, "tcp", t.hostPort("61614"))
		return tcpStream{c}, err
	}
	return t.openWebSocket(ctx, o)
}

func (t target) hostPort(port string) string {
	if p := t.url.Port(); p != "" {
		port = p
	}
	return net.JoinHostPort(t.url.Hostname(), port)
}

// tcpStream is a TCP or TLS connection.
type tcpStream struct{ net.Conn }

func (s tcpStream) abort() { _ = s.Close() }

// openWebSocket performs the upgrade. Redirects are not followed: a token is meant for the host it was given with.
func (t target) openWebSocket(ctx context.Context, o Options) (stream, error) {
	config := &tls.Config{}
	if o.TLS != nil {
		config = o.TLS.Clone()
	}
	http1 := new(http.Protocols)
	http1.SetHTTP1(true) // the upgrade of RFC 6455 needs HTTP/1.1
	header := http.Header{}
	if o.Origin != "" {
		header.Set("Origin", o.Origin)
	}
	conn, resp, err := websocket.Dial(ctx, t.url.String(), &websocket.DialOptions{
		HTTPClient: &http.Client{
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, Protocols: http1},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		HTTPHeader:   header,
		Subprotocols: subprotocols(o.Versions),
	})
	if err != nil {
		return nil, upgradeError(resp, err)
	}
	return newWebSocket(conn), nil
}

// subprotocols names the versions as WebSocket subprotocols, highest first.
func subprotocols(versions []stomp.Version) []string {
	if len(versions) == 0 {
		versions = []stomp.Version{stomp.V12, stomp.V11, stomp.V10}
	}
	names := make([]string, len(versions))
	for i, v := range versions {
		names[i] = "v" + strings.ReplaceAll(v.String(), ".", "") + ".stomp"
	}
	return names
}

// upgradeError explains why the upgrade failed, with the server's answer if
// there was one, and without the request's URL.
func upgradeError(resp *http.Response, err error) error {
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("the server answered the WebSocket upgrade with %s%s", resp.Status, bodyText(resp))
	}
	var withURL *url.Error
	if errors.As(err, &withURL) {
		return withURL.Err
	}
	return err
}
