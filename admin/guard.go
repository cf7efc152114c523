package admin

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// fromHere refuses what a browser sends on behalf of a page that is not the
// handler's own.
//
// A page whose name was made to resolve to the broker (DNS rebinding) has that
// name as Host, so a name must be localhost or one that the options have; to a
// literal address nobody is rebound. Other pages of the same browser are found
// out by Sec-Fetch-Site, which no page can set, and by Origin where a browser
// does not send that. What no browser has sent has neither.
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
		// Where a proxy has taken TLS off, the scheme is another one.
		if err != nil || !strings.EqualFold(u.Host, r.Host) || len(sites) == 0 && u.Scheme != scheme(r) {
			return &refusal{http.StatusForbidden, "foreign-origin", foreign}
		}
	}
	return nil
}

// isVisit tells whether somebody follows a link to the console: a whole page,
// which is the same for everybody, and which the page with the link cannot
// look into.
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
