package config

import (
	"log/slog"
	"slices"
	"time"
)

// Auth configures authentication. Clients can authenticate if there is a key
// for tokens or a user; see CanAuthenticate.
type Auth struct {
	Anonymous      bool     // whether CONNECT without credentials is accepted
	AnonymousRoles []string // of clients without credentials
	JWT            JWT
	Users          []User // each name once
	UsersFile      string // a file with more users; "" for none
	RevokedFile    string // a file of revoked tokens and users; "" for none
	// OnDeniedSubscribe is close, or receipt-error: an ERROR that keeps the
	// connection open.
	OnDeniedSubscribe string
}

// CanAuthenticate reports whether clients can authenticate.
func (a Auth) CanAuthenticate() bool {
	return a.JWT.Configured() || len(a.Users) > 0 || a.UsersFile != ""
}

// JWT configures the tokens that are accepted. Without a key, all fields except
// the sources of keys have their defaults.
type JWT struct {
	// Algorithms is not empty if a key is configured. Each algorithm has a
	// source of keys, unless the list is the default.
	Algorithms []string
	// At most one of Secret and SecretFile is set. The secret is long enough
	// for the HS* algorithms in Algorithms; a line end at the end of the file
	// is not a part of it.
	Secret         Secret
	SecretFile     string
	PublicKeyFiles []string // PEM, each with public keys or one certificate
	JWKSURL        string   // https, or http on loopback
	JWKSFile       string
	JWKSRefresh    time.Duration // at least 1s
	JWKSMaxAge     time.Duration // how long the last keys are used while the URL fails; at least JWKSRefresh

	Issuer         string        // "": any
	Audience       []string      // one of them must match; empty: any
	Leeway         time.Duration // tolerated difference of clocks
	RequiredClaims []string
	// UserClaim and RolesClaim are names of claims, or dotted paths to them.
	UserClaim, RolesClaim string
	// StaticNames accepts tokens whose user has the name of a static user.
	StaticNames bool

	// Sources contains any of connect (the Authorization header of CONNECT),
	// passcode, and http (the Authorization header of the upgrade).
	Sources        []string
	QueryParameter string // "": tokens in URLs are ignored
	Cookie         string // "": cookies are ignored
}

// Configured reports whether a source of keys is configured.
func (j JWT) Configured() bool {
	return j.Secret != "" || j.SecretFile != "" || len(j.PublicKeyFiles) > 0 || j.JWKSURL != "" || j.JWKSFile != ""
}

// User is a static user with a password.
type User struct {
	Name  string   `json:"name,omitempty"`
	Hash  Secret   `json:"hash,omitempty"` // bcrypt or argon2id, as $2b$... or $argon2id$...
	Roles []string `json:"roles,omitempty"`
}

// Rule allows or denies actions. It applies to clients with one of its roles,
// users or claims, or to everybody if it names none. A matching deny rule
// overrides every allow rule; the order of rules does not matter.
type Rule struct {
	Name   string       `json:"name,omitempty"` // for people; may be ""
	Roles  []string     `json:"roles,omitempty"`
	Users  []string     `json:"users,omitempty"`
	Claims []ClaimMatch `json:"claims,omitempty"`
	// Allow and Deny contain send, subscribe, admin:read or admin:write: at
	// least one in total, and none in both.
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
	// Destinations are patterns, at least one unless Allow and Deny have admin
	// actions only. Each begins with '/'. A segment may be * for any one
	// segment, or **, # or > for any number; {user} and {claim:NAME} stand for
	// values of the client.
	Destinations []string `json:"destinations,omitempty"`
}

// ClaimMatch matches a token whose claim has one of the values.
type ClaimMatch struct {
	Name   string   `json:"name,omitempty"` // a claim's name, or a dotted path to it
	Values []string `json:"values,omitempty"`
}

// Secret is text that prints as ******** in every format. Convert it to a
// string where it is used.
type Secret string

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON. Its output cannot be
// unmarshalled.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Warnings lists settings that are valid but probably not intended, one
// sentence each.
func (c *Config) Warnings() []string {
	var all []string
	switch {
	case len(c.ACL) > 0:
	case c.Auth.CanAuthenticate():
		all = append(all, "acl is empty: nobody may send or subscribe to anything")
	case c.Auth.Anonymous:
		all = append(all, "everybody who can connect may do everything")
	}
	if len(c.Auth.AnonymousRoles) > 0 && !c.Auth.Anonymous {
		all = append(all, "auth.anonymous_roles are set but auth.anonymous is false: nobody has them")
	}
	if c.Storage.Directory == "" {
		all = append(all, "storage.directory is empty: queues are in memory only, and what they hold is lost when the broker stops")
	}
	if a := c.Listen.Admin; a.Address != "" && a.TLS.Cert == "" && !isLoopback(a.Address) {
		all = append(all, "listen.admin.address is not loopback and listen.admin.tls is not set: the tokens of operators travel in the clear")
	}
	all = append(all, c.secretWarnings()...)
	all = append(all, c.edgeWarnings()...)
	all = append(all, c.aclWarnings()...)
	all = append(all, c.expiryWarnings()...)
	return append(all, c.policyWarnings()...)
}

// Files lists, without duplicates, the file of the configuration and the files
// of its reloadable parts: users, revocations and keys. TLS files are not
// included; listeners watch those themselves.
func (c *Config) Files() []string {
	all := []string{c.File, c.Auth.UsersFile, c.Auth.RevokedFile, c.Auth.JWT.SecretFile}
	all = append(all, c.Auth.JWT.PublicKeyFiles...)
	all = append(all, c.Auth.JWT.JWKSFile)
	var files []string
	for _, path := range all {
		if path != "" && !slices.Contains(files, path) {
			files = append(files, path)
		}
	}
	return files
}
