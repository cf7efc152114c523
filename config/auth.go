package config

import (
	"log/slog"
	"slices"
	"time"
)

// Auth says who may connect. Clients can prove who they are if there is a key
// for tokens, or a user; see CanAuthenticate.
type Auth struct {
	Anonymous      bool     // whether CONNECT without credentials is accepted
	AnonymousRoles []string // of those who came without
	JWT            JWT
	Users          []User // each name once
	UsersFile      string // more of them; "" for none
	RevokedFile    string // tokens and users that are refused; "" for none
	// OnDeniedSubscribe is close, or receipt-error: an ERROR that leaves the
	// connection open.
	OnDeniedSubscribe string
}

// CanAuthenticate reports whether there is a way to be somebody.
func (a Auth) CanAuthenticate() bool {
	return a.JWT.Configured() || len(a.Users) > 0 || a.UsersFile != ""
}

// JWT says which tokens are accepted. All of it but the sources of keys has
// its default when no key is configured.
type JWT struct {
	// Algorithms is not empty when a key is configured, and there is a source
	// of keys for each unless they are the default ones.
	Algorithms []string
	// Secret and SecretFile are not both set. Either is long enough for the
	// HS* among the algorithms; a line end at the end of the file is not part
	// of the secret.
	Secret         Secret
	SecretFile     string
	PublicKeyFiles []string // PEM, each with public keys or one certificate
	JWKSURL        string   // https, or http on loopback
	JWKSFile       string
	JWKSRefresh    time.Duration // at least 1s
	JWKSMaxAge     time.Duration // how long the last keys are used when the URL cannot be reached; at least JWKSRefresh

	Issuer         string        // "": any
	Audience       []string      // one of them must fit; empty: any
	Leeway         time.Duration // how far clocks may differ
	RequiredClaims []string
	// UserClaim and RolesClaim are names of claims or dotted paths to them.
	UserClaim, RolesClaim string
	// StaticNames accepts tokens whose user is the name of a static user.
	StaticNames bool

	// Sources has any of connect (the Authorization header of CONNECT),
	// passcode, and http (the Authorization header of the upgrade).
	Sources        []string
	QueryParameter string // "": tokens in URLs are not looked at
	Cookie         string // "": cookies are not looked at
}

// Configured reports whether there is any source of keys.
func (j JWT) Configured() bool {
	return j.Secret != "" || j.SecretFile != "" || len(j.PublicKeyFiles) > 0 || j.JWKSURL != "" || j.JWKSFile != ""
}

// User is somebody with a password.
type User struct {
	Name  string   `json:"name,omitempty"`
	Hash  Secret   `json:"hash,omitempty"` // bcrypt or argon2id, as $2b$... or $argon2id$...
	Roles []string `json:"roles,omitempty"`
}

// Rule allows or denies. It is about those who have one of its roles, users or
// claims, or about everybody when it names none of them. A matching denial
// wins over any permission; the order of rules means nothing.
type Rule struct {
	Name   string       `json:"name,omitempty"` // for people; may be ""
	Roles  []string     `json:"roles,omitempty"`
	Users  []string     `json:"users,omitempty"`
	Claims []ClaimMatch `json:"claims,omitempty"`
	// Allow and Deny have send, subscribe, admin:read or admin:write, at least
	// one in both together and none in both.
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
	// Destinations are patterns, at least one unless Allow and Deny have admin
	// actions only. Each begins with '/'; a segment
	// may be * for any one, or **, # or > for any number, and {user} and
	// {claim:NAME} stand for what a client has.
	Destinations []string `json:"destinations,omitempty"`
}

// ClaimMatch fits a token whose claim has one of the values.
type ClaimMatch struct {
	Name   string   `json:"name,omitempty"` // a claim's name, or a dotted path to it
	Values []string `json:"values,omitempty"`
}

// Secret is text that prints as ********, however it is printed. Convert it to
// a string where it is used.
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

// MarshalText implements encoding.TextMarshaler, for JSON. What it writes
// cannot be read again.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Warnings lists what is no fault but probably not meant, one sentence each.
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

// Files lists, each once, the file that the configuration was read from and
// those that its reloadable parts refer to: users, revocations and keys. TLS
// files are not among them; listeners look at those themselves.
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
