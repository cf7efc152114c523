// Package mask takes tokens out of texts that are shown or kept. Clients write
// a token where a name belongs, by mistake or by a setting that is misread: as a
// login, a client-id, a destination.
package mask

import (
	"encoding/base64"
	"regexp"
	"strings"
)

// stars stand where a token was.
const stars = "********"

// scheme finds credentials by the scheme before them (RFC 9110, 11.4). Unlike
// the words of a sentence they are long and have more than letters in them.
var scheme = regexp.MustCompile(`(?i)\b(bearer|basic)((?:\s+|%20|\+)[A-Za-z0-9._~+/=-]{8,})`)

// word finds what may be a token: parts in base64url with dots between them.
var word = regexp.MustCompile(`[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*`)

// Text returns a text with ******** in the place of each token: of whatever
// follows the word Bearer or Basic, and of base64url that is a JSON object, or
// the beginning of one, with all that is joined to it by dots. Other text comes
// back as it is.
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

// Holds tells whether there is a token in a text.
func Holds(s string) bool { return Text(s) != s }

// shortest is the length of what may be a token, in base64url: less has no
// secret in it.
const shortest = 10

// tokenIn finds where a token begins in a word, -1 if there is none.
func tokenIn(w string) int {
	// {"... in base64url, wherever it stands.
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

// isObject tells whether a part of a token is a JSON object, as far as its
// beginning shows. White space may stand before and behind the brace.
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
