package admin

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// fromHere refuses what a browser sends on behalf of a page that is not the
// handler's own.
//
// A page whose name was made to resolve to loopback (DNS rebinding) has that
// name as Host, so a name must be localhost; to a literal address nobody is
// rebound. Other pages of the same browser are found out by Sec-Fetch-Site,
// and by Origin where a browser does not send that. What no browser has sent
// has neither.
func fromHere(r *http.Request) error {
	if !isHere(r.Host) {
		return &refusal{http.StatusForbidden, "foreign-host", "the Host header names neither localhost nor an address; use http://127.0.0.1 or http://localhost"}
	}
	const foreign = "requests from pages of other origins are refused"
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return &refusal{http.StatusForbidden, "foreign-origin", foreign}
		}
	}
	for _, origin := range r.Header.Values("Origin") {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != scheme(r) || !strings.EqualFold(u.Host, r.Host) {
			return &refusal{http.StatusForbidden, "foreign-origin", foreign}
		}
	}
	return nil
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func isHere(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	_, err := netip.ParseAddr(host)
	return err == nil || strings.EqualFold(host, "localhost")
}
