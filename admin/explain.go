package admin

import (
	"encoding/json"
	"errors"
	"strings"

	"hoofbeat/auth"
	"hoofbeat/auth/acl"
)

// An Explanation is the response of /api/v1/acl/explain.
type Explanation struct {
	// Verified reports that a token was accepted. It is false for a user that
	// is only named.
	Verified bool `json:"verified"`
	// Reason is why a token is not accepted. There is no decision then, and the
	// other fields are the token's unverified claims.
	Reason string         `json:"reason,omitempty"`
	User   string         `json:"user,omitempty"`
	Roles  []string       `json:"roles,omitempty"`
	Claims map[string]any `json:"claims,omitempty"`

	Allowed     *bool  `json:"allowed,omitempty"`
	Rule        string `json:"rule,omitempty"` // the deciding rule
	Explanation string `json:"explanation,omitempty"`
}

// asked is a question about a client's permissions.
type asked struct {
	Token       *string         `json:"token"`
	User        string          `json:"user"`
	Roles       []string        `json:"roles"`
	Claims      json.RawMessage `json:"claims"`
	Action      string          `json:"action"`
	Destination string          `json:"destination"`
}

// maxExplain limits a question, in bytes. It exceeds the longest token.
const maxExplain = 64 << 10

func (s *server) explain(c *call) error {
	var q asked
	if err := readUpTo(maxExplain, c, &q); err != nil {
		return err
	}
	if s.o.Access == nil {
		return notRunning
	}
	action, err := q.check()
	if err != nil {
		return err
	}
	id, out, err := s.identify(&q)
	if err != nil {
		return err
	}
	if out.Reason == "" {
		p := s.o.Access.For(id)
		d := p.Decide(action, q.Destination)
		out.Allowed, out.Rule, out.Explanation = &d.Allowed, d.Rule, p.Explain(action, q.Destination)
	}
	return answer(c.w, out)
}

// check rejects inconsistent questions, and trims the token.
func (q *asked) check() (acl.Action, error) {
	action, err := acl.ParseAction(q.Action)
	named := q.User != "" || len(q.Claims) > 0
	switch {
	case err != nil || action != acl.Send && action != acl.Subscribe:
		return 0, badRequest("expected action to be send or subscribe")
	case q.Destination == "":
		return 0, badRequest("expected a destination, such as /queue/orders")
	case (q.Token != nil) == named:
		return 0, badRequest("expected either a token, or user or claims")
	case q.Token != nil && q.Roles != nil:
		return 0, badRequest("expected no roles beside a token, which has its own")
	}
	if q.Token != nil {
		*q.Token = strings.TrimSpace(*q.Token)
	}
	return action, nil
}

// identify determines the identity.
func (s *server) identify(q *asked) (*auth.Identity, Explanation, error) {
	if q.Token != nil {
		id, err := s.o.Access.Verify(*q.Token)
		if refused, ok := errors.AsType[*auth.Refusal](err); ok {
			return nil, s.claimed(*q.Token, refused.Why()), nil
		}
		if err != nil {
			return nil, Explanation{}, err
		}
		return id, Explanation{Verified: true, User: id.User, Roles: id.Roles, Claims: id.Claims}, nil
	}
	id, err := s.named(q)
	if err != nil {
		return nil, Explanation{}, err
	}
	return id, Explanation{User: id.User, Roles: id.Roles, Claims: id.Claims}, nil
}

// named returns the identity that is described without a proof.
func (s *server) named(q *asked) (*auth.Identity, error) {
	id := &auth.Identity{}
	if len(q.Claims) > 0 {
		var err error
		if id, err = s.o.Access.Claimed(q.Claims); err != nil {
			return nil, badRequest("claims: %v", err)
		}
	}
	if q.User != "" {
		id.User = q.User
	}
	roles, known := s.o.Access.UserRoles(id.User)
	switch {
	case q.Roles != nil:
		id.Roles = q.Roles
	case known && len(q.Claims) == 0:
		id.Roles = roles
	}
	return id, nil
}

// claimed returns the readable claims of a token that was not accepted.
func (s *server) claimed(token, reason string) Explanation {
	out := Explanation{Reason: reason}
	seen, err := auth.Inspect(token)
	if err != nil {
		return out
	}
	out.Claims = seen.Claims
	text, err := json.Marshal(seen.Claims)
	if err != nil {
		return out
	}
	if id, err := s.o.Access.Claimed(text); err == nil {
		out.User, out.Roles = id.User, id.Roles
	}
	return out
}
