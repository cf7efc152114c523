package session

import (
	"errors"
	"strings"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/auth"
	"hoofbeat/auth/acl"
	"hoofbeat/frames"
)

// TokenDestination takes a new token as the body of a SEND. It replaces the token of
// CONNECT before that expires.
const TokenDestination = "/hoofbeat/token"

// authenticate returns the client's identity. Clients that have failed before may have
// to wait.
func (s *Session) authenticate(h *frame.Header) (*auth.Identity, error) {
	id, err := s.options.Authenticator.Authenticate(auth.Request{
		Login: h.Get(frame.Login), Passcode: h.Get(frame.Passcode), Unescaped: readEscaped(h), Authorization: authorization(h),
		HTTPAuthorization: s.info.HTTPAuthorization, QueryToken: s.info.QueryToken, CookieToken: s.info.CookieToken,
		Peer: s.peerOf(),
	})
	if err != nil {
		return nil, s.notAuthenticated("connect refused", err)
	}
	return id, nil
}

// readEscaped returns the unescaped login and passcode, or nil if they contain no
// escapes. STOMP 1.2 (Value Encoding) does not escape CONNECT, but some clients do.
func readEscaped(h *frame.Header) *auth.Reading {
	login, ok1 := frames.Unescape(h.Get(frame.Login))
	passcode, ok2 := frames.Unescape(h.Get(frame.Passcode))
	if !ok1 || !ok2 || login == h.Get(frame.Login) && passcode == h.Get(frame.Passcode) {
		return nil
	}
	return &auth.Reading{Login: login, Passcode: passcode}
}

// peerOf returns the address that throttling counts failures for.
func (s *Session) peerOf() auth.Peer { return auth.Peer{Remote: s.info.Remote, Gone: s.out.Done} }

// authorization returns the Authorization header. Its case does not matter, because
// clients copy it from HTTP.
func authorization(h *frame.Header) string {
	for i := range h.Len() {
		if k, v := h.GetAt(i); strings.EqualFold(k, "authorization") {
			return v
		}
	}
	return ""
}

// notAuthenticated records why the credentials were refused, and returns the fault for
// the client, which does not say why.
func (s *Session) notAuthenticated(what string, err error) *Fault {
	r := auth.RefusalOf(err)
	about := r.Record()
	s.options.Log.Info(what, append([]any{"session", s.id, "remote", s.info.Remote}, about...)...)
	s.audit(what, about...)
	switch answer, why := r.Answer(); {
	case answer == auth.Later:
		return fault(TryLater, "Too many clients are logging in at this moment, or tokens cannot be verified yet. Connect again in a few seconds.")
	case answer == auth.TooMany:
		return fault(RateLimited, "Too many passcodes from this address, or of this user there, were wrong (limits.failed_connects).")
	case why != "":
		return fault(AuthenticationFailed, "The credentials were not accepted: %s.", why)
	}
	return fault(AuthenticationFailed, "The credentials were not accepted.")
}

func (s *Session) audit(what string, a ...any) {
	s.options.Audit.Info(what, append([]any{"session", s.id, "remote", s.info.Remote, "transport", s.info.Transport}, a...)...)
}

// enter makes the session act for an identity.
func (s *Session) enter(id *auth.Identity) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// This comes before the check for revocation, so that a later revocation
	// finds the session here.
	s.identity.Store(id)
	s.publisher.ActFor(id.User)
	if s.senderAccount == nil {
		s.senderAccount = s.options.Memory.EnterUser(id.User)
		s.publisher.ChargeTo(s.senderAccount)
	}
	if s.options.Authorizer != nil {
		s.permissions.Store(s.options.Authorizer.For(id))
	}
	if s.isRevoked(id) {
		s.audit("connect refused", "user", id.User, "reason", "revoked")
		return fault(AuthenticationFailed, "The credentials were not accepted.")
	}
	return nil
}

func (s *Session) isRevoked(id *auth.Identity) bool {
	return s.options.Revoked != nil && s.options.Revoked(id)
}

// may returns a fault unless the client may do the action. The goroutine of Run calls
// it.
func (s *Session) may(action acl.Action, destination string) error {
	p := s.permissions.Load()
	if p == nil {
		return nil
	}
	d := s.decide(p, action, destination)
	if d.Allowed {
		return nil
	}
	return s.denied(action, destination, d)
}

// decide applies the rules. Only the owner of p may call it.
func (s *Session) decide(p *acl.Permissions, action acl.Action, destination string) acl.Decision {
	d := p.Decide(action, destination)
	s.counts.decided(action, d.Allowed)
	return d
}

func (s *Session) denied(action acl.Action, destination string, d acl.Decision) *Fault {
	user := s.user()
	s.options.Log.Info("access denied", "session", s.id, "remote", s.info.Remote, "user", user, "action", action.String(), "destination", destination, "rule", d.Rule, "reason", d.Reason)
	s.audit("access denied", "user", user, "action", action.String(), "destination", destination, "rule", d.Rule, "reason", d.Reason)
	verb := "send to"
	if action == acl.Subscribe {
		verb = "subscribe to"
	}
	return fault(AccessDenied, "The user %q may not %s %q.", user, verb, destination)
}

// softly answers a refused SUBSCRIBE with an ERROR and keeps the connection open, if
// auth.on_denied_subscribe says so.
func (s *Session) softly(err error, f frames.Inbound) error {
	e := (*Fault)(nil)
	if !s.options.KeepAfterDenied || !errors.As(err, &e) || e.Word != AccessDenied {
		return err
	}
	if b := &s.denials; b.n > 0 && !b.take(time.Now()) {
		return fault(RateLimited, "More than %d SUBSCRIBE frames were refused within %v (limits.denied_rate_per_connection). %s",
			s.options.Limits.DeniedRate, s.options.Limits.DeniedRatePer, e.Text)
	}
	e.Receipt, e.Subscription = f.Wire(frame.Receipt), f.Wire(frame.Id)
	s.out.Control(errorFrame(e, s.version))
	return nil
}

// refresh handles a SEND to TokenDestination: its body replaces the session's token.
func (s *Session) refresh(f frames.Inbound) error {
	if s.options.Verify == nil {
		return fault(NotSupported, "This broker knows no tokens.")
	}
	old := s.identity.Load()
	id, err := s.options.Verify(strings.TrimSpace(string(f.Body)), s.peerOf())
	switch {
	case err != nil:
		s.counts.refreshed[0].Add(1)
		return s.notAuthenticated("refresh refused", err)
	case id.User != old.User:
		s.counts.refreshed[0].Add(1)
		s.audit("refresh refused", "user", old.User, "reason", "the token is another user's")
		return fault(AuthenticationFailed, "The new token is not of the user that is connected.")
	}
	s.mu.Lock()
	s.identity.Store(id)
	revoked := s.isRevoked(id)
	if !revoked {
		s.reevaluate(id)
	}
	s.mu.Unlock()
	s.counts.refreshed[index(!revoked)].Add(1)
	if revoked {
		return s.notAuthenticated("refresh refused", errors.New("revoked"))
	}
	s.audit("token refreshed", "user", id.User, "expires", expiry(id))
	s.watchToken()
	s.receipt(f)
	return nil
}

// Reauthorize applies changed revocations, users and rules. Any goroutine may call it.
func (s *Session) Reauthorize() {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.identity.Load()
	if id == nil {
		return // it gets the new rules when it connects
	}
	if s.isRevoked(id) {
		s.audit("session revoked", "user", id.User)
		s.silence()
		s.End(fault(TokenRevoked, "The right to be connected was withdrawn."))
		return
	}
	s.reevaluate(id)
}

// reevaluate gives the session new permissions, and ends the subscriptions
// that they do not allow. The lock is held.
func (s *Session) reevaluate(id *auth.Identity) {
	if s.options.Authorizer == nil {
		return
	}
	p := s.options.Authorizer.For(id)
	lost := make(map[*subscription]acl.Decision)
	for _, sub := range s.byNumber {
		if d := s.decide(p, acl.Subscribe, sub.text); !d.Allowed {
			lost[sub] = d
		}
	}
	// From here on p is the reading goroutine's.
	s.permissions.Store(p)
	for sub, d := range lost {
		s.stop(sub)
		f := s.denied(acl.Subscribe, sub.text, d)
		f.Text += " The subscription has ended: the rules or the token have changed."
		f.Subscription = sub.wireID
		if s.options.KeepAfterDenied {
			s.out.Control(errorFrame(f, s.version))
			continue
		}
		s.End(f)
	}
}

// expire ends the session because its token has expired.
func (s *Session) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.expired.Add(1)
	s.audit("token expired", "user", s.user())
	s.silence()
	s.End(fault(TokenExpired, "The token has expired. Connect with a new one, or send it to %s before the old one expires.", TokenDestination))
}

// expiry formats the expiry of a token for the audit log.
func expiry(id *auth.Identity) string {
	if id.Expires.IsZero() {
		return "never"
	}
	return id.Expires.UTC().Format(time.RFC3339)
}

// silence stops all deliveries at once, those included that wait to be
// written. The lock is held.
func (s *Session) silence() {
	for _, sub := range s.byNumber {
		sub.silence()
	}
}
