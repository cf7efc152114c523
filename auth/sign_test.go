package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func privatePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(k any) []byte { return must(x509.MarshalPKCS8PrivateKey(k)) }

const signedClaims = `{"sub":"anna","iss":"https://issuer.example/","aud":"hoofbeat","jti":"t1","n":12345678901234567890}`

// Signed tokens are accepted, with any algorithm and form of key.
func TestSignedIsVerified(t *testing.T) {
	a := start(t, Options{JWT: tokenOptions(t)})
	ec := must(x509.MarshalECPrivateKey(testEC()))
	for name, tc := range map[string]struct {
		pem       string // empty: the secret
		algorithm string // empty: the default
		kid, want string
	}{
		"secret":         {"", "", "", "HS256"},
		"RSA":            {privatePEM("PRIVATE KEY", pkcs8(testRSA())), "", "r1", "RS256"},
		"RSA, old form":  {privatePEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testRSA())), "PS256", "", "PS256"},
		"EC":             {privatePEM("PRIVATE KEY", pkcs8(testEC())), "", "e1", "ES256"},
		"EC of openssl":  {privatePEM("EC PARAMETERS", []byte{1}) + privatePEM("EC PRIVATE KEY", ec), "", "", "ES256"},
		"EC P-384":       {privatePEM("PRIVATE KEY", pkcs8(testEC384())), "", "", "ES384"},
		"Ed25519":        {privatePEM("PRIVATE KEY", pkcs8(testEd())), "", "", "EdDSA"},
		"RSA, preferred": {privatePEM("PRIVATE KEY", pkcs8(testRSA())), "PS256", "r1", "PS256"},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := ConfiguredSecret(*tokenOptions(t))
			if tc.pem != "" {
				k, err = ReadPrivateKey(write(t, "key.pem", tc.pem))
			}
			if err != nil {
				t.Fatal(err)
			}
			var preferred []string
			if tc.algorithm != "" {
				preferred = []string{"HS512", "unknown", tc.algorithm}
			}
			d := Draft{Claims: []byte(signedClaims), Algorithm: tc.want, KeyID: tc.kid, IssuedAt: noon, Expires: noon.Add(time.Hour)}
			if tc.want != "HS256" {
				if d.Algorithm = k.DefaultAlgorithm(preferred); d.Algorithm != tc.want {
					t.Errorf("the default is %s, want %s", d.Algorithm, tc.want)
				}
			}
			token := must(Sign(k, d))
			id, err := a.Verify(token)
			if err != nil {
				t.Fatal(err, err.(*Refusal).Reason)
			}
			if id.User != "anna" || !id.Expires.Equal(noon.Add(time.Hour)) || id.Claims["n"] != json.Number("12345678901234567890") {
				t.Errorf("got %+v", id)
			}
		})
	}
}

func TestSignKeepsGivenDates(t *testing.T) {
	k := must(ConfiguredSecret(TokenOptions{SecretFile: write(t, "secret", string(testSecret)+"\n")}))
	token := must(Sign(k, Draft{Claims: []byte(`{"exp":1,"iat":2}`), Algorithm: "HS512", IssuedAt: noon, Expires: noon}))
	seen := must(Inspect(token))
	if seen.Claims["exp"] != json.Number("1") || seen.Claims["iat"] != json.Number("2") || seen.Header["typ"] != "JWT" {
		t.Errorf("got %+v", seen)
	}
	if _, there := must(Inspect(must(Sign(k, Draft{Claims: []byte("{}"), Algorithm: "HS256", IssuedAt: noon})))).Claims["exp"]; there {
		t.Error("exp was set without a time")
	}
}

func TestSignRefuses(t *testing.T) {
	secret := must(ConfiguredSecret(TokenOptions{Secret: string(testSecret[:32])}))
	pair := must(ReadPrivateKey(write(t, "key.pem", privatePEM("PRIVATE KEY", pkcs8(testRSA())))))
	for name, tc := range map[string]struct {
		key               SigningKey
		algorithm, claims string
		want              string
	}{
		"none":             {secret, "none", "{}", `"none" is not known`},
		"short secret":     {secret, "HS512", "{}", "too short"},
		"another family":   {pair, "HS256", "{}", "cannot be used with this key of type RSA"},
		"secret as public": {secret, "RS256", "{}", "cannot be used with this key of type secret"},
		"no object":        {secret, "HS256", "[]", "not one JSON object"},
		"a claim twice":    {secret, "HS256", `{"sub":"a","sub":"b"}`, "duplicate"},
	} {
		_, err := Sign(tc.key, Draft{Claims: []byte(tc.claims), Algorithm: tc.algorithm})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

func TestPrivateKeyFaults(t *testing.T) {
	small := must(rsa.GenerateKey(rand.Reader, 1024)) //nolint:gosec // it must be refused
	for name, tc := range map[string]struct{ text, want string }{
		"no PEM":    {"secret-secret-secret", "no private key"},
		"public":    {publicPEM(&testRSA().PublicKey), "no private key"},
		"broken":    {privatePEM("PRIVATE KEY", []byte("secret-secret-secret")), "cannot be read"},
		"encrypted": {privatePEM("ENCRYPTED PRIVATE KEY", []byte("secret-secret-secret")), "not encrypted"},
		"too small": {privatePEM("PRIVATE KEY", pkcs8(small)), "1024 bits"},
	} {
		_, err := ReadPrivateKey(write(t, "key.pem", tc.text))
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret-") {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
	for name, o := range map[string]TokenOptions{
		"auth.jwt.secret nor":  {},
		"auth.jwt.secret:":     {Secret: "short"},
		"auth.jwt.secret_file": {SecretFile: write(t, "secret", "short\n")},
	} {
		if _, err := ConfiguredSecret(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestSigningKeyPrintsNothing(t *testing.T) {
	k := must(ConfiguredSecret(TokenOptions{Secret: string(testSecret)}))
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("a", "k", k)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %x %d %q", k, k, k, k, k, k, []SigningKey{k}), log.String()} {
		wantNothingOf(t, text, string(testSecret))
		wantNothingOf(t, text, base64.StdEncoding.EncodeToString(testSecret))
		wantNothingOf(t, text, fmt.Sprintf("%x", testSecret))
		if !strings.Contains(text, "signing key (secret)") {
			t.Errorf("got %q", text)
		}
	}
}
