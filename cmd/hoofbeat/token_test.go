package main

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"hoofbeat/auth"
)

const tokenSecret = "correct-horse-battery-staple-0123456789"

// correctHorse is a hash of "correct horse" with the minimal cost.
const correctHorse = "$2a$04$4hfqoSa0SKmQeDaZTArIDOSCud4bpmN5MgorIUdX1FW8ZoTQiLSuq"

// tokenConfig writes a configuration with a secret, rules and a user.
func tokenConfig(t *testing.T) string {
	t.Helper()
	return writeConfig(t, `
auth:
  anonymous: true
  anonymous_roles: [guest]
  jwt: { algorithms: [HS256], secret: `+tokenSecret+`, issuer: shop, claims: { user: name, roles: realm.roles } }
  users: [{ name: billing, hash: "`+correctHorse+`", roles: [service] }]
acl:
  - { name: own, allow: [subscribe], destinations: ["/topic/{user}.**"] }
  - { roles: [service], allow: [send, subscribe], destinations: ["/queue/**"] }
  - { name: guests read, roles: [guest], allow: [subscribe], destinations: ["/topic/news"] }
  - { name: no secrets, deny: [send, subscribe], destinations: ["/queue/secret.**"] }
  - { name: operators, roles: [operator], allow: ["admin:write"] }
`)
}

// signToken runs `hoofbeat token sign`.
func signToken(t *testing.T, args ...string) string {
	t.Helper()
	r := runProgram(t.Context(), nil, append([]string{"token", "sign"}, args...)...)
	if r.code != 0 || r.stderr != "" || strings.Count(r.stdout, "\n") != 1 {
		t.Fatalf("got %+v", r)
	}
	return strings.TrimSpace(r.stdout)
}

func TestTokenSignWithSecret(t *testing.T) {
	file := tokenConfig(t)
	start := time.Now().Add(-time.Second)
	token := signToken(t, "--config", file, "--claims", `{"name":"anna","iss":"shop","n":12345678901234567890}`, "--expires", "2h", "--kid", "k")
	seen, err := auth.Inspect(token)
	if err != nil {
		t.Fatal(err)
	}
	iat, _ := seen.Date("iat")
	exp, _ := seen.Date("exp")
	if iat.Before(start) || exp.Sub(iat) != 2*time.Hour || seen.Header["alg"] != "HS256" || seen.Header["kid"] != "k" ||
		seen.Claims["n"] != json.Number("12345678901234567890") {
		t.Errorf("got %+v", seen)
	}
	for _, args := range [][]string{{token}, {"-"}, {}, {"Bearer " + token}} {
		args = append([]string{"token", "show", "--verify", "--config", file}, args...)
		r := runProgram(t.Context(), strings.NewReader(token+"\n"), args...)
		if r.code != 0 || !strings.HasPrefix(r.stdout, `verified: signed by HS256 with a key of auth.jwt.secret (kid "k"); it is a token of user "anna"`) {
			t.Errorf("%q: got %+v", args, r)
		}
	}
}

func TestTokenSignWithKey(t *testing.T) {
	i := startIssuer(t)
	file := writeConfig(t, "auth: { jwt: { jwks_url: \""+i.url+"\", algorithms: [ES256, PS256] } }\n")
	token := signToken(t, "--config", file, "--key", i.keyFile, "--claims", `{"sub":"anna","roles":["staff"]}`, "--kid", issuerKeyID)
	r := runProgram(t.Context(), nil, "token", "show", token, "--verify", "--config", file)
	if r.code != 0 || !strings.HasPrefix(r.stdout, `verified: signed by PS256 with a key of auth.jwt.jwks_url (kid "k1"); it is a token of user "anna" with roles ["staff"]`+"\n") {
		t.Errorf("got %+v", r)
	}
	r = runProgram(t.Context(), nil, "token", "sign", "--config", file, "--key", i.keyFile, "--claims", "{}", "--algorithm", "RS512")
	if r.code != 0 || !strings.Contains(r.stderr, "RS512 is not among auth.jwt.algorithms") || strings.Count(r.stdout, ".") != 2 {
		t.Errorf("got %+v", r)
	}
}

func TestTokenSignFaults(t *testing.T) {
	file := tokenConfig(t)
	noSecret := writeConfig(t, "auth: { anonymous: true }\n")
	for name, tc := range map[string]struct {
		want string
		code int
		args []string
	}{
		"no claims":   {"--claims is missing", 1, []string{"--config", file}},
		"no object":   {"not one JSON object", 1, []string{"--config", file, "--claims", "[]"}},
		"negative":    {"--expires", 1, []string{"--config", file, "--claims", "{}", "--expires", "-1s"}},
		"two ends":    {"not both", 1, []string{"--config", file, "--claims", `{"exp":1}`, "--expires", "1h"}},
		"none":        {`"none" is not known`, 1, []string{"--config", file, "--claims", "{}", "--algorithm", "none"}},
		"too short":   {"too short", 1, []string{"--config", file, "--claims", "{}", "--algorithm", "HS512"}},
		"no secret":   {"name the private one with --key", 1, []string{"--config", noSecret, "--claims", "{}"}},
		"no key":      {"--key: ", 1, []string{"--config", file, "--claims", "{}", "--key", file}},
		"faulty file": {"auth.anonymous", 2, []string{"--config", writeConfig(t, "auth: { anonymous: maybe }\n"), "--claims", "{}"}},
	} {
		r := runProgram(t.Context(), nil, append([]string{"token", "sign"}, tc.args...)...)
		if r.code != tc.code || r.stdout != "" || !strings.Contains(r.stderr, tc.want) || strings.Contains(r.stderr, tokenSecret) {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

// Without --verify, the output never suggests that a token is valid.
func TestTokenShowDoesNotVerify(t *testing.T) {
	t.Setenv("HOOFBEAT_AUTH_JWT_SECRET", "too short to be loaded")
	b64 := base64.RawURLEncoding.EncodeToString
	token := b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(`{"sub":"<anna>","exp":1,"iat":4102444800,"x":"\u001b[2J\u202e\ud83d\ude00`+"\u009b\U000e0001"+`"}`)) + "."
	r := runProgram(t.Context(), nil, "token", "show", token)
	if r.code != 0 || !strings.HasPrefix(r.stdout, "not verified: ") || strings.Contains(strings.ToLower(r.stdout), "valid") {
		t.Errorf("got %+v", r)
	}
	for _, part := range []string{
		"header:\n{\n  \"alg\": \"none\"\n}\nclaims:\n{\n", "exp  1970-01-01T00:00:01Z  expires, ", "ago\n",
		"iat  2100-01-01T00:00:00Z  issued, in ", `"\u001b[2J\u202e😀\u009b\udb40\udc01"`,
	} {
		if !strings.Contains(r.stdout, part) {
			t.Errorf("%q is missing in\n%s", part, r.stdout)
		}
	}
}

func TestTokenShowVerify(t *testing.T) {
	file := tokenConfig(t)
	for name, tc := range map[string]struct {
		claims string
		want   string
	}{
		"expired":        {`{"name":"anna","iss":"shop","exp":1}`, "refused: the token has expired: exp is 1970-01-01T00:00:01Z\n"},
		"another issuer": {`{"name":"anna","iss":"other"}`, `refused: the token is of another issuer: iss is "other", expected "shop"` + "\n"},
	} {
		r := runProgram(t.Context(), nil, "token", "show", "--verify", "--config", file, signToken(t, "--config", file, "--claims", tc.claims))
		if r.code != 1 || r.stderr != "" || !strings.HasPrefix(r.stdout, tc.want) || !strings.Contains(r.stdout, `"name": "anna"`) {
			t.Errorf("%s: got %+v", name, r)
		}
	}
	noKeys := writeConfig(t, "auth: { anonymous: true }\n")
	r := runProgram(t.Context(), nil, "token", "show", "--verify", "--config", noKeys, signToken(t, "--config", file, "--claims", "{}"))
	if r.code != 1 || !strings.HasPrefix(r.stdout, "refused: tokens are not accepted\n") {
		t.Errorf("got %+v", r)
	}
}

func TestTokenShowFaults(t *testing.T) {
	for name, args := range map[string][]string{"no token": {"s3cret"}, "two": {"s3cret", "s3cret"}, "empty": {""}, "encrypted": {"a.b.c.d.e"}} {
		r := runProgram(t.Context(), nil, append([]string{"token", "show"}, args...)...)
		if r.code != 1 || r.stdout != "" || r.stderr == "" || strings.Contains(r.stderr, "s3cret") {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}
