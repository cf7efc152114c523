package auth

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"
)

// LookupClaim finds a claim: the one of exactly this name, such as
// https://example.com/roles, else the one that the name leads to when it is
// taken apart at dots, such as realm_access.roles. A name with dots may stand
// in the middle of a path as well: resource_access.my.app.roles.
func LookupClaim(claims map[string]any, path string) (any, bool) {
	if value, ok := claims[path]; ok {
		return value, true
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if inner, ok := claims[path[:i]].(map[string]any); ok {
			if value, ok := LookupClaim(inner, path[i+1:]); ok {
				return value, true
			}
		}
	}
	return nil, false
}

// Reasons of tokens whose signature is right.
const (
	reasonExpired  = "the token has expired"
	reasonNotYet   = "the token is not valid yet"
	reasonIssued   = "the token was issued in the future"
	reasonIssuer   = "the token is of another issuer"
	reasonAudience = "the token is for another audience"
	reasonRequired = "the token lacks a required claim"
	reasonType     = "a claim of the token has the wrong type"
	reasonUser     = "the token names no user, or one that is no proper name"
	reasonRoles    = "the roles of the token are not names"
)

// stringClaim is a registered claim that is a string if it is there.
func stringClaim(claims map[string]any, name string) (string, error) {
	value, ok := claims[name]
	if !ok {
		return "", nil
	}
	s, ok := value.(string)
	if !ok {
		return "", refuse(reasonType)
	}
	return s, nil
}

// maxDate is the first second of the year 10000. Dates are beyond it by
// mistake, or to overflow something.
const maxDate = 253402300800

// dateClaim is a registered claim that is a NumericDate (RFC 7519, 2) if it is
// there; else it is the zero time.
func dateClaim(claims map[string]any, name string) (time.Time, error) {
	value, ok := claims[name]
	if !ok {
		return time.Time{}, nil
	}
	number, ok := value.(json.Number)
	if !ok {
		return time.Time{}, refuse(reasonType)
	}
	seconds, err := number.Float64()
	if err != nil || seconds < 0 || seconds >= maxDate {
		return time.Time{}, refuse(reasonType)
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), nil
}

// checkDates checks exp, nbf and iat (RFC 7519, 4.1), and returns exp.
func checkDates(claims map[string]any, now time.Time, leeway time.Duration) (time.Time, error) {
	var dates [3]time.Time
	for i, name := range []string{"exp", "nbf", "iat"} {
		var err error
		if dates[i], err = dateClaim(claims, name); err != nil {
			return time.Time{}, err
		}
	}
	exp, nbf, iat := dates[0], dates[1], dates[2]
	switch latest := now.Add(leeway); {
	case !exp.IsZero() && !now.Before(exp.Add(leeway)):
		return time.Time{}, refuse(reasonExpired)
	case nbf.After(latest):
		return time.Time{}, refuse(reasonNotYet)
	case iat.After(latest):
		return time.Time{}, refuse(reasonIssued)
	}
	return exp, nil
}

// checkParties checks iss and aud (RFC 7519, 4.1) against what is expected,
// which may be empty.
func checkParties(claims map[string]any, issuer string, audience []string) error {
	iss, err := stringClaim(claims, "iss")
	if err != nil {
		return err
	}
	if issuer != "" && iss != issuer {
		return refuse(reasonIssuer)
	}
	var names []string
	switch aud := claims["aud"].(type) {
	case nil:
	case string:
		names = []string{aud}
	case []any:
		if names, err = stringList(aud); err != nil {
			return err
		}
	default:
		return refuse(reasonType)
	}
	if len(audience) > 0 && !slices.ContainsFunc(names, func(s string) bool { return slices.Contains(audience, s) }) {
		return refuse(reasonAudience)
	}
	return nil
}

func stringList(list []any) ([]string, error) {
	texts := make([]string, len(list))
	for i, value := range list {
		s, ok := value.(string)
		if !ok {
			return nil, refuse(reasonType)
		}
		texts[i] = s
	}
	return texts, nil
}

// checkRequired demands claims that are neither null nor "".
func checkRequired(claims map[string]any, required []string) error {
	for _, path := range required {
		if value, _ := LookupClaim(claims, path); value == nil || value == "" {
			return refuse(reasonRequired)
		}
	}
	return nil
}

// userOf reads the user's name. Numbers are no names: they can be written in
// several ways.
func userOf(claims map[string]any, path string) (string, error) {
	value, _ := LookupClaim(claims, path)
	user, ok := value.(string)
	if !ok || checkName(user) != nil {
		return "", refuse(reasonUser)
	}
	return user, nil
}

// rolesOf reads the roles: a list of names, or one string of names with spaces
// or commas between them, as a scope (RFC 8693, 4.2). No claim, or null: none.
func rolesOf(claims map[string]any, path string) ([]string, error) {
	var roles []string
	value, _ := LookupClaim(claims, path)
	switch value := value.(type) {
	case nil:
		return nil, nil
	case string:
		roles = strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == ',' })
	case []any:
		var err error
		if roles, err = stringList(value); err != nil {
			return nil, err
		}
	default:
		return nil, refuse(reasonType)
	}
	return distinct(roles)
}

// distinct removes what occurs again, and refuses what is no name.
func distinct(roles []string) ([]string, error) {
	seen := make(map[string]bool, len(roles))
	kept := roles[:0:0]
	for _, role := range roles {
		if checkName(role) != nil {
			return nil, refuse(reasonRoles)
		}
		if !seen[role] {
			seen[role] = true
			kept = append(kept, role)
		}
	}
	return kept, nil
}
