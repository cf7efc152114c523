package config

import (
	"net/url"
	"strings"
)

func algorithms() []string {
	return append(secretAlgorithms(), "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
}

func secretAlgorithms() []string { return []string{"HS256", "HS384", "HS512"} }

func checkAlgorithm(name string) string {
	if strings.EqualFold(name, "none") {
		return "expected an algorithm that signs; with none, anybody could make a token"
	}
	return oneOf(algorithms(), name)
}

// checkSecret does not check the length; checkSecretLength does.
func checkSecret(secret string) string {
	if strings.TrimSpace(secret) == "" {
		return "expected more than white space"
	}
	return ""
}

// checkKeysURL requires a URL whose response cannot be altered on the way.
// Credentials in it would be shown with the URL.
func checkKeysURL(value any) []complaint {
	const expected = "expected an https URL, or an http one on loopback, such as https://id.example.com/.well-known/jwks.json"
	text := value.(string)
	if text == "" {
		return nil
	}
	u, found := plainURL(text, expected)
	switch {
	case found != nil:
		return found
	case u.Hostname() == "" || u.Fragment != "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopbackHost(u.Hostname())):
		return []complaint{{expected: expected}}
	}
	return nil
}

// plainURL parses a URL without credentials.
func plainURL(text, expected string) (*url.URL, []complaint) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, []complaint{{shown: masked, expected: expected}}
	case u.User != nil:
		return nil, []complaint{{shown: masked, expected: expected + ", without a user or password"}}
	}
	return u, nil
}

func checkSource(source string) string { return oneOf([]string{"connect", "passcode", "http"}, source) }

// checkQueryParameter requires a name that no client escapes.
func checkQueryParameter(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("-._~", r) }) {
		return "expected letters, digits, '-', '.', '_' and '~'"
	}
	return ""
}

// checkCookie requires a token of RFC 6265, 4.1.1.
func checkCookie(name string) string {
	if name != "" && !isToken(name) {
		return "expected the name of a cookie: letters, digits and any of !#$%&'*+-.^_`|~"
	}
	return ""
}

// checkFileName does not check the file itself; checkRelations does.
func checkFileName(path string) string {
	if path == "" || path != strings.TrimSpace(path) || !isClean(path) {
		return "expected the path of a file, without control characters or white space around it"
	}
	return ""
}

func checkDirectory(path string) string {
	if checkFileName(path) != "" {
		return "expected the path of a directory, without control characters or white space around it"
	}
	return ""
}

// checkListedFile is checkFileName for a list with a text form.
func checkListedFile(path string) string {
	if strings.Contains(path, ",") {
		return noComma
	}
	return checkFileName(path)
}

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
