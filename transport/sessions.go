package transport

import (
	"iter"
	"maps"
	"net/http"
	"slices"

	"hoofbeat/session"
)

// AllSessions iterates over a snapshot of the sessions, taken when the
// iteration begins, in no particular order.
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

// RemoteOf returns the address of a request's client: the peer's, or the one
// that a proxy of Options.TrustedProxies reports.
func (s *Server) RemoteOf(r *http.Request) string { return s.remoteOf(r) }
