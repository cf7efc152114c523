package auth

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRevoke(t *testing.T) {
	path := write(t, "revoked", "\ufeff# who has left\r\n\n user: eve \njti:1\njti:1\nuser:last")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	a := must(New(t.Context(), Options{Anonymous: true, RevokedFile: link}))
	defer a.Close()
	for _, tt := range []struct {
		r       Revocation
		on      bool
		changed bool
		file    string
	}{
		{Revocation{"user", "eve"}, true, false, "\ufeff# who has left\r\n\n user: eve \njti:1\njti:1\nuser:last"},
		{Revocation{"user", "x"}, false, false, "\ufeff# who has left\r\n\n user: eve \njti:1\njti:1\nuser:last"},
		{Revocation{"user", "a:b#c"}, true, true, "\ufeff# who has left\r\n\n user: eve \njti:1\njti:1\nuser:last\nuser:a:b#c\n"},
		{Revocation{"jti", "1"}, false, true, "\ufeff# who has left\r\n\n user: eve \nuser:last\nuser:a:b#c\n"},
		{Revocation{"user", "eve"}, false, true, "\ufeff# who has left\r\n\nuser:last\nuser:a:b#c\n"},
	} {
		changed, err := a.Revoke(tt.r, tt.on)
		text := string(must(os.ReadFile(link)))
		if err != nil || changed != tt.changed || text != tt.file {
			t.Errorf("%v %v: %v, %v, the file has %q", tt.r, tt.on, changed, err, text)
		}
		if got := slices.Contains(slices.Collect(a.Revocations()), tt.r); got != tt.on {
			t.Errorf("%v %v: in force: %v", tt.r, tt.on, got)
		}
	}
	if about := must(os.Stat(path)); about.Mode().Perm() != 0o640 {
		t.Errorf("the mode is %v", about.Mode())
	}
	if about := must(os.Lstat(link)); about.Mode()&os.ModeSymlink == 0 {
		t.Error("the link is a file now")
	}
	if left := must(os.ReadDir(filepath.Dir(path))); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if !a.Revoked(&Identity{User: "a:b#c", Method: MethodAnonymous}) || a.Revoked(&Identity{User: "eve", Method: MethodAnonymous}) {
		t.Error("it is not in force")
	}
}

// Invalid revocations change nothing, and lines of others stay.
func TestRevokeFaults(t *testing.T) {
	path := write(t, "revoked", "user:eve\n")
	a := must(New(t.Context(), Options{Anonymous: true, RevokedFile: path}))
	for _, r := range []Revocation{
		{}, {"role", "x"}, {"user", ""}, {"jti", ""}, {"user", " a"}, {"user", "a\nuser:b"}, {"jti", "a\x00"}, {"user", "\xff"}, {"user", strings.Repeat("a", 257)}, {"jti", strings.Repeat("a", 1025)},
	} {
		if changed, err := a.Revoke(r, true); err == nil || changed {
			t.Errorf("%q: %v, %v", r, changed, err)
		}
	}
	if err := os.WriteFile(path, []byte("rubbish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Revoke(Revocation{"user", "x"}, true); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a broken file: %v", err)
	}
	if text := string(must(os.ReadFile(path))); text != "rubbish\n" || !a.Revoked(&Identity{User: "eve", Method: MethodAnonymous}) {
		t.Errorf("the file has %q", text)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Revoke(Revocation{"user", "x"}, true); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	a.Close()
	if _, err := a.Revoke(Revocation{"user", "x"}, true); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	none := must(New(t.Context(), Options{Anonymous: true}))
	defer none.Close()
	if _, err := none.Revoke(Revocation{"user", "x"}, true); !errors.Is(err, ErrNoRevokedFile) {
		t.Errorf("got %v", err)
	}
}

func TestLogin(t *testing.T) {
	const sesame = "$2a$04$DENGnxhW7tB0tl29bs3fkOBBeLi9h2mK7TAtnSEd3GOMGy8ULB2Ka"
	o := Options{Anonymous: true, Users: []User{{Name: "otto", Hash: sesame, Roles: []string{"looker"}}}, RevokedFile: write(t, "revoked", "user:eve\n")}
	o.Users = append(o.Users, User{Name: "eve", Hash: sesame})
	a := must(New(t.Context(), o))
	defer a.Close()
	id, err := a.Login("otto", "sesame", Peer{})
	if err != nil || id.User != "otto" || id.Method != MethodPassword || !slices.Equal(id.Roles, []string{"looker"}) {
		t.Errorf("got %+v, %v", id, err)
	}
	for _, tt := range [][3]string{{"otto", "Sesame", reasonPassword}, {"otto", "", reasonPassword}, {"", "", reasonPassword}, {"eve", "sesame", reasonUserGone}} {
		_, err := a.Login(tt[0], tt[1], Peer{})
		wantRefused(t, err, tt[2])
	}
	none := must(New(t.Context(), Options{Anonymous: true}))
	defer none.Close()
	_, err = none.Login("otto", "sesame", Peer{})
	wantRefused(t, err, reasonNoUsers)
}
