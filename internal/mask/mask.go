// Package mask removes tokens from texts that are shown or stored. Clients
// sometimes put a token where a name belongs (login, client-id, destination),
// by mistake or because of a misread setting.
package mask

import (
	"encoding/base64"
	"regexp"
	"strings"
)

// stars replace a token.
const stars = "********"

// scheme matches credentials after their scheme (RFC 9110, 11.4). Unlike
// ordinary words after "bearer" or "basic", they are long and contain more than
// letters.
var scheme = regexp.MustCompile(`(?i)\b(bearer|basic)((?:\s+|%20|\+)[A-Za-z0-9._~+/=-]{8,})`)

// word matches a possible token: base64url parts separated by dots.
var word = regexp.MustCompile(`[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*`)

// Text replaces each token in s by ********: credentials after the word Bearer
// or Basic, and base64url parts that decode to a JSON object or the beginning
// of one, with everything attached to them by dots. Other text is returned
// unchanged.
func Text(s string) string {
	if len(s) < shortest {
		return s
	}
	s = scheme.ReplaceAllStringFunc(s, func(found string) string {
		parts := scheme.FindStringSubmatch(found)
		if !strings.ContainsAny(strings.TrimPrefix(parts[2], "+"), "0123456789._~+/=-") {
			return found
		}
		return parts[1] + " " + stars
	})
	return word.ReplaceAllStringFunc(s, func(w string) string {
		if i := tokenIn(w); i >= 0 {
			return w[:i] + stars
		}
		return w
	})
}

// Holds reports whether a text contains a token.
func Holds(s string) bool { return Text(s) != s }

// shortest is the minimal length of a token in base64url; anything shorter has
// no room for a secret.
const shortest = 10

// tokenIn returns the position of a token in a word, or -1.
func tokenIn(w string) int {
	// "eyJ" is {" in base64url.
	first := strings.Index(w, "eyJ")
	if len(w)-first < shortest {
		first = -1
	}
	at := 0
	for part := range strings.SplitSeq(w, ".") {
		if len(part) >= shortest && (first < 0 || at < first) && isObject(part) {
			return at
		}
		at += len(part) + 1
	}
	return first
}

// isObject reports whether a part of a token begins like a JSON object. White
// space around the brace is allowed.
func isObject(part string) bool {
	const enough = 64
	part = part[:min(len(part), enough)]
	data, err := base64.RawURLEncoding.DecodeString(part[:len(part)/4*4])
	if err != nil {
		return false
	}
	const space = " \t\r\n"
	rest, found := strings.CutPrefix(strings.TrimLeft(string(data), space), "{")
	rest = strings.TrimLeft(rest, space)
	return found && (rest == "" || rest[0] == '"' || rest[0] == '}')
}
