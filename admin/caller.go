package admin

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"hoofbeat/auth"
	"hoofbeat/auth/acl"
)

// A caller is the authenticated sender of a request, with its rights.
type caller struct {
	user        string // empty for access from loopback
	method      string // token, password or loopback; empty if not authenticated
	read, write bool
}

// Me is the response of /api/v1/me.
type Me struct {
	User   string `json:"user,omitempty"`
	Method string `json:"method"` // token, password or loopback
	Read   bool   `json:"read"`
	Write  bool   `json:"write"`
}

func (s *server) me(c *call) error {
	if _, err := parameters(c.r); err != nil {
		return err
	}
	return answer(c.w, Me{User: c.by.user, Method: c.by.method, Read: c.by.read, Write: c.by.write})
}

// admit authenticates a request and refuses it if a right is missing.
func (s *server) admit(w http.ResponseWriter, r *http.Request, needs right) (caller, error) {
	if needs == nothing {
		return caller{}, nil
	}
	by, err := s.caller(r)
	if err != nil {
		if told, ok := errors.AsType[*refusal](err); ok && told.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		return by, err
	}
	lacks := ""
	switch {
	case needs == reading && !by.read:
		lacks = acl.AdminRead.String()
	case needs == writing && !by.write:
		lacks = acl.AdminWrite.String()
	}
	if lacks != "" {
		s.o.Audit.Info("operator denied", "user", by.user, "method", by.method, "path", r.URL.Path, "lacks", lacks, "remote", s.o.Remote(r))
		return by, &refusal{http.StatusForbidden, "forbidden", "this takes the right " + lacks + ", which a rule of the acl can give"}
	}
	allowTime(w, requestTimeout)
	s.o.Proven(r)
	return by, nil
}

// caller authenticates a request. Credentials, if present, decide; otherwise
// requests from this machine may need none.
func (s *server) caller(r *http.Request) (caller, error) {
	offered := r.Header.Values("Authorization")
	switch {
	case len(offered) == 1:
		return s.proven(r, offered[0])
	case len(offered) == 0 && s.o.LoopbackWithoutToken && isLocal(r):
		return caller{method: "loopback", read: true, write: true}, nil
	}
	return caller{}, &refusal{
		http.StatusUnauthorized, "unauthenticated",
		"expected Authorization: Bearer with a token; on the broker's machine, listen.admin.loopback_without_token: true makes it needless",
	}
}

// isLocal reports whether a request comes from this machine and was not
// forwarded by a proxy.
func isLocal(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	for name := range r.Header {
		if name == "Forwarded" || name == "Via" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
			return false
		}
	}
	return true
}

// notAccepted is the only information about refused credentials.
const notAccepted = "the credentials were not accepted"

// proven authenticates an Authorization header. It may delay callers that have
// failed before.
func (s *server) proven(r *http.Request, header string) (caller, error) {
	if s.o.Access == nil {
		return caller{}, &refusal{http.StatusUnauthorized, "unauthenticated", notAccepted}
	}
	from := auth.Peer{Remote: s.o.Remote(r), Gone: r.Context().Done()}
	id, err := s.o.Access.Header(header, from)
	if err != nil {
		return caller{}, s.notProven(r, from.Remote, err)
	}
	p := s.o.Access.For(id)
	return caller{
		user: id.User, method: id.Method,
		read: p.Administer(acl.AdminRead).Allowed, write: p.Administer(acl.AdminWrite).Allowed,
	}, nil
}

// notProven records refused credentials.
func (s *server) notProven(r *http.Request, remote string, err error) error {
	told := auth.RefusalOf(err)
	about := append(told.Record(), "path", r.URL.Path, "remote", remote)
	if about[1] == "" {
		about = about[2:] // no user is known
	}
	s.o.Audit.Info("operator refused", about...)
	switch answer, why := told.Answer(); {
	case answer == auth.TooMany:
		return &refusal{http.StatusTooManyRequests, "rate-limited", "too many passcodes from this address, or of this user there, were wrong (limits.failed_connects)"}
	case answer == auth.Later:
		return &refusal{http.StatusServiceUnavailable, "busy", "too many are logging in at this moment, or the keys of tokens could not be fetched; try again in a few seconds"}
	case why != "":
		return &refusal{http.StatusUnauthorized, "unauthenticated", notAccepted + ": " + why}
	}
	return &refusal{http.StatusUnauthorized, "unauthenticated", notAccepted}
}
