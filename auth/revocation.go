package auth

import (
	"fmt"
	"strings"
)

// revocations are valid tokens and users that are refused all the same. The
// zero value refuses nothing.
type revocations struct {
	tokens, users map[string]bool
}

// readRevocations reads a file with one jti:ID or user:NAME in a line. Empty
// lines and those that begin with # say nothing; an empty path is an empty
// file.
func readRevocations(path string) (revocations, error) {
	if path == "" {
		return revocations{}, nil
	}
	data, err := readFile(path, maxListFile)
	if err != nil {
		return revocations{}, fmt.Errorf("auth.revoked_file: %w", err)
	}
	return parseRevocations(path, data)
}

// parseRevocations reads the content of such a file.
func parseRevocations(path string, data []byte) (revocations, error) {
	r := revocations{tokens: map[string]bool{}, users: map[string]bool{}}
	for number, line := range lines(data) {
		kind, name, _ := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		switch {
		case kind == "jti" && name != "":
			r.tokens[name] = true
		case kind == "user" && name != "":
			r.users[name] = true
		default:
			return revocations{}, fmt.Errorf("auth.revoked_file: %s: line %d: expected jti:ID or user:NAME", path, number)
		}
	}
	return r, nil
}

// check refuses an identity that was revoked.
func (r revocations) check(id *Identity) error {
	switch {
	case r.users[id.User]:
		return &Refusal{Reason: reasonUserGone, User: id.User}
	case id.TokenID != "" && r.tokens[id.TokenID]:
		return &Refusal{Reason: reasonTokenGone, User: id.User}
	}
	return nil
}
