package auth

import (
	"errors"
	"net/http"
	"strings"

	"hoofbeat/internal/mask"
)

// Sessions and the admin API share this file: it reads an HTTP header, records a
// refusal, and decides how much the caller may learn. [Authenticator] authenticates
// and throttles.

const reasonHTTPHeader = "the Authorization header is neither Bearer with a token nor Basic"

// Header returns the identity of an operator by the Authorization header of a
// request: Bearer with a token (RFC 6750, 2.1), or Basic with the name and passcode of
// a static user (RFC 7617). The error is a [Refusal]. Callers that have failed before
// wait.
func (a *Authenticator) Header(value string, from Peer) (*Identity, error) {
	if name, passcode, ok := basicOf(value); ok {
		return a.Login(name, passcode, from)
	}
	token, ok := bearer(strings.TrimSpace(value))
	if token = strings.TrimSpace(token); !ok || token == "" {
		return nil, refuse(reasonHTTPHeader)
	}
	return a.VerifyFrom(token, from)
}

// basicOf returns the name and passcode of a header with the scheme Basic.
func basicOf(value string) (name, passcode string, ok bool) {
	r := http.Request{Header: http.Header{"Authorization": {value}}}
	return r.BasicAuth()
}

// RefusalOf returns the Refusal in err. Any other error becomes one, with its text as
// the reason.
func RefusalOf(err error) *Refusal {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r
	}
	return &Refusal{Reason: err.Error()}
}

// Record returns the attributes of a refusal for the log and the audit log, beginning
// with the user, which is empty if unknown. Some clients send a token as their login,
// so the user is masked, and left out if it is too long for a name.
func (r *Refusal) Record() []any {
	user := mask.Text(r.User)
	if len(user) > maxNameBytes {
		user = ""
	}
	about := []any{"user", user, "reason", r.Reason}
	if r.Detail != "" {
		about = append(about, "detail", r.Detail)
	}
	return about
}

// An Answer is the response to refused credentials.
type Answer uint8

// The answers.
const (
	NotAccepted Answer = iota // the credentials were not accepted
	TooMany                   // too many have failed: HTTP 429, ERROR rate-limited
	Later                     // they could not be checked: HTTP 503, ERROR try-later
)

// Answer returns the response, and for NotAccepted the part of the reason that the
// caller may learn; often empty.
func (r *Refusal) Answer() (Answer, string) {
	switch {
	case r.Busy:
		return Later, ""
	case r.Limited:
		return TooMany, ""
	}
	return NotAccepted, r.Told()
}
