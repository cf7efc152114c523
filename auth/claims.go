package auth

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
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

// Reasons for tokens with a correct signature.
const (
	reasonExpired  = "the token has expired"
	reasonNotYet   = "the token is not valid yet"
	reasonIssued   = "the token was issued in the future"
	reasonIssuer   = "the token is of another issuer"
	reasonAudience = "the token is for another audience"
	reasonRequired = "the token lacks a required claim"
	reasonType     = "a claim of the token has the wrong type"
	reasonUser     = "the token names no user, or the name is not valid"
	reasonRoles    = "a role of the token is not a valid name"
)

// refuseClaim makes a Refusal that says which claim is wrong, and how.
func refuseClaim(reason, format string, a ...any) error {
	return &Refusal{Reason: reason, Detail: fmt.Sprintf(format, a...)}
}

// typeOf names the type of a JSON value, with its article.
func typeOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case []any:
		return "an array"
	default:
		return "an object"
	}
}

// quotedText shows a text of a token's, as far as it fits in a line.
func quotedText(s string) string {
	const most = 100
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strconv.Quote(s)
}

// stringClaim is a registered claim that is a string if it is there.
func stringClaim(claims map[string]any, name string) (string, error) {
	value, ok := claims[name]
	if !ok {
		return "", nil
	}
	s, ok := value.(string)
	if !ok {
		return "", refuseClaim(reasonType, "%s is %s, expected a string", name, typeOf(value))
	}
	return s, nil
}

// checkSubject checks sub where it is not the user: issuers with numbers for
// users write numbers.
func checkSubject(claims map[string]any) error {
	if _, number := claims["sub"].(json.Number); number {
		return nil
	}
	_, err := stringClaim(claims, "sub")
	return err
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
		return time.Time{}, refuseClaim(reasonType, "%s is %s, expected a number: seconds since 1970", name, typeOf(value))
	}
	seconds, err := number.Float64()
	switch {
	case err == nil && seconds >= maxDate && seconds < 1000*maxDate:
		return time.Time{}, refuseClaim(reasonType, "%s is beyond the year 9999; expected seconds since 1970, not milliseconds", name)
	case err != nil || seconds < 0 || seconds >= maxDate:
		return time.Time{}, refuseClaim(reasonType, "%s is out of range; expected seconds since 1970", name)
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
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch latest := now.Add(leeway); {
	case !exp.IsZero() && !now.Before(exp.Add(leeway)):
		return time.Time{}, refuseClaim(reasonExpired, "exp is %s", at(exp))
	case nbf.After(latest):
		return time.Time{}, refuseClaim(reasonNotYet, "nbf is %s", at(nbf))
	case iat.After(latest):
		return time.Time{}, refuseClaim(reasonIssued, "iat is %s", at(iat))
	}
	return exp, nil
}

// checkParties checks iss and aud (RFC 7519, 4.1) against the expected
// values, which may be empty.
func checkParties(claims map[string]any, issuer string, audience []string) error {
	iss, err := stringClaim(claims, "iss")
	if err != nil {
		return err
	}
	if issuer != "" && iss != issuer {
		return refuseClaim(reasonIssuer, "iss is %s, expected %s", quotedText(iss), quotedText(issuer))
	}
	var names []string
	switch aud := claims["aud"].(type) {
	case nil:
	case string:
		names = []string{aud}
	case []any:
		if names, err = stringList("aud", aud); err != nil {
			return err
		}
	default:
		return refuseClaim(reasonType, "aud is %s, expected a string or an array of strings", typeOf(aud))
	}
	if len(audience) > 0 && !slices.ContainsFunc(names, func(s string) bool { return slices.Contains(audience, s) }) {
		return refuseClaim(reasonAudience, "aud is %s, expected one of %s", quotedText(strings.Join(names, " ")), quotedText(strings.Join(audience, " ")))
	}
	return nil
}

func stringList(name string, list []any) ([]string, error) {
	texts := make([]string, len(list))
	for i, value := range list {
		s, ok := value.(string)
		if !ok {
			return nil, refuseClaim(reasonType, "%s[%d] is %s, expected a string", name, i, typeOf(value))
		}
		texts[i] = s
	}
	return texts, nil
}

// checkRequired demands claims that are neither null nor "".
func checkRequired(claims map[string]any, required []string) error {
	for _, path := range required {
		switch value, found := LookupClaim(claims, path); {
		case !found:
			return refuseClaim(reasonRequired, "%s is missing", path)
		case value == nil || value == "":
			return refuseClaim(reasonRequired, "%s is empty or null", path)
		}
	}
	return nil
}

// userOf reads the user's name. An integer is a name as its digits stand in the
// token. Other numbers are none: they can be written in several ways.
func userOf(claims map[string]any, path string) (string, error) {
	value, found := LookupClaim(claims, path)
	var user string
	switch value := value.(type) {
	case string:
		user = value
	case json.Number:
		user = value.String()
		if strings.ContainsAny(user, ".eE") || user == "-0" {
			return "", refuseClaim(reasonUser, "%s is a number that is not written as an integer", path)
		}
	default:
		if !found {
			return "", refuseClaim(reasonUser, "%s is missing", path)
		}
		return "", refuseClaim(reasonUser, "%s is %s, expected a string or an integer", path, typeOf(value))
	}
	if err := checkName(user); err != nil {
		return "", refuseClaim(reasonUser, "%s: %v", path, err)
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
		if roles, err = stringList(path, value); err != nil {
			return nil, err
		}
	default:
		return nil, refuseClaim(reasonType, "%s is %s, expected an array of strings, or one string", path, typeOf(value))
	}
	kept, err := distinct(roles)
	if err != nil {
		return nil, refuseClaim(reasonRoles, "%s: %v", path, err)
	}
	return kept, nil
}

// distinct removes duplicates, and refuses invalid names.
func distinct(roles []string) ([]string, error) {
	seen := make(map[string]bool, len(roles))
	kept := roles[:0:0]
	for i, role := range roles {
		if err := checkName(role); err != nil {
			return nil, fmt.Errorf("role %d: %w", i+1, err)
		}
		if !seen[role] {
			seen[role] = true
			kept = append(kept, role)
		}
	}
	return kept, nil
}
