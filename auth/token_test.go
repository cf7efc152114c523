package auth

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// A joseToken was made by testdata/make-tokens.mjs.
type joseToken struct {
	Alg   string         `json:"alg"`
	Token string         `json:"token"`
	JWK   map[string]any `json:"jwk"`
	PEM   string         `json:"pem"`
}

func joseTokens(t testing.TB) []joseToken {
	t.Helper()
	var all []joseToken
	if err := json.Unmarshal(must(os.ReadFile("testdata/tokens.json")), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// optionsFor accepts tokens that jose signed, with a key set and, if there is
// one, a PEM file.
func (j joseToken) optionsFor(t testing.TB, asPEM bool) *TokenOptions {
	o := &TokenOptions{Algorithms: []string{j.Alg}, Sources: everywhere}
	if asPEM {
		o.PublicKeyFiles = []string{write(t, "key.pem", j.PEM)}
	} else {
		o.JWKSFile = write(t, "jwks.json", jwks(j.JWK))
	}
	return o
}

// Every algorithm, as another implementation writes it.
func TestTokensOfJose(t *testing.T) {
	tokens := joseTokens(t)
	if len(tokens) != 13 {
		t.Fatalf("%d tokens, want one of each of the 13 algorithms", len(tokens))
	}
	for _, j := range tokens {
		t.Run(j.Alg, func(t *testing.T) {
			for _, asPEM := range []bool{false, true} {
				if asPEM && j.PEM == "" {
					continue
				}
				a := start(t, Options{JWT: j.optionsFor(t, asPEM)})
				id, err := a.Verify(j.Token)
				if err != nil {
					t.Fatal(err, err.(*Refusal).Reason)
				}
				wantJoseIdentity(t, id, j.Alg)
			}
		})
	}
}

func wantJoseIdentity(t *testing.T, id *Identity, alg string) {
	t.Helper()
	if id.User != "zoë" || !slices.Equal(id.Roles, []string{"staff", "élève"}) || id.TokenID != "id-"+alg ||
		id.Method != MethodToken || !id.Expires.Equal(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v", id)
	}
	if id.Claims["tenant"] != "9007199254740993" || id.Claims["exp"] != json.Number("4102444800") {
		t.Errorf("got claims %v", id.Claims)
	}
}

// With the keys of all 13 at once, each token is accepted by its own only.
func TestAlgorithmsOfOneKeySet(t *testing.T) {
	tokens := joseTokens(t)
	for i, j := range tokens {
		var keys []map[string]any
		o := &TokenOptions{Sources: everywhere}
		for n, other := range tokens {
			o.Algorithms = append(o.Algorithms, other.Alg)
			if n != i {
				keys = append(keys, other.JWK)
			}
		}
		o.JWKSFile = write(t, "others.json", jwks(keys...))
		_, err := start(t, Options{JWT: o}).Verify(j.Token)
		wantRefused(t, err, reasonKey)

		o.JWKSFile = write(t, "all.json", jwks(append(keys, j.JWK)...))
		if _, err := start(t, Options{JWT: o}).Verify(j.Token); err != nil {
			t.Errorf("%s: %v", j.Alg, err)
		}
	}
}

// Tokens that look odd and are right.
func TestAcceptedTokens(t *testing.T) {
	sign := rs256(testRSA())
	long := noon.Add(time.Hour).Unix()
	for _, tt := range []struct{ name, token string }{
		{"plain", forge(rsHeader, with(), sign)},
		{"no kid", forge(`{"alg":"RS256"}`, with(), sign)},
		{"empty kid", forge(`{"alg":"RS256","kid":""}`, with(), sign)},
		{"a secret with any kid", forge(`{"alg":"HS256","kid":"whatever"}`, with(), hs256(testSecret))},
		{"EC", forge(`{"alg":"ES256","kid":"e1"}`, with(), es256(testEC()))},
		{"Ed25519", forge(`{"alg":"EdDSA","kid":"d1"}`, with(), eddsa(testEd()))},
		{"links are ignored", forge(`{"alg":"RS256","kid":"r1","jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","x5t":"AAAA"}`, with(), sign)},
		{"expired within the leeway", forge(rsHeader, with("exp", noon.Add(-29*time.Second).Unix()), sign)},
		{"valid within the leeway", forge(rsHeader, with("nbf", noon.Add(30*time.Second).Unix()), sign)},
		{"dates with fractions", forge(rsHeader, with("iat", 1700000000.25, "nbf", 1.7e9, "exp", float64(long)+0.5), sign)},
		{"dates of old Keycloaks", forge(rsHeader, with("nbf", 0), sign)},
		{"several audiences", forge(rsHeader, with("aud", []string{"a", "hoofbeat"}), sign)},
		{"no roles", forge(rsHeader, with("roles", nil), sign)},
		{"space around JSON", forge(" \n"+rsHeader+" ", "\r\n "+with()+"\n", sign)},
	} {
		a := start(t, Options{JWT: tokenOptions(t)})
		id, err := a.Verify(tt.token)
		if err != nil {
			t.Errorf("%s: %s", tt.name, err.(*Refusal).Reason)
		} else if id.User != "anna" || !id.Expires.After(noon) {
			t.Errorf("%s: %+v", tt.name, id)
		}
	}
}

// A token that was accepted in its leeway lasts until the end of it.
func TestExpires(t *testing.T) {
	a := start(t, Options{JWT: tokenOptions(t)})
	for exp, want := range map[time.Duration]time.Duration{
		time.Hour: time.Hour, time.Second: time.Second, 0: 30 * time.Second, -29 * time.Second: time.Second,
	} {
		id, err := a.Verify(forge(rsHeader, with("exp", noon.Add(exp).Unix()), rs256(testRSA())))
		if err != nil || !id.Expires.Equal(noon.Add(want)) {
			t.Errorf("exp in %v: %v, %v", exp, id, err)
		}
	}
}

func TestTooManyKeysForOneToken(t *testing.T) {
	var keys []map[string]any
	for i := range maxCandidates + 1 {
		keys = append(keys, rsaJWK(string(rune('a'+i)), &testRSA().PublicKey))
	}
	o := tokenOptions(t)
	o.JWKSFile = write(t, "many.json", jwks(keys...))
	a := start(t, Options{JWT: o})
	_, err := a.Verify(forge(`{"alg":"RS256"}`, with(), rs256(testRSA())))
	wantRefused(t, err, reasonManyKeys)
	if _, err := a.Verify(forge(`{"alg":"RS256","kid":"b"}`, with(), rs256(testRSA()))); err != nil {
		t.Error(err)
	}
}

// A Refusal after the signature was checked names the user; before, it would
// repeat the word of a forger.
func TestRefusalNamesUser(t *testing.T) {
	a := start(t, Options{JWT: tokenOptions(t)})
	expired := with("exp", noon.Add(-time.Hour).Unix())
	_, err := a.Verify(forge(rsHeader, expired, rs256(testRSA())))
	if user := err.(*Refusal).User; user != "anna" {
		t.Errorf("got %q, want anna", user)
	}
	_, err = a.Verify(forge(rsHeader, expired, rs256(otherRSA())))
	if user := err.(*Refusal).User; user != "" {
		t.Errorf("got %q, want nobody", user)
	}
}

// wantFault checks that the options are refused with these words, and nothing
// secret among them.
func wantFault(t *testing.T, o Options, words ...string) {
	t.Helper()
	o.clock = newHandClock()
	a, err := New(context.Background(), o)
	if err == nil {
		a.Close()
		t.Fatalf("accepted, want a fault with %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v\nlacks %q", err, word)
		}
	}
	if o.JWT != nil && len(o.JWT.Secret) >= 12 {
		wantNothingOf(t, err.Error(), o.JWT.Secret)
	}
}

func TestTokenOptionFaults(t *testing.T) {
	jwt := func(change func(*TokenOptions)) Options {
		o := tokenOptions(t)
		change(o)
		return Options{JWT: o}
	}
	wantFault(t, jwt(func(o *TokenOptions) { o.Algorithms = nil }), "auth.jwt.algorithms: there is none")
	wantFault(t, jwt(func(o *TokenOptions) { o.Algorithms = []string{"RS256", "none", "rs512"} }), `"none" is not known`, `"rs512" is not known`)
	wantFault(t, jwt(func(o *TokenOptions) { o.Secret = "too short, this secret" }), "auth.jwt.secret: the secret is too short: 22 bytes")
	wantFault(t, jwt(func(o *TokenOptions) {
		o.Algorithms, o.Secret = []string{"HS512", "HS256", "RS256", "ES256", "ES384", "EdDSA"}, string(testSecret[:40])
	}),
		"a secret of 40 bytes is too short for HS512, which needs 64")
	wantFault(t, jwt(func(o *TokenOptions) { o.Algorithms = []string{"HS256"} }), "none of HS256 can be used with the key of type RSA")
	wantFault(t, jwt(func(o *TokenOptions) { o.Sources = Sources{} }), "no source of tokens")
	wantFault(t, jwt(func(o *TokenOptions) { o.Secret, o.JWKSFile = "", "" }), "there are no keys")
	wantFault(t, jwt(func(o *TokenOptions) { o.Leeway = -1 }), "auth.jwt.leeway")
	wantFault(t, jwt(func(o *TokenOptions) { o.JWKS.Refresh = -1 }), "must be positive")
	wantFault(t, jwt(func(o *TokenOptions) {
		o.SecretFile, o.JWKSFile, o.PublicKeyFiles = "/no/a", "/no/b", []string{"/no/c"}
	}),
		"auth.jwt.secret_file: open /no/a", "auth.jwt.jwks_file: open /no/b", "auth.jwt.public_key_files: open /no/c")
	wantFault(t, Options{JWT: &TokenOptions{}, UsersFile: "/no/users", RevokedFile: "/no/revoked"},
		"auth.jwt.algorithms", "auth.users_file: open /no/users", "auth.revoked_file: open /no/revoked")
}
