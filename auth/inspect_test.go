package auth

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Anything that has the form of a token can be looked into, however false.
func TestInspect(t *testing.T) {
	for name, token := range map[string]string{
		"unsigned": forge(`{"alg":"none"}`, with(), unsigned),
		"expired":  forge(`{"alg":"HS256"}`, with("exp", 1), hs256([]byte("wrong"))),
	} {
		seen, err := Inspect(token)
		if err != nil || seen.Claims["sub"] != "anna" || seen.Header["alg"] == nil {
			t.Errorf("%s: got %+v, %v", name, seen, err)
		}
	}
	seen := must(Inspect(forge(`{}`, `{"exp":1780315200.5,"nbf":"soon","iat":-1}`, unsigned)))
	if at, ok := seen.Date("exp"); !ok || !at.Equal(noon.Add(500*time.Millisecond)) {
		t.Errorf("exp is %v, %v", at, ok)
	}
	for _, claim := range []string{"nbf", "iat", "none"} {
		if at, ok := seen.Date(claim); ok {
			t.Errorf("%s is %v", claim, at)
		}
	}
}

func TestInspectFaults(t *testing.T) {
	for token, want := range map[string]string{
		"":                              reasonForm,
		"a.b":                           reasonForm,
		"a.b.c.d.e":                     reasonEncrypted,
		"e30.e30.e30\n":                 reasonForm,
		"a.e30.":                        reasonForm,
		b64([]byte("[]")) + ".e30.":     reasonHeader,
		"e30." + b64([]byte("1")) + ".": reasonPayload,
		"e30." + b64([]byte(`{"a":1,"a":2}`)) + ".": reasonPayload,
	} {
		if _, err := Inspect(token); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", token, err, want)
		}
	}
}

func TestUnverifiedIdentity(t *testing.T) {
	o := TokenOptions{UserClaim: "name", RolesClaim: "realm.roles"}
	id, err := UnverifiedIdentity([]byte(`{"name":"anna","realm":{"roles":["a","b","a"]},"exp":1}`), o)
	if err != nil || id.User != "anna" || !slices.Equal(id.Roles, []string{"a", "b"}) || id.Method != "" {
		t.Errorf("got %+v, %v", id, err)
	}
	for claims, want := range map[string]string{
		`nothing`:                             "not one JSON object",
		`{"sub":"anna"}`:                      ": name is missing",
		`{"name":"anna","realm":{"roles":1}}`: "realm.roles is a number, expected an array of strings",
	} {
		if _, err := UnverifiedIdentity([]byte(claims), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", claims, err, want)
		}
	}
	if id, err := UnverifiedIdentity([]byte(`{"sub":"bob","roles":"x y"}`), TokenOptions{}); err != nil || len(id.Roles) != 2 {
		t.Errorf("with the defaults: %+v, %v", id, err)
	}
}

func TestProve(t *testing.T) {
	o := tokenOptions(t)
	o.Secret, o.SecretFile = "", write(t, "secret", string(testSecret))
	o.PublicKeyFiles = []string{write(t, "public.pem", publicPEM(&otherRSA().PublicKey))}
	a := start(t, Options{JWT: o})
	for want, token := range map[string]string{
		"auth.jwt.secret_file":      forge(`{"alg":"HS256"}`, with(), hs256(testSecret)),
		"auth.jwt.jwks_file":        forge(rsHeader, with(), rs256(testRSA())),
		"auth.jwt.public_key_files": forge(rsHeader, with(), rs256(otherRSA())),
	} {
		p, err := a.Prove(token)
		if err != nil || p.Setting != want || p.Identity.User != "anna" || p.Algorithm == "" || (p.KeyID == "r1") != (p.Algorithm == "RS256") {
			t.Errorf("got %+v, %v, want %s", p, err, want)
		}
	}
	_, err := a.Prove(forge(`{"alg":"HS256"}`, with(), hs256(testSecret[:40])))
	wantRefused(t, err, reasonSignature)
	_, err = start(t, Options{Anonymous: true}).Prove("e30.e30.")
	wantRefused(t, err, reasonNoJWT)
}

func TestUserRoles(t *testing.T) {
	hash := must(HashPassword(Bcrypt, "x"))
	a := start(t, Options{UsersFile: write(t, "users", "bob:"+hash+":r1,r2\n")})
	if roles, known := a.UserRoles("bob"); !known || !slices.Equal(roles, []string{"r1", "r2"}) {
		t.Errorf("got %q, %v", roles, known)
	}
	if _, known := a.UserRoles("eve"); known {
		t.Error("eve is known")
	}
}
