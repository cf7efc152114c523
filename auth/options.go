package auth

import (
	"cmp"
	"log/slog"
	"net/http"
	"time"
)

// Options configure authentication. [New] reads the files, and each
// [Authenticator.Reload] reads them again.
type Options struct {
	// Anonymous accepts clients that offer no credentials, as the user
	// [AnonymousUser] with AnonymousRoles. Wrong credentials are refused all
	// the same. With neither JWT nor users there is nothing to prove, and the
	// login names the user, as with [Anonymous].
	Anonymous      bool
	AnonymousRoles []string
	// JWT accepts tokens; nil: none are looked at.
	JWT *TokenOptions
	// Users and UsersFile are accepted with login and passcode. A name may
	// occur once in both together.
	Users     []User
	UsersFile string
	// RevokedFile lists tokens and users that are refused; empty: none.
	RevokedFile string
	// Throttle slows down clients that fail; nil: none. [New] uses it, Reload
	// does not.
	Throttle *Throttle
	// Withdrawn is called when a key of the JWKS URL is no longer there: ask
	// Revoked about each session. It is called by a goroutine of the
	// Authenticator, which Reload and Close wait for; nil: nobody is.
	Withdrawn func()
	// Log gets a warning when keys cannot be fetched; nil: nobody does.
	Log *slog.Logger

	clock clock // nil: the time of day
}

// TokenOptions select the tokens that are accepted, and the claims that are
// read.
type TokenOptions struct {
	// Algorithms are those a token may be signed with, at least one of HS256,
	// HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384,
	// ES512 and EdDSA.
	Algorithms []string
	// Secret and SecretFile are keys for HS*, the file without the line end
	// that an editor puts last. At least as long as the longest hash in
	// Algorithms: 32, 48 or 64 bytes.
	Secret, SecretFile string
	// PublicKeyFiles are PEM files of public keys, or of one certificate
	// each. Their keys have no name, so they fit whatever kid a token has.
	PublicKeyFiles []string
	// JWKSFile is a JSON Web Key Set (RFC 7517), which may hold secrets.
	JWKSFile string
	// JWKSURL is where a JSON Web Key Set is fetched, by https, or by http
	// from this machine. Redirects are not followed, secrets not accepted.
	JWKSURL string
	JWKS    RemoteOptions

	Issuer   string        // the claim iss must be this; empty: anything
	Audience []string      // the claim aud must hold one of these; empty: anything
	Leeway   time.Duration // how far clocks may differ, for exp, nbf and iat
	// RequiredClaims must be there, not null and not "". A token without exp
	// never ends, so exp belongs here unless such tokens are wanted.
	RequiredClaims []string

	// UserClaim and RolesClaim are looked up as [LookupClaim] does. Default:
	// sub, roles.
	UserClaim, RolesClaim string
	// StaticNames accepts tokens whose user has the name of a static user.
	// Without it, an issuer cannot make a token for a static user.
	StaticNames bool
	MaxBytes    int // longest token; default 16 KiB
	Sources     Sources
}

// Sources are the places where a token may be. The first in this order that
// holds one decides; if that token is refused, no other place is looked at.
type Sources struct {
	Authorization     bool // of CONNECT, with the scheme Bearer
	Passcode          bool // of CONNECT, if it has the form of a token
	HTTPAuthorization bool // of the upgrade, with the scheme Bearer; Basic is login and passcode
	Query             bool // a parameter of the upgrade's URL
	Cookie            bool // a cookie of the upgrade
}

// RemoteOptions say how a key set is kept up to date. Zero values stand for
// the defaults.
type RemoteOptions struct {
	// Refresh is the time from one fetch to the next, and so how long a
	// withdrawn key may still be trusted. Default: 5 minutes.
	Refresh time.Duration
	// UnknownInterval is the least time between two fetches that are made
	// because a token names an unknown key. Default: 10 seconds.
	UnknownInterval time.Duration
	// UnknownTTL is how long a key that a fetch did not bring is held to be
	// unknown without asking again. Default: 1 minute.
	UnknownTTL time.Duration
	// Timeout is for one fetch as a whole. Default: 5 seconds.
	Timeout time.Duration
	// MaxAge is how long the last keys are used while no fetch succeeds;
	// after that they are not trusted. Default: 24 hours.
	MaxAge time.Duration
	// StartWithout lets [New] succeed when the first fetch fails: until one
	// succeeds, tokens are refused as [Refusal.Busy], and Stats says Stale.
	// [Authenticator.Reload] never accepts a URL that cannot be fetched.
	StartWithout bool
	// MaxBytes is the size of the largest answer. Default: 1 MiB.
	MaxBytes int64
	// Client makes the requests; nil: one with the system's authorities and
	// the proxy of the environment.
	Client *http.Client
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Withdrawn == nil {
		o.Withdrawn = func() {}
	}
	if o.clock == nil {
		o.clock = systemClock{}
	}
	return o
}

func (o TokenOptions) withDefaults() TokenOptions {
	o.UserClaim = cmp.Or(o.UserClaim, "sub")
	o.RolesClaim = cmp.Or(o.RolesClaim, "roles")
	o.MaxBytes = cmp.Or(o.MaxBytes, 16<<10)
	o.JWKS = o.JWKS.withDefaults()
	return o
}

func (o RemoteOptions) withDefaults() RemoteOptions {
	o.Refresh = cmp.Or(o.Refresh, 5*time.Minute)
	o.UnknownInterval = cmp.Or(o.UnknownInterval, 10*time.Second)
	o.UnknownTTL = cmp.Or(o.UnknownTTL, time.Minute)
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	o.MaxAge = cmp.Or(o.MaxAge, 24*time.Hour)
	o.MaxBytes = cmp.Or(o.MaxBytes, 1<<20)
	return o
}

// A clock tells the time and wakes; tests turn it by hand.
type clock interface {
	Now() time.Time
	// After sends once after d, unless stop is called before.
	After(d time.Duration) (c <-chan time.Time, stop func())
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) After(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}
