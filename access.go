package hoofbeat

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync/atomic"

	"hoofbeat/auth"
	"hoofbeat/config"
	"hoofbeat/internal/setup"
	"hoofbeat/session"
)

// access is the part of the configuration that is replaced while the broker
// runs: who clients are, and what they may do. It is the session.Authorizer.
type access struct {
	authenticator *auth.Authenticator
	acl           atomic.Pointer[auth.ACL]
	// open tells whether clients may prove nothing.
	open atomic.Bool
	// anonymous are the roles of clients that prove nothing.
	anonymous atomic.Pointer[[]string]
	// reauthorize lets everybody who is connected feel a change; nil until there
	// is a server.
	reauthorize atomic.Pointer[func()]
	// claims say which claims of a token are its user and roles.
	claims atomic.Pointer[auth.TokenOptions]
	// sources are those that the transport was told to look at, at the start.
	sources auth.Sources
}

func newAccess(ctx context.Context, c *config.Config, log *slog.Logger) (*access, error) {
	acl, err := setup.ACL(c)
	if err != nil {
		return nil, err
	}
	a := &access{}
	o := setup.AuthOptions(c, log)
	o.Withdrawn = a.reauthorizeAll
	if r := c.Limits.FailedConnects; r.Events > 0 {
		o.Throttle = auth.NewThrottle(r.Events, r.Per)
	}
	if o.JWT != nil {
		o.JWT.JWKS.StartWithout = true // the issuer may come later; /readyz says that it has not
	}
	if a.authenticator, err = auth.New(ctx, o); err != nil {
		return nil, err
	}
	if o.JWT != nil {
		a.sources = o.JWT.Sources
	}
	a.acl.Store(acl)
	a.open.Store(o.Anonymous)
	a.anonymous.Store(&o.AnonymousRoles)
	a.claims.Store(setup.TokenOptions(c.Auth.JWT))
	return a, nil
}

// reauthorizeAll lets everybody who is connected feel a change.
func (a *access) reauthorizeAll() {
	if f := a.reauthorize.Load(); f != nil {
		(*f)()
	}
}

// For implements session.Authorizer. The roles of a token are the token's;
// those of others are the configuration's, and change with it.
func (a *access) For(id *auth.Identity) *auth.Permissions {
	now := *id
	switch id.Method {
	case auth.MethodPassword:
		now.Roles, _ = a.authenticator.UserRoles(id.User)
	case auth.MethodAnonymous:
		now.Roles = *a.anonymous.Load()
	}
	return a.acl.Load().For(&now)
}

// ready is nil while tokens can be verified, if there are any.
func (a *access) ready() error {
	if a.authenticator.Stats().Stale {
		return errors.New("the keys of auth.jwt.jwks_url could not be fetched, or not for longer than auth.jwt.jwks_max_age; the log says why")
	}
	return nil
}

// reload puts another configuration in force, or nothing of it.
func (a *access) reload(ctx context.Context, c *config.Config, log *slog.Logger) error {
	acl, err := setup.ACL(c)
	if err != nil {
		return err
	}
	o := setup.AuthOptions(c, log)
	o.Withdrawn = a.reauthorizeAll
	if o.JWT != nil {
		o.JWT.Sources, o.JWT.JWKS.StartWithout = a.sources, true
	}
	if err := a.authenticator.Reload(ctx, o); err != nil {
		return err
	}
	a.open.Store(o.Anonymous)
	a.anonymous.Store(&o.AnonymousRoles)
	a.claims.Store(setup.TokenOptions(c.Auth.JWT))
	a.acl.Store(acl)
	return nil
}

// Verify implements admin.Access, as do the methods that follow.
func (a *access) Verify(token string) (*auth.Identity, error) { return a.authenticator.Verify(token) }

// VerifyFrom is Verify for whoever wants to be let in.
func (a *access) VerifyFrom(token string, from auth.Peer) (*auth.Identity, error) {
	return a.authenticator.VerifyFrom(token, from)
}

// Login proves a static user.
func (a *access) Login(name, passcode string, from auth.Peer) (*auth.Identity, error) {
	return a.authenticator.Login(name, passcode, from)
}

// UserRoles are those of a static user.
func (a *access) UserRoles(name string) ([]string, bool) { return a.authenticator.UserRoles(name) }

// Claimed is who a token with these claims would be.
func (a *access) Claimed(claims []byte) (*auth.Identity, error) {
	return auth.UnverifiedIdentity(claims, *a.claims.Load())
}

// Revocations are those in force.
func (a *access) Revocations() iter.Seq[auth.Revocation] { return a.authenticator.Revocations() }

// Revoke changes them, for everybody who is connected as well.
func (a *access) Revoke(r auth.Revocation, on bool) (changed bool, err error) {
	changed, err = a.authenticator.Revoke(r, on)
	if err == nil {
		a.reauthorizeAll()
	}
	return changed, err
}

// restrict makes sessions ask who clients are and what they may do.
func restrict(o *session.Options, c *config.Config, a *access, record *slog.Logger) {
	o.Authenticator, o.Authorizer, o.Revoked, o.Audit = a.authenticator, a, a.authenticator.Revoked, record
	if c.Auth.JWT.Configured() {
		o.Verify = a.authenticator.VerifyFrom
	}
	o.KeepAfterDenied = c.Auth.OnDeniedSubscribe == "receipt-error"
}
