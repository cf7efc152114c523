package auth

import "strings"

const reasonScheme = "the Authorization header of CONNECT is not Bearer with a token"

// token returns the first token that is offered in a place that is looked at.
func (s Sources) token(r Request) (token string, found bool, err error) {
	if s.Authorization && r.Authorization != "" {
		if token, found = bearer(r.Authorization); !found || token == "" {
			return "", false, refuse(reasonScheme)
		}
		return token, true, nil
	}
	if s.Passcode && looksLikeToken(r.Passcode) {
		return r.Passcode, true, nil
	}
	if s.HTTPAuthorization {
		if token, found = bearer(r.HTTPAuthorization); found {
			return token, true, nil
		}
	}
	if s.Query && r.QueryToken != "" {
		return r.QueryToken, true, nil
	}
	if s.Cookie && r.CookieToken != "" {
		return r.CookieToken, true, nil
	}
	return "", false, nil
}

// bearer takes the token out of an Authorization header (RFC 6750, 2.1). The
// case of the scheme does not matter.
func bearer(header string) (string, bool) {
	scheme, token, _ := strings.Cut(strings.Trim(header, " "), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.Trim(token, " "), true
}

// withBasic takes login and passcode from the Basic credentials of the upgrade
// (RFC 7617) if CONNECT has none, as RabbitMQ's Web STOMP does. They are looked
// at only where a passcode could be right: they may be for a proxy.
func (s *state) withBasic(r Request) Request {
	if r.Login != "" || r.Passcode != "" || s.tokens != nil && !s.tokens.options.Sources.HTTPAuthorization {
		return r
	}
	login, passcode, ok := basicOf(r.HTTPAuthorization)
	asToken := s.tokens != nil && s.tokens.options.Sources.Passcode && looksLikeToken(passcode)
	if ok && (s.users.configured || asToken) {
		r.Login, r.Passcode = login, passcode
	}
	return r
}

// looksLikeToken reports whether s has the form of a signed token, and its first part
// begins like a JSON object: a brace and a quote or white space. Passwords do not look
// like that.
func looksLikeToken(s string) bool {
	return threeParts(s) && (strings.HasPrefix(s, "ey") || strings.HasPrefix(s, "ew"))
}
