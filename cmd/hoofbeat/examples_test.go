package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"hoofbeat/auth/acl"
	"hoofbeat/internal/setup"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"hoofbeat/auth"
	"hoofbeat/config"
)

// An issuer makes tokens and publishes its public key.
type issuer struct {
	keyFile string // PEM, for --key
	key     auth.SigningKey
	url     string // of its key set
	away    atomic.Bool
}

const issuerKeyID = "k1"

// startIssuer starts an issuer on loopback until the test ends.
func startIssuer(t *testing.T) *issuer {
	t.Helper()
	pair, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	set, err := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "use": "sig", "kid": issuerKeyID, "n": b64(pair.N.Bytes()), "e": b64(big.NewInt(int64(pair.E)).Bytes()),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{keyFile: tempFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if i.away.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = w.Write(set)
	}))
	t.Cleanup(server.Close)
	i.url = server.URL
	if i.key, err = auth.ReadPrivateKey(i.keyFile); err != nil {
		t.Fatal(err)
	}
	return i
}

// An exampleCase is one access decision.
type exampleCase struct {
	claims      map[string]any // in addition to everybody's
	action      acl.Action
	destination string
}

// An example describes the intended effect of a file in examples/auth.
type example struct {
	fetches         bool           // it fetches keys from an issuer
	everybody       map[string]any // claims of all tokens
	allowed, denied []exampleCase
	refused         []map[string]any // tokens with these claims are refused; nil removes a claim
}

type claims = map[string]any

func keycloakExample() example {
	with := func(roles ...string) claims { return claims{"realm_access": claims{"roles": roles}} }
	return example{
		fetches:   true,
		everybody: claims{"iss": "https://sso.example.com/realms/shop", "aud": "hoofbeat", "sub": "4711", "preferred_username": "anna"},
		allowed: []exampleCase{
			{nil, acl.Subscribe, "/topic/news.sport"},
			{with("editor"), acl.Send, "/topic/news.sport"},
			{nil, acl.Subscribe, "/user/queue/answers"},
			{nil, acl.Subscribe, "/queue/inbox.anna"},
			{with("shop", "editor"), acl.Send, "/queue/orders.new"},
			{with("shop"), acl.Subscribe, "/queue/orders.**"},
		},
		denied: []exampleCase{
			{nil, acl.Send, "/topic/news.sport"},
			{with("shop"), acl.Subscribe, "/topic/**"},
			{nil, acl.Subscribe, "/queue/inbox.bob"},
			{nil, acl.Subscribe, "/queue/inbox.*"},
			{nil, acl.Subscribe, "/user/bob/queue/answers"},
			{with("editor"), acl.Send, "/topic/audit.x"},
			{claims{"roles": []string{"shop"}}, acl.Send, "/queue/orders.new"},
		},
		refused: []claims{{"iss": "https://sso.example.com/realms/other"}, {"aud": "account"}, {"preferred_username": nil}, {"exp": 1}},
	}
}

func auth0Example() example {
	const space = "https://example.com/"
	return example{
		fetches: true,
		everybody: claims{
			"iss": "https://example.eu.auth0.com/", "aud": []string{"https://api.example.com/messages"}, "sub": "auth0|1", space + "tenant": "acme",
		},
		allowed: []exampleCase{
			{nil, acl.Subscribe, "/topic/tenants.acme.orders"},
			{nil, acl.Subscribe, "/topic/tenants.acme.**"},
			{nil, acl.Send, "/topic/tenants/acme/orders"},
			{claims{space + "roles": []string{"support"}}, acl.Subscribe, "/topic/tenants.**"},
			{claims{space + "groups": []string{"alpha", "beta"}}, acl.Subscribe, "/topic/beta.new"},
		},
		denied: []exampleCase{
			{nil, acl.Subscribe, "/topic/tenants.other.orders"},
			{nil, acl.Subscribe, "/topic/tenants.**"},
			{claims{space + "roles": []string{"support"}}, acl.Send, "/topic/tenants.other.orders"},
			{nil, acl.Subscribe, "/topic/beta.new"},
			{claims{space + "tenant": "*"}, acl.Subscribe, "/topic/tenants.other.orders"},
			{claims{space + "tenant": "other.orders"}, acl.Subscribe, "/topic/tenants.other.orders"},
			{claims{space + "tenant": nil}, acl.Subscribe, "/topic/tenants.acme.orders"},
		},
		refused: []claims{{"iss": "https://example.eu.auth0.com"}, {"aud": "https://api.example.com/other"}, {"sub": nil}, {"exp": 1}},
	}
}

func hs256Example() example {
	service := claims{"sub": "mailer", "scope": "service"}
	return example{
		everybody: claims{"iss": "shop", "sub": "anna", "scope": "openid customer"},
		allowed: []exampleCase{
			{nil, acl.Subscribe, "/topic/orders.anna.17"},
			{nil, acl.Subscribe, "/topic/orders.anna.**"},
			{nil, acl.Send, "/queue/orders"},
			{service, acl.Subscribe, "/queue/orders"},
			{service, acl.Send, "/topic/orders.anna.17"},
		},
		denied: []exampleCase{
			{nil, acl.Subscribe, "/topic/orders.bob.17"},
			{nil, acl.Subscribe, "/topic/orders.**"},
			{nil, acl.Subscribe, "/queue/orders"},
			{nil, acl.Send, "/topic/orders.anna.17"},
			{claims{"scope": "openid"}, acl.Send, "/queue/orders"},
		},
		refused: []claims{{"iss": "other"}, {"exp": nil}, {"sub": nil}, {"exp": 1}},
	}
}

func TestExamples(t *testing.T) {
	examples := map[string]example{"keycloak.yaml": keycloakExample(), "auth0.yaml": auth0Example(), "hs256.yaml": hs256Example()}
	files, err := filepath.Glob(filepath.Join(root, "examples", "auth", "*"))
	if err != nil || len(files) != len(examples) {
		t.Fatalf("the examples are %q, %v; there are tests for %d", files, err, len(examples))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			e, known := examples[filepath.Base(file)]
			if !known || len(e.allowed) < 4 || len(e.denied) < 4 {
				t.Fatal("it is tested too little")
			}
			e.test(t, file)
		})
	}
}

func (e example) test(t *testing.T, file string) {
	var key auth.SigningKey
	if e.fetches {
		i := startIssuer(t)
		t.Setenv("HOOFBEAT_AUTH_JWT_JWKS_URL", i.url)
		key = i.key
	}
	c, a := loadExample(t, file)
	if !e.fetches {
		var err error
		if key, err = auth.ConfiguredSecret(*setup.TokenOptions(c.Auth.JWT)); err != nil {
			t.Fatal(err)
		}
	}
	verify := func(more claims) (*auth.Identity, error) {
		return a.authenticator.Authenticate(auth.Request{Authorization: "Bearer " + e.sign(t, key, c, more)})
	}
	for i, tc := range slices.Concat(e.allowed, e.denied) {
		id, err := verify(tc.claims)
		if err != nil {
			t.Errorf("%v: %v", tc, told("refused", err))
			continue
		}
		if p := a.For(id); p.Decide(tc.action, tc.destination).Allowed != (i < len(e.allowed)) {
			t.Errorf("it is not as wanted:\n%s", p.Explain(tc.action, tc.destination))
		}
	}
	for _, more := range e.refused {
		id, err := verify(more)
		if r := (*auth.Refusal)(nil); !errors.As(err, &r) {
			t.Errorf("%v: got %+v, %v", more, id, err)
		}
	}
}

// exampleAccess is the access control of an example.
type exampleAccess struct {
	authenticator *auth.Authenticator
	*acl.List
}

// loadExample builds the access control of a file.
func loadExample(t *testing.T, file string) (*config.Config, exampleAccess) {
	t.Helper()
	c, err := config.Load(config.Options{File: file, Environ: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	list, err := setup.ACL(c)
	if err != nil {
		t.Fatal(err)
	}
	a, err := auth.New(t.Context(), setup.AuthOptions(c, slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return c, exampleAccess{a, list}
}

// sign returns a token with everybody's claims and more. It expires in an hour.
func (e example) sign(t *testing.T, key auth.SigningKey, c *config.Config, more claims) string {
	t.Helper()
	all := claims{"exp": time.Now().Add(time.Hour).Unix()}
	for _, some := range []claims{e.everybody, more} {
		for name, value := range some {
			if all[name] = value; value == nil {
				delete(all, name)
			}
		}
	}
	data, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	draft := auth.Draft{Claims: data, Algorithm: key.DefaultAlgorithm(c.Auth.JWT.Algorithms), IssuedAt: time.Now()}
	if e.fetches {
		draft.KeyID = issuerKeyID
	}
	token, err := auth.Sign(key, draft)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// The static user of the example with a secret can log in.
func TestExampleUser(t *testing.T) {
	_, a := loadExample(t, filepath.Join(root, "examples", "auth", "hs256.yaml"))
	id, err := a.authenticator.Authenticate(auth.Request{Login: "billing", Passcode: "correct horse"})
	if err != nil {
		t.Fatal(told("refused", err))
	}
	p := a.For(id)
	if !p.Decide(acl.Subscribe, "/queue/orders").Allowed || p.Decide(acl.Subscribe, "/user/queue/x").Allowed {
		t.Errorf("billing may do other things than meant: %+v", p.List())
	}
	if id, err := a.authenticator.Authenticate(auth.Request{Login: "billing", Passcode: "correct horsE"}); err == nil {
		t.Errorf("a wrong passcode was accepted: %+v", id)
	}
}
