package config

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// writeKeys writes key files, valid and invalid ones, into the working
// directory.
func writeKeys(t *testing.T) {
	t.Helper()
	writePair(t, "p256")
	for name, curve := range map[string]elliptic.Curve{"p384.pem": elliptic.P384(), "p224.pem": elliptic.P224()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		writePublic(t, name, &key.PublicKey)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	writePublic(t, "rsa.pem", &key.PublicKey)
	writePEM(t, "rsa1.pem", "RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey))
	key.N.SetBit(key.N, 2047, 0)
	writePublic(t, "small.pem", &key.PublicKey)
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	writePublic(t, "ed.pem", public)
	writePEM(t, "bad.pem", "PUBLIC KEY", []byte("no"))
	writePEM(t, "request.pem", "CERTIFICATE REQUEST", []byte("no"))
	writeFile(t, "text", "hello")
	for length, name := range map[int]string{31: "secret31", 32: "secret32", 64: "secret64"} {
		writeFile(t, name, strings.Repeat("s", length)+"\r\n")
	}
	writeFile(t, "jwks", `{"keys": [{"kty": "RSA"}]}`)
	writeFile(t, "oct", `{"keys": [{"kty": "oct"}]}`)
	writeFile(t, "none", `{"keys": []}`)
}

func writePublic(t *testing.T, name string, key any) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, name, "PUBLIC KEY", der)
}

func TestJWT(t *testing.T) {
	t.Chdir(t.TempDir())
	writeKeys(t)
	const (
		file   = " (hoofbeat.yaml): "
		alg    = "auth.jwt.algorithms: "
		pems   = "auth.jwt.public_key_files: "
		anyHS  = "expected HS256, HS384 or HS512 among the algorithms, as "
		url    = "jwks_url: 'https://a/b'"
		byDef  = `["RS256", "ES256", "EdDSA"] (default): `
		idle   = "it means nothing without a key; expected auth.jwt.secret, secret_file, public_key_files, jwks_url or jwks_file to be set"
		wantPK = "expected auth.jwt.public_key_files, auth.jwt.jwks_url or auth.jwt.jwks_file to be set, as this algorithm takes a public key"
	)
	secret := func(n int) string { return "secret: " + strings.Repeat("s", n) }
	for _, tt := range []struct {
		yaml string
		want []string
	}{
		{url, nil},
		{"jwks_url: 'http://localhost:8080/keys?a=b'", nil},
		{"jwks_url: 'http://[::1]/keys'", nil},
		{"jwks_file: jwks", nil},
		{"jwks_file: oct, algorithms: [HS256]", nil},
		{"public_key_files: [p256.crt]", nil},
		{"public_key_files: [rsa.pem, p384.pem], algorithms: [PS512, ES384]", nil},
		{"public_key_files: [rsa1.pem], algorithms: [RS256]", nil},
		{"public_key_files: [ed.pem]", nil},
		{secret(32) + ", algorithms: [HS256]", nil},
		{secret(64) + ", algorithms: [HS512, HS256, ES256], " + url, nil},
		{"secret_file: secret32, algorithms: [HS256]", nil},
		{"secret_file: secret64, algorithms: [HS512]", nil},

		// Lengths.
		{secret(31) + ", algorithms: [HS256]", []string{
			"auth.jwt.secret: ********" + file + "expected at least 32 bytes, as HS256 is among auth.jwt.algorithms"}},
		{secret(47) + ", algorithms: [HS384, HS256]", []string{
			"auth.jwt.secret: ********" + file + "expected at least 48 bytes, as HS384 is among auth.jwt.algorithms"}},
		{"secret_file: secret32, algorithms: [HS256, HS512]", []string{
			`auth.jwt.secret_file: "secret32"` + file + "expected at least 64 bytes, as HS512 is among auth.jwt.algorithms"}},
		{"secret_file: secret31, algorithms: [HS256]", []string{
			`auth.jwt.secret_file: "secret31"` + file + "expected at least 32 bytes, as HS256 is among auth.jwt.algorithms"}},
		{"secret: ' '", []string{"auth.jwt.secret: ********" + file + "expected more than white space"}},
		{"secret: [hunter2]", []string{"auth.jwt.secret: ********" + file + "expected a string"}},

		// Algorithms and keys.
		{secret(32), []string{
			alg + byDef + anyHS + "auth.jwt.secret is set; set auth.jwt.algorithms to [HS256], or to what the tokens are signed with"}},
		{secret(32) + ", " + url, []string{
			alg + byDef + anyHS + "auth.jwt.secret is set; set auth.jwt.algorithms to all that are in use, such as [HS256, RS256]"}},
		{secret(32) + ", algorithms: [RS256]", []string{alg + `["RS256"]` + file + anyHS + "auth.jwt.secret is set"}},
		{"jwks_file: oct", []string{
			alg + byDef + anyHS + "auth.jwt.jwks_file is set; set auth.jwt.algorithms to [HS256], or to what the tokens are signed with"}},
		{secret(32) + ", algorithms: [HS256, RS256, EdDSA]", []string{alg + `"EdDSA"` + file + wantPK, alg + `"RS256"` + file + wantPK}},
		{url + ", algorithms: [HS256]", []string{alg + `["HS256"]` + file +
			"expected one for public keys, such as RS256, ES256 or EdDSA, among the algorithms, as auth.jwt.jwks_url is set"}},
		{"public_key_files: [ed.pem], algorithms: [EdDSA, HS384]", []string{alg + `"HS384"` + file +
			"expected auth.jwt.secret or auth.jwt.secret_file to be set, as this algorithm takes a secret"}},
		{url + ", algorithms: []", []string{alg + "[]" + file + "expected at least one algorithm"}},
		{url + ", algorithms: [None, rs256, ES256]", []string{
			alg + `"None"` + file + "expected an algorithm that signs; with none, anybody could make a token",
			alg + `"rs256"` + file + "expected one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA",
		}},
		{"public_key_files: [p384.pem]", []string{
			pems + `"p384.pem"` + file + "expected what its key is for among auth.jwt.algorithms: ES384"}},
		{"public_key_files: [rsa.pem], algorithms: [RS256, ES256]", []string{
			alg + `"ES256"` + file + "expected a key for this algorithm in one of auth.jwt.public_key_files"}},
		{"public_key_files: [rsa.pem], algorithms: [RS256, ES256], " + url, nil},
		{secret(32) + ", secret_file: secret32, algorithms: [HS256]", []string{
			`auth.jwt.secret_file: "secret32"` + file + "expected either this or auth.jwt.secret, not both"}},

		// Files.
		{"public_key_files: [absent, ., text, bad.pem, request.pem, p224.pem, small.pem, p256.key]", []string{
			pems + `"bad.pem"` + file + "expected a PEM file with public keys, or with one certificate",
			pems + `"request.pem"` + file + "expected a PEM file with public keys, or with one certificate",
			pems + `"text"` + file + "expected a PEM file with public keys, or with one certificate",
			pems + `"."` + file + "expected a file that can be read: is a directory",
			pems + `"absent"` + file + "expected a file that can be read: no such file or directory",
			pems + `"p224.pem"` + file + "expected an RSA key of 2048 to 8192 bits, an EC key on P-256, P-384 or P-521, or an Ed25519 key",
			pems + `"small.pem"` + file + "expected an RSA key of 2048 to 8192 bits, an EC key on P-256, P-384 or P-521, or an Ed25519 key",
			pems + `"p256.key"` + file + "expected the public key; a private key is not needed here and should be where tokens are signed only",
		}},
		{"public_key_files: ['a,b', '']", []string{
			pems + `"a,b"` + file + "expected no comma, as that separates the elements of a list",
			pems + `""` + file + "expected the path of a file, without control characters or white space around it",
		}},
		{"secret_file: absent", []string{`auth.jwt.algorithms: ["RS256", "ES256", "EdDSA"] (default): ` + anyHS +
			"auth.jwt.secret_file is set; set auth.jwt.algorithms to [HS256], or to what the tokens are signed with",
			`auth.jwt.secret_file: "absent"` + file + "expected a file that can be read: no such file or directory"}},
		{"jwks_file: none", []string{`auth.jwt.jwks_file: "none"` + file + `expected a JSON Web Key Set with at least one key: {"keys": [...]}`}},
		{"jwks_file: text", []string{`auth.jwt.jwks_file: "text"` + file + `expected a JSON Web Key Set with at least one key: {"keys": [...]}`}},

		// The rest.
		{"issuer: me, audience: [a], leeway: 1m, required_claims: [exp], claims: { user: email, roles: groups }, sources: [], query_parameter: '', " +
			"cookie: c, algorithms: [HS256], jwks_refresh: 1m, jwks_max_age: 1h", []string{
			`auth.jwt.algorithms: ["HS256"]` + file + idle,
			`auth.jwt.audience: ["a"]` + file + idle,
			`auth.jwt.claims.roles: "groups"` + file + idle,
			`auth.jwt.claims.user: "email"` + file + idle,
			`auth.jwt.cookie: "c"` + file + idle,
			`auth.jwt.issuer: "me"` + file + idle,
			`auth.jwt.jwks_max_age: "1h"` + file + idle,
			`auth.jwt.jwks_refresh: "1m"` + file + idle,
			`auth.jwt.leeway: "1m"` + file + idle,
			`auth.jwt.query_parameter: ""` + file + idle,
			`auth.jwt.required_claims: ["exp"]` + file + idle,
			`auth.jwt.sources: []` + file + idle,
		}},
		{"issuer: '', leeway: 30s, algorithms: [RS256, ES256, EdDSA], sources: [connect, passcode, http]", nil},
		{url + ", claims: { user: '', roles: '' }, sources: [query, HTTP], leeway: -1s, jwks_refresh: 0s", []string{
			`auth.jwt.claims.roles: ""` + file + checkName(""),
			`auth.jwt.claims.user: ""` + file + checkName(""),
			`auth.jwt.jwks_refresh: "0s"` + file + "expected at least 1s",
			`auth.jwt.leeway: "-1s"` + file + "expected a duration such as 10s",
			`auth.jwt.sources: "HTTP"` + file + "expected one of connect, passcode, http",
			`auth.jwt.sources: "query"` + file + "expected one of connect, passcode, http",
		}},
		{url + ", sources: [], query_parameter: ''", []string{
			"auth.jwt.sources: []" + file + "expected at least one, or auth.jwt.query_parameter or auth.jwt.cookie, as no token could come"}},
		{url + ", sources: []", nil},
		{url + ", query_parameter: 'a b', cookie: 'a;b'", []string{
			`auth.jwt.cookie: "a;b"` + file + "expected the name of a cookie: letters, digits and any of !#$%&'*+-.^_`|~",
			`auth.jwt.query_parameter: "a b"` + file + "expected letters, digits, '-', '.', '_' and '~'",
		}},
		{url + ", jwks_refresh: 2h, jwks_max_age: 1h", []string{
			`auth.jwt.jwks_max_age: "1h"` + file + "expected at least auth.jwt.jwks_refresh, which is 2h"}},
		{url + ", audience: ['a,b'], required_claims: ['']", []string{
			`auth.jwt.audience: "a,b"` + file + "expected no comma, as that separates the elements of a list",
			`auth.jwt.required_claims: ""` + file + checkName(""),
		}},
	} {
		t.Run(tt.yaml, func(t *testing.T) {
			trial{text: open + "auth.jwt: { " + tt.yaml + " }"}.wantFaults(t, tt.want...)
		})
	}
}

func TestKeysURL(t *testing.T) {
	const expected = "expected an https URL, or an http one on loopback, such as https://id.example.com/.well-known/jwks.json"
	for text, want := range map[string]string{
		"http://example.com/keys":           `"http://example.com/keys" (hoofbeat.yaml): ` + expected,
		"ftp://localhost/keys":              `"ftp://localhost/keys" (hoofbeat.yaml): ` + expected,
		"https:///keys":                     `"https:///keys" (hoofbeat.yaml): ` + expected,
		"https://a/#b":                      `"https://a/#b" (hoofbeat.yaml): ` + expected,
		"id.example.com":                    `"id.example.com" (hoofbeat.yaml): ` + expected,
		"https://u:hunter2@id.example.com/": `******** (hoofbeat.yaml): ` + expected + ", without a user or password",
		"https://u:hunter2@a b/":            `******** (hoofbeat.yaml): ` + expected,
	} {
		trial{text: open + "auth.jwt.jwks_url: '" + text + "'"}.wantFaults(t, "auth.jwt.jwks_url: "+want)
	}
}

// TestJWTEverywhere sets every key below auth.jwt by environment and by flags,
// and compares the loaded and the printed values.
func TestJWTEverywhere(t *testing.T) {
	t.Chdir(t.TempDir())
	writeKeys(t)
	secret := strings.Repeat("Secret", 11)
	values := map[string]string{
		"algorithms": "HS512,ES256", "secret": secret, "public_key_files": "p256.crt,p256.crt", "jwks_url": "https://id.example.com/K",
		"jwks_file": "jwks", "jwks_refresh": "1m", "jwks_max_age": "2h", "issuer": "https://Id", "audience": "A, b", "leeway": "0s",
		"required_claims": "exp,tenantId", "claims.user": "preferred_Username", "claims.roles": "realm_access.Roles",
		"sources": "http,connect", "query_parameter": "T", "cookie": "__Host-T",
	}
	want := JWT{
		Algorithms: []string{"HS512", "ES256"}, Secret: Secret(secret), PublicKeyFiles: []string{"p256.crt", "p256.crt"},
		JWKSURL: "https://id.example.com/K", JWKSFile: "jwks", JWKSRefresh: time.Minute, JWKSMaxAge: 2 * time.Hour, Issuer: "https://Id",
		Audience: []string{"A", "b"}, RequiredClaims: []string{"exp", "tenantId"}, UserClaim: "preferred_Username",
		RolesClaim: "realm_access.Roles", Sources: []string{"http", "connect"}, QueryParameter: "T", Cookie: "__Host-T",
	}
	var environ, flags []string
	for name, value := range values {
		environ = append(environ, envName("auth.jwt."+name)+"="+value)
		flags = append(flags, "--auth-jwt-"+strings.NewReplacer(".", "-", "_", "-").Replace(name)+"="+value)
	}
	for name, tr := range map[string]trial{"environment": {environ: environ}, "flags": {flags: flags}} {
		c := tr.mustLoad(t)
		if !reflect.DeepEqual(c.Auth.JWT, want) || !c.Auth.JWT.Configured() || c.Auth.Anonymous {
			t.Errorf("%s: %+v", name, c.Auth)
		}
		for _, s := range c.Effective() {
			if strings.Contains(s.Value, secret) || s.Key == "auth.jwt.secret" && s.Value != masked {
				t.Errorf("%s: %+v", name, s)
			}
		}
		files := c.Files()
		if len(files) != 3 || !slices.Equal(files[1:], []string{"p256.crt", "jwks"}) {
			t.Errorf("%s: files %q", name, files)
		}
	}
	c := trial{text: open}.mustLoad(t)
	if got := settings(c)["auth.jwt.secret"].Value; got != "" {
		t.Errorf("no secret is printed as %q", got)
	}
}
