package transport

import (
	"iter"
	"maps"
	"net/http"
	"slices"

	"hoofbeat/session"
)

// AllSessions gives the sessions that there are at the moment at which it is
// asked, in no order.
func (s *Server) AllSessions() iter.Seq[*session.Session] {
	return func(yield func(*session.Session) bool) {
		s.mu.Lock()
		all := slices.AppendSeq(make([]*session.Session, 0, len(s.sessions)), maps.Keys(s.sessions))
		s.mu.Unlock()
		for _, ses := range all {
			if !yield(ses) {
				return
			}
		}
	}
}

// RemoteOf is the address of a request's client: its peer's, or what a proxy
// says that is one of Options.TrustedProxies.
func (s *Server) RemoteOf(r *http.Request) string { return s.remoteOf(r) }
