package setup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"hoofbeat/auth"
	"hoofbeat/auth/acl"
	"hoofbeat/config"
)

// CheckAccess checks the parts that only package auth reads: rules, users,
// revocations and key files. It fetches nothing.
func CheckAccess(ctx context.Context, c *config.Config) error {
	_, err1 := ACL(c)
	o := AuthOptions(c, slog.New(slog.DiscardHandler))
	if o.JWT != nil && o.JWT.JWKSURL != "" {
		o.JWT = nil // its keys are the issuer's to know
	}
	a, err2 := auth.New(ctx, o)
	if err2 == nil {
		a.Close()
	}
	return errors.Join(err1, err2)
}

// CheckLists checks the files of users and revocations of a configuration that
// has faults. A file that cannot be read is one of those faults, and skipped.
func CheckLists(ctx context.Context, c config.Auth) error {
	o := auth.Options{Anonymous: true, UsersFile: readable(c.UsersFile), RevokedFile: readable(c.RevokedFile), Log: slog.New(slog.DiscardHandler)}
	a, err := auth.New(ctx, o)
	if err == nil {
		a.Close()
	}
	return err
}

// readable returns the file's name, or "" if the file cannot be read.
func readable(name string) string {
	if _, err := os.ReadFile(name); err != nil {
		return ""
	}
	return name
}

// ACL compiles the access rules. A configuration without rules and without a way
// to authenticate allows everything.
func ACL(c *config.Config) (*acl.List, error) {
	if len(c.ACL) == 0 && !c.Auth.CanAuthenticate() {
		return acl.AllowAll(), nil
	}
	rules := make([]acl.Rule, 0, len(c.ACL))
	var faults []error
	for _, r := range c.ACL {
		rule := acl.Rule{Name: r.Name, Roles: r.Roles, Users: r.Users, Destinations: r.Destinations}
		for _, m := range r.Claims {
			rule.Claims = append(rule.Claims, acl.ClaimMatch(m))
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
	list, err := acl.Compile(rules)
	if err != nil {
		return nil, fmt.Errorf("acl: %w", err)
	}
	return list, nil
}

func actions(names []string) ([]acl.Action, error) {
	var all []acl.Action
	for _, n := range names {
		a, err := acl.ParseAction(n)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// AuthOptions returns the options of authentication.
func AuthOptions(c *config.Config, log *slog.Logger) auth.Options {
	o := auth.Options{
		Anonymous: c.Auth.Anonymous, AnonymousRoles: c.Auth.AnonymousRoles,
		UsersFile: c.Auth.UsersFile, RevokedFile: c.Auth.RevokedFile, Log: log,
	}
	for _, u := range c.Auth.Users {
		o.Users = append(o.Users, auth.User{Name: u.Name, Hash: string(u.Hash), Roles: u.Roles})
	}
	if c.Auth.JWT.Configured() {
		o.JWT = TokenOptions(c.Auth.JWT)
	}
	return o
}

// TokenOptions returns the options of tokens.
func TokenOptions(j config.JWT) *auth.TokenOptions {
	has := func(source string) bool { return slices.Contains(j.Sources, source) }
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
