package auth

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzVerify looks for tokens that are accepted without being signed, and for
// panics. The only key is a secret, so a signature can be made again and
// compared.
func FuzzVerify(f *testing.F) {
	a := start(f, Options{JWT: &TokenOptions{
		Algorithms: []string{"HS256"}, Secret: string(testSecret), Sources: everywhere,
	}})
	good := forge(`{"alg":"HS256"}`, with(), hs256(testSecret))
	f.Add(good)
	f.Add(forge(`{"alg":"none"}`, with(), unsigned))
	for _, rows := range [][]hostile{confusedTokens(), namedKeys(), wrongForms(), brokenJSON()} {
		for _, row := range rows {
			if len(row.token) < 4096 {
				f.Add(row.token)
			}
		}
	}
	f.Fuzz(func(t *testing.T, token string) {
		id, err := a.Verify(token)
		if err != nil {
			if _, ok := err.(*Refusal); !ok {
				t.Errorf("got %T", err)
			}
			return
		}
		dot := strings.LastIndexByte(token, '.')
		signature, err := base64.RawURLEncoding.Strict().DecodeString(token[dot+1:])
		if err != nil || !hmac.Equal(signature, hs256(testSecret)([]byte(token[:dot]))) {
			t.Errorf("accepted as %s: %q", id.User, token)
		}
	})
}

// FuzzPayload signs arbitrary JSON: accepted tokens have a proper user and
// roles.
func FuzzPayload(f *testing.F) {
	o := tokenOptions(f)
	a := start(f, Options{JWT: o})
	f.Add(with())
	f.Add(`{"sub":"a","exp":1e99}`)
	f.Add(`{"sub":"a","roles":"a b","aud":["x"]}`)
	f.Fuzz(func(t *testing.T, payload string) {
		id, err := a.Verify(forge(`{"alg":"HS256"}`, payload, hs256(testSecret)))
		if err != nil {
			return
		}
		if checkName(id.User) != nil || id.TokenID == "" || !id.Expires.After(noon) || !json.Valid([]byte(payload)) {
			t.Errorf("accepted %+v", id)
		}
		for _, role := range id.Roles {
			if checkName(role) != nil {
				t.Errorf("accepted the role %q", role)
			}
		}
	})
}
