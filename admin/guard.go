package admin

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// fromHere refuses requests that a browser sends on behalf of another site's
// page.
//
// A page whose name resolves to the broker (DNS rebinding) sends this name as
// Host, so a name must be localhost or one of Options.Hosts; literal addresses
// cannot be rebound. Other pages are recognised by Sec-Fetch-Site, which pages
// cannot set, and by Origin if a browser does not send it. Programs send
// neither.
func (s *server) fromHere(r *http.Request) error {
	if !s.isHere(r.Host) {
		return &refusal{http.StatusForbidden, "foreign-host",
			"the Host header names neither localhost nor an address; use those, or add the name to listen.admin.hosts"}
	}
	const foreign = "requests from pages of other origins are refused"
	sites := r.Header.Values("Sec-Fetch-Site")
	for _, site := range sites {
		if site != "same-origin" && site != "none" && !isVisit(r) {
			return &refusal{http.StatusForbidden, "foreign-origin", foreign}
		}
	}
	for _, origin := range r.Header.Values("Origin") {
		u, err := url.Parse(origin)
		// Behind a proxy that terminates TLS, the scheme differs.
		if err != nil || !strings.EqualFold(u.Host, r.Host) || len(sites) == 0 && u.Scheme != scheme(r) {
			return &refusal{http.StatusForbidden, "foreign-origin", foreign}
		}
	}
	return nil
}

// isVisit reports whether a browser follows a link to the console: a whole
// page, which is the same for everybody and which the linking page cannot read.
func isVisit(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Path == "/" &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func (s *server) isHere(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	_, err := netip.ParseAddr(host)
	known := func(name string) bool { return strings.EqualFold(name, host) }
	return err == nil || known("localhost") || slices.ContainsFunc(s.o.Hosts, known)
}
