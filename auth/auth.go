// Package auth says who a client is and what it may do.
package auth

import "time"

// An Identity is whom a session acts for. It is not changed once it was
// handed out: a refreshed token makes another one.
type Identity struct {
	// User is the name under which the session is known: in /user/
	// destinations, in logs, and in CONNECTED.
	User string
	// Roles are the names that permissions are granted to, without
	// duplicates, in the order of their source.
	Roles []string
	// Claims is the payload of the token, nil without one. Read only.
	Claims map[string]any
	// TokenID is the claim jti of the token, empty without one.
	TokenID string
	// Expires is when the token ends, and with it the session; zero: never.
	Expires time.Time
	// Method tells how the client proved itself: one of the Method
	// constants. For logs and metrics.
	Method string
}

// A Request is what a client offers as proof of who it is.
type Request struct {
	Login    string // of CONNECT
	Passcode string // of CONNECT; never logged
	Remote   string // the client's address
}

// AnonymousUser is the name of a client that gave none.
const AnonymousUser = "anonymous"

// Anonymous accepts every client as whoever it says it is. It proves nothing,
// and is for brokers that trust all who can reach them.
type Anonymous struct{}

// Authenticate never fails: the user is the login, or [AnonymousUser].
func (Anonymous) Authenticate(r Request) (*Identity, error) {
	if r.Login == "" {
		return &Identity{User: AnonymousUser}, nil
	}
	return &Identity{User: r.Login}, nil
}
