package transport

import (
	"hoofbeat/connections"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// guardHosts refuses requests that a page sends to a host name which anybody
// could own.
//
// A page whose name resolves to the broker (DNS rebinding) has the broker's own
// host as its Origin, so the browser and the Origin check let it connect. Where
// clients need no credentials, nothing else protects the broker. The Host must
// therefore be a name that no other page can have.
func (s *Server) guardHosts(h http.Handler) http.Handler {
	if s.options.GuardHosts == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fromPage(r) || s.origins.listed(r) || s.isHere(r) || !s.options.GuardHosts() {
			h.ServeHTTP(w, r)
			return
		}
		s.refuseHost(w, r)
	})
}

func (s *Server) refuseHost(w http.ResponseWriter, r *http.Request) {
	const longest = 255
	s.conns.Refused(s.RemoteOf(r), "host", quoted(r.Host[:min(len(r.Host), longest)]))
	http.Error(w, "Pages may ask for this broker by localhost and by its address only, as it lets everybody in (auth.anonymous). "+
		"Add the name in the page's URL to listen.websocket.hosts.", http.StatusForbidden)
}

// fromPage reports whether a browser sent the request. Programs send neither
// header, and a page cannot suppress Origin on requests that change anything.
func fromPage(r *http.Request) bool {
	return r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
}

// isHere reports whether the request's host is this machine or one of
// Options.Hosts.
func (s *Server) isHere(r *http.Request) bool {
	host := (&url.URL{Host: r.Host}).Hostname()
	for _, known := range append([]string{"localhost"}, s.options.Hosts...) {
		if strings.EqualFold(known, host) {
			return true
		}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ip.IsLoopback() || ok && ip == connections.IPOf(local)
}
