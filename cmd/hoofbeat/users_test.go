package main

import (
	"strings"
	"testing"

	"hoofbeat/auth"
)

// wantHash checks a hash by logging in with the password.
func wantHash(t *testing.T, hash, password string) {
	t.Helper()
	a, err := auth.New(t.Context(), auth.Options{Users: []auth.User{{Name: "ann", Hash: hash}}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.Authenticate(auth.Request{Login: "ann", Passcode: password}); err != nil {
		t.Errorf("%s is not the hash of the password", hash)
	}
}

func TestUsersHash(t *testing.T) {
	for kind, prefix := range map[string]string{"": "$2a$12$", "argon2id": "$argon2id$v=19$"} {
		args := []string{"users", "hash"}
		if kind != "" {
			args = append(args, "--kind", kind)
		}
		r := runProgram(t.Context(), strings.NewReader("correct horse \r\nsecond line\n"), args...)
		hash, rest, _ := strings.Cut(r.stdout, "\n")
		if r.code != 0 || r.stderr != "" || rest != "" || !strings.HasPrefix(hash, prefix) {
			t.Fatalf("%q: got %+v", kind, r)
		}
		wantHash(t, hash, "correct horse ")
	}
}

func TestUsersHashFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		stdin string
		args  []string
		want  string
	}{
		"argument": {"x\n", []string{"s3cret"}, "a password is no argument"},
		"kind":     {"s3cret\n", []string{"--kind", "md5"}, "--kind must be"},
		"nothing":  {"", nil, "has ended"},
		"empty":    {"\n", nil, "the password is empty"},
		"long":     {strings.Repeat("s3cret", 13), nil, "argon2id can take more"},
	} {
		r := runProgram(t.Context(), strings.NewReader(tc.stdin), append([]string{"users", "hash"}, tc.args...)...)
		if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, tc.want) || strings.Contains(r.stderr, "s3cret") {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}
