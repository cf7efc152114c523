package hoofbeat

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync/atomic"

	"hoofbeat/auth"
	"hoofbeat/auth/acl"
	"hoofbeat/config"
	"hoofbeat/internal/setup"
	"hoofbeat/session"
)

// access is the part of the configuration that a reload replaces:
// authentication and access rules. It implements session.Authorizer.
type access struct {
	authenticator *auth.Authenticator
	list          atomic.Pointer[acl.List]
	// open reports whether clients may connect without credentials.
	open atomic.Bool
	// anonymous holds the roles of clients without credentials.
	anonymous atomic.Pointer[[]string]
	// reauthorize applies a change to every session; nil until there is a server.
	reauthorize atomic.Pointer[func()]
	// claims names the claims of a token that hold its user and roles.
	claims atomic.Pointer[auth.TokenOptions]
	// sources are the places of credentials that the transport reads since the
	// start; a reload does not change them.
	sources auth.Sources
}

func newAccess(ctx context.Context, c *config.Config, log *slog.Logger) (*access, error) {
	list, err := setup.ACL(c)
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
	a.list.Store(list)
	a.open.Store(o.Anonymous)
	a.anonymous.Store(&o.AnonymousRoles)
	a.claims.Store(setup.TokenOptions(c.Auth.JWT))
	return a, nil
}

// reauthorizeAll applies a change to every session.
func (a *access) reauthorizeAll() {
	if f := a.reauthorize.Load(); f != nil {
		(*f)()
	}
}

// For implements session.Authorizer. Roles come from the token, or else from
// the configuration in force.
func (a *access) For(id *auth.Identity) *acl.Permissions {
	now := *id
	switch id.Method {
	case auth.MethodPassword:
		now.Roles, _ = a.authenticator.UserRoles(id.User)
	case auth.MethodAnonymous:
		now.Roles = *a.anonymous.Load()
	}
	return a.list.Load().For(&now)
}

// ready returns an error if tokens are configured and cannot be verified.
func (a *access) ready() error {
	if a.authenticator.Stats().Stale {
		return errors.New("the keys of auth.jwt.jwks_url could not be fetched, or not for longer than auth.jwt.jwks_max_age; the log says why")
	}
	return nil
}

// reload applies another configuration completely, or returns an error.
func (a *access) reload(ctx context.Context, c *config.Config, log *slog.Logger) error {
	list, err := setup.ACL(c)
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
	a.list.Store(list)
	return nil
}

// Verify implements admin.Access, as do the methods that follow.
func (a *access) Verify(token string) (*auth.Identity, error) { return a.authenticator.Verify(token) }

// Header returns the identity of an operator's Authorization header.
func (a *access) Header(value string, from auth.Peer) (*auth.Identity, error) {
	return a.authenticator.Header(value, from)
}

// UserRoles returns the roles of a static user.
func (a *access) UserRoles(name string) ([]string, bool) { return a.authenticator.UserRoles(name) }

// Claimed returns the identity that a token with these claims would have.
func (a *access) Claimed(claims []byte) (*auth.Identity, error) {
	return auth.UnverifiedIdentity(claims, *a.claims.Load())
}

// Revocations returns the revocations in force.
func (a *access) Revocations() iter.Seq[auth.Revocation] { return a.authenticator.Revocations() }

// Revoke adds or removes a revocation and applies it to every session.
func (a *access) Revoke(r auth.Revocation, on bool) (changed bool, err error) {
	changed, err = a.authenticator.Revoke(r, on)
	if err == nil {
		a.reauthorizeAll()
	}
	return changed, err
}

// restrict makes sessions authenticate clients and check their rights.
func restrict(o *session.Options, c *config.Config, a *access, record *slog.Logger) {
	o.Authenticator, o.Authorizer, o.Revoked, o.Audit = a.authenticator, a, a.authenticator.Revoked, record
	if c.Auth.JWT.Configured() {
		o.Verify = a.authenticator.VerifyFrom
	}
	o.KeepAfterDenied = c.Auth.OnDeniedSubscribe == "receipt-error"
}
