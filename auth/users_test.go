package auth

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// cheapBcrypt is a hash that takes a test no time.
func cheapBcrypt(password string) string {
	return string(must(bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)))
}

// cheapArgon is the same for argon2id.
func cheapArgon(password string) string {
	h := argonHash{memory: 64, passes: 1, threads: 1, salt: randomBytes(16), key: make([]byte, 32)}
	h.key = h.derive(password)
	return h.String()
}

func TestUsersFile(t *testing.T) {
	text := "\ufeff# who may log in\n\n billing:" + cheapBcrypt("one") + ":service, staff,service\r\n" +
		"zoë:" + cheapArgon("two") + "\n\t# nobody else\nops:" + cheapArgon("three") + ":urn:role:a,b"
	a := start(t, Options{
		UsersFile: write(t, "users", text), Users: []User{{Name: "x:y", Hash: cheapBcrypt("four"), Roles: []string{"r"}}},
	})
	for _, tt := range []struct {
		name, password string
		roles          []string
	}{
		{"billing", "one", []string{"service", "staff"}}, {"zoë", "two", nil}, {"ops", "three", []string{"urn:role:a", "b"}}, {"x:y", "four", []string{"r"}},
	} {
		id, err := a.Authenticate(Request{Login: tt.name, Passcode: tt.password})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if id.User != tt.name || !slices.Equal(id.Roles, tt.roles) || id.Method != MethodPassword || !id.Expires.IsZero() || id.Claims != nil {
			t.Errorf("got %+v", id)
		}
		for _, wrong := range []string{"", "wrong", tt.password + " ", tt.password + "\x00", strings.ToUpper(tt.password), strings.Repeat("x", 5000)} {
			_, err := a.Authenticate(Request{Login: tt.name, Passcode: wrong})
			if want := map[bool]string{true: reasonLongPassword, false: reasonPassword}[len(wrong) > 1024]; true {
				wantRefused(t, err, want)
			}
		}
	}
	for _, name := range []string{"", "nobody", "Billing", "billing ", "# nobody else", cheapBcrypt("one")} {
		_, err := a.Authenticate(Request{Login: name, Passcode: "one"})
		wantRefused(t, err, reasonPassword)
	}
}

func TestUsersFileFaults(t *testing.T) {
	hash := cheapBcrypt("one")
	secret := "SuperSecretHashOrPassword"
	for text, want := range map[string]string{
		"anna\n":                                           "line 1: expected name:hash:role1,role2",
		"# a\n\nanna:" + secret + ":r":                     "line 3: the hash is of an unknown kind",
		"anna:$2b$10$" + secret:                            "line 1: the bcrypt hash is malformed",
		"anna:" + hash[:59] + "!":                          "line 1: the bcrypt hash is malformed",
		"anna:$2x$" + hash[4:]:                             "unknown kind",
		"anna:$2b$31$" + hash[7:]:                          "cost 31, expected at most 16",
		":" + hash:                                         "the name of the user: it is empty",
		"a\x01b:" + hash:                                   "control character",
		"anna:" + hash + ":a\x00b":                         "a role of the user",
		"anna:" + hash + "\nanna:" + hash:                  `"anna" occurs twice`,
		"anna:$argon2id$v=19$m=64,t=1,p=1$" + secret + "$": "malformed",
		"anna:$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAA":        "unknown kind",
		"anna:" + strings.Replace(cheapArgon("x"), "v=19", "v=16", 1):           "malformed",
		"anna:" + strings.Replace(cheapArgon("x"), "m=64,", "m=064,", 1):        "malformed",
		"anna:" + strings.Replace(cheapArgon("x"), "m=64,", "m=4,", 1):          "out of range",
		"anna:" + strings.Replace(cheapArgon("x"), "m=64,", "m=4000000000,", 1): "costs too much",
		"anna:" + strings.Replace(cheapArgon("x"), "t=1,", "t=0,", 1):           "out of range",
		"anna:" + strings.Replace(cheapArgon("x"), "p=1", "p=300", 1):           "malformed",
	} {
		t.Run(want, func(t *testing.T) {
			path := write(t, "users", text)
			wantFault(t, Options{UsersFile: path}, "auth.users", want)
			_, err := newAccounts(Options{UsersFile: path}, nil)
			wantNothingOf(t, err.Error(), secret)
			wantNothingOf(t, err.Error(), hash)
		})
	}
}

func TestHashPassword(t *testing.T) {
	for _, kind := range []string{Bcrypt, Argon2id} {
		hash, err := HashPassword(kind, "pässword")
		if err != nil {
			t.Fatal(err)
		}
		a := start(t, Options{Users: []User{{Name: "anna", Hash: hash}}})
		if _, err := a.Authenticate(Request{Login: "anna", Passcode: "pässword"}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if one, two := must(HashPassword(Argon2id, "x")), must(HashPassword(Argon2id, "x")); one == two {
		t.Error("the same hash twice")
	}
	long := strings.Repeat("p", 73)
	for _, tt := range [][2]string{{Bcrypt, ""}, {Bcrypt, long}, {Argon2id, ""}, {Argon2id, strings.Repeat("p", 1025)}, {"md5", "x"}} {
		if hash, err := HashPassword(tt[0], tt[1]); err == nil || strings.Contains(err.Error(), long) {
			t.Errorf("%s of %d bytes: %q, %v", tt[0], len(tt[1]), hash, err)
		}
	}
	// Bcrypt ignores the bytes behind the limit.
	h := must(parseHash(cheapBcrypt(long[:72])))
	if h.matches(long) || !h.matches(long[:72]) {
		t.Error("a longer password matches")
	}
}

// Hashes of other implementations: htpasswd, PHP and the argon2 command.
func TestHashesOfOthers(t *testing.T) {
	for hash, password := range map[string]string{
		"$2y$10$.vGA1O9wmRjrwAVXD98HNOgsNpDczlqm3Jq7KnEd1rVAGv3Fykk1a":                           "rasmuslerdorf",
		"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW":                           "U*U",
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc": "password",
	} {
		h, err := parseHash(hash)
		if err != nil {
			t.Fatal(hash, err)
		}
		if !h.matches(password) || h.matches(password+"x") {
			t.Errorf("%s: wrong", hash)
		}
	}
}

// An unknown user costs the same hash as somebody known, the same each time,
// and every kind of user has unknown ones like it.
func TestDecoys(t *testing.T) {
	users := []User{
		{Name: "a", Hash: cheapBcrypt("x")}, {Name: "b", Hash: cheapArgon("x")}, {Name: "c", Hash: cheapArgon("x")},
	}
	a, err := newAccounts(Options{Users: users}, []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	costs := map[string]int{}
	for i := range 200 {
		name := fmt.Sprint("nobody", i)
		one, known := a.find(name)
		two, _ := a.find(name)
		if known || one.hash.cost() != two.hash.cost() {
			t.Fatalf("%s: %v, %s, %s", name, known, one.hash.cost(), two.hash.cost())
		}
		if one.hash.matches("x") {
			t.Fatal("a decoy matches")
		}
		costs[one.hash.cost()]++
	}
	if len(costs) != 2 || costs["bcrypt 4"] < 50 || costs["argon2id 64 1 1 16 32"] < 50 {
		t.Errorf("got %v", costs)
	}
}

// The same time, as far as can be measured on a busy machine, for a wrong
// password, an unknown user, and a password that bcrypt would not take.
// BenchmarkLogin has the figures.
func TestLoginTime(t *testing.T) {
	argon := argonHash{memory: 2048, passes: 1, threads: 1, salt: randomBytes(16), key: randomBytes(32)}
	for kind, hash := range map[string]string{
		Bcrypt: string(must(bcrypt.GenerateFromPassword([]byte("x"), 6))), Argon2id: argon.String(),
	} {
		a := start(t, Options{Users: []User{{Name: "anna", Hash: hash}}})
		requests := []Request{
			{Login: "anna", Passcode: "wrong"}, {Login: "nobody", Passcode: "wrong"}, {Login: "anna"}, {Passcode: "wrong"},
			{Login: "anna", Passcode: strings.Repeat("x", 100)}, {Login: "nobody", Passcode: strings.Repeat("x", 100)},
		}
		fastest := make([]time.Duration, len(requests))
		for round := range 10 {
			for i, r := range requests {
				began := time.Now()
				_, err := a.Authenticate(r)
				took := time.Since(began)
				wantRefused(t, err, reasonPassword)
				if round == 0 || took < fastest[i] {
					fastest[i] = took
				}
			}
		}
		if slices.Max(fastest) > 8*slices.Min(fastest) {
			t.Errorf("%s: the times are %v", kind, fastest)
		}
	}
}

// countedHash counts how often it is asked.
type countedHash struct{ asked *int }

func (h countedHash) matches(string) bool { *h.asked++; return false }
func (h countedHash) cost() string        { return "" }
func (h countedHash) decoy() passwordHash { return h }

// One hash for each login, whether there is such a user or not.
func TestOneHashForEachLogin(t *testing.T) {
	asked := 0
	h := countedHash{&asked}
	a := accounts{byName: map[string]account{"anna": {hash: h}}, decoys: []passwordHash{h}, proven: newProven()}
	for i, name := range []string{"anna", "nobody", ""} {
		_, err := a.login(make(gate, 1), name, "x")
		wantRefused(t, err, reasonPassword)
		if asked != i+1 {
			t.Errorf("%q: %d hashes after %d logins", name, asked, i+1)
		}
	}
}

// At most as many hashes run at a time as the gate has room for, and waiting
// clients are admitted in time.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := make(gate, 2)
		var inside, most atomic.Int32
		var all sync.WaitGroup
		for range 7 {
			all.Go(func() {
				if !g.enter() {
					t.Error("kept out")
					return
				}
				defer g.leave()
				most.Store(max(most.Load(), inside.Add(1)))
				<-time.After(time.Second) // the work, in the time of the bubble
				inside.Add(-1)
			})
		}
		all.Wait()
		if most.Load() != 2 {
			t.Errorf("%d at a time", most.Load())
		}
	})
}

func FuzzParseHash(f *testing.F) {
	f.Add(cheapBcrypt("x"))
	f.Add(cheapArgon("x"))
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err != nil {
			wantNoHash(t, err, text)
			return
		}
		if h.decoy().cost() != h.cost() {
			t.Error("the decoy costs something else")
		}
	})
}

func wantNoHash(t *testing.T, err error, text string) {
	if len(text) > 40 && strings.Contains(err.Error(), text) {
		t.Errorf("the error holds the hash: %v", err)
	}
}
