package auth

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A hostile token, and the reason of its refusal.
type hostile struct {
	name, token, reason string
}

// TestHostileTokens offers each token in every place. Nothing of it may come
// back, and nobody may follow a link in it.
func TestHostileTokens(t *testing.T) {
	trap := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("somebody followed a link of a token to %s", r.URL)
	}))
	defer trap.Close()
	var rows []hostile
	for _, part := range [][]hostile{
		unsignedTokens(), confusedTokens(), namedKeys(), embeddedKeys(trap.URL), wrongTimes(), wrongClaims(), wrongForms(), brokenJSON(), wrongSignatures(),
	} {
		rows = append(rows, part...)
	}
	if len(rows) < 60 {
		t.Errorf("only %d rows", len(rows))
	}
	a := start(t, Options{JWT: tokenOptions(t), Anonymous: true})
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := a.Verify(row.token)
			wantRefused(t, err, row.reason)
			if len(row.token) > 100 {
				wantNothingOf(t, fmt.Sprintf("%v %+v", err, *err.(*Refusal)), row.token)
			}
			for place, r := range map[string]Request{
				"CONNECT": {Authorization: "Bearer " + row.token}, "HTTP": {HTTPAuthorization: "bearer " + row.token},
				"query": {QueryToken: row.token}, "cookie": {CookieToken: row.token},
			} {
				// No token is anonymous, and spaces after the scheme do no harm.
				if strings.Trim(row.token, " ") == "" || row.token[0] == ' ' {
					continue
				}
				if id, err := a.Authenticate(r); err == nil {
					t.Errorf("%s: accepted as %s", place, id.User)
				}
			}
		})
	}
}

func unsignedTokens() []hostile {
	var rows []hostile
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "none ", " none", "none\\u0000", "", "null", "no\\u006ee"} {
		header := `{"alg":"` + alg + `","typ":"JWT"}`
		rows = append(rows,
			hostile{"alg " + alg + " unsigned", forge(header, with(), unsigned), reasonAlgorithm},
			hostile{"alg " + alg + " signed", forge(header, with(), hs256(testSecret)), reasonAlgorithm})
	}
	return append(rows,
		hostile{"alg null", forge(`{"alg":null}`, with(), unsigned), reasonAlgorithm},
		hostile{"alg a list", forge(`{"alg":["HS256"]}`, with(), hs256(testSecret)), reasonAlgorithm},
		hostile{"alg a number", forge(`{"alg":0}`, with(), unsigned), reasonAlgorithm},
		hostile{"no alg", forge(`{"typ":"JWT"}`, with(), hs256(testSecret)), reasonAlgorithm},
		hostile{"Alg instead of alg", forge(`{"Alg":"HS256"}`, with(), hs256(testSecret)), reasonAlgorithm},
		hostile{"lower case", forge(`{"alg":"hs256"}`, with(), hs256(testSecret)), reasonAlgorithm},
		hostile{"not configured", forge(`{"alg":"HS512"}`, with(), hs256(testSecret)), reasonAlgorithm},
		hostile{"unknown", forge(`{"alg":"ES256K","kid":"e1"}`, with(), es256(testEC())), reasonAlgorithm},
		hostile{"HS256 unsigned", forge(`{"alg":"HS256"}`, with(), unsigned), reasonSignature},
		hostile{"RS256 unsigned", forge(rsHeader, with(), unsigned), reasonSignature},
		hostile{"EdDSA unsigned", forge(`{"alg":"EdDSA","kid":"d1"}`, with(), unsigned), reasonSignature})
}

// confusedTokens use a key for another purpose than its own.
func confusedTokens() []hostile {
	public := publicPEM(&testRSA().PublicKey)
	return []hostile{
		{"HS256 with the RSA key as PEM", forge(`{"alg":"HS256","kid":"r1"}`, with(), hs256([]byte(public))), reasonSignature},
		{"HS256 with the RSA key as trimmed PEM", forge(`{"alg":"HS256"}`, with(), hs256([]byte(strings.TrimSpace(public)))), reasonSignature},
		{"HS256 with the RSA modulus", forge(`{"alg":"HS256","kid":"r1"}`, with(), hs256(testRSA().N.Bytes())), reasonSignature},
		{"HS256 with the Ed25519 key", forge(`{"alg":"HS256","kid":"d1"}`, with(), hs256(testEd().Public().(ed25519.PublicKey))), reasonSignature},
		{"HS256 with an empty secret", forge(`{"alg":"HS256"}`, with(), hs256(nil)), reasonSignature},
		{"PS256 with a PKCS 1 signature", forge(`{"alg":"PS256","kid":"r1"}`, with(), rs256(testRSA())), reasonSignature},
		{"RS256 names the EC key", forge(`{"alg":"RS256","kid":"e1"}`, with(), es256(testEC())), reasonKey},
		{"ES256 names the RSA key", forge(`{"alg":"ES256","kid":"r1"}`, with(), rs256(testRSA())), reasonKey},
		{"ES256 with a P-384 key", forge(`{"alg":"ES256","kid":"e384"}`, with(), es256(testEC384())), reasonKey},
		{"ES384 with a P-256 key", forge(`{"alg":"ES384","kid":"e1"}`, with(), es256(testEC())), reasonKey},
		{"EdDSA names the RSA key", forge(`{"alg":"EdDSA","kid":"r1"}`, with(), eddsa(testEd())), reasonKey},
	}
}

func namedKeys() []hostile {
	var rows []hostile
	for _, kid := range []string{
		"unknown", "../../../../dev/null", "/proc/sys/kernel/randomize_va_space", "r1\\u0000", "r1 ", "R1", "",
		"' UNION SELECT 'key' --", "r1'; DROP TABLE keys; --", "| whoami", "http://169.254.169.254/", "..\\\\..\\\\nul", "*", "r1\\n",
	} {
		header := `{"alg":"RS256","kid":"` + kid + `"}`
		reason := reasonKey
		if kid == "" {
			reason = reasonSignature // as without kid: all keys of this kind are tried
		}
		rows = append(rows, hostile{"kid " + kid, forge(header, with(), rs256(otherRSA())), reason})
	}
	long := strings.Repeat("k", maxKeyIDBytes+1)
	return append(rows,
		hostile{"kid a number", forge(`{"alg":"RS256","kid":1}`, with(), rs256(testRSA())), reasonKeyID},
		hostile{"kid an object", forge(`{"alg":"RS256","kid":{"r1":1}}`, with(), rs256(testRSA())), reasonKeyID},
		hostile{"kid null", forge(`{"alg":"RS256","kid":null}`, with(), rs256(testRSA())), reasonKeyID},
		hostile{"kid very long", forge(`{"alg":"RS256","kid":"`+long+`"}`, with(), rs256(testRSA())), reasonKeyID})
}

// embeddedKeys carry the keys that they ask to be checked with.
func embeddedKeys(trap string) []hostile {
	jwk := string(must(json.Marshal(rsaJWK("own", &otherRSA().PublicKey))))
	secret := `{"kty":"oct","k":"` + b64(testSecret) + `"}`
	return []hostile{
		{"jwk", forge(`{"alg":"RS256","jwk":`+jwk+`}`, with(), rs256(otherRSA())), reasonSignature},
		{"jwk and kid", forge(`{"alg":"RS256","kid":"r1","jwk":`+jwk+`}`, with(), rs256(otherRSA())), reasonSignature},
		{"jwk a secret", forge(`{"alg":"HS256","jwk":`+secret+`}`, with(), hs256(testSecret)), reasonMalformed},
		{"jwk a text", forge(`{"alg":"RS256","kid":"r1","jwk":"r1"}`, with(), rs256(testRSA())), reasonMalformed},
		{"jku", forge(`{"alg":"RS256","kid":"own","jku":"`+trap+`/jwks"}`, with(), rs256(otherRSA())), reasonKey},
		{"jku and kid", forge(`{"alg":"RS256","kid":"r1","jku":"`+trap+`/jwks"}`, with(), rs256(otherRSA())), reasonSignature},
		{"x5u", forge(`{"alg":"RS256","x5u":"`+trap+`/cert"}`, with(), rs256(otherRSA())), reasonSignature},
		{"x5c", forge(`{"alg":"RS256","kid":"r1","x5c":["AAAA"]}`, with(), rs256(otherRSA())), reasonMalformed},
	}
}

func wrongTimes() []hostile {
	at := func(d time.Duration) int64 { return noon.Add(d).Unix() }
	claims := func(name, payload, reason string) hostile {
		return hostile{name, forge(rsHeader, payload, rs256(testRSA())), reason}
	}
	return []hostile{
		claims("expired", with("exp", at(-time.Hour)), reasonExpired),
		claims("expired by the leeway", with("exp", at(-30*time.Second)), reasonExpired),
		claims("exp 0", with("exp", 0), reasonExpired),
		claims("exp -1", with("exp", -1), reasonType),
		claims("exp a text", with("exp", "4102444800"), reasonType),
		claims("exp a list", with("exp", []int{4102444800}), reasonType),
		claims("exp true", with("exp", true), reasonType),
		claims("exp null", strings.Replace(with("exp", "X"), `"X"`, "null", 1), reasonType),
		claims("exp 1e400", strings.Replace(with("exp", "X"), `"X"`, "1e400", 1), reasonType),
		claims("exp 1e19", strings.Replace(with("exp", "X"), `"X"`, "1e19", 1), reasonType),
		claims("exp in milliseconds", with("exp", noon.UnixMilli()), reasonType),
		claims("no exp", with("exp", nil), reasonRequired),
		claims("not valid yet", with("nbf", at(time.Hour)), reasonNotYet),
		claims("not valid yet by the leeway", with("nbf", at(31*time.Second)), reasonNotYet),
		claims("nbf a text", with("nbf", "0"), reasonType),
		claims("issued in the future", with("iat", at(time.Hour)), reasonIssued),
		claims("iat an object", with("iat", map[string]int{"a": 1}), reasonType),
	}
}

func wrongClaims() []hostile {
	claims := func(name, payload, reason string) hostile {
		return hostile{name, forge(rsHeader, payload, rs256(testRSA())), reason}
	}
	return []hostile{
		claims("other audience", with("aud", "elsewhere"), reasonAudience),
		claims("other audiences", with("aud", []string{"a", "hoofbeat2"}), reasonAudience),
		claims("no audience", with("aud", nil), reasonAudience),
		claims("audience empty", with("aud", []string{}), reasonAudience),
		claims("audience an object", with("aud", map[string]string{"hoofbeat": "hoofbeat"}), reasonType),
		claims("audience with a number", with("aud", []any{"hoofbeat", 1}), reasonType),
		claims("other issuer", with("iss", "https://issuer.example"), reasonIssuer),
		claims("no issuer", with("iss", nil), reasonIssuer),
		claims("issuer a list", with("iss", []string{"https://issuer.example/"}), reasonType),
		claims("no user", with("sub", nil), reasonUser),
		claims("user empty", with("sub", ""), reasonUser),
		claims("user a fraction", with("sub", 1.5), reasonUser),
		claims("user with an exponent", strings.Replace(with("sub", "X"), `"X"`, "1e6", 1), reasonUser),
		claims("user minus zero", strings.Replace(with("sub", "X"), `"X"`, "-0", 1), reasonUser),
		claims("user a list", with("sub", []string{"anna"}), reasonUser),
		claims("user with a line end", with("sub", "anna\nadmin"), reasonUser),
		claims("user with NUL", with("sub", "admin\x00"), reasonUser),
		claims("user with half a surrogate", strings.Replace(with(), "anna", `a\ud800`, 1), reasonUser),
		claims("user too long", with("sub", strings.Repeat("a", 257)), reasonUser),
		claims("roles a number", with("roles", 7), reasonType),
		claims("roles an object", with("roles", map[string]bool{"staff": true}), reasonType),
		claims("roles with a list in it", with("roles", []any{"staff", []string{"admin"}}), reasonType),
		claims("roles with a line end", with("roles", []string{"staff\nadmin"}), reasonRoles),
		claims("role empty", with("roles", []string{""}), reasonRoles),
		claims("jti missing", with("jti", nil), reasonRequired),
		claims("jti empty", with("jti", ""), reasonRequired),
		claims("jti a number", with("jti", 1), reasonType),
	}
}

func wrongForms() []hostile {
	good := forge(rsHeader, with(), rs256(testRSA()))
	parts := strings.Split(good, ".")
	std := base64.StdEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"r1","a":"???>>>"}`))
	return []hostile{
		{"empty", "", reasonForm},
		{"no parts", "token", reasonForm},
		{"dots only", "..", reasonHeader},
		{"two parts", parts[0] + "." + parts[1], reasonForm},
		{"four parts", good + ".AAAA", reasonForm},
		{"JWE", "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AAAA.AAAA.AAAA.AAAA", reasonEncrypted},
		{"JWE header in three parts", forge(`{"alg":"RS256","enc":"A256GCM"}`, with(), rs256(testRSA())), reasonEncrypted},
		{"JSON serialization", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, reasonForm},
		{"space before", " " + good, reasonForm},
		{"line end behind", good + "\n", reasonForm},
		{"line end inside", parts[0] + ".\n" + parts[1] + "." + parts[2], reasonForm},
		{"NUL", good + "\x00", reasonForm},
		{"padding", parts[0] + "==." + parts[1] + "." + parts[2], reasonForm},
		{"standard base64", std + "." + parts[1] + "." + parts[2], reasonForm},
		{"one character too many", good + "A", reasonSignature},
		{"unused bits set", setUnusedBits(parts), reasonForm},
		{"the scheme twice", "Bearer " + good, reasonForm},
		{"1 MiB", forge(rsHeader, with("x", strings.Repeat("x", 1<<20)), rs256(testRSA())), reasonLong},
		{"1 MiB of dots", strings.Repeat(".", 1<<20), reasonLong},
		{"just too long", forge(rsHeader, with("x", strings.Repeat("x", 12<<10)), rs256(testRSA())), reasonLong},
		{"crit", forge(`{"alg":"RS256","kid":"r1","crit":["exp"],"exp":1}`, with(), rs256(testRSA())), reasonCritical},
		{"crit empty", forge(`{"alg":"RS256","kid":"r1","crit":[]}`, with(), rs256(testRSA())), reasonCritical},
		{"b64", forge(`{"alg":"RS256","kid":"r1","b64":false,"crit":["b64"]}`, with(), rs256(testRSA())), reasonCritical},
		{"zip", forge(`{"alg":"RS256","kid":"r1","zip":"DEF"}`, with(), rs256(testRSA())), reasonCritical},
	}
}

// setUnusedBits makes another token of the same bytes: 256 bytes of signature
// leave four bits of the last character.
func setUnusedBits(parts []string) string {
	signature := parts[2]
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", signature[len(signature)-1])
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return parts[0] + "." + parts[1] + "." + signature[:len(signature)-1] + string(alphabet[last|1])
}

func brokenJSON() []hostile {
	payload := func(name, text string) hostile {
		return hostile{name, forge(rsHeader, text, rs256(testRSA())), reasonPayload}
	}
	header := func(name, text string) hostile {
		return hostile{name, forge(text, with(), rs256(testRSA())), reasonHeader}
	}
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	return []hostile{
		header("alg twice", `{"alg":"none","alg":"RS256","kid":"r1"}`),
		header("kid twice", `{"alg":"RS256","kid":"x","kid":"r1"}`),
		header("alg twice, once escaped", `{"alg":"RS256","\u0061lg":"none","kid":"r1"}`),
		header("header a list", `["RS256"]`),
		header("header a text", `"RS256"`),
		header("header null", `null`),
		header("header empty", ``),
		header("header with more behind", rsHeader+`{}`),
		header("header not UTF-8", "{\"alg\":\"RS256\",\"kid\":\"r1\",\"a\":\"\xff\"}"),
		payload("sub twice", strings.Replace(with(), `{`, `{"sub":"admin",`, 1)),
		payload("exp twice", strings.Replace(with(), `{`, `{"exp":1,`, 1)),
		payload("twice below", with("a", json.RawMessage(`{"b":1,"b":2}`))),
		payload("twice in a list", with("a", json.RawMessage(`[{"b":1,"b":2}]`))),
		payload("payload a list", `[`+with()+`]`),
		payload("payload a number", `1`),
		payload("payload empty", ``),
		payload("payload no JSON", `sub=anna`),
		payload("payload with more behind", with()+with()),
		payload("payload cut off", strings.TrimSuffix(with(), "}")),
		payload("payload with a comma too many", strings.TrimSuffix(with(), "}")+",}"),
		payload("payload not UTF-8", strings.Replace(with(), "anna", "ann\xff", 1)),
		payload("payload with a byte order mark", "\ufeff"+with()),
		payload("deep", with("a", json.RawMessage(deep(40)))),
		payload("very deep", deep(5000)),
	}
}

func wrongSignatures() []hostile {
	good := forge(rsHeader, with(), rs256(testRSA()))
	parts := strings.Split(good, ".")
	return []hostile{
		{"other key", forge(rsHeader, with(), rs256(otherRSA())), reasonSignature},
		{"other secret", forge(`{"alg":"HS256"}`, with(), hs256([]byte("another secret that is long enough"))), reasonSignature},
		{"other payload", parts[0] + "." + b64([]byte(with("sub", "admin"))) + "." + parts[2], reasonSignature},
		{"other header", b64([]byte(`{"alg":"RS256","kid":"r1"}`)) + "." + parts[1] + "." + parts[2], reasonSignature},
		{"signature cut off", parts[0] + "." + parts[1] + "." + parts[2][:340], reasonSignature},
		{"signature too long", parts[0] + "." + parts[1] + "." + parts[2] + "AAAA", reasonSignature},
		{"ES256 all zero", forge(`{"alg":"ES256","kid":"e1"}`, with(), func([]byte) []byte { return make([]byte, 64) }), reasonSignature},
		{"ES256 in ASN.1", forge(`{"alg":"ES256","kid":"e1"}`, with(), func(text []byte) []byte {
			return append([]byte{0x30, 0x44}, es256(testEC())(text)...)
		}), reasonSignature},
		{"EdDSA all zero", forge(`{"alg":"EdDSA","kid":"d1"}`, with(), func([]byte) []byte { return make([]byte, 64) }), reasonSignature},
	}
}
