package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

func pemBlock(kind string, data []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
}

func certificatePEM(t *testing.T) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "signer"}, NotAfter: noon.Add(-time.Hour)}
	return pemBlock("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, template, template, &testRSA().PublicKey, testRSA())))
}

// The dates of a certificate do not matter: it is only how the key is written.
func TestPublicKeyFiles(t *testing.T) {
	both := publicPEM(&otherRSA().PublicKey) + publicPEM(&testRSA().PublicKey)
	for name, text := range map[string]string{
		"PKIX": publicPEM(&testRSA().PublicKey), "PKCS 1": pemBlock("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&testRSA().PublicKey)),
		"certificate": certificatePEM(t), "two keys": both, "text around": "# old\n" + both + "\nend\n",
	} {
		o := &TokenOptions{Algorithms: []string{"RS256"}, PublicKeyFiles: []string{write(t, "key.pem", text)}, Sources: everywhere}
		if _, err := start(t, Options{JWT: o}).Verify(forge(rsHeader, with(), rs256(testRSA()))); err != nil {
			t.Errorf("%s: %v", name, err.(*Refusal).Reason)
		}
	}
}

func TestPublicKeyFileFaults(t *testing.T) {
	weak := must(x509.ParsePKIXPublicKey(must(x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(5), 1022), E: 65537}))))
	p224 := &must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).PublicKey
	for name, tt := range map[string][2]string{
		"empty":        {"", "no PEM block"},
		"private":      {pemBlock("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(testRSA()))), "a private key in it"},
		"RSA private":  {pemBlock("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testRSA())), "a private key in it"},
		"weak":         {publicPEM(weak), "the RSA key has 1025 bits"},
		"curve":        {publicPEM(p224), "on the curve P-224"},
		"broken":       {pemBlock("PUBLIC KEY", []byte("no key")), "cannot be read"},
		"broken RSA":   {pemBlock("RSA PUBLIC KEY", []byte("no key")), "cannot be read"},
		"broken cert":  {pemBlock("CERTIFICATE", []byte("no key")), "cannot be read"},
		"request":      {pemBlock("CERTIFICATE REQUEST", []byte("no key")), "PEM block of another kind"},
		"chain":        {certificatePEM(t) + certificatePEM(t), "several certificates"},
		"a huge file":  {strings.Repeat("x", maxKeyFile+1), "larger than"},
		"even a curve": {publicPEM(&rsa.PublicKey{N: testRSA().N, E: 65536}), "RSA"},
	} {
		o := &TokenOptions{Algorithms: []string{"RS256", "ES256"}, Sources: everywhere, PublicKeyFiles: []string{write(t, "key.pem", tt[0])}}
		t.Run(name, func(t *testing.T) { wantFault(t, Options{JWT: o}, "auth.jwt.public_key_files: ", tt[1]) })
	}
}

func TestSecretFile(t *testing.T) {
	for _, end := range []string{"", "\n", "\r\n"} {
		o := &TokenOptions{Algorithms: []string{"HS256"}, SecretFile: write(t, "secret", string(testSecret)+end), Sources: everywhere}
		if _, err := start(t, Options{JWT: o}).Verify(forge(`{"alg":"HS256"}`, with(), hs256(testSecret))); err != nil {
			t.Error(err)
		}
	}
	o := &TokenOptions{Algorithms: []string{"HS256"}, SecretFile: write(t, "secret", "0123456789abcdefghij\n"), Sources: everywhere}
	wantFault(t, Options{JWT: o}, "auth.jwt.secret_file: /", "the secret is too short: 20 bytes")
}

// A bad key of a set does not affect the others.
func TestKeySets(t *testing.T) {
	good := rsaJWK("good", &testRSA().PublicKey)
	change := func(pairs ...any) map[string]any {
		k := rsaJWK("other", &testRSA().PublicKey)
		for i := 0; i < len(pairs); i += 2 {
			k[pairs[i].(string)] = pairs[i+1]
		}
		return k
	}
	long := strings.Repeat("_", 86)
	for name, tt := range map[string]struct {
		key  map[string]any
		want int
	}{
		"same":               {change(), 2},
		"for signatures":     {change("use", "sig", "key_ops", []string{"verify"}, "alg", "PS256"), 2},
		"certificate broken": {change("x5c", []string{"no"}, "x5u", "http://127.0.0.1:1/", "x5t", "no"), 2},
		"a pair":             {map[string]any{"kty": "OKP", "crv": "Ed25519", "d": b64(testEd().Seed()), "x": b64(testEd()[32:])}, 2},
		"RFC 9864":           {map[string]any{"kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "x": b64(testEd()[32:])}, 2},
		"for encryption":     {change("use", "enc"), 1},
		"for wrapping":       {change("key_ops", []string{"wrapKey"}), 1},
		"other algorithm":    {change("alg", "RSA-OAEP"), 1},
		"secret":             {map[string]any{"kty": "oct", "k": b64(testSecret)}, 1},
		"unknown kind":       {map[string]any{"kty": "PQC", "x": "AAAA"}, 1},
		"unknown curve":      {map[string]any{"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"}, 1},
		"not on the curve":   {map[string]any{"kty": "EC", "crv": "P-256", "x": b64(testSecret[:32]), "y": b64(testSecret[32:])}, 1},
		"too long":           {map[string]any{"kty": "EC", "crv": "P-256", "x": long, "y": long}, 1},
		"weak":               {change("n", long), 1},
		"huge":               {change("n", strings.Repeat("_", 4096)), 1},
		"even exponent":      {change("e", "BA"), 1},
		"huge exponent":      {change("e", long), 1},
		"empty":              {map[string]any{}, 1},
		"members of no type": {map[string]any{"kty": 1, "n": []int{1}}, 1},
	} {
		keys, ignored, err := parseJWKS([]byte(jwks(good, tt.key)), false)
		if err != nil || len(keys) != tt.want || len(keys)+ignored != 2 {
			t.Errorf("%s: %d keys, %d ignored, %v", name, len(keys), ignored, err)
		}
	}
}

func TestKeySetFaults(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "<html>", "no keys": `{"key":[]}`, "keys null": `{"keys":null}`, "no list": `{"keys":{}}`, "a list": `[]`,
		"too many": `{"keys":[` + strings.Repeat("{},", maxKeys) + `{}]}`, "numbers": `{"keys":[1]}`,
	} {
		if keys, _, err := parseJWKS([]byte(text), true); err == nil {
			t.Errorf("%s: %d keys", name, len(keys))
		}
	}
	o := &TokenOptions{Algorithms: []string{"RS256"}, Sources: everywhere, JWKSFile: write(t, "jwks.json", `{"keys":[{"kty":"x"}]}`)}
	wantFault(t, Options{JWT: o}, "auth.jwt.jwks_file: /", "none of its 1 keys can verify tokens")
}

func FuzzKeySet(f *testing.F) {
	f.Add([]byte(jwks(rsaJWK("r1", &testRSA().PublicKey), ecJWK("e1", "P-256", &testEC().PublicKey))))
	for _, j := range joseTokens(f) {
		f.Add([]byte(jwks(j.JWK)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, _, _ := parseJWKS(data, true)
		for _, k := range keys {
			if _, err := newKey(k.material); err != nil {
				t.Errorf("a key was accepted that is not: %v", err)
			}
		}
	})
}
