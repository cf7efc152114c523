package admin

import (
	"errors"
	"net/http"
	"strings"

	"hoofbeat/auth"
)

// A Revocation is a revoked token or user.
type Revocation struct {
	Kind  string `json:"kind"` // jti or user
	Value string `json:"value"`
}

// RevocationList is the response of /api/v1/revocations.
type RevocationList struct {
	Revocations []Revocation `json:"revocations"`
	Page
}

// Revoked is the response to a change of revocations. Changed is false if
// nothing had to be changed.
type Revoked struct {
	Changed bool `json:"changed"`
}

func (s *server) revocations(c *call) error {
	given, p, err := listParameters(c, "revocations", "q")
	if err != nil {
		return err
	}
	if err := p.from(given); err != nil {
		return err
	}
	if s.o.Access == nil {
		return notRunning
	}
	q := given["q"]
	items, next, total := pick(&p, func(yield func(place, Revocation) bool) {
		for r := range s.o.Access.Revocations() {
			if strings.Contains(r.Value, q) && !yield(place{text: r.Kind + ":" + r.Value}, Revocation(r)) {
				return
			}
		}
	})
	return answer(c.w, RevocationList{items, Page{next, total}})
}

func (s *server) revoke(c *call) error { return s.setRevocation(c, "revocation add", true) }

func (s *server) unrevoke(c *call) error { return s.setRevocation(c, "revocation remove", false) }

func (s *server) setRevocation(c *call, what string, on bool) error {
	var asked Revocation
	if err := read(c, &asked); err != nil {
		return err
	}
	if s.o.Access == nil {
		return notRunning
	}
	r := auth.Revocation(asked)
	if err := r.Check(); err != nil {
		return badRequest("%v", err)
	}
	changed, err := s.o.Access.Revoke(r, on)
	s.record(c, what, err, "kind", r.Kind, "value", r.Value, "changed", changed)
	switch {
	case err == nil:
		return answer(c.w, Revoked{changed})
	case errors.Is(err, auth.ErrNoRevokedFile):
		return err
	}
	s.o.Log.Error("the file of revocations could not be changed", "error", err)
	return &refusal{http.StatusConflict, "revoked-file-failed", err.Error()}
}
