package transport

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// guardHosts refuses requests of pages that ask for a host which could be
// anybody's name.
//
// A page whose name was made to resolve to the broker (DNS rebinding) is of the
// broker's own host as far as browser and Origin say, and so may connect. Where
// nobody has to prove who he is, that is all that it takes. So the Host must be
// one that no other page can have.
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
	s.refused(s.remoteOf(r), "host", quoted(r.Host[:min(len(r.Host), longest)]))
	http.Error(w, "Pages may ask for this broker by localhost and by its address only, as it lets everybody in (auth.anonymous). "+
		"Add the name in the page's URL to listen.websocket.hosts.", http.StatusForbidden)
}

// fromPage tells whether a browser sent a request. What is no browser sends
// neither header, and no page can keep its browser from sending Origin with
// what changes anything.
func fromPage(r *http.Request) bool {
	return r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
}

// isHere tells whether a request asks for a host that is this machine's, or was
// named in the options.
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
	return ip.IsLoopback() || ok && ip == ipOf(local)
}
