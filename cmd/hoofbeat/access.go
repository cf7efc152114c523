package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"hoofbeat/auth"
	"hoofbeat/config"
	"hoofbeat/internal/logs"
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
	acl, err := compileACL(c)
	if err != nil {
		return nil, err
	}
	a := &access{}
	o := authOptions(c, log)
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
	a.claims.Store(tokenOptions(c.Auth.JWT))
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
	acl, err := compileACL(c)
	if err != nil {
		return err
	}
	o := authOptions(c, log)
	o.Withdrawn = a.reauthorizeAll
	if o.JWT != nil {
		o.JWT.Sources, o.JWT.JWKS.StartWithout = a.sources, true
	}
	if err := a.authenticator.Reload(ctx, o); err != nil {
		return err
	}
	a.open.Store(o.Anonymous)
	a.anonymous.Store(&o.AnonymousRoles)
	a.claims.Store(tokenOptions(c.Auth.JWT))
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

// checkAccess looks at what only the auth package reads: rules, users,
// revocations and keys in files. Nothing is fetched.
func checkAccess(ctx context.Context, c *config.Config) error {
	_, err1 := compileACL(c)
	o := authOptions(c, slog.New(slog.DiscardHandler))
	if o.JWT != nil && o.JWT.JWKSURL != "" {
		o.JWT = nil // its keys are the issuer's to know
	}
	a, err2 := auth.New(ctx, o)
	if err2 == nil {
		a.Close()
	}
	return errors.Join(err1, err2)
}

// checkLists looks at the files of users and revocations of a configuration
// that has faults, one of which may be that they cannot be read.
func checkLists(ctx context.Context, c config.Auth) error {
	o := auth.Options{Anonymous: true, UsersFile: readable(c.UsersFile), RevokedFile: readable(c.RevokedFile), Log: slog.New(slog.DiscardHandler)}
	a, err := auth.New(ctx, o)
	if err == nil {
		a.Close()
	}
	return err
}

// readable is the file's name, or "" if it cannot be read.
func readable(name string) string {
	if _, err := os.ReadFile(name); err != nil {
		return ""
	}
	return name
}

// compileACL compiles the rules. Where there are none, and nobody can prove who
// he is, everything is allowed.
func compileACL(c *config.Config) (*auth.ACL, error) {
	if len(c.ACL) == 0 && !c.Auth.CanAuthenticate() {
		return auth.AllowAll(), nil
	}
	rules := make([]auth.Rule, 0, len(c.ACL))
	var faults []error
	for _, r := range c.ACL {
		rule := auth.Rule{Name: r.Name, Roles: r.Roles, Users: r.Users, Destinations: r.Destinations}
		for _, m := range r.Claims {
			rule.Claims = append(rule.Claims, auth.ClaimMatch(m))
		}
		var err1, err2 error
		rule.Allow, err1 = actions(r.Allow)
		rule.Deny, err2 = actions(r.Deny)
		faults = append(faults, err1, err2)
		rules = append(rules, rule)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("acl: %w", err)
	}
	acl, err := auth.CompileACL(rules)
	if err != nil {
		return nil, fmt.Errorf("acl: %w", err)
	}
	return acl, nil
}

func actions(names []string) ([]auth.Action, error) {
	var all []auth.Action
	for _, n := range names {
		a, err := auth.ParseAction(n)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

func authOptions(c *config.Config, log *slog.Logger) auth.Options {
	o := auth.Options{
		Anonymous: c.Auth.Anonymous, AnonymousRoles: c.Auth.AnonymousRoles,
		UsersFile: c.Auth.UsersFile, RevokedFile: c.Auth.RevokedFile, Log: log,
	}
	for _, u := range c.Auth.Users {
		o.Users = append(o.Users, auth.User{Name: u.Name, Hash: string(u.Hash), Roles: u.Roles})
	}
	if c.Auth.JWT.Configured() {
		o.JWT = tokenOptions(c.Auth.JWT)
	}
	return o
}

func tokenOptions(j config.JWT) *auth.TokenOptions {
	has := func(source string) bool {
		for _, s := range j.Sources {
			if s == source {
				return true
			}
		}
		return false
	}
	return &auth.TokenOptions{
		Algorithms: j.Algorithms, Secret: string(j.Secret), SecretFile: j.SecretFile, PublicKeyFiles: j.PublicKeyFiles,
		JWKSFile: j.JWKSFile, JWKSURL: j.JWKSURL, JWKS: auth.RemoteOptions{Refresh: j.JWKSRefresh, MaxAge: j.JWKSMaxAge},
		Issuer: j.Issuer, Audience: j.Audience, Leeway: j.Leeway, RequiredClaims: j.RequiredClaims,
		UserClaim: j.UserClaim, RolesClaim: j.RolesClaim, StaticNames: j.StaticNames,
		Sources: auth.Sources{
			Authorization: has("connect"), Passcode: has("passcode"), HTTPAuthorization: has("http"),
			Query: j.QueryParameter != "", Cookie: j.Cookie != "",
		},
	}
}

// auditLog is where the audit log goes; nothing if it is off.
type auditLog struct {
	name string
	calm *logs.Calm // nil: there is no audit log
	mu   sync.Mutex
	file *os.File // guarded by mu
}

// openAudit opens the audit log that the configuration names. The logger
// writes one JSON object a line.
func openAudit(name string, stderr io.Writer) (*slog.Logger, *auditLog, error) {
	switch name {
	case "":
		return slog.New(slog.DiscardHandler), &auditLog{}, nil
	case "stderr":
		record, calm := newRecord(stderr)
		return record, &auditLog{calm: calm}, nil
	}
	a := &auditLog{name: name}
	if err := a.reopen(); err != nil {
		return nil, nil, fmt.Errorf("log.audit: %w", err)
	}
	record, calm := newRecord(a)
	a.calm = calm
	return record, a, nil
}

// newRecord makes the logger of an audit log. Refusals that a client repeats
// are counted; everything else is written.
func newRecord(w io.Writer) (*slog.Logger, *logs.Calm) {
	calm := logs.NewCalm(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: logs.Mask}))
	return slog.New(calm), calm
}

// reopen opens the file anew, after it was moved away.
func (a *auditLog) reopen() error {
	if a.name == "" {
		return nil
	}
	f, err := os.OpenFile(a.name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	a.mu.Lock()
	old := a.file
	a.file = f
	a.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

// Write implements io.Writer for the logger.
func (a *auditLog) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.file.Write(p)
}

// Close writes what was only counted, and closes the file.
func (a *auditLog) Close() error {
	if a.calm != nil {
		a.calm.Close()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}
