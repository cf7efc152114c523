package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func goodToken() string { return forge(rsHeader, with(), rs256(testRSA())) }

// Each place is looked at only if that is configured, in their order.
func TestSources(t *testing.T) {
	named := func(user string) string { return forge(rsHeader, with("sub", user), rs256(testRSA())) }
	full := Request{
		Login: "guest", Authorization: "Bearer " + named("authorization"), Passcode: named("passcode"), HTTPAuthorization: "Bearer " + named("http"),
		QueryToken: named("query"), CookieToken: named("cookie"),
	}
	for _, tt := range []struct {
		sources Sources
		want    string
	}{
		{everywhere, "authorization"},
		{Sources{Passcode: true, HTTPAuthorization: true, Query: true, Cookie: true}, "passcode"},
		{Sources{HTTPAuthorization: true, Query: true, Cookie: true}, "http"},
		{Sources{Query: true, Cookie: true}, "query"},
		{Sources{Cookie: true}, "cookie"},
	} {
		o := tokenOptions(t)
		o.Sources = tt.sources
		id, err := start(t, Options{JWT: o}).Authenticate(full)
		if err != nil || id.User != tt.want {
			t.Errorf("%+v: got %v, %v, want %s", tt.sources, id, err, tt.want)
		}
	}
	// With nothing where it is looked for, there are no credentials but login and passcode.
	o := tokenOptions(t)
	o.Sources = Sources{Cookie: true}
	full.CookieToken = ""
	_, err := start(t, Options{JWT: o}).Authenticate(full)
	wantRefused(t, err, reasonNoUsers)
}

func TestAuthorizationHeaders(t *testing.T) {
	a := start(t, Options{JWT: tokenOptions(t), Anonymous: true})
	good := goodToken()
	for _, header := range []string{"Bearer " + good, "bearer " + good, "BEARER   " + good, " Bearer " + good + " "} {
		if id, err := a.Authenticate(Request{Authorization: header}); err != nil || id.User != "anna" {
			t.Errorf("%.10q: %v", header, err)
		}
		if id, err := a.Authenticate(Request{HTTPAuthorization: header}); err != nil || id.User != "anna" {
			t.Errorf("%.10q: %v", header, err)
		}
	}
	for _, header := range []string{good, "Bearer", "Bearer ", "Bearer:" + good, "Basic YTpi", "Bearer\t" + good, "undefined"} {
		_, err := a.Authenticate(Request{Authorization: header})
		wantRefused(t, err, reasonScheme)
	}
	for _, header := range []string{"Bearer undefined", "Bearer null", "Bearer Bearer " + good, "Bearer " + good + "\n"} {
		_, err := a.Authenticate(Request{Authorization: header})
		wantRefused(t, err, reasonForm)
	}
	// A proxy's own credentials are not for us.
	if id, err := a.Authenticate(Request{HTTPAuthorization: "Basic YTpi"}); err != nil || id.Method != MethodAnonymous {
		t.Errorf("got %v, %v", id, err)
	}
	if id, err := a.Authenticate(Request{HTTPAuthorization: "Basic YTpi", QueryToken: good}); err != nil || id.User != "anna" {
		t.Errorf("got %v, %v", id, err)
	}
}

// Basic credentials of the upgrade are a login and a passcode, where CONNECT has
// none and one could be right.
func TestBasicOfUpgrade(t *testing.T) {
	basic := func(login, passcode string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(login+":"+passcode))
	}
	users := []User{{Name: "otto", Hash: cheapBcrypt("a:b")}}
	noHTTP := tokenOptions(t)
	noHTTP.Sources.HTTPAuthorization = false
	for name, tt := range map[string]struct {
		o    Options
		r    Request
		want string // a user; empty: refused
	}{
		"right":                       {Options{Users: users}, Request{HTTPAuthorization: basic("otto", "a:b")}, "otto"},
		"lower case":                  {Options{Users: users}, Request{HTTPAuthorization: "basic " + basic("otto", "a:b")[6:]}, "otto"},
		"wrong":                       {Options{Users: users}, Request{HTTPAuthorization: basic("otto", "a")}, ""},
		"wrong is not anonymous":      {Options{Users: users, Anonymous: true}, Request{HTTPAuthorization: basic("otto", "a")}, ""},
		"no users":                    {Options{Anonymous: true}, Request{HTTPAuthorization: basic("otto", "a")}, AnonymousUser},
		"CONNECT wins":                {Options{Users: users}, Request{Login: "otto", Passcode: "a:b", HTTPAuthorization: basic("eve", "x")}, "otto"},
		"CONNECT wins, wrong":         {Options{Users: users}, Request{Login: "otto", HTTPAuthorization: basic("otto", "a:b")}, ""},
		"beside tokens":               {Options{Users: users, JWT: tokenOptions(t)}, Request{HTTPAuthorization: basic("otto", "a:b")}, "otto"},
		"a token wins":                {Options{Users: users, JWT: tokenOptions(t)}, Request{Authorization: "Bearer " + goodToken(), HTTPAuthorization: basic("otto", "a:b")}, "anna"},
		"a token as passcode":         {Options{JWT: tokenOptions(t)}, Request{HTTPAuthorization: basic("x", goodToken())}, "anna"},
		"header is not looked at":     {Options{Users: users, JWT: noHTTP}, Request{HTTPAuthorization: basic("otto", "a:b")}, ""},
		"not base64":                  {Options{Users: users}, Request{HTTPAuthorization: "Basic %%%"}, ""},
		"no colon":                    {Options{Users: users}, Request{HTTPAuthorization: "Basic b3R0bw=="}, ""},
		"another scheme, then a user": {Options{Users: users}, Request{Login: "otto", Passcode: "a:b", HTTPAuthorization: "Digest x"}, "otto"},
	} {
		id, err := start(t, tt.o).Authenticate(tt.r)
		if (err == nil) != (tt.want != "") || err == nil && id.User != tt.want {
			t.Errorf("%s: got %+v, %v", name, id, err)
		}
	}
}

// A passcode is a token only if it has the form of one.
func TestPasscodes(t *testing.T) {
	passwords := []string{"plain", "a.b.c", "ey.b.c!", "e30", "eyJhbGciOiJub25lIn0.e30"}
	var users []User
	for i, p := range passwords {
		users = append(users, User{Name: string(rune('a' + i)), Hash: cheapBcrypt(p)})
	}
	a := start(t, Options{JWT: tokenOptions(t), Users: users})
	for i, p := range passwords {
		if id, err := a.Authenticate(Request{Login: users[i].Name, Passcode: p}); err != nil || id.Method != MethodPassword {
			t.Errorf("%s: %v, %v", p, id, err)
		}
	}
	if id, err := a.Authenticate(Request{Login: "whoever", Passcode: goodToken()}); err != nil || id.User != "anna" {
		t.Errorf("got %v, %v", id, err)
	}
	_, err := a.Authenticate(Request{Login: "a", Passcode: forge(`{"alg":"none"}`, with(), unsigned)})
	wantRefused(t, err, reasonAlgorithm)
	pretty := forge("{\n  \"alg\": \"RS256\"\n}", with(), rs256(testRSA()))
	if _, err := a.Authenticate(Request{Passcode: pretty}); err != nil {
		t.Error(err)
	}
}

func TestAnonymousClients(t *testing.T) {
	roles := []string{"guest"}
	users := []User{{Name: "anna", Hash: cheapBcrypt("x")}}
	for _, tt := range []struct {
		name    string
		options Options
		request Request
		want    string // the user, or the reason of the refusal
	}{
		{"nothing is offered", Options{Anonymous: true, JWT: tokenOptions(t), Users: users}, Request{}, AnonymousUser},
		{"a name that cannot be proven", Options{Anonymous: true, JWT: tokenOptions(t)}, Request{Login: "admin", Passcode: "x"}, AnonymousUser},
		{"wrong credentials", Options{Anonymous: true, Users: users}, Request{Login: "anna", Passcode: "y"}, reasonPassword},
		{"a name alone", Options{Anonymous: true, Users: users}, Request{Login: "anna"}, reasonPassword},
		{"there are no users any more", Options{Anonymous: true, UsersFile: write(t, "users", "#")}, Request{Login: "anna", Passcode: "x"}, reasonPassword},
		{"a wrong token", Options{Anonymous: true, JWT: tokenOptions(t)}, Request{Authorization: "Bearer x"}, reasonForm},
		{"nothing can be proven", Options{Anonymous: true}, Request{Login: "admin", Passcode: "x"}, "admin"},
		{"nothing can be proven, no name", Options{Anonymous: true}, Request{Authorization: "Bearer x"}, AnonymousUser},
		{"no proper name", Options{Anonymous: true}, Request{Login: "a\nb"}, reasonName},
		{"not allowed", Options{JWT: tokenOptions(t)}, Request{}, reasonNoCredentials},
		{"not allowed, with a name", Options{JWT: tokenOptions(t)}, Request{Login: "admin"}, reasonNoUsers},
	} {
		tt.options.AnonymousRoles = roles
		id, err := start(t, tt.options).Authenticate(tt.request)
		var refusal *Refusal
		switch {
		case errors.As(err, &refusal):
			if refusal.Reason != tt.want {
				t.Errorf("%s: refused, %s", tt.name, refusal.Reason)
			}
		case id.User != tt.want || id.Method != MethodAnonymous || !slices.Equal(id.Roles, roles):
			t.Errorf("%s: %+v", tt.name, id)
		}
	}
	if id, _ := (Anonymous{}).Authenticate(Request{Login: "x"}); id.User != "x" || id.Method != MethodAnonymous {
		t.Errorf("got %+v", id)
	}
}

func TestRevocations(t *testing.T) {
	path := write(t, "revoked", "# gone\n\njti:t1\n user: bob \njti:a:b\n")
	users := []User{{Name: "bob", Hash: cheapBcrypt("x")}, {Name: "carl", Hash: cheapBcrypt("x")}}
	o := Options{JWT: tokenOptions(t), Users: users, RevokedFile: path, Anonymous: true, clock: newHandClock()}
	o.JWT.StaticNames = true
	a := start(t, o)
	_, err := a.Verify(goodToken())
	wantRefused(t, err, reasonTokenGone)
	if user := err.(*Refusal).User; user != "anna" {
		t.Errorf("got %q", user)
	}
	_, err = a.Verify(forge(rsHeader, with("jti", "a:b"), rs256(testRSA())))
	wantRefused(t, err, reasonTokenGone)
	_, err = a.Verify(forge(rsHeader, with("jti", "t2", "sub", "bob"), rs256(testRSA())))
	wantRefused(t, err, reasonUserGone)
	_, err = a.Authenticate(Request{Login: "bob", Passcode: "x"})
	wantRefused(t, err, reasonUserGone)

	live := map[string]*Identity{}
	for name, r := range map[string]Request{
		"token": {Authorization: "Bearer " + forge(rsHeader, with("jti", "t2"), rs256(testRSA()))}, "user": {Login: "carl", Passcode: "x"}, "anonymous": {},
	} {
		if live[name], err = a.Authenticate(r); err != nil || a.Revoked(live[name]) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	wantRevoked := func(o Options, names ...string) {
		t.Helper()
		if err := a.Reload(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		for name, id := range live {
			if got := a.Revoked(id); got != slices.Contains(names, name) {
				t.Errorf("%s: revoked %v, want revoked %v", name, got, names)
			}
		}
	}
	wantRevoked(o)
	o.RevokedFile = write(t, "revoked", "jti:t2\nuser:carl\nuser:anonymous")
	wantRevoked(o, "token", "user", "anonymous")
	o.RevokedFile = ""
	wantRevoked(o)
	o.Anonymous, o.Users = false, users[:1]
	wantRevoked(o, "anonymous", "user")
	o.JWT = nil
	wantRevoked(o, "anonymous", "user", "token")

	for _, text := range []string{"t1", "jti:", "user: ", "token:t1", "jti t1"} {
		wantFault(t, Options{RevokedFile: write(t, "revoked", "#\n"+text)}, "auth.revoked_file: /", "line 2: expected jti:ID or user:NAME")
	}
}

// A reload with a fault leaves everything as it was.
func TestReload(t *testing.T) {
	path := write(t, "users", "anna:"+cheapBcrypt("one")+":a\n")
	o := Options{UsersFile: path, clock: newHandClock()}
	a := start(t, o)
	login := func(password string, ok bool, roles ...string) {
		t.Helper()
		id, err := a.Authenticate(Request{Login: "anna", Passcode: password})
		if (err == nil) != ok || ok && !slices.Equal(id.Roles, roles) {
			t.Errorf("%s: %v, %v", password, id, err)
		}
	}
	rewrite := func(text string) error {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return a.Reload(context.Background(), o)
	}
	login("one", true, "a")
	if err := rewrite("anna:" + cheapArgon("two") + ":b\n"); err != nil {
		t.Fatal(err)
	}
	login("one", false)
	login("two", true, "b")
	if err := rewrite("anna:" + cheapArgon("three") + "\nbroken\n"); err == nil {
		t.Error("a broken file was accepted")
	}
	login("two", true, "b")
	login("three", false)
}

// With the race detector: clients that connect while options change are
// admitted by the old ones or the new.
func TestReloadDuringAuthenticate(t *testing.T) {
	i := newIssuer(t)
	both := i.options()
	both.JWT.StaticNames = true
	both.Users, both.RevokedFile = []User{{Name: "anna", Hash: cheapBcrypt("x")}}, write(t, "revoked", "jti:other")
	a := start(t, both)
	good := token("r1", testRSA())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for ctx.Err() == nil {
				id, err := a.Authenticate(Request{Authorization: "Bearer " + good})
				if err != nil {
					t.Errorf("refused: %s", err.(*Refusal).Reason)
					return
				}
				a.Revoked(id)
				a.Stats()
				_, err = a.Verify(token("unknown", otherRSA()))
				wantRefused(t, err, reasonKey)
				if _, err := a.Authenticate(Request{Login: "anna", Passcode: "x"}); err != nil && n == 0 {
					t.Error(err)
				}
			}
		})
	}
	for n := range 40 {
		o := both
		jwt := *both.JWT
		if o.JWT = &jwt; n%2 == 0 {
			jwt.JWKS.Timeout = time.Duration(n+1) * time.Second // so another remote
		}
		if err := a.Reload(ctx, o); err != nil {
			t.Error(err)
		}
		i.clock.advance(time.Minute)
	}
	cancel()
	all.Wait()
}

// A login that waits too long is refused, with a reason that is no lie.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, Options{Users: []User{{Name: "anna", Hash: cheapBcrypt("x")}}})
		for range cap(a.gate) {
			a.gate.enter()
		}
		began := time.Now()
		_, err := a.Authenticate(Request{Login: "anna", Passcode: "x"})
		wantRefused(t, err, reasonBusy)
		if waited := time.Since(began); waited != gateWait {
			t.Errorf("waited %v", waited)
		}
		a.gate.leave()
		if _, err := a.Authenticate(Request{Login: "anna", Passcode: "x"}); err != nil {
			t.Error(err)
		}
	})
}

// Whatever is offered, nothing of it is in an error or in the log.
func TestNothingSecretIsTold(t *testing.T) {
	i := newIssuer(t)
	o := i.options()
	o.Log = slog.New(slog.NewTextHandler(&i.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.Users = []User{{Name: "anna", Hash: cheapBcrypt("the right passcode")}}
	a := start(t, o)
	i.fail()
	secret := "the-very-secret-passcode-of-a-client"
	told, bad := "", token("r1", otherRSA())
	for _, r := range []Request{
		{Login: "anna", Passcode: secret}, {Login: "anna", Passcode: bad}, {Authorization: "Bearer " + bad},
		{Authorization: "Basic " + secret}, {HTTPAuthorization: "Bearer " + secret}, {QueryToken: secret}, {CookieToken: bad},
		{Authorization: "Bearer " + token("unknown-"+secret, otherRSA())},
	} {
		_, err := a.Authenticate(r)
		var refusal *Refusal
		if !errors.As(err, &refusal) {
			t.Fatalf("got %v", err)
		}
		told += err.Error() + refusal.Reason + refusal.User
		for _, s := range []string{r.Passcode, r.Authorization, r.HTTPAuthorization, r.QueryToken, r.CookieToken, secret} {
			wantNothingOf(t, strings.ReplaceAll(told, "Authorization", "")+i.log.String(), s)
		}
	}
}
