package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// usersExample is the example in the default file, commented out.
const usersExample = `users:
  - name: ada
    hash: "$2b$12$..."            # bcrypt or argon2id, the whole of it, in quotes
    roles: [staff]
`

func userKind() recordsKind[User] {
	return recordsKind[User]{
		example: `{"name": "ada", "hash": "$2b$12$...", "roles": ["staff"]}`,
		parts: []part[User]{
			{name: "name", kind: textKind{}, doc: "what the client writes as login", check: single(checkUser), field: func(u *User) any { return &u.Name }},
			{name: "hash", kind: textKind{}, doc: "bcrypt or argon2id of the passcode, as `hoofbeat users hash` prints it", check: single(checkHash), secret: true, field: func(u *User) any { return &u.Hash }},
			{name: "roles", kind: listKind{}, doc: "for rules of acl", check: each(checkName), field: func(u *User) any { return &u.Roles }},
		},
		needs: []need[User]{
			{parts: []string{"name"}, met: func(u *User) bool { return u.Name != "" }, expected: "expected the name of the user"},
			{parts: []string{"hash"}, met: func(u *User) bool { return u.Hash != "" }, expected: "expected the hash of the user's password"},
		},
	}
}

// uniqueUsers checks the users whose name could be parsed.
func uniqueUsers(value any) []complaint {
	var all []complaint
	first := map[string]int{}
	for i, user := range value.([]User) {
		if j, twice := first[user.Name]; twice && user.Name != "" {
			all = append(all, complaint{
				at: fmt.Sprintf("[%d].name", i), shown: show(user.Name),
				expected: fmt.Sprintf("expected another name, as auth.users[%d] has it", j),
			})
			continue
		}
		first[user.Name] = i
	}
	return all
}

// anonymousUser is the user of clients without credentials.
const anonymousUser = "anonymous"

func checkUser(name string) string {
	if name == anonymousUser {
		return "expected another name, as this is that of clients without credentials"
	}
	return checkName(name)
}

// maxName is the largest length of the names of users, roles and claims, in
// bytes.
const maxName = 256

// checkName validates names of users, roles and claims. It rejects only names
// that could be confused with others.
func checkName(name string) string {
	if name == "" || len(name) > maxName || name != strings.TrimSpace(name) || !isClean(name) {
		return fmt.Sprintf("expected a name of at most %d bytes, without white space around it or control characters", maxName)
	}
	return ""
}

const noComma = "expected no comma, as that separates the elements of a list"

// checkListed is checkName for a list with a text form.
func checkListed(name string) string {
	if strings.Contains(name, ",") {
		return noComma
	}
	return checkName(name)
}

// isClean reports whether text is UTF-8 without control characters.
func isClean(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError
	})
}

// checkHash requires a complete hash: one that was truncated, or in which a
// shell has replaced the text after a '$', would match no password. A cost
// above 16 would take seconds per login. The limits of argon2id are checked by
// package auth.
func checkHash(hash string) string {
	const (
		bcrypt = `\$2[aby]\$(0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}`
		argon2 = `\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[+/A-Za-z0-9]{11,}\$[+/A-Za-z0-9]{22,}`
	)
	if regexp.MustCompile(`^(` + bcrypt + `|` + argon2 + `)$`).MatchString(hash) {
		return ""
	}
	return "expected a whole bcrypt hash ($2a$, $2b$ or $2y$, of a cost from 4 to 16) or argon2id hash ($argon2id$v=19$m=...,t=...,p=...$...$...)"
}
