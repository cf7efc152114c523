package transport

import (
	"net/http"
	"net/netip"
	"strings"
)

// remoteOf is the address of a request's client: its peer's, or, where that is
// a proxy that is trusted, what the proxy says. Of a chain of proxies the last
// address that is not trusted counts; what stands before it could be anybody's
// invention.
func (s *Server) remoteOf(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !s.trusts(peer.Addr()) {
		return r.RemoteAddr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	client := ""
	for i := len(hops) - 1; i >= 0; i-- {
		a, ok := parseHop(hops[i])
		if !ok {
			break
		}
		client = netip.AddrPortFrom(a, 0).String()
		if !s.trusts(a) {
			break
		}
	}
	if client == "" {
		return r.RemoteAddr
	}
	return client
}

// parseHop reads one address of X-Forwarded-For, which may have a port.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap(), true
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return a.Unmap().WithZone(""), err == nil
}

func (s *Server) trusts(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range s.options.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// credentials are what a request has, as far as the options say to look.
func (s *Server) credentials(r *http.Request) (authorization, query, cookie string) {
	c := s.options.Credentials
	if c.HTTPAuthorization {
		authorization = r.Header.Get("Authorization")
	}
	if c.QueryParameter != "" {
		query = r.URL.Query().Get(c.QueryParameter)
	}
	if c.Cookie != "" {
		if k, err := r.Cookie(c.Cookie); err == nil {
			cookie = k.Value
		}
	}
	return authorization, query, cookie
}
