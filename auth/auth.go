// Package auth authenticates clients. Package acl below it decides about their
// rights.
//
// An [Authenticator] makes an [Identity] of a client's credentials: a token
// (token.go, claims.go, keys.go, jwks.go), a login and passcode (users.go), or
// none.
package auth

import (
	"errors"
	"time"

	"hoofbeat/internal/mask"
)

// An Identity is an authenticated client. It is immutable: a refreshed token
// makes another one.
type Identity struct {
	// User is the name under which the session is known: in /user/
	// destinations, in logs, and in CONNECTED.
	User string
	// Roles are the names that permissions are granted to, without
	// duplicates, in the order of their source.
	Roles []string
	// Claims is the payload of the token, nil without one. Its numbers are
	// [encoding/json.Number], written as they stood in the token, so that
	// large ids stay distinct. Read only.
	Claims map[string]any
	// TokenID is the claim jti of the token, empty without one.
	TokenID string
	// Expires is when the token ends, and with it the session; zero: never.
	Expires time.Time
	// Method tells how the client proved itself: one of the Method constants.
	// For logs and metrics.
	Method string

	basis basis
}

// The methods of authentication.
const (
	MethodAnonymous = "anonymous" // not at all
	MethodPassword  = "password"  // login and passcode of a static user
	MethodToken     = "token"     // a signed token
)

// A Request has the credentials of a client. Only Login and Remote may be
// logged. Fields that the transport is not configured to look for are empty.
type Request struct {
	Login    string // of CONNECT
	Passcode string // of CONNECT
	// Unescaped is the login and the passcode as they read if the client has
	// escaped them, which the specification forbids and go-stomp does; nil: the
	// same. A passcode may be right in either reading.
	Unescaped         *Reading
	Authorization     string // header of CONNECT, with its scheme
	HTTPAuthorization string // header of the WebSocket upgrade, with its scheme
	QueryToken        string // a token, from the query of the upgrade's URL
	CookieToken       string // a token, from a cookie of the upgrade
	Peer
}

// A Reading is one interpretation of a login and a passcode.
type Reading struct{ Login, Passcode string }

// A Refusal is the error of credentials that were not accepted. Its text is
// always the same, so that nothing about the reason reaches the client.
type Refusal struct {
	// Reason is for the audit log: one of a fixed set of sentences that hold
	// nothing of the credentials, so it may label a metric as well.
	Reason string
	// Detail is for logs and operators: which claim of a genuine token is wrong
	// and how. Often empty.
	Detail string
	// User is the user of the credentials: that of a token with a correct
	// signature, or the login in the client's spelling. It is often empty.
	User string
	// Busy means that the credentials could not be checked, as too many
	// others were being checked or the keys of tokens are unavailable. It is
	// no failure of the client, which may try again later.
	Busy bool
	// Limited says that nobody looked at the credentials, as too many have
	// failed before; see [Throttle].
	Limited bool

	// genuine means that the credentials are a token with a correct
	// signature.
	genuine bool
}

// Error says that the credentials were refused, and nothing else.
func (*Refusal) Error() string { return "the credentials were not accepted" }

// Why is the reason with its detail, for operators.
func (r *Refusal) Why() string {
	if r.Detail == "" {
		return r.Reason
	}
	return r.Reason + ": " + r.Detail
}

// Told is the part of the reason that the client may learn: that of a genuine
// token, which nobody can have made up. For others it is empty.
func (r *Refusal) Told() string {
	if !r.genuine {
		return ""
	}
	return r.Reason
}

// isGuess reports whether an error is about credentials that somebody may have made
// up.
func isGuess(err error) bool {
	r, refused := errors.AsType[*Refusal](err)
	return refused && !r.Busy && !r.Limited && !r.genuine && r.Reason != reasonGone
}

// refuse makes the Refusal of credentials that prove nobody.
func refuse(reason string) error { return &Refusal{Reason: reason} }

// AnonymousUser is the name of a client that gave none.
const AnonymousUser = "anonymous"

// Anonymous accepts every client under the name that it gives. It proves
// nothing, and is for brokers that trust all their clients.
type Anonymous struct{}

// Authenticate never fails: the user is the login, or [AnonymousUser] if there
// is none or it is a token.
func (Anonymous) Authenticate(r Request) (*Identity, error) {
	if r.Login == "" || mask.Holds(r.Login) {
		return &Identity{User: AnonymousUser, Method: MethodAnonymous}, nil
	}
	return &Identity{User: r.Login, Method: MethodAnonymous}, nil
}
