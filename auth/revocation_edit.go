package auth

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Revocation is one line of the file of revocations.
type Revocation struct {
	Kind  string // RevokedToken or RevokedUser
	Value string
}

// The kinds of revocation.
const (
	RevokedToken = "jti"  // a token, by its claim jti
	RevokedUser  = "user" // a user, by name
)

// maxTokenID bounds a jti, in bytes.
const maxTokenID = 1024

// Check returns an error for an invalid revocation.
func (r Revocation) Check() error {
	if r.Kind != RevokedToken && r.Kind != RevokedUser {
		return fmt.Errorf("expected kind to be %s or %s", RevokedToken, RevokedUser)
	}
	most := maxNameBytes
	if r.Kind == RevokedToken {
		most = maxTokenID
	}
	switch {
	case r.Value == "" || len(r.Value) > most:
		return fmt.Errorf("expected value to have 1 to %d bytes", most)
	case strings.TrimSpace(r.Value) != r.Value:
		return errors.New("expected value to have no space at its beginning or end")
	case !utf8.ValidString(r.Value) || strings.ContainsFunc(r.Value, func(c rune) bool { return unicode.IsControl(c) || c == utf8.RuneError }):
		return errors.New("expected value to be text without control characters")
	}
	return nil
}

// ErrNoRevokedFile: there is no file of revocations to write to.
var ErrNoRevokedFile = errors.New("auth.revoked_file is empty: there is no file that revocations could be kept in")

// Revocations are those in force, in no order.
func (a *Authenticator) Revocations() iter.Seq[Revocation] {
	r := a.state.Load().revoked
	return func(yield func(Revocation) bool) {
		for id := range r.tokens {
			if !yield(Revocation{RevokedToken, id}) {
				return
			}
		}
		for name := range r.users {
			if !yield(Revocation{RevokedUser, name}) {
				return
			}
		}
	}
}

// Revoke adds a revocation to the file, or removes it if on is false, and
// applies the content of the file. It reports whether that changed the file.
// Comments stay, and a crash leaves the old file or the new one. Sessions
// keep their identities: ask Revoked about each. Errors are ErrNoRevokedFile,
// that of Check, and those of the file.
func (a *Authenticator) Revoke(r Revocation, on bool) (changed bool, err error) {
	if err := r.Check(); err != nil {
		return false, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false, ErrClosed
	}
	old := a.state.Load()
	path := old.options.RevokedFile
	if path == "" {
		return false, ErrNoRevokedFile
	}
	data, err := readFile(path, maxListFile)
	if err != nil {
		return false, fmt.Errorf("auth.revoked_file: %w", err)
	}
	edited := edit(data, r, on)
	now, err := parseRevocations(path, edited)
	if err != nil {
		return false, err // somebody has broken it meanwhile
	}
	if changed = !bytes.Equal(data, edited); changed {
		if err := replaceFile(path, edited); err != nil {
			return false, fmt.Errorf("auth.revoked_file: %w", err)
		}
	}
	s := *old
	s.revoked = now
	a.state.Store(&s)
	return changed, nil
}

// edit makes a file have a revocation once more, or no longer.
func edit(data []byte, r Revocation, on bool) []byte {
	var out []byte
	found := false
	for line := range bytes.Lines(data) {
		if is(line, r) {
			if found = true; !on {
				continue
			}
		}
		out = append(out, line...)
	}
	if !on || found {
		return out
	}
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	return append(out, r.Kind+":"+r.Value+"\n"...)
}

// is reports whether a line says a revocation, as readRevocations reads it.
func is(line []byte, r Revocation) bool {
	for _, text := range lines(line) {
		kind, value, _ := strings.Cut(text, ":")
		return kind == r.Kind && strings.TrimSpace(value) == r.Value
	}
	return false
}

// replaceFile writes a file in one step: readers, also after a crash, find
// the old content or the new. A symbolic link stays one.
func replaceFile(path string, data []byte) (err error) {
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return err
	}
	about, err := os.Stat(path)
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(next.Name()))
		}
	}()
	_, err1 := next.Write(data)
	err = errors.Join(err1, next.Chmod(about.Mode().Perm()), next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err == nil {
		syncDirectory(filepath.Dir(path))
	}
	return err
}

// syncDirectory makes the name of a file survive a crash of the machine, where
// the system can do that.
func syncDirectory(path string) {
	d, err := os.Open(path)
	if err != nil {
		return
	}
	_, _ = d.Sync(), d.Close() // the file is in place; there are systems that sync no directory
}
