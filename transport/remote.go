package transport

import (
	"net/http"
	"net/netip"
	"strings"
)

// RemoteOf returns the address of a request's client: the peer's, or, if the
// peer is a trusted proxy, the last address in X-Forwarded-For that is not a
// trusted proxy. Entries before that one can be forged.
func (s *Server) RemoteOf(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !s.conns.Trusts(peer.Addr()) {
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
		if !s.conns.Trusts(a) {
			break
		}
	}
	if client == "" {
		return r.RemoteAddr
	}
	return client
}

// parseHop parses one address of X-Forwarded-For, with or without a port.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap(), true
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return a.Unmap().WithZone(""), err == nil
}

// credentials returns the request's credentials from the places that the
// options allow.
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
