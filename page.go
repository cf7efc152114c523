package hoofbeat

import (
	"net"
	"net/http"
	"net/netip"

	"hoofbeat/config"
	"hoofbeat/examples/browser"
)

// page is what newcomers find at / of the WebSocket listener. It is nil if
// nobody may be new here: there is a configuration file, or others than this
// machine can connect, or the endpoint itself is at /.
func page(c *config.Config) (http.Handler, error) {
	ws := c.Listen.WebSocket
	if c.File != "" || ws.Path == "/" || !loopback(ws.Address) {
		return nil, nil
	}
	return browser.Handler(ws.Path)
}

// pageURL is where it is, or nothing.
func pageURL(c *config.Config, a net.Addr) string {
	if p, err := page(c); p == nil || err != nil {
		return ""
	}
	if c.Listen.WebSocket.TLS.Cert != "" {
		return "https://" + a.String() + "/"
	}
	return "http://" + a.String() + "/"
}

// loopback tells whether an address is one that only this machine reaches.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
