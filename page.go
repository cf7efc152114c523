package hoofbeat

import (
	"net"
	"net/http"
	"net/netip"

	"hoofbeat/config"
	"hoofbeat/examples/browser"
)

// page returns the page for newcomers at / of the WebSocket listener. It is nil
// if there is a configuration file, if other machines can connect, or if the
// endpoint itself is at /.
func page(c *config.Config) (http.Handler, error) {
	ws := c.Listen.WebSocket
	if c.File != "" || ws.Path == "/" || !loopback(ws.Address) {
		return nil, nil
	}
	return browser.Handler(ws.Path)
}

// pageURL returns the URL of the page, or "" if there is none.
func pageURL(c *config.Config, a net.Addr) string {
	if p, err := page(c); p == nil || err != nil {
		return ""
	}
	if c.Listen.WebSocket.TLS.Cert != "" {
		return "https://" + a.String() + "/"
	}
	return "http://" + a.String() + "/"
}

// loopback reports whether only this machine can reach an address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
