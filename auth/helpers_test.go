package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// noon is the time of all tests.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// handClock stands still until it is turned.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*handTimer]bool
	waited int // how often somebody began to wait
	more   *sync.Cond
}

type handTimer struct {
	at time.Time
	c  chan time.Time
}

func newHandClock() *handClock {
	c := &handClock{now: noon, timers: map[*handTimer]bool{}}
	c.more = sync.NewCond(&c.mu)
	return c
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) After(d time.Duration) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &handTimer{at: c.now.Add(d), c: make(chan time.Time, 1)}
	c.timers[t] = true
	c.waited++
	c.more.Broadcast()
	return t.c, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, t)
	}
}

// await returns when somebody has begun to wait for the nth time.
func (c *handClock) await(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.waited < n {
		c.more.Wait()
	}
}

// advance moves the clock forward, and wakes its waiters.
func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for t := range c.timers {
		if !t.at.After(c.now) {
			delete(c.timers, t)
			t.c <- c.now
		}
	}
}

// Keys of the tests, made once.
var (
	testSecret = []byte("qX7-horse-battery-staple-0123456789-sixty-four-bytes-of-a-key-Zw")
	testRSA    = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherRSA   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	testEC     = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	testEC384  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	testEd     = sync.OnceValue(func() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(testSecret[:32]) })
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// A signer signs the first two parts of a token.
type signer func(text []byte) []byte

func hs256(secret []byte) signer {
	return func(text []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(text)
		return mac.Sum(nil)
	}
}

func rs256(key *rsa.PrivateKey) signer {
	return func(text []byte) []byte {
		sum := sha256.Sum256(text)
		return must(rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:]))
	}
}

func es256(key *ecdsa.PrivateKey) signer {
	return func(text []byte) []byte {
		sum := sha256.Sum256(text)
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		size := (key.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), must(s, err).FillBytes(make([]byte, size))...)
	}
}

func eddsa(key ed25519.PrivateKey) signer {
	return func(text []byte) []byte { return ed25519.Sign(key, text) }
}

func unsigned([]byte) []byte { return nil }

// forge makes a token of any header and payload.
func forge(header, payload string, sign signer) string {
	text := b64([]byte(header)) + "." + b64([]byte(payload))
	return text + "." + b64(sign([]byte(text)))
}

// goodClaims are accepted by tokenOptions.
func goodClaims() map[string]any {
	return map[string]any{
		"sub": "anna", "iss": "https://issuer.example/", "aud": "hoofbeat", "jti": "t1", "roles": []string{"staff"},
		"iat": noon.Add(-time.Minute).Unix(), "nbf": noon.Add(-time.Minute).Unix(), "exp": noon.Add(time.Hour).Unix(),
	}
}

// with is goodClaims with some changed; nil takes one out.
func with(pairs ...any) string {
	claims := goodClaims()
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].(string)
		if claims[name] = pairs[i+1]; pairs[i+1] == nil {
			delete(claims, name)
		}
	}
	return string(must(json.Marshal(claims)))
}

const rsHeader = `{"alg":"RS256","kid":"r1","typ":"JWT"}`

// tokenOptions accept tokens of a secret, and of a key set in a file with an
// RSA key r1, EC keys e1 and e384, and an Ed25519 key d1.
func tokenOptions(t testing.TB) *TokenOptions {
	return &TokenOptions{
		Algorithms: []string{"HS256", "RS256", "PS256", "ES256", "ES384", "EdDSA"},
		Secret:     string(testSecret),
		JWKSFile: write(t, "jwks.json", jwks(
			rsaJWK("r1", &testRSA().PublicKey), ecJWK("e1", "P-256", &testEC().PublicKey),
			ecJWK("e384", "P-384", &testEC384().PublicKey),
			map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "d1", "x": b64(testEd().Public().(ed25519.PublicKey))})),
		Issuer: "https://issuer.example/", Audience: []string{"hoofbeat"}, Leeway: 30 * time.Second,
		RequiredClaims: []string{"exp", "jti"}, Sources: everywhere,
	}
}

var everywhere = Sources{Authorization: true, Passcode: true, HTTPAuthorization: true, Query: true, Cookie: true}

func jwks(keys ...map[string]any) string {
	return string(must(json.Marshal(map[string]any{"keys": append([]map[string]any{}, keys...)})))
}

func rsaJWK(kid string, k *rsa.PublicKey) map[string]any {
	return map[string]any{"kty": "RSA", "kid": kid, "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
}

func ecJWK(kid, curve string, k *ecdsa.PublicKey) map[string]any {
	point := must(k.Bytes())[1:]
	return map[string]any{
		"kty": "EC", "kid": kid, "crv": curve, "x": b64(point[:len(point)/2]), "y": b64(point[len(point)/2:]),
	}
}

func publicPEM(public any) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(public))}))
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// start makes an Authenticator that ends with the test. Its clock stands still
// unless the options have another.
func start(t testing.TB, o Options) *Authenticator {
	t.Helper()
	if o.clock == nil {
		o.clock = newHandClock()
	}
	a, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// wantRefused checks for a Refusal with this reason, that says nothing else.
func wantRefused(t *testing.T, err error, reason string) {
	t.Helper()
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("got error %v, want a Refusal because %s", err, reason)
	}
	if refusal.Reason != reason {
		t.Errorf("got reason %q, want %q", refusal.Reason, reason)
	}
	if err.Error() != "the credentials were not accepted" {
		t.Errorf("the client would see %q", err)
	}
}

// wantNothingOf checks that text has no part of a secret in it, down to pieces
// of 12 bytes.
func wantNothingOf(t *testing.T, text, secret string) {
	t.Helper()
	const piece = 12
	for i := 0; i+piece <= len(secret); i++ {
		if strings.Contains(text, secret[i:i+piece]) {
			t.Fatalf("%s holds a part of a secret: %s", strconv.Quote(text), secret[i:i+piece])
		}
	}
}

// logBuffer can be written to and read at the same time.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
